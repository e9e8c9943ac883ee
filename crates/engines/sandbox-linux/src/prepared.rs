//! Sandboxes that were made before anybody needed them, by kind: how many are wanted, which are there.
//!
//! ```text
//! keep_prepared(kind, n) ─► wanted ─┐
//!                                   ├─► next(): Make, End or Rest ─► the keeper (keeper.rs) does it, one at a time
//! start ─ take(kind) ◄── there ◄────┘
//! ```
//!
//! A prepared sandbox serves one function, once. Nothing in here waits.

use crate::making::Made;
use lacewing_sandbox::Preparation;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio::time::{timeout, timeout_at};

/// Rest of a kind whose making has failed: the fault would be tried without end.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// Rest of all kinds after a start: the call that it was for is being answered. Measured on two idle processors, what
/// is prepared at once delays that answer by 0.5 to 2 ms.
const CALM: Duration = Duration::from_millis(5);
/// Longest that starts keep the shelf from being filled: an INIT may take seconds, and starts may never cease.
const HELD_UP_MAX: Duration = Duration::from_millis(50);

/// What the keeper shall do.
pub(crate) enum Step {
    /// One more of this kind.
    Make(Preparation),
    /// This one is too many.
    End(Box<Made>),
    /// Nothing before the next change, or before this moment.
    Rest(Option<Instant>),
    /// Nothing any more.
    Close,
}

/// The prepared sandboxes of one driver.
pub(crate) struct Shelf {
    state: Mutex<State>,
    /// Rung when there may be something to do.
    pub(crate) changed: Notify,
    starts: watch::Sender<Starts>,
}

/// The starts that calls wait for.
#[derive(Default)]
struct Starts {
    underway: usize,
    /// When the last one ended.
    ended: Option<Instant>,
}

#[derive(Default)]
struct State {
    kinds: BTreeMap<Preparation, Kind>,
    /// One that is being made, if any: it is the spawner's already.
    making: usize,
    closed: bool,
}

#[derive(Default)]
struct Kind {
    wanted: usize,
    /// The newest last: it is taken first, while its memory is still in the processor's caches.
    there: VecDeque<Made>,
    rests_until: Option<Instant>,
}

/// While it lives, a start is under way and nothing is prepared beside it.
pub(crate) struct Underway<'a>(&'a Shelf);

impl Shelf {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), starts: watch::channel(Starts::default()).0 }
    }

    /// From now on `count` of `kind` are wanted.
    pub(crate) fn keep(&self, kind: Preparation, count: usize) {
        let mut state = self.state();
        let entry = state.kinds.entry(kind).or_default();
        entry.wanted = count;
        entry.rests_until = None;
        drop(state);
        self.changed.notify_one();
    }

    /// How many are there, by kind.
    pub(crate) fn count(&self) -> Vec<(Preparation, usize)> {
        let state = self.state();
        state
            .kinds
            .iter()
            .filter(|(_, kind)| !kind.there.is_empty())
            .map(|(of, kind)| (*of, kind.there.len()))
            .collect()
    }

    /// Sandboxes that are here or on their way here: those that no start has.
    pub(crate) fn held(&self) -> usize {
        let state = self.state();
        state.making + state.kinds.values().map(|kind| kind.there.len()).sum::<usize>()
    }

    /// One of `kind` that still lives.
    pub(crate) fn take(&self, kind: Preparation) -> Option<Made> {
        let mut state = self.state();
        let there = &mut state.kinds.get_mut(&kind)?.there;
        let mut taken = there.pop_back();
        let mut dead = Vec::new();
        while let Some(gone) = taken.take_if(|made| !made.lives()) {
            dead.push(gone);
            taken = there.pop_back();
        }
        drop(state);
        drop(dead);
        self.changed.notify_one();
        taken
    }

    /// Announces a start.
    pub(crate) fn start_begins(&self) -> Underway<'_> {
        self.starts.send_modify(|starts| starts.underway += 1);
        Underway(self)
    }

    /// Resolves when no start is under way and the last one is over for a moment, or after a while all the same.
    pub(crate) async fn quiet(&self) {
        let calm = async {
            let mut starts = self.starts.subscribe();
            loop {
                let Ok(ended) = starts.wait_for(|starts| starts.underway == 0).await.map(|starts| starts.ended) else {
                    return;
                };
                let Some(ended) = ended else { return };
                if timeout_at((ended + CALM).into(), starts.changed()).await.is_err() {
                    return;
                }
            }
        };
        let _ = timeout(HELD_UP_MAX, calm).await;
    }

    /// What is to be done at `now`; a Make is counted as begun.
    pub(crate) fn next(&self, now: Instant) -> Step {
        let mut state = self.state();
        if state.closed {
            return Step::Close;
        }
        let surplus = state.kinds.values_mut().find(|kind| kind.there.len() > kind.wanted);
        if let Some(one) = surplus.and_then(|kind| kind.there.pop_front()) {
            return Step::End(Box::new(one));
        }
        state.kinds.retain(|_, kind| kind.wanted > 0);
        let lacking = |(_, kind): &(&Preparation, &Kind)| kind.there.len() < kind.wanted;
        let awake = |kind: &Kind| kind.rests_until.is_none_or(|until| until <= now);
        // The one that is nearest to having none.
        let fullness = |kind: &Kind| kind.there.len() * 1_000 / kind.wanted.max(1);
        let next =
            state.kinds.iter().filter(lacking).filter(|(_, kind)| awake(kind)).min_by_key(|(_, kind)| fullness(kind));
        match next.map(|(kind, _)| *kind) {
            Some(kind) => {
                state.making += 1;
                Step::Make(kind)
            }
            None => Step::Rest(state.kinds.iter().filter(lacking).filter_map(|(_, kind)| kind.rests_until).min()),
        }
    }

    /// The end of a Make; `None` for one that failed.
    pub(crate) fn made(&self, kind: Preparation, made: Option<Made>, now: Instant) {
        let mut state = self.state();
        state.making -= 1;
        if state.closed {
            return drop(state);
        }
        // Wanted no more while it was made: it is surplus, and next() finds it.
        let entry = state.kinds.entry(kind).or_default();
        match made {
            Some(made) => entry.there.push_back(made),
            None => entry.rests_until = Some(now + AFTER_FAILURE),
        }
    }

    /// Ends all there are; from now on nothing is kept.
    pub(crate) fn close(&self) {
        let kinds = {
            let mut state = self.state();
            state.closed = true;
            std::mem::take(&mut state.kinds)
        };
        drop(kinds);
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        self.0.starts.send_modify(|starts| {
            starts.underway -= 1;
            starts.ended = Some(Instant::now());
        });
    }
}
