//! Why a request is refused, in AWS's words: clients match some of them.

use lacewing_policy::Reach;

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
    #[error("User: {user} is not authorized to perform: {action} on resource: {resource}{}", why.tail(action))]
    Denied {
        /// The caller's ARN.
        user: String,
        /// For example `lambda:InvokeFunction`.
        action: String,
        /// The resource's ARN.
        resource: String,
        /// Which policy is in the way, or missing.
        why: DenialReason,
    },
}

/// Which policy is in the way, or missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenialReason {
    /// None of the caller's own policies allows it.
    NoIdentityPolicy,
    /// Of another account: the resource's policy does not let the caller in.
    NoResourcePolicy,
    /// The permissions boundary does not allow it.
    OutOfBounds,
    /// The session's policy does not allow it.
    OutOfSession,
    /// One of the caller's own policies denies it.
    DeniedByIdentity,
    /// The resource's policy denies it.
    DeniedByResource,
    /// The permissions boundary denies it.
    DeniedByBoundary,
    /// The session's policy denies it.
    DeniedBySession,
    /// The user or the role is gone; its keys or sessions outlived it.
    Gone,
    /// Not for the caller to know.
    Untold,
}

impl DenialReason {
    /// True where something denies; false where nothing allows.
    pub(crate) fn is_explicit(self) -> bool {
        matches!(
            self,
            Self::DeniedByIdentity
                | Self::DeniedByResource
                | Self::DeniedByBoundary
                | Self::DeniedBySession
                | Self::Gone
        )
    }

    /// True where a resource's policy that reaches so far makes good for it.
    pub(crate) fn yields_to(self, reach: Reach) -> bool {
        match self {
            Self::NoIdentityPolicy => reach >= Reach::Role,
            Self::OutOfBounds | Self::OutOfSession => reach == Reach::Caller,
            _ => false,
        }
    }

    /// The end of AWS's sentence. Source: IAM User Guide, "Troubleshoot access denied error messages".
    fn tail(self, action: &str) -> String {
        let kind = match self {
            Self::NoIdentityPolicy => "identity-based policy",
            Self::NoResourcePolicy => "resource-based policy",
            Self::OutOfBounds => "permissions boundary",
            Self::OutOfSession => "session policy",
            Self::DeniedByIdentity => "an identity-based policy",
            Self::DeniedByResource => "a resource-based policy",
            Self::DeniedByBoundary => "a permissions boundary",
            Self::DeniedBySession => "a session policy",
            Self::Gone => return " because the user or role is gone".to_owned(),
            Self::Untold => return String::new(),
        };
        if self.is_explicit() {
            return format!(" with an explicit deny in {kind}");
        }
        format!(" because no {kind} allows the {action} action")
    }
}

impl AccessError {
    /// True where a policy denies; false where nothing allows, and for everything else.
    #[must_use]
    pub fn is_explicit_denial(&self) -> bool {
        matches!(self, Self::Denied { why, .. } if why.is_explicit())
    }

    /// The plain mismatch: it tells nothing of what was expected.
    pub(crate) fn mismatch() -> Self {
        Self::InvalidSignature(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details."
                .to_owned(),
        )
    }
}
