//! Usage records and their sums.
//!
//! ```text
//! record ─► usage/N.records (open)  ─ full ─►  N.records (closed) + N.sums, and N+1.records is opened
//! query  ◄─ every N.sums + the open file's sums in memory; records only for hours cut by the query's ends
//! start  ◄─ the newest N.sums, which is written every now and then, and the records behind what it covers
//! ```
//!
//! The records are the truth and the sums a shortcut: a missing or unsound `.sums` is made again.

mod books;
mod file;
mod fold;
mod hours;
mod recent;
mod record;
#[cfg(test)]
mod tests;

pub use fold::{FunctionKey, FunctionUsage, Sums};
pub use record::{TenantUse, UsageOutcome, UsageRecord, billed_ms};

pub(crate) use books::Usage;
pub(crate) use fold::{HOUR_MS, Hour};

use lacewing_model::{AccountId, FunctionName, Region, Timestamp};
use std::path::PathBuf;

/// Which usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageQuery {
    /// Who pays.
    pub account: AccountId,
    /// One region, or all.
    pub region: Option<Region>,
    /// One function, or all.
    pub function: Option<FunctionName>,
    /// Records that ended at this time or later ...
    pub from: Timestamp,
    /// ... and before this one.
    pub to: Timestamp,
}

impl UsageQuery {
    fn wants(&self, key: &FunctionKey) -> bool {
        key.account == self.account
            && self.region.as_ref().is_none_or(|region| key.region == *region)
            && self.function.as_ref().is_none_or(|function| key.function == *function)
    }

    /// True when the whole hour lies in the range.
    fn covers(&self, hour: Hour) -> bool {
        let start = hour.saturating_mul(HOUR_MS);
        self.from.0 <= start && start.saturating_add(HOUR_MS) <= self.to.0
    }

    /// True when a part of the hour lies in the range.
    fn touches(&self, hour: Hour) -> bool {
        let start = hour.saturating_mul(HOUR_MS);
        self.from.0 < start.saturating_add(HOUR_MS) && start < self.to.0
    }
}

/// Usage files do not do as they should.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The disk refused.
    #[error("usage file {path}: {source}; check the data dir's permissions and free space")]
    Disk {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file that was complete is not as it was written.
    #[error("usage file {path} is damaged at byte {offset}; restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it stops making sense.
        offset: u64,
    },
}
