//! What the catalog refuses. Its words where they are AWS's are AWS's; it knows no HTTP.

use lacewing_artifact::ArtifactError;
use lacewing_model::{FunctionArn, FunctionName};
use lacewing_objects::ObjectError;

/// Why the catalog did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// No such function, version or alias.
    #[error("Function not found: {arn}")]
    NotFound {
        /// What was looked for, with the qualifier as the caller wrote it.
        arn: FunctionArn,
    },
    /// The name is taken. Source: recorded AWS text.
    #[error("Function already exist: {name}")]
    AlreadyExists {
        /// The name.
        name: FunctionName,
    },
    /// The function is not in a state that allows this.
    #[error(
        "The operation cannot be performed at this time. The function is currently in the following state: {state}"
    )]
    NotReady {
        /// The function.
        arn: FunctionArn,
        /// `Pending`, `Failed` or `Inactive`.
        state: &'static str,
    },
    /// The former change is still being put in force.
    #[error("The operation cannot be performed at this time. An update is in progress for resource: {arn}")]
    UpdateInProgress {
        /// The function.
        arn: FunctionArn,
    },
    /// The caller's revision id is not the newest.
    #[error(
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to \
         retrieve the latest Revision Id"
    )]
    StaleRevision,
    /// The caller's revision id is not the policy's.
    #[error(
        "The Revision Id provided does not match the latest Revision Id. Call the {call} API to retrieve the latest \
         Revision Id"
    )]
    StalePolicy {
        /// The operation by which the right one can be had.
        call: &'static str,
    },
    /// A policy over its limit. Source: Lambda quotas.
    #[error("The final policy size is bigger than the limit (20480).")]
    PolicyTooLong,
    /// Something else is in the way; the text is for the caller.
    #[error("{0}")]
    Conflict(String),
    /// Something other than a function is not there; the text is for the caller.
    #[error("{0}")]
    Missing(String),
    /// An alias cannot lead to these versions together; the text is for the caller.
    #[error("{0}")]
    BadRouting(String),
    /// Concurrency that cannot be set aside; the text is for the caller.
    #[error("{0}")]
    BadConcurrency(String),
    /// A value that cannot be accepted; the text is for the caller.
    #[error("{0}")]
    Invalid(String),
    /// Code that a code signing configuration does not let in. Source: AWS's text, in reports of its users; the hint is
    /// ours.
    #[error(
        "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is \
         not configured to accept. Check the provided signature for {signed}. (This server cannot verify signatures of \
         AWS Signer, so that a code signing configuration that says Enforce lets no code in: let it say Warn, or take it \
         from the function.)"
    )]
    Unverified {
        /// The function or layer version.
        signed: String,
    },
    /// No such code signing configuration. Source: recorded AWS text.
    #[error(
        "The code signing configuration cannot be found. Check that the provided configuration is not deleted: {arn}."
    )]
    NoCodeSigning {
        /// As it was given.
        arn: String,
    },
    /// Code could not be fetched from where it is said to lie. The words are AWS's.
    #[error("Error occurred while GetObject. {}", worded(.0))]
    Fetch(ObjectError),
    /// The package was refused. Disk faults are [`CatalogError::Internal`] instead.
    #[error(transparent)]
    BadPackage(ArtifactError),
    /// The disk or the database failed. The text is for the log, not for the caller.
    #[error("{0}")]
    Internal(String),
}

fn worded(error: &ObjectError) -> String {
    match error {
        ObjectError::Refused { code, message } => format!("S3 Error Code: {code}. S3 Error Message: {message}"),
        other => other.to_string(),
    }
}

impl From<ArtifactError> for CatalogError {
    fn from(error: ArtifactError) -> Self {
        if error.is_senders_fault() { Self::BadPackage(error) } else { Self::Internal(error.to_string()) }
    }
}

impl From<lacewing_store::StoreError> for CatalogError {
    fn from(error: lacewing_store::StoreError) -> Self {
        Self::Internal(error.to_string())
    }
}
