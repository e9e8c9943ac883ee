//! Why a request is refused, in AWS's words: clients match some of them.

/// A refusal. Its display is the message for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Neither an `Authorization` header nor a signed query.
    #[error("Missing Authentication Token")]
    MissingToken,
    /// Unknown key, or a session token that does not belong to it.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The function that these temporary credentials were made for has ended.
    #[error("The security token included in the request is expired")]
    TokenExpired,
    /// A part of the signature is missing or not of its form.
    #[error("{0}")]
    Incomplete(String),
    /// Wrong signature, wrong scope, or out of its time.
    #[error("{0}")]
    InvalidSignature(String),
    /// The caller is known and may not do this.
    #[error(
        "User: {user} is not authorized to perform: {action} on resource: {resource} because no identity-based policy \
         allows the {action} action"
    )]
    Denied {
        /// The caller's ARN.
        user: String,
        /// For example `lambda:InvokeFunction`.
        action: String,
        /// The resource's ARN.
        resource: String,
    },
}

impl AccessError {
    /// The plain mismatch: it tells nothing of what was expected.
    pub(crate) fn mismatch() -> Self {
        Self::InvalidSignature(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details."
                .to_owned(),
        )
    }
}
