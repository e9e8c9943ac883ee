//! Why a call was not run. A function that fails is an answer, not an error.

use lacewing_catalog::CatalogError;
use lacewing_pool::{PoolError, Refusal};
use lacewing_sandbox::StartError;
use std::time::Duration;

/// Why a call was not run, or could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// No such function, or one that is not ready.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The event is too large.
    #[error("{bytes} byte payload is too large for the {kind} invocation type (limit {max} bytes)")]
    PayloadTooLarge {
        /// Its size.
        bytes: u64,
        /// What may come.
        max: u64,
        /// The invocation type's name.
        kind: &'static str,
    },
    /// The event is not JSON; the text says where.
    #[error("Could not parse request body into json: Could not parse payload into json: {0}")]
    NotJson(String),
    /// The function isolates its tenants, and the call names none. Source: AWS's text.
    #[error(
        "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try again."
    )]
    TenantMissing,
    /// The call names a tenant, and the function has none. Source: AWS's text, as SAM CLI has it.
    #[error(
        "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again."
    )]
    TenantUnexpected,
    /// The function is in the chain of calls too often already. Source: Lambda API, "RecursiveInvocationException".
    #[error(
        "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources and \
         stopped your function's invocation."
    )]
    Recursive,
    /// Too many calls.
    #[error("Rate Exceeded.")]
    Throttled {
        /// Which limit.
        reason: ThrottleReason,
        /// When to try again.
        retry_after: Duration,
    },
    /// The node is stopping.
    #[error("the node is stopping; send the call again, to another node or in a moment")]
    Stopping,
    /// No sandbox could be started.
    #[error(transparent)]
    Start(StartError),
    /// Something here broke; the text is for the log.
    #[error("{0}")]
    Internal(String),
}

impl InvokeError {
    /// Its word in metrics.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Catalog(_) => "no_function",
            Self::PayloadTooLarge { .. } => "payload_too_large",
            Self::NotJson(_) => "not_json",
            Self::TenantMissing | Self::TenantUnexpected => "tenant",
            Self::Recursive => "recursive",
            Self::Throttled { .. } => "throttled",
            Self::Stopping => "stopping",
            Self::Start(_) => "start",
            Self::Internal(_) => "internal",
        }
    }
}

/// Which limit a throttled call met. The names are AWS's `Reason`s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ThrottleReason {
    /// The account has as many calls in flight as it may, or the machine is full.
    ConcurrentInvocationLimitExceeded,
    /// The function's reserved concurrency is used up.
    ReservedFunctionConcurrentInvocationLimitExceeded,
    /// More requests a second than the account's unreserved concurrency allows.
    FunctionInvocationRateLimitExceeded,
    /// More requests a second than the function's reserved concurrency allows.
    ReservedFunctionInvocationRateLimitExceeded,
}

impl ThrottleReason {
    /// AWS's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConcurrentInvocationLimitExceeded => "ConcurrentInvocationLimitExceeded",
            Self::ReservedFunctionConcurrentInvocationLimitExceeded => {
                "ReservedFunctionConcurrentInvocationLimitExceeded"
            }
            Self::FunctionInvocationRateLimitExceeded => "FunctionInvocationRateLimitExceeded",
            Self::ReservedFunctionInvocationRateLimitExceeded => "ReservedFunctionInvocationRateLimitExceeded",
        }
    }
}

/// When a throttled caller is told to come back.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

impl From<PoolError> for InvokeError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Refused(Refusal::Stopping) | PoolError::Stopping => Self::Stopping,
            // AWS has one reason for all that keeps a function from gaining sandboxes; the pool's records tell them apart.
            PoolError::Refused(Refusal::NoRoom | Refusal::QueueFull | Refusal::TooLong | Refusal::ScalingRate)
            | PoolError::Start(StartError::NoRoom(_)) => {
                Self::Throttled { reason: ThrottleReason::ConcurrentInvocationLimitExceeded, retry_after: RETRY_AFTER }
            }
            PoolError::Start(error) => Self::Start(error),
        }
    }
}
