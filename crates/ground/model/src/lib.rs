//! The shared vocabulary: ids, names, sizes, states, and what a function version is.
//!
//! Ground knows no I/O, no async and no wire format. A value here was checked when it was made, so no
//! room checks it again.

mod alias;
mod clock;
mod definition;
mod ids;
mod image;
mod lifecycle;
mod limits;
mod names;
mod object;
mod runtime;
mod sizes;
mod web;

pub use alias::{Alias, AliasName, Provisioned, Routing};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use definition::{
    Architecture, Egress, FileSystem, FunctionConfig, LayerUse, LogFormat, LogLevel, LoggingConfig, SnapStart, Tenancy,
    TracingMode, Version, VersionNumber, VpcConfig,
};
pub use ids::{AccountId, CodeSha256, Region, RequestId, RevisionId, SandboxId};
pub use image::{ImageCode, ImageSettings};
pub use lifecycle::{Denied, FailReason, Lifecycle, LifecycleEvent, UpdateStatus};
pub use limits::Limits;
pub use names::{FunctionArn, FunctionName, Handler, LayerName, Qualifier, RoleArn, TenantId};
pub use object::ObjectCode;
pub use runtime::{Language, Runtime, UnknownRuntime};
pub use sizes::{Concurrency, EphemeralMib, MemoryMib, Timeout};
pub use web::{WEB_COMMAND, WEB_CONCURRENCY, WEB_PORT, WebSettings};

/// A value from outside that is not of its type's form. The gateway words the answer; this names the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {rule}, got '{got}'")]
pub struct Invalid {
    /// What the value is, for example `function name`.
    pub what: &'static str,
    /// The rule it breaks, in words.
    pub rule: &'static str,
    /// The value, cut to 256 characters.
    pub got: String,
}

impl Invalid {
    pub(crate) fn new(what: &'static str, rule: &'static str, got: &str) -> Self {
        Self { what, rule, got: got.chars().take(256).collect() }
    }
}
