//! Why an identity cannot be had or changed, in IAM's words.

use lacewing_policy::Malformed;
use lacewing_store::StoreError;

/// A refusal. Its display is the message for the caller.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No such user, role, policy or key.
    #[error("{0}")]
    NotFound(String),
    /// The name is taken.
    #[error("{0}")]
    Exists(String),
    /// Something hangs on it still.
    #[error("{0}")]
    InUse(String),
    /// More than an account, or an identity, may have.
    #[error("{0}")]
    Limit(String),
    /// A document that is no policy.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// A value that is not of its form.
    #[error("{0}")]
    Invalid(String),
    /// A session that its token cannot hold.
    #[error("{0}")]
    PackedTooLarge(String),
    /// The store failed.
    #[error("{0}")]
    Store(#[from] StoreError),
}
