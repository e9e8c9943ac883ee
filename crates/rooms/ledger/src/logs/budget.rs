//! What a stream may write: a bucket of bytes that fills at a steady rate up to a burst.

use lacewing_model::Timestamp;

#[derive(Clone, Debug)]
pub(crate) struct Budget {
    bytes_per_second: u64,
    burst_bytes: u64,
    /// What is left, in bytes times milliseconds of the rate: whole numbers lose nothing.
    left: u64,
    filled: Timestamp,
}

impl Budget {
    /// A full one.
    pub fn new(bytes_per_second: u64, burst_bytes: u64, now: Timestamp) -> Self {
        Self { bytes_per_second, burst_bytes, left: burst_bytes.saturating_mul(1_000), filled: now }
    }

    /// Takes `bytes`, if there are as many.
    pub fn take(&mut self, bytes: u64, now: Timestamp) -> bool {
        let passed = now.0.saturating_sub(self.filled.0);
        let full = self.burst_bytes.saturating_mul(1_000);
        self.left = self.left.saturating_add(passed.saturating_mul(self.bytes_per_second)).min(full);
        self.filled = now;
        let cost = bytes.saturating_mul(1_000);
        let fits = cost <= self.left;
        if fits {
            self.left -= cost;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate() {
        let mut budget = Budget::new(100, 1_000, Timestamp(0));
        assert!(budget.take(1_000, Timestamp(0)));
        assert!(!budget.take(1, Timestamp(0)));
        assert!(!budget.take(1, Timestamp(9)), "a byte takes 10 ms");
        assert!(budget.take(1, Timestamp(10)));
        assert!(!budget.take(1_001, Timestamp(60_000)), "more than a burst never passes");
        assert!(budget.take(1_000, Timestamp(60_000)));
        assert!(!budget.take(1, Timestamp(0)), "a clock set back gives nothing");
    }
}
