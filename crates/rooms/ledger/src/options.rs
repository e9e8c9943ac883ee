//! What the ledger may keep and for how long.

use lacewing_model::{Clock, Limits};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// All the ledger is opened with.
#[derive(Clone)]
pub struct LedgerOptions {
    /// The data dir: `logs/` and `usage/` are made below it.
    pub dir: PathBuf,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// The platform's limits: line and tail sizes are taken from here.
    pub limits: Limits,
    /// Bounds of logs.
    pub logs: LogOptions,
    /// Bounds of usage files.
    pub usage: UsageOptions,
}

impl LedgerOptions {
    /// The defaults, below `dir`.
    #[must_use]
    pub fn new(dir: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { dir, clock, limits: Limits::default(), logs: LogOptions::default(), usage: UsageOptions::default() }
    }
}

/// Bounds of function logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Age at which events go; 30 days.
    pub retention: Duration,
    /// Disk for one group; its oldest segments go first. 64 MiB.
    pub group_bytes_max: u64,
    /// Disk for all groups together; the account that holds most gives its oldest segments first. 4 GiB.
    pub total_bytes_max: u64,
    /// One segment file; 4 MiB. Also what a query holds in memory at a time.
    pub segment_bytes_max: u64,
    /// How long a line may stay in memory only; 1 second.
    pub flush_every: Duration,
    /// Lines in memory that wake the writer early, per group; 256 KiB.
    pub group_buffer_bytes: usize,
    /// Lines in memory of all groups; what comes on top is dropped and counted. 16 MiB.
    pub buffer_bytes_max: usize,
    /// What a stream may write without end, bytes each second; 1 MiB.
    pub stream_bytes_per_second: u64,
    /// What a stream may write at once after a pause; 8 MiB.
    pub stream_burst_bytes: u64,
    /// Group handles kept in memory; idle ones go first. 4,096.
    pub open_groups_max: usize,
    /// What one FilterLogEvents call reads before it answers with a token; 16 MiB.
    pub scan_bytes_max: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(30 * 86_400),
            group_bytes_max: 64 << 20,
            total_bytes_max: 4 << 30,
            segment_bytes_max: 4 << 20,
            flush_every: Duration::from_secs(1),
            group_buffer_bytes: 256 << 10,
            buffer_bytes_max: 16 << 20,
            stream_bytes_per_second: 1 << 20,
            stream_burst_bytes: 8 << 20,
            open_groups_max: 4_096,
            scan_bytes_max: 16 << 20,
        }
    }
}

/// Bounds of usage files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageOptions {
    /// One file of records; 64 MiB, about 400,000 invocations.
    pub segment_bytes_max: u64,
    /// Records after which the open file's sums are written: what is read at start. 4 MiB.
    pub sums_every_bytes: u64,
    /// Function-hours summed in memory before a file is closed; 1,024.
    pub open_rows_max: usize,
    /// Request ids remembered against a second record; 4,096.
    pub recent_ids_max: usize,
    /// Disk for records; the oldest files go first, their hourly sums stay for good. 16 GiB.
    pub records_bytes_max: u64,
}

impl Default for UsageOptions {
    fn default() -> Self {
        Self {
            segment_bytes_max: 64 << 20,
            sums_every_bytes: 4 << 20,
            open_rows_max: 1_024,
            recent_ids_max: 4_096,
            records_bytes_max: 16 << 30,
        }
    }
}
