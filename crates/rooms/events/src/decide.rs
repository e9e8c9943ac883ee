//! What follows from an attempt at an event: pure, so that it can be tried with any time.

use lacewing_model::Timestamp;
use std::time::Duration;

/// The pause before the first retry; the second one takes twice as long. Source: recorded on Lambda.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// The first pause after a call that could not be run; it doubles up to the last. Source: Lambda developer guide.
const REFUSED_FIRST: Duration = Duration::from_secs(1);
const REFUSED_LAST: Duration = Duration::from_secs(300);

/// How far an event has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// When it was taken.
    pub(crate) arrived: Timestamp,
    /// How often the function ran and failed.
    pub(crate) failures: u32,
    /// How often in a row it could not be run.
    pub(crate) refusals: u32,
}

/// What bounds an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) retries_max: u32,
    pub(crate) age_max: Duration,
    /// Reserved concurrency is zero.
    pub(crate) switched_off: bool,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Answered,
    /// The function ran and failed.
    Failed,
    /// It was not run: throttled, not ready, or something here broke.
    Refused,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Succeeded,
    Again { due: Timestamp, failures: u32, refusals: u32 },
    GiveUp { why: GiveUp, failures: u32 },
}

/// Why an event is not run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GiveUp {
    RetriesExhausted,
    EventAgeExceeded,
    ZeroReservedConcurrency,
}

impl GiveUp {
    /// Its word in records.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
            Self::ZeroReservedConcurrency => "ZeroReservedConcurrency",
        }
    }
}

/// Whether an event may not even be tried.
pub(crate) fn before(standing: Standing, bounds: Bounds, now: Timestamp) -> Option<GiveUp> {
    if bounds.switched_off {
        return Some(GiveUp::ZeroReservedConcurrency);
    }
    (age(standing, now) > bounds.age_max).then_some(GiveUp::EventAgeExceeded)
}

/// What follows from an attempt. An event that would be too old at its next one is given up at once.
pub(crate) fn after(standing: Standing, bounds: Bounds, end: End, now: Timestamp) -> Next {
    let Standing { failures, refusals, .. } = standing;
    let (pause, failures, refusals) = match end {
        End::Answered => return Next::Succeeded,
        End::Failed if failures >= bounds.retries_max => {
            return Next::GiveUp { why: GiveUp::RetriesExhausted, failures: failures + 1 };
        }
        End::Failed => (RETRY_AFTER * (failures + 1), failures + 1, 0),
        End::Refused => {
            let pause = REFUSED_FIRST.saturating_mul(1 << refusals.min(20)).min(REFUSED_LAST);
            (pause, failures, refusals.saturating_add(1))
        }
    };
    if age(standing, now) + pause > bounds.age_max {
        return Next::GiveUp { why: GiveUp::EventAgeExceeded, failures };
    }
    Next::Again { due: now.plus(pause), failures, refusals }
}

fn age(standing: Standing, now: Timestamp) -> Duration {
    Duration::from_millis(now.0.saturating_sub(standing.arrived.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds { retries_max: 2, age_max: Duration::from_secs(21_600), switched_off: false };

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1_000)
    }

    #[test]
    fn failures_are_retried_after_one_and_two_minutes() {
        let standing = |failures| Standing { arrived: at(0), failures, refusals: 3 };
        let next = |failures| after(standing(failures), BOUNDS, End::Failed, at(10));
        assert_eq!(next(0), Next::Again { due: at(70), failures: 1, refusals: 0 });
        assert_eq!(next(1), Next::Again { due: at(130), failures: 2, refusals: 0 });
        assert_eq!(next(2), Next::GiveUp { why: GiveUp::RetriesExhausted, failures: 3 });
        assert_eq!(after(standing(0), BOUNDS, End::Answered, at(10)), Next::Succeeded);
    }

    #[test]
    fn an_age_bounds_retries_ahead() {
        // Recorded: with 60 seconds there is no retry, with 90 there is one.
        let standing = |failures| Standing { arrived: at(0), failures, refusals: 0 };
        for (seconds, failures, again) in [(60, 0, false), (90, 0, true), (90, 1, false)] {
            let bounds = Bounds { age_max: Duration::from_secs(seconds), ..BOUNDS };
            let next = after(standing(failures), bounds, End::Failed, at(1));
            assert_eq!(matches!(next, Next::Again { .. }), again, "{seconds} {failures}");
        }
    }

    #[test]
    fn refusals_back_off_and_count_as_no_attempt() {
        let mut standing = Standing { arrived: at(0), failures: 1, refusals: 0 };
        let mut pauses = Vec::new();
        for _ in 0..11 {
            let Next::Again { due, failures, refusals } = after(standing, BOUNDS, End::Refused, at(0)) else { break };
            pauses.push(due.0 / 1_000);
            assert_eq!(failures, 1);
            standing.refusals = refusals;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn what_may_not_be_tried_is_told_before() {
        let standing = Standing { arrived: at(0), failures: 0, refusals: 0 };
        assert_eq!(before(standing, BOUNDS, at(21_600)), None);
        assert_eq!(before(standing, BOUNDS, at(21_601)), Some(GiveUp::EventAgeExceeded));
        let off = Bounds { switched_off: true, ..BOUNDS };
        assert_eq!(before(standing, off, at(1)), Some(GiveUp::ZeroReservedConcurrency));
    }

    proptest! {
        #[test]
        fn an_event_ends_and_never_runs_more_often_than_its_rules_say(
            ends in proptest::collection::vec(0..2_u8, 0..400), retries_max in 0..3_u32, age in 60..21_600_u64,
        ) {
            let bounds = Bounds { retries_max, age_max: Duration::from_secs(age), switched_off: false };
            let (mut now, mut standing, mut ran) = (at(0), Standing { arrived: at(0), failures: 0, refusals: 0 }, 0);
            let mut ended = false;
            for end in ends {
                let end = if end == 0 { End::Failed } else { End::Refused };
                ran += u32::from(end == End::Failed);
                match after(standing, bounds, end, now) {
                    Next::Again { due, failures, refusals } => {
                        prop_assert!(due > now && due.0 <= age * 1_000);
                        now = due;
                        standing = Standing { failures, refusals, ..standing };
                    }
                    _ => { ended = true; break; }
                }
            }
            prop_assert!(ran <= retries_max + 1);
            prop_assert!(ended || now.0 <= age * 1_000);
        }
    }
}
