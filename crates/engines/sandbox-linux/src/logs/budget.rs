//! How much a sandbox may write to the log, in bytes over time.

use std::time::Instant;

/// Bytes at once.
const BURST_BYTES: u64 = 16 << 20;
/// Bytes per second in the long run.
const BYTES_PER_SECOND: u64 = 4 << 20;
/// What a line costs beyond its text: short lines are work too.
const LINE_OVERHEAD_BYTES: u64 = 64;

/// A bucket of bytes that refills with time.
pub(super) struct Budget {
    left: u64,
    since: Instant,
    over: bool,
    dropped_records: u64,
    dropped_bytes: u64,
}

impl Budget {
    /// A full one.
    pub(super) fn new(now: Instant) -> Self {
        Self { left: BURST_BYTES, since: now, over: false, dropped_records: 0, dropped_bytes: 0 }
    }

    /// True when a line of `bytes` may pass; else it is counted as dropped.
    pub(super) fn take(&mut self, bytes: usize, now: Instant) -> bool {
        let bytes = bytes as u64;
        let cost = bytes + LINE_OVERHEAD_BYTES;
        let micros = u64::try_from(now.duration_since(self.since).as_micros()).unwrap_or(u64::MAX);
        let refill = micros.saturating_mul(BYTES_PER_SECOND) / 1_000_000;
        if refill > 0 {
            self.left = self.left.saturating_add(refill).min(BURST_BYTES);
            self.since = now;
        }
        self.over = self.left < cost;
        if self.over {
            self.dropped_records += 1;
            self.dropped_bytes += bytes;
        } else {
            self.left -= cost;
        }
        !self.over
    }

    /// True while lines are being dropped.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// What has been dropped since it was last told: lines, bytes.
    pub(super) fn take_dropped(&mut self) -> Option<(u64, u64)> {
        let dropped = (self.dropped_records, self.dropped_bytes);
        (self.dropped_records, self.dropped_bytes) = (0, 0);
        (dropped.0 > 0).then_some(dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_over_the_budget_is_counted_and_told_once() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        while budget.take(1 << 20, start) {}
        assert!(budget.is_over() && !budget.take(1 << 20, start));
        assert_eq!(budget.take_dropped(), Some((2, 2 << 20)));
        assert_eq!(budget.take_dropped(), None);
        assert!(budget.take(1 << 20, start + Duration::from_secs(1)), "time refills it");
    }
}
