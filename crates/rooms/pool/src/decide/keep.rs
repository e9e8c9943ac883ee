//! How long an idle sandbox is kept. Every policy gives it a moment at which it is to leave; where room is needed,
//! those that would leave first go first, so the same rule says which is the cheapest to lose.

use super::rhythm::{Rhythm, Windows};
use lacewing_model::{MemoryMib, Timestamp};
use std::time::Duration;

/// A keep-alive policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// So long after its last call.
    Fixed(Duration),
    /// As long as holding it costs less than starting another.
    Cost(Cost),
    /// As the function's own calls come; where they show no rhythm, so long after its last call.
    /// Source: Shahrad et al., "Serverless in the Wild", USENIX ATC 2020 (the hybrid histogram policy).
    Rhythm {
        /// For functions without a rhythm.
        otherwise: Duration,
    },
}

/// The price of a start, told in memory × time. Keeping a sandbox until its rent has reached the price of the next
/// start costs at most twice what knowing the future would (the ski-rental bound). Where room is needed the order is
/// Greedy-Dual: a sandbox that goes idle is ranked by its price above the rank of the last one that had to end, so
/// that what is used often stays however tight it is, and what is dear stays longer. The clock is no such measure: where
/// sandboxes end after seconds, prices of minutes would end cheap ones that are used all the time.
/// Source: Fuerst and Sharma, "FaasCache", ASPLOS 2021.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// How many MiB × seconds one millisecond of a start is worth.
    pub mib_seconds_per_ms: u64,
    /// Never shorter than this, so that short starts are not repeated within one visit.
    pub least: Duration,
    /// Never longer than this, so that everything goes to zero.
    pub most: Duration,
}

impl Cost {
    /// A start of 128 ms is worth 1 GiB for two minutes. With [`Cost::MOST`] it wastes less memory than ten minutes for
    /// all, and lets calls wait less: `docs/decisions/0010-what-an-idle-sandbox-is-worth.md`.
    pub const MIB_SECONDS_PER_MS: u64 = 1_000;
    /// The usual shortest time.
    pub const LEAST: Duration = Duration::from_secs(10);
    /// The usual longest time: only what takes seconds to start comes near it.
    pub const MOST: Duration = Duration::from_secs(3_600);

    fn worth(&self, start: Duration, memory: MemoryMib) -> Duration {
        self.price(start, memory).min(self.most).max(self.least.min(self.most))
    }

    /// How long its memory may be held for the price of a start.
    fn price(&self, start: Duration, memory: MemoryMib) -> Duration {
        let start_us = u64::try_from(start.as_micros()).unwrap_or(u64::MAX);
        let worth_us = start_us.saturating_mul(self.mib_seconds_per_ms).saturating_mul(1_000);
        Duration::from_micros(worth_us / u64::from(memory.get()).max(1))
    }
}

/// How idle sandboxes are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// By when they are to leave.
    Leave,
    /// By what it costs to lose them, where room is needed.
    Yield,
}

/// What a policy looks at.
#[derive(Debug)]
pub(super) struct Idling<'a> {
    /// Since when the sandbox idles.
    pub(super) since: Timestamp,
    /// The pool's inflation at that moment.
    pub(super) inflation: Timestamp,
    /// What it holds.
    pub(super) memory: MemoryMib,
    /// What a start of this version takes.
    pub(super) start: Duration,
    /// When the version's last call ended, if none runs.
    pub(super) quiet_since: Option<Timestamp>,
    /// How its calls came.
    pub(super) rhythm: Option<&'a Rhythm>,
}

impl KeepAlive {
    /// The sandbox's rank in an order: the lowest is the first.
    pub(super) fn rank(&self, order: Order, idling: &Idling<'_>) -> Timestamp {
        match (order, self) {
            (Order::Yield, Self::Cost(cost)) => idling.inflation.plus(cost.price(idling.start, idling.memory)),
            _ => self.leaves_at(idling),
        }
    }

    /// In which order sandboxes end where room is needed.
    pub(super) fn yield_order(&self) -> Order {
        if matches!(self, Self::Cost(_)) { Order::Yield } else { Order::Leave }
    }

    /// When the sandbox is to leave.
    fn leaves_at(&self, idling: &Idling<'_>) -> Timestamp {
        let Idling { since, .. } = *idling;
        match *self {
            Self::Fixed(kept) => since.plus(kept),
            Self::Cost(cost) => since.plus(cost.worth(idling.start, idling.memory)),
            Self::Rhythm { otherwise } => match idling.rhythm.and_then(Rhythm::windows) {
                None => since.plus(otherwise),
                Some(Windows { prewarm: Duration::ZERO, keep }) => since.plus(keep),
                Some(Windows { prewarm, keep }) => match idling.quiet_since {
                    // Its next call is far: one started shortly before will serve it.
                    Some(quiet) if since < quiet.plus(prewarm) => since,
                    Some(quiet) => quiet.plus(prewarm).plus(keep),
                    None => since.plus(keep),
                },
            },
        }
    }

    /// When to start a sandbox ahead of the next call of a version that went quiet.
    pub(super) fn prewarms_at(&self, quiet: Timestamp, rhythm: Option<&Rhythm>) -> Option<Timestamp> {
        match (self, rhythm.and_then(Rhythm::windows)) {
            (Self::Rhythm { .. }, Some(Windows { prewarm, .. })) if !prewarm.is_zero() => Some(quiet.plus(prewarm)),
            _ => None,
        }
    }

    /// True where the policy learns from how calls come.
    pub(super) fn learns(&self) -> bool {
        matches!(self, Self::Rhythm { .. })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dear_to_start_and_cheap_to_hold_is_kept_longest() {
        let (least, most) = (Duration::from_secs(10), Duration::from_secs(600));
        let cost = Cost { mib_seconds_per_ms: Cost::MIB_SECONDS_PER_MS, least, most };
        for (why, start_ms, memory, want) in [
            ("the rate's own example", 128, 1_024, 125),
            ("an eighth of the memory, eight times as long", 64, 128, 500),
            ("a start of nothing is kept a little", 0, 128, 10),
            ("the longest start goes to zero too", 60_000, 128, 600),
        ] {
            let kept = cost.worth(Duration::from_millis(start_ms), MemoryMib::new(memory).unwrap());
            assert_eq!(kept.as_secs(), want, "{why}");
        }
    }
}
