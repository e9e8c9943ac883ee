//! Room errors in AWS's shapes: one `match` per room, without `_`, so that a new error cannot go unshaped.

use crate::aim::BodyLimit;
use crate::body::BodyFault;
use lacewing_access::{AccessError, AssumeError, IdentityError};
use lacewing_catalog::{ArtifactError, CatalogError, ImageFault};
use lacewing_events::EventsError;
use lacewing_invoke::InvokeError;
use lacewing_lambda_api::{ApiError, ErrorCode, ReferenceError};
use lacewing_ledger::{CardError, LogsError, UsageError};
use lacewing_model::RequestId;
use lacewing_sandbox::StartError;

/// What the caller is told of a fault of ours; the log has the rest under the request's id.
const INTERNAL: &str =
    "An error occurred and the request cannot be processed. Look for its request id in the server's log.";

pub(crate) fn access(error: AccessError) -> ApiError {
    let code = match &error {
        AccessError::MissingToken => ErrorCode::MissingAuthenticationToken,
        AccessError::UnknownKey => ErrorCode::UnrecognizedClient,
        AccessError::TokenExpired => ErrorCode::ExpiredToken,
        AccessError::Incomplete(_) => ErrorCode::IncompleteSignature,
        AccessError::InvalidSignature(_) => ErrorCode::InvalidSignature,
        AccessError::Denied { .. } => ErrorCode::AccessDenied,
    };
    ApiError::new(code, error.to_string())
}

pub(crate) fn identity(error: &IdentityError) -> ApiError {
    let code = match error {
        IdentityError::NotFound(_) => ErrorCode::NoSuchEntity,
        IdentityError::Exists(_) => ErrorCode::EntityAlreadyExists,
        IdentityError::InUse(_) => ErrorCode::DeleteConflict,
        IdentityError::Limit(_) => ErrorCode::LimitExceeded,
        IdentityError::Malformed(_) => ErrorCode::MalformedPolicyDocument,
        IdentityError::Invalid(_) => ErrorCode::Validation,
        IdentityError::PackedTooLarge(_) => ErrorCode::PackedPolicyTooLarge,
        IdentityError::Store(error) => return internal(&error.to_string()),
    };
    ApiError::new(code, error.to_string())
}

pub(crate) fn assume(error: AssumeError) -> ApiError {
    match error {
        AssumeError::Denied(error) => access(error),
        AssumeError::Invalid(error) => identity(&error),
    }
}

pub(crate) fn catalog(error: CatalogError) -> ApiError {
    let code = match &error {
        CatalogError::NotFound { .. } | CatalogError::Missing(_) => ErrorCode::ResourceNotFound,
        CatalogError::AlreadyExists { .. }
        | CatalogError::NotReady { .. }
        | CatalogError::UpdateInProgress { .. }
        | CatalogError::Conflict(_) => ErrorCode::ResourceConflict,
        CatalogError::StaleRevision => ErrorCode::PreconditionFailed,
        CatalogError::StalePolicy { .. } => ErrorCode::PreconditionFailed,
        CatalogError::PolicyTooLong => ErrorCode::PolicyLengthExceeded,
        CatalogError::Invalid(_) => ErrorCode::InvalidParameterValue,
        CatalogError::BadRouting(_) | CatalogError::BadConcurrency(_) => ErrorCode::BareInvalidParameterValue,
        CatalogError::Fetch(_) => ErrorCode::InvalidParameterValue,
        CatalogError::Unverified { .. } => ErrorCode::CodeVerificationFailed,
        CatalogError::NoCodeSigning { .. } => ErrorCode::CodeSigningConfigNotFound,
        CatalogError::BadPackage(package) => return bad_package(package),
        CatalogError::Internal(detail) => return internal(detail),
    };
    ApiError::new(code, error.to_string())
}

fn bad_package(error: &ArtifactError) -> ApiError {
    let code = match error {
        ArtifactError::ZipTooLarge { .. } => ErrorCode::RequestTooLarge,
        ArtifactError::NotAZip { .. }
        | ArtifactError::Empty
        | ArtifactError::UnzippedTooLarge { .. }
        | ArtifactError::TooManyEntries { .. }
        | ArtifactError::DuplicateEntry
        | ArtifactError::BadEntry { .. }
        | ArtifactError::Image { fault: ImageFault::Image, .. } => ErrorCode::InvalidParameterValue,
        ArtifactError::Damaged { .. }
        | ArtifactError::Disk { .. }
        | ArtifactError::NotFetched { .. }
        | ArtifactError::OtherNow { .. }
        | ArtifactError::Image { .. } => {
            return internal(&error.to_string());
        }
    };
    ApiError::new(code, error.to_string())
}

