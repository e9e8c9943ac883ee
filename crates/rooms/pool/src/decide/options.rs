//! What bounds and steers the pool.

use super::keep::KeepAlive;
use std::time::Duration;

/// What bounds and steers the pool.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolOptions {
    /// Memory for all sandboxes together, by what their functions were given, MiB.
    pub memory_mib: u64,
    /// Sandboxes alive at once: each takes descriptors of the server.
    pub sandboxes_max: usize,
    /// Starts under way at once, over all versions; at least 1.
    pub starts_at_once: usize,
    /// How long idle sandboxes are kept, and which leave first.
    pub keep_alive: KeepAlive,
    /// How long a sandbox idles before its processes are stopped; `None`: never.
    pub freeze_after: Option<Duration>,
    /// New sandboxes per version and time; `None`: as fast as the machine starts them.
    pub scaling_rate: Option<Rate>,
    /// How many calls may wait, and how long.
    pub waiting: WaitingLimits,
    /// How many sandboxes are kept prepared.
    pub stock: StockOptions,
    /// The machine's free memory, MiB, below which idle sandboxes are given up; below a quarter of it nothing new starts.
    pub memory_low_mib: u64,
    /// How many records are kept.
    pub history: HistoryLimits,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            memory_mib: 1_024,
            sandboxes_max: 1_000,
            starts_at_once: 8,
            keep_alive: KeepAlive::Fixed(Duration::from_secs(600)),
            freeze_after: Some(Duration::from_secs(2)),
            scaling_rate: Some(Rate::AWS),
            waiting: WaitingLimits::default(),
            stock: StockOptions::default(),
            memory_low_mib: 64,
            history: HistoryLimits::default(),
        }
    }
}

/// So many at once, then so many a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once, after a time without any; at least 1.
    pub burst: u32,
    /// Gained back each second; at least 1.
    pub per_second: u32,
}

impl Rate {
    /// 1,000 every 10 seconds, gained back continuously. Source: Lambda documentation, "Concurrency scaling rate".
    pub const AWS: Self = Self { burst: 1_000, per_second: 100 };
}

/// How many calls may wait for a sandbox, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingLimits {
    /// Of one version.
    pub of_a_version: usize,
    /// Over all versions.
    pub in_all: usize,
    /// How long a call may wait for room or for a running sandbox. One that would wait longer is refused when it
    /// comes. The time of a start that was begun for it does not count.
    pub longest: Duration,
}

impl Default for WaitingLimits {
    fn default() -> Self {
        Self { of_a_version: 1_000, in_all: 10_000, longest: Duration::from_secs(10) }
    }
}

/// How many sandboxes are kept prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StockOptions {
    /// Of each kind that is deployed or was used lately.
    pub least: usize,
    /// Of each kind after bursts; 0 keeps none at all.
    pub most: usize,
    /// How long a kind counts as used lately.
    pub disuse: Duration,
}

impl StockOptions {
    /// None is kept prepared.
    pub const NONE: Self = Self { least: 0, most: 0, disuse: Duration::ZERO };
}

impl Default for StockOptions {
    fn default() -> Self {
        Self { least: 2, most: 16, disuse: Duration::from_secs(3_600) }
    }
}

/// How many records are kept; those older than an hour go in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Over all versions.
    pub in_all: usize,
    /// Of one version, so that a busy one hides no other.
    pub of_a_version: usize,
    /// Versions with records of their own.
    pub versions: usize,
}

impl HistoryLimits {
    /// None is kept.
    pub const NONE: Self = Self { in_all: 0, of_a_version: 0, versions: 0 };
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self { in_all: 16_384, of_a_version: 256, versions: 4_096 }
    }
}
