//! What the pool did and why, for whoever asks later: bounded, and an hour deep.

use super::Map;
use super::options::HistoryLimits;
use super::words::Place;
use lacewing_model::{RevisionId, Timestamp};
use lacewing_sandbox::{Preparation, Rung};
use std::collections::VecDeque;
use std::time::Duration;

/// How long records are kept.
const KEPT: Duration = Duration::from_secs(3_600);
/// How often it is looked for older ones.
const SWEPT_EVERY: Duration = Duration::from_secs(60);
/// Within this time, refusals for the same reason are counted in one record.
const COUNTED_TOGETHER: Duration = Duration::from_secs(1);

/// One decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// For which version; `None` where it concerns a kind of sandbox.
    pub generation: Option<RevisionId>,
    /// Which sandbox.
    pub place: Option<Place>,
    /// What was done.
    pub what: What,
    /// Why.
    pub why: Why,
    /// How often: refusals of one second are counted together.
    pub count: u32,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A start was begun.
    Start,
    /// A start came to its end.
    Started {
        /// The rung that it took.
        rung: Rung,
        /// From the decision until it was initialised.
        took: Duration,
    },
    /// A start came to nothing.
    StartFailed,
    /// An idle sandbox was frozen.
    Freeze,
    /// A sandbox was ended.
    End,
    /// Calls were turned away.
    Refuse,
    /// Another number of prepared sandboxes is kept.
    KeepPrepared {
        /// Of this kind.
        kind: Preparation,
        /// So many from now on.
        count: usize,
    },
}

impl What {
    /// Its name in listings and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Started { .. } => "started",
            Self::StartFailed => "start failed",
            Self::Freeze => "freeze",
            Self::End => "end",
            Self::Refuse => "refuse",
            Self::KeepPrepared { .. } => "keep prepared",
        }
    }
}

/// Why it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// A call found no idle sandbox.
    NoIdleSandbox,
    /// Calls of this function come at intervals, and the next is near.
    Rhythm,
    /// Provisioned concurrency asks for it.
    Provisioned,
    /// Less provisioned concurrency is asked for.
    FewerProvisioned,
    /// It had idled for a short while.
    Idle,
    /// It had idled as long as it is worth its memory.
    KeepAliveOver,
    /// Calls of this function come at intervals, and the next is far.
    RhythmFar,
    /// Another function, or another tenant of it, had the better claim to its room.
    RoomNeeded,
    /// The machine is short of memory.
    MemoryPressure,
    /// The operator lowered the pool's bounds.
    LimitLowered,
    /// The code or the configuration changed, or the function went.
    Retired,
    /// The node stops.
    Draining,
    /// Its process ended, or its run did not end well.
    Broken,
    /// The driver could not start it, or its INIT failed.
    StartFailed,
    /// There was no room for another sandbox.
    NoRoom,
    /// Too many calls waited already.
    QueueFull,
    /// The wait would have been, or was, too long.
    TooLong,
    /// The function gained sandboxes as fast as it may.
    ScalingRate,
    /// Functions of this kind are deployed.
    Deployed,
    /// So many starts came lately.
    RecentStarts,
    /// Fewer starts came lately.
    FewerStarts,
    /// No function of this kind started for a long while.
    Disused,
}

impl Why {
    /// The reason in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoIdleSandbox => "no idle sandbox",
            Self::Rhythm => "rhythm of its calls: the next is near",
            Self::Provisioned => "provisioned concurrency",
            Self::FewerProvisioned => "less provisioned concurrency",
            Self::Idle => "idle for a short while",
            Self::KeepAliveOver => "keep-alive over",
            Self::RhythmFar => "rhythm of its calls: the next is far",
            Self::RoomNeeded => "room needed for another function or tenant",
            Self::MemoryPressure => "memory pressure",
            Self::LimitLowered => "limits lowered",
            Self::Retired => "retired",
            Self::Draining => "the node stops",
            Self::Broken => "it could not run again",
            Self::StartFailed => "the start failed",
            Self::NoRoom => "no room for another sandbox",
            Self::QueueFull => "too many calls wait",
            Self::TooLong => "the wait would be too long",
            Self::ScalingRate => "scaling rate reached",
            Self::Deployed => "functions of this kind are deployed",
            Self::RecentStarts => "rate of recent starts",
            Self::FewerStarts => "fewer recent starts",
            Self::Disused => "no start for a long while",
        }
    }
}