pub(crate) fn invoke(error: InvokeError) -> ApiError {
    let text = error.to_string();
    match error {
        InvokeError::Catalog(error) => catalog(error),
        InvokeError::PayloadTooLarge { .. } => ApiError::new(ErrorCode::RequestTooLarge, text),
        InvokeError::NotJson(_) => ApiError::new(ErrorCode::InvalidRequestContent, text),
        InvokeError::TenantMissing | InvokeError::TenantUnexpected => {
            ApiError::new(ErrorCode::InvalidParameterValue, text)
        }
        InvokeError::Recursive => ApiError::new(ErrorCode::RecursiveInvocation, text),
        InvokeError::Throttled { reason, retry_after } => ApiError::throttled(reason.as_str(), retry_after.as_secs()),
        InvokeError::Stopping => ApiError::new(ErrorCode::ServiceUnavailable, text),
        InvokeError::Start(error) => match error {
            StartError::RuntimeUnavailable(_) | StartError::InvalidEntrypoint(_) => {
                ApiError::new(ErrorCode::InvalidRuntime, text)
            }
            StartError::NoRoom(_) => ApiError::throttled("ConcurrentInvocationLimitExceeded", 1),
            StartError::Broken(_) => internal(&text),
        },
        InvokeError::Internal(detail) => internal(&detail),
    }
}

pub(crate) fn events(error: EventsError) -> ApiError {
    match error {
        EventsError::Refused(error) => invoke(error),
        EventsError::Full => ApiError::throttled("ConcurrentInvocationLimitExceeded", 1),
        EventsError::Internal(detail) => internal(&detail),
    }
}

pub(crate) fn logs(error: LogsError) -> ApiError {
    let text = error.to_string();
    match error {
        LogsError::GroupNotFound | LogsError::StreamNotFound => ApiError::new(ErrorCode::ResourceNotFound, text),
        LogsError::GroupExists => ApiError::new(ErrorCode::ResourceAlreadyExists, text),
        LogsError::TooMany(_) => ApiError::new(ErrorCode::LogsLimitExceeded, text),
        LogsError::Invalid(_) => ApiError::new(ErrorCode::InvalidParameter, text),
        LogsError::Storage(_) => internal(&text),
    }
}

pub(crate) fn usage(error: &UsageError) -> ApiError {
    match error {
        UsageError::Disk { .. } | UsageError::Damaged { .. } => internal(&error.to_string()),
    }
}

pub(crate) fn card(error: &CardError) -> ApiError {
    ApiError::new(ErrorCode::InvalidParameterValue, error.to_string())
}

pub(crate) fn body(fault: BodyFault, limit: BodyLimit) -> ApiError {
    match fault {
        BodyFault::TooLarge(bytes) => ApiError::new(ErrorCode::RequestTooLarge, limit.text(bytes)),
        BodyFault::Lost => ApiError::new(
            ErrorCode::InvalidRequestContent,
            "The request's body broke off or took too long. Send it again.",
        ),
        BodyFault::Crowded => ApiError::throttled("CallerRateLimitExceeded", 1),
    }
}

/// A reference to a function that leads nowhere from here.
pub(crate) fn reference(error: ReferenceError, here: &str) -> ApiError {
    match error {
        ReferenceError::OtherRegion(other) => ApiError::new(
            ErrorCode::ResourceNotFound,
            format!("Functions from '{other}' are not reachable in this region ('{here}')"),
        ),
        ReferenceError::ForeignAccount(_) => ApiError::new(ErrorCode::AccessDenied, "The account is not yours."),
        ReferenceError::QualifierMismatch => ApiError::new(
            ErrorCode::InvalidParameterValue,
            "The derived qualifier from the function name does not match the specified qualifier.",
        ),
    }
}

pub(crate) fn internal(detail: &str) -> ApiError {
    let id = RequestId::random().to_string();
    tracing::error!(request_id = id, detail, "a request failed inside");
    ApiError { request_id: Some(id), ..ApiError::new(ErrorCode::Service, INTERNAL) }
}
