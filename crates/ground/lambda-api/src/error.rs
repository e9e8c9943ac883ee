//! Errors as AWS writes them: name, status, and a body whose fields differ from shape to shape.

use crate::Xml;
use serde_json::{Map, Value};

/// Whose fault an error is: the `Type` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller's.
    User,
    /// The platform's.
    Service,
}

/// The protocols served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Lambda's: the error's name stands in a header, the status differs.
    RestJson,
    /// CloudWatch Logs': the error's name stands in the body, the status is 400 or 500.
    AwsJson,
    /// IAM's and STS's: a form is sent, XML comes back, and errors have names of their own.
    Query,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal $status:literal $fault:ident $field:literal,)*) => {
        /// The errors that this server gives.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $code,)*
        }

        impl ErrorCode {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// The exception's name on the wire.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)*
                }
            }

            /// The status of the reply.
            #[must_use]
            pub fn status(self) -> u16 {
                match self {
                    $(Self::$code => $status,)*
                }
            }

            fn fault(self) -> Option<Fault> {
                match self {
                    $(Self::$code => codes!(@$fault),)*
                }
            }

            /// AWS spells the field `message` or `Message`, shape by shape.
            fn message_field(self) -> &'static str {
                match self {
                    $(Self::$code => $field,)*
                }
            }
        }
    };
    (@User) => { Some(Fault::User) };
    (@Service) => { Some(Fault::Service) };
    (@None) => { None };
}

codes! {
    /// A name, version, alias, group or stream that is not there.
    ResourceNotFound = "ResourceNotFoundException" 404 User "Message",
    /// No provisioned concurrency was asked for.
    ProvisionedConcurrencyConfigNotFound = "ProvisionedConcurrencyConfigNotFoundException" 404 User "message",
    /// The same where AWS leaves `Type` out: code signing configurations.
    BareResourceNotFound = "ResourceNotFoundException" 404 None "Message",
    /// A code signing configuration that is not there.
    CodeSigningConfigNotFound = "CodeSigningConfigNotFoundException" 404 User "Message",
    /// Code that the function's code signing configuration does not let in.
    CodeVerificationFailed = "CodeVerificationFailedException" 400 User "Message",
    /// The resource's state or another change is in the way.
    ResourceConflict = "ResourceConflictException" 409 User "message",
    /// A value that the service refuses.
    InvalidParameterValue = "InvalidParameterValueException" 400 User "message",
    /// The same where AWS leaves `Type` out: routing of aliases, limits of concurrency.
    BareInvalidParameterValue = "InvalidParameterValueException" 400 None "message",
    /// A value that the model refuses.
    Validation = "ValidationException" 400 None "message",
    /// A body that is no JSON.
    InvalidRequestContent = "InvalidRequestContentException" 400 User "message",
    /// A body whose JSON is of another type than the model's.
    Serialization = "SerializationException" 400 None "message",
    /// A body over its limit.
    RequestTooLarge = "RequestEntityTooLargeException" 413 None "message",
    /// A body that is not JSON by its own account.
    UnsupportedMediaType = "UnsupportedMediaTypeException" 415 User "message",
    /// More calls than may be in flight.
    TooManyRequests = "TooManyRequestsException" 429 User "message",
    /// A call in a chain of calls that goes in circles.
    RecursiveInvocation = "RecursiveInvocationException" 400 User "Message",
    /// A revision id that is not the newest.
    PreconditionFailed = "PreconditionFailedException" 412 User "message",
    /// A policy over its limit.
    PolicyLengthExceeded = "PolicyLengthExceededException" 400 User "message",
    /// Nothing here runs the function's runtime.
    InvalidRuntime = "InvalidRuntimeException" 502 User "Message",
    /// The platform failed.
    Service = "ServiceException" 500 Service "Message",
    /// The server is stopping, or has no room.
    ServiceUnavailable = "ServiceUnavailableException" 503 Service "message",
    /// An operation or a feature that this release does not have.
    NotImplemented = "NotImplementedException" 501 Service "message",
    /// Known, and not allowed; or nothing that could be asked.
    AccessDenied = "AccessDeniedException" 403 None "Message",
    /// No signature.
    MissingAuthenticationToken = "MissingAuthenticationTokenException" 403 None "message",
    /// Unknown key.
    UnrecognizedClient = "UnrecognizedClientException" 403 None "message",
    /// Wrong signature.
    InvalidSignature = "InvalidSignatureException" 403 None "message",
    /// Half a signature.
    IncompleteSignature = "IncompleteSignatureException" 403 None "message",
    /// Temporary credentials that have ended.
    ExpiredToken = "ExpiredTokenException" 403 None "message",
    /// CloudWatch Logs: a parameter that is refused.
    InvalidParameter = "InvalidParameterException" 400 None "message",
    /// CloudWatch Logs: no such operation.
    UnknownOperation = "UnknownOperationException" 400 None "message",
    /// CloudWatch Logs: the name is taken.
    ResourceAlreadyExists = "ResourceAlreadyExistsException" 400 None "message",
    /// CloudWatch Logs: more than there may be.
    LogsLimitExceeded = "LimitExceededException" 400 None "message",
    /// IAM: no such user, role, policy or key.
    NoSuchEntity = "NoSuchEntity" 404 None "message",
    /// IAM: the name is taken.
    EntityAlreadyExists = "EntityAlreadyExists" 409 None "message",
    /// IAM: something hangs on it.
    DeleteConflict = "DeleteConflict" 409 None "message",
    /// IAM: more than there may be.
    LimitExceeded = "LimitExceeded" 409 None "message",
    /// IAM: a document that is no policy.
    MalformedPolicyDocument = "MalformedPolicyDocument" 400 None "message",
    /// STS: a session that its token cannot hold.
    PackedPolicyTooLarge = "PackedPolicyTooLarge" 400 None "message",
    /// IAM and STS: no such operation.
    InvalidAction = "InvalidAction" 400 None "message",
}

