//! What is true at the moment of a scrape.

use super::{Desk, Unsound};
use prometheus::{Gauge, IntGauge, IntGaugeVec};
use std::time::Duration;

/// Figures of the moment, as the other rooms tell them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Calls admitted and not ended.
    pub in_flight: usize,
    /// Calls that wait for a sandbox.
    pub queued: usize,
    /// Asynchronous calls that wait or run.
    pub events_waiting: u64,
    /// Bytes of their payloads.
    pub events_waiting_bytes: u64,
    /// How long ago the oldest of them was taken; zero where there is none.
    pub events_oldest: Duration,
    /// Sandboxes by state: `busy`, `idle` and so on; a fixed set of words.
    pub sandboxes: Vec<(&'static str, usize)>,
    /// Memory that the functions of living sandboxes were given, bytes.
    pub memory_promised_bytes: u64,
    /// What may be promised, bytes.
    pub memory_promised_bytes_max: u64,
    /// Memory that sandboxes really hold, bytes, where the host tells.
    pub memory_used_bytes: Option<u64>,
}

pub(super) struct Gauges {
    in_flight: IntGauge,
    queued: IntGauge,
    events: IntGauge,
    events_bytes: IntGauge,
    events_oldest: Gauge,
    sandboxes: IntGaugeVec,
    promised: IntGauge,
    promised_max: IntGauge,
    used: IntGaugeVec,
}

impl Gauges {
    pub fn new(desk: &Desk) -> Result<Self, Unsound> {
        let gauge = |name: &str, help: &str| desk.keep(IntGauge::new(name, help)?);
        Ok(Self {
            in_flight: gauge("lacewing_invocations_in_flight", "Calls admitted and not ended.")?,
            queued: gauge("lacewing_invocations_queued", "Calls that wait for a sandbox.")?,
            events: gauge("lacewing_async_events_waiting", "Asynchronous calls that wait or run.")?,
            events_bytes: gauge(
                "lacewing_async_events_waiting_bytes",
                "Bytes of the payloads of asynchronous calls that wait or run.",
            )?,
            events_oldest: desk.keep(Gauge::new(
                "lacewing_async_events_oldest_age_seconds",
                "How long ago the oldest asynchronous call was taken that waits or runs; 0 where there is none.",
            )?)?,
            sandboxes: desk.gauges("lacewing_sandboxes", "Sandboxes by state.", &["state"])?,
            promised: gauge(
                "lacewing_sandbox_memory_promised_bytes",
                "Memory that the functions of living sandboxes were given.",
            )?,
            promised_max: gauge(
                "lacewing_sandbox_memory_promised_limit_bytes",
                "Memory that may be promised to sandboxes together.",
            )?,
            // Without a label of its own, so that it is absent, and not 0, where the host does not tell.
            used: desk.gauges(
                "lacewing_sandbox_memory_used_bytes",
                "Memory that sandboxes really hold; absent where the host has no memory accounting.",
                &[],
            )?,
        })
    }

    pub fn set(&self, now: &Moment) {
        self.in_flight.set(signed(now.in_flight as u64));
        self.queued.set(signed(now.queued as u64));
        self.events.set(signed(now.events_waiting));
        self.events_bytes.set(signed(now.events_waiting_bytes));
        self.events_oldest.set(now.events_oldest.as_secs_f64());
        for (state, count) in &now.sandboxes {
            self.sandboxes.with_label_values(&[*state]).set(signed(*count as u64));
        }
        self.promised.set(signed(now.memory_promised_bytes));
        self.promised_max.set(signed(now.memory_promised_bytes_max));
        if let Some(used) = now.memory_used_bytes {
            self.used.with_label_values::<&str>(&[]).set(signed(used));
        }
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
