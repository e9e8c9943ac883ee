//! So many per second: what a sandbox asks of the server costs the server's time, which nobody is billed for.

use std::time::Duration;
use tokio::time::Instant;

const PERIOD: Duration = Duration::from_secs(1);

/// Counts within periods of a second; whoever is over the count waits for the next one.
#[derive(Debug)]
pub(super) struct Pace {
    per_second_max: u32,
    taken: u32,
    since: Instant,
}

impl Pace {
    /// A pace of at most `per_second_max`.
    pub(super) fn new(per_second_max: u32) -> Self {
        Self { per_second_max, taken: 0, since: Instant::now() }
    }

    /// Counts one.
    pub(super) fn take(&mut self) {
        if self.since.elapsed() >= PERIOD {
            (self.since, self.taken) = (Instant::now(), 0);
        }
        self.taken = self.taken.saturating_add(1);
    }

    /// Returns when one more may be taken.
    ///
    /// # Cancel safety
    /// Safe: it changes nothing.
    pub(super) async fn ready(&self) {
        if self.taken >= self.per_second_max {
            tokio::time::sleep_until(self.since + PERIOD).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_one_over_the_count_waits() {
        let mut pace = Pace::new(2);
        pace.take();
        assert!(is_ready(&pace).await);
        pace.take();
        assert!(!is_ready(&pace).await);
    }

    async fn is_ready(pace: &Pace) -> bool {
        tokio::select! {
            biased;
            () = pace.ready() => true,
            () = std::future::ready(()) => false,
        }
    }
}
