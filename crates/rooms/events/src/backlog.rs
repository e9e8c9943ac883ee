//! How much waits in the table. Whoever writes the table counts: a caller that went away before it heard of its event
//! has been counted all the same.

use lacewing_store::events::{EventCount, EventsChanged};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// Events that may wait: more are refused.
const EVENTS_MAX: u64 = 100_000;
/// Bytes of events that may wait.
const BYTES_MAX: u64 = 2 << 30;

/// What waits or runs.
pub(crate) struct Backlog {
    events: AtomicU64,
    bytes: AtomicU64,
    /// Rung when there is more of it.
    pub(crate) more: Notify,
}

impl Backlog {
    pub(crate) fn new(found: EventCount) -> Self {
        Self { events: AtomicU64::new(found.events), bytes: AtomicU64::new(found.bytes), more: Notify::new() }
    }

    pub(crate) fn now(&self) -> EventCount {
        EventCount { events: self.events.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }

    /// Whether an event of so many bytes finds room. Those that are on their way to the disk are not counted yet.
    pub(crate) fn has_room_for(&self, bytes: u64) -> bool {
        let now = self.now();
        now.events < EVENTS_MAX && now.bytes + bytes <= BYTES_MAX
    }

    /// The table has changed.
    pub(crate) fn change(&self, changed: EventsChanged) {
        let EventsChanged { added, removed } = changed;
        self.events.fetch_add(added.events, Ordering::Relaxed);
        self.bytes.fetch_add(added.bytes, Ordering::Relaxed);
        self.events.fetch_sub(removed.events, Ordering::Relaxed);
        self.bytes.fetch_sub(removed.bytes, Ordering::Relaxed);
        if added.events > 0 {
            self.more.notify_one();
        }
    }
}
