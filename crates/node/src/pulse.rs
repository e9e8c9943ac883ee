//! The event loop's pulse: how late its timers fire is how long anything waits for a thread.

use lacewing_ledger::Ledger;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Four times a second: an idle machine does not feel it.
const PERIOD: Duration = Duration::from_millis(250);

/// Measures until it is dropped.
pub(crate) async fn run(ledger: Ledger) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let due = ticks.tick().await;
        ledger.metrics().loop_lag(Instant::now().saturating_duration_since(due));
    }
}