/// One error, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// What it is.
    pub code: ErrorCode,
    /// For the caller.
    pub message: String,
    /// `Reason`, of throttles.
    pub reason: Option<&'static str>,
    /// `Retry-After` in seconds.
    pub retry_after_seconds: Option<u64>,
    /// The request's id, where something was logged under it.
    pub request_id: Option<String>,
}

impl ErrorCode {
    /// The name in the query protocol. Source: IAM API reference, "Common errors".
    fn query_name(self) -> &'static str {
        match self {
            Self::UnrecognizedClient => "InvalidClientTokenId",
            Self::InvalidSignature => "SignatureDoesNotMatch",
            Self::Validation | Self::InvalidParameterValue => "ValidationError",
            Self::TooManyRequests => "Throttling",
            Self::Service => "ServiceFailure",
            other => other.name().strip_suffix("Exception").unwrap_or(other.name()),
        }
    }
}

impl ApiError {
    /// An error with a message.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), reason: None, retry_after_seconds: None, request_id: None }
    }

    /// A throttle. Its words and its `Reason` are AWS's.
    #[must_use]
    pub fn throttled(reason: &'static str, retry_after_seconds: u64) -> Self {
        Self {
            reason: Some(reason),
            retry_after_seconds: Some(retry_after_seconds.max(1)),
            ..Self::new(ErrorCode::TooManyRequests, "Rate Exceeded.")
        }
    }

    /// The answer to an operation (`lambda:X`) or a feature of one that does not exist yet.
    #[must_use]
    pub fn not_implemented(what: &str, hint: &str) -> Self {
        Self::new(ErrorCode::NotImplemented, format!("Lacewing does not implement {what} yet. {hint}"))
    }

    /// The status of the reply.
    #[must_use]
    pub fn status(&self, protocol: Protocol) -> u16 {
        match (protocol, self.code.status()) {
            (Protocol::AwsJson, 400..500) => 400,
            (Protocol::Query, 429) => 400,
            (_, status) => status,
        }
    }

    /// The body of the reply.
    #[must_use]
    pub fn body(&self, protocol: Protocol) -> String {
        let mut fields = Map::new();
        let mut set = |key: &str, value: &str| fields.insert(key.to_owned(), Value::from(value));
        match protocol {
            Protocol::Query => return self.xml(),
            Protocol::AwsJson => {
                set("__type", self.code.name());
                set("message", &self.message);
            }
            Protocol::RestJson => {
                if let Some(fault) = self.code.fault() {
                    set("Type", if fault == Fault::User { "User" } else { "Service" });
                }
                set(self.code.message_field(), &self.message);
            }
        }
        if let Some(reason) = self.reason {
            set("Reason", reason);
        }
        Value::Object(fields).to_string()
    }

    fn xml(&self) -> String {
        let fault = if self.code.status() < 500 { "Sender" } else { "Receiver" };
        let error = Xml::new().text("Type", fault).text("Code", self.code.query_name()).text("Message", &self.message);
        let id = self.request_id.as_deref();
        Xml::new().element("Error", error).maybe("RequestId", id).document("ErrorResponse", None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_the_shape_of_the_model() {
        let mut all = String::new();
        for code in ErrorCode::ALL {
            let error = ApiError::new(*code, "m");
            all +=
                &format!("{} {} {}\n", error.status(Protocol::RestJson), code.name(), error.body(Protocol::RestJson));
        }
        insta::assert_snapshot!(all);
    }

    #[test]
    fn a_throttle_tells_its_reason() {
        let error = ApiError::throttled("ConcurrentInvocationLimitExceeded", 0);
        assert_eq!(error.retry_after_seconds, Some(1));
        insta::assert_snapshot!(error.body(Protocol::RestJson), @r#"{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}"#);
    }

    #[test]
    fn the_query_protocol_has_names_of_its_own() {
        let shown = |code| ApiError::new(code, "a < b").body(Protocol::Query);
        insta::assert_snapshot!(shown(ErrorCode::NoSuchEntity), @"<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>a &lt; b</Message></Error></ErrorResponse>");
        insta::assert_snapshot!(shown(ErrorCode::Service), @"<ErrorResponse><Error><Type>Receiver</Type><Code>ServiceFailure</Code><Message>a &lt; b</Message></Error></ErrorResponse>");
        for (code, name) in [
            (ErrorCode::AccessDenied, "AccessDenied"),
            (ErrorCode::UnrecognizedClient, "InvalidClientTokenId"),
            (ErrorCode::InvalidSignature, "SignatureDoesNotMatch"),
            (ErrorCode::ExpiredToken, "ExpiredToken"),
            (ErrorCode::Validation, "ValidationError"),
        ] {
            assert_eq!(code.query_name(), name);
        }
    }

    #[test]
    fn the_logs_protocol_names_the_error_in_the_body() {
        let error = ApiError::new(ErrorCode::ResourceNotFound, "The specified log group does not exist.");
        assert_eq!(error.status(Protocol::AwsJson), 400);
        insta::assert_snapshot!(error.body(Protocol::AwsJson), @r#"{"__type":"ResourceNotFoundException","message":"The specified log group does not exist."}"#);
    }
}
