//! How asynchronous events are retried, and where they end.

use lacewing_model::Timestamp;
use serde::{Deserialize, Serialize};

/// The event invoke configuration of a function, a version or an alias.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventInvoke {
    /// Retries after the first attempt: 0 to 2.
    pub retries_max: Option<u32>,
    /// The oldest that an event may be when it is run, seconds: 60 to 21,600.
    pub age_seconds_max: Option<u32>,
    /// Where the result of a success goes: an ARN.
    pub on_success: Option<String>,
    /// Where an event goes that failed for good: an ARN.
    pub on_failure: Option<String>,
    /// When it was last changed, milliseconds since the epoch.
    pub modified_ms: u64,
}

impl EventInvoke {
    /// When it was last changed.
    #[must_use]
    pub fn modified(&self) -> Timestamp {
        Timestamp(self.modified_ms)
    }
}
