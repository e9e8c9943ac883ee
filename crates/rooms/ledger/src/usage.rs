//! Usage records and their sums.

mod fold;
mod record;

pub use fold::{FunctionKey, FunctionUsage, Sums};
pub use record::{UsageOutcome, UsageRecord, billed_ms};

use crate::LedgerOptions;
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

pub(crate) struct Usage;
impl Usage {
    pub fn open(_: &LedgerOptions) -> Result<Self, UsageError> {
        Ok(Self)
    }
    pub fn record(&self, _: &UsageRecord) -> Result<(), UsageError> {
        Ok(())
    }
    pub fn sum(&self, _: &UsageQuery) -> Result<Vec<FunctionUsage>, UsageError> {
        Ok(Vec::new())
    }
}
