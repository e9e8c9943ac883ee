//! How fast a streamed answer may go on, where the operator bounds it.

use std::num::NonZero;
use std::time::Duration;
use tokio::time::Instant;

/// What goes through before the bound counts. Source: Lambda quotas, "Response streaming".
const FREE_BYTES: u64 = 6 * 1024 * 1024;

/// One answer's pace.
pub(crate) struct Pace {
    bytes_per_second: Option<NonZero<u64>>,
    passed: u64,
    /// When the free bytes were through.
    since: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(bytes_per_second: Option<NonZero<u64>>) -> Self {
        Self { bytes_per_second, passed: 0, since: None }
    }

    /// Waits until a piece of `bytes` may pass: each takes the time that it has at this rate.
    ///
    /// # Cancel safety
    /// Complete.
    pub(crate) async fn may_pass(&mut self, bytes: u64) {
        let Some(rate) = self.bytes_per_second else { return };
        let counted = (self.passed + bytes).saturating_sub(FREE_BYTES);
        if counted == 0 {
            return;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        // Six bytes of 200 MiB and a billion: far below the type's end.
        let nanos = counted.saturating_mul(1_000_000_000) / rate.get();
        tokio::time::sleep_until(since + Duration::from_nanos(nanos)).await;
    }

    /// It has passed.
    pub(crate) fn passed(&mut self, bytes: u64) {
        self.passed += bytes;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The time that pieces of these sizes take on a clock that is turned.
    async fn time_of(rate: Option<u64>, pieces: &[u64]) -> Duration {
        let mut pace = Pace::new(rate.map(|rate| rate.try_into().unwrap()));
        let began = Instant::now();
        for piece in pieces {
            pace.may_pass(*piece).await;
            pace.passed(*piece);
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_beyond_the_free_bytes_takes_its_time() {
        const MIB: u64 = 1024 * 1024;
        let seconds = async |rate, pieces: &[u64]| time_of(rate, pieces).await.as_secs_f64();
        assert_eq!(seconds(None, &[100 * MIB]).await, 0.0);
        assert_eq!(seconds(Some(2 * MIB), &[FREE_BYTES]).await, 0.0);
        assert!((seconds(Some(2 * MIB), &[FREE_BYTES, MIB, MIB, 2 * MIB]).await - 2.0).abs() < 0.01);
        assert!((seconds(Some(2 * MIB), &[5 * MIB, 5 * MIB]).await - 2.0).abs() < 0.01, "a piece across the bound");
    }
}
