//! Events on their way to one subscriber: gathered into batches, bounded, counted where they are dropped. Pure.

use super::subscription::Buffering;
use std::collections::VecDeque;
use std::time::Instant;

/// How many full batches may wait while one is being sent; what comes then is dropped and counted.
const BATCHES_WAITING_MAX: usize = 2;

/// What was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Dropped {
    fn add(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes as u64;
    }
}

/// Events that wait.
#[derive(Debug)]
pub(crate) struct Buffer {
    limits: Buffering,
    waiting: VecDeque<String>,
    bytes: usize,
    /// When the oldest of them came.
    since: Option<Instant>,
    /// What waits goes at once.
    urgent: bool,
    dropped: Dropped,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Send(Vec<String>),
    /// Nothing before then, or before more comes.
    Wait(Option<Instant>),
}

impl Buffer {
    pub(crate) fn new(limits: Buffering) -> Self {
        let (waiting, dropped) = (VecDeque::new(), Dropped::default());
        Self { limits, waiting, bytes: 0, since: None, urgent: false, dropped }
    }

    pub(crate) fn push(&mut self, event: String, now: Instant) {
        let room = BATCHES_WAITING_MAX * self.limits.bytes_max;
        if self.bytes + event.len() > room || self.waiting.len() >= BATCHES_WAITING_MAX * self.limits.items_max {
            return self.dropped.add(event.len());
        }
        self.bytes += event.len();
        self.since.get_or_insert(now);
        self.waiting.push_back(event);
    }

    /// A batch could not be delivered.
    pub(crate) fn lost(&mut self, batch: &[String]) {
        for event in batch {
            self.dropped.add(event.len());
        }
    }

    /// What was dropped since it was asked last.
    pub(crate) fn take_dropped(&mut self) -> Option<Dropped> {
        let dropped = std::mem::take(&mut self.dropped);
        (dropped.records > 0).then_some(dropped)
    }

    /// From now on nothing waits for company.
    pub(crate) fn urge(&mut self) {
        self.urgent = true;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn due(&mut self, now: Instant) -> Due {
        let Some(since) = self.since else { return Due::Wait(None) };
        let until = since + self.limits.timeout;
        let full = self.waiting.len() >= self.limits.items_max || self.bytes >= self.limits.bytes_max;
        if !full && !self.urgent && now < until {
            return Due::Wait(Some(until));
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < self.limits.items_max && bytes < self.limits.bytes_max {
            let Some(event) = self.waiting.pop_front() else { break };
            bytes += event.len();
            batch.push(event);
        }
        self.bytes -= bytes;
        // What is left came while the last one was sent: its time begins now.
        self.since = (!self.waiting.is_empty()).then_some(now);
        Due::Send(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn buffer() -> Buffer {
        Buffer::new(Buffering { items_max: 3, bytes_max: 100, timeout: Duration::from_secs(1) })
    }

    fn sent(due: Due) -> usize {
        match due {
            Due::Send(batch) => batch.len(),
            Due::Wait(_) => 0,
        }
    }

    #[test]
    fn a_batch_goes_at_the_first_of_its_limits() {
        let now = Instant::now();
        let mut buffer = buffer();
        assert_eq!(buffer.due(now), Due::Wait(None));
        buffer.push("1".into(), now);
        assert_eq!(buffer.due(now), Due::Wait(Some(now + Duration::from_secs(1))));
        assert_eq!(sent(buffer.due(now + Duration::from_secs(1))), 1, "its time");
        for _ in 0..3 {
            buffer.push("1".into(), now);
        }
        assert_eq!(sent(buffer.due(now)), 3, "its items");
        buffer.push("x".repeat(100), now);
        assert_eq!(sent(buffer.due(now)), 1, "its bytes");
        buffer.push("1".into(), now);
        buffer.urge();
        assert_eq!(sent(buffer.due(now)), 1, "haste");
        assert!(buffer.is_empty());
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let now = Instant::now();
        let mut buffer = buffer();
        for _ in 0..8 {
            buffer.push("12".into(), now);
        }
        assert_eq!(buffer.take_dropped(), Some(Dropped { records: 2, bytes: 4 }));
        assert_eq!((sent(buffer.due(now)), sent(buffer.due(now)), sent(buffer.due(now))), (3, 3, 0));
        buffer.push("x".repeat(201), now);
        buffer.lost(&["123".to_owned()]);
        assert_eq!(buffer.take_dropped(), Some(Dropped { records: 2, bytes: 204 }));
        assert_eq!(buffer.take_dropped(), None);
    }
}
