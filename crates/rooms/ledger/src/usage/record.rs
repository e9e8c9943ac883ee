//! One finished invocation, as it is kept.

use lacewing_model::{
    AccountId, Architecture, EphemeralMib, FunctionName, MemoryMib, Region, RequestId, Timestamp, VersionNumber,
};
use lacewing_sandbox::{PhaseTimes, Rung};
use std::time::Duration;

/// How an invocation ended, for the books. All cost the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UsageOutcome {
    /// It answered.
    Success,
    /// The handler reported an error.
    FunctionError,
    /// It ran into its timeout.
    Timeout,
    /// Its process ended.
    Crash,
    /// It needed more memory than it had.
    OutOfMemory,
}

/// One finished attempt of an invocation.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageRecord {
    /// Who pays.
    pub account: AccountId,
    /// Where the function lives.
    pub region: Region,
    /// The function.
    pub function: FunctionName,
    /// The version that ran.
    pub version: VersionNumber,
    /// The invocation.
    pub request_id: RequestId,
    /// 1 for the first attempt; retries of an asynchronous event count up.
    pub attempt: u32,
    /// How its sandbox came about.
    pub rung: Rung,
    /// INIT that this invocation is billed for.
    pub init: Option<Duration>,
    /// From handing the event over until the runtime was done or stopped.
    pub duration: Duration,
    /// [`billed_ms`] of the two.
    pub billed_ms: u64,
    /// Configured memory.
    pub memory: MemoryMib,
    /// Configured `/tmp`.
    pub ephemeral: EphemeralMib,
    /// The processor it ran on.
    pub architecture: Architecture,
    /// Most memory that the sandbox held.
    pub memory_peak_bytes: u64,
    /// Processor time used.
    pub cpu: Duration,
    /// The event's size.
    pub bytes_in: u64,
    /// The answer's size.
    pub bytes_out: u64,
    /// Bytes of a streamed answer beyond its first 6 MiB; 0 for buffered ones.
    pub streamed_bytes: u64,
    /// How it ended.
    pub outcome: UsageOutcome,
    /// The times of its phases.
    pub phases: PhaseTimes,
    /// When it ended: the hour it is billed in.
    pub ended: Timestamp,
}

/// Milliseconds that are billed: INIT and run together, rounded up once.
/// Source: Lambda pricing; INIT is billed since August 2025.
#[must_use]
pub fn billed_ms(init: Option<Duration>, duration: Duration) -> u64 {
    let nanos = (init.unwrap_or_default() + duration).as_nanos();
    u64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_and_duration_are_rounded_up_together() {
        let ms = |n: f64| Duration::from_secs_f64(n / 1_000.0);
        for (init, duration, want) in [
            (Some(578.07), 5_000.0, 5_579),
            (Some(402.04), 3_000.0, 3_403),
            (None, 3_000.0, 3_000),
            (None, 0.01, 1),
            (Some(0.4), 0.4, 1),
        ] {
            assert_eq!(billed_ms(init.map(ms), ms(duration)), want, "{init:?} + {duration}");
        }
    }
}