/// The records.
#[derive(Debug)]
pub(super) struct History {
    limits: HistoryLimits,
    all: VecDeque<Record>,
    versions: Map<RevisionId, VecDeque<Record>>,
    swept: Timestamp,
}

impl History {
    pub(super) fn new(limits: HistoryLimits) -> Self {
        Self { limits, all: VecDeque::new(), versions: Map::default(), swept: Timestamp::default() }
    }

    /// Writes a record down.
    pub(super) fn add(&mut self, record: Record) {
        keep(&mut self.all, record, self.limits.in_all);
        let Some(generation) = record.generation else { return };
        if let Some(own) = self.versions.get_mut(&generation) {
            keep(own, record, self.limits.of_a_version);
        } else if self.versions.len() < self.limits.versions {
            self.versions.insert(generation, VecDeque::from([record]));
        }
    }

    /// Drops what is older than an hour.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        if now.since(self.swept) < SWEPT_EVERY {
            return;
        }
        self.swept = now;
        let old = |record: &Record| now.since(record.at) > KEPT;
        while self.all.front().is_some_and(old) {
            self.all.pop_front();
        }
        self.versions.retain(|_, own| {
            while own.front().is_some_and(old) {
                own.pop_front();
            }
            !own.is_empty()
        });
    }

    /// Those of one version, or of all, oldest first.
    pub(super) fn of(&self, generation: Option<RevisionId>) -> impl Iterator<Item = &Record> {
        let found = match generation {
            Some(generation) => self.versions.get(&generation),
            None => Some(&self.all),
        };
        found.into_iter().flatten()
    }
}

/// Adds to a ring, or counts up its newest.
fn keep(ring: &mut VecDeque<Record>, record: Record, max: usize) {
    if max == 0 {
        return;
    }
    if let Some(last) = ring.back_mut() {
        let same = (last.what, last.why, last.generation) == (record.what, record.why, record.generation);
        if same && record.what == What::Refuse && record.at.since(last.at) < COUNTED_TOGETHER {
            last.count = last.count.saturating_add(record.count);
            return;
        }
    }
    if ring.len() == max {
        ring.pop_front();
    }
    ring.push_back(record);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(at: u64, generation: u128) -> Record {
        let generation = Some(RevisionId::from_u128(generation));
        Record { at: Timestamp(at), generation, place: None, what: What::Refuse, why: Why::NoRoom, count: 1 }
    }

    #[test]
    fn a_flood_of_refusals_is_one_record_a_second() {
        let mut history = History::new(HistoryLimits::default());
        for at in 0..2_000 {
            history.add(refusal(at, 1));
        }
        let counts: Vec<u32> = history.of(None).map(|record| record.count).collect();
        assert_eq!(counts, [1_000, 1_000]);
    }

    #[test]
    fn records_are_bounded_in_number_and_in_age() {
        let mut history = History::new(HistoryLimits { in_all: 3, of_a_version: 2, versions: 2 });
        for at in 0..5_u64 {
            history.add(refusal(at * 2_000, u128::from(at)));
        }
        assert_eq!(history.of(None).count(), 3);
        assert_eq!(history.of(Some(RevisionId::from_u128(1))).count(), 1);
        assert_eq!(history.of(Some(RevisionId::from_u128(4))).count(), 0, "versions are bounded too");
        history.sweep(Timestamp(3_607_000));
        assert_eq!(history.of(None).count(), 1);
    }
}
