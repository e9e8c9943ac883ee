//! What the pool knows of one version and of one sandbox.

use super::family::Family;
use super::keep::{Idling, Order};
use super::options::Rate;
use super::record::Why;
use super::rhythm::Rhythm;
use super::starts::Fed;
use super::words::{CallId, GroupKey, Place, ProvisionFailure, Purpose, Shape};
use lacewing_model::{MemoryMib, Timestamp};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// After so many doublings of a second, a provisioned start is tried again at the same pace: each 64 seconds.
const RETRY_DOUBLINGS: u32 = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Busy,
    Idle,
}

/// One sandbox.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: GroupKey,
    pub(super) memory: MemoryMib,
    pub(super) phase: Phase,
    /// When the phase began, or the last call came or went.
    pub(super) since: Timestamp,
    pub(super) purpose: Purpose,
    /// Calls that it runs.
    pub(super) calls: u32,
    /// The time that its calls took since one of them last ended.
    pub(super) spent: Duration,
    /// Set once it takes no more calls: it ends after those that it runs.
    pub(super) closing: Option<Why>,
}

impl Member {
    pub(super) fn new(key: GroupKey, memory: MemoryMib, purpose: Purpose, now: Timestamp) -> Self {
        let (phase, calls, spent, closing) = (Phase::Starting, 0, Duration::ZERO, None);
        Self { key, memory, phase, since: now, purpose, calls, spent, closing }
    }

    /// One call more.
    pub(super) fn take_call(&mut self, now: Timestamp) {
        self.pass(now);
        self.phase = Phase::Busy;
        self.calls += 1;
    }

    /// One call less: about how long it took. Where several run at once it is their mean: all the time that calls
    /// spent here, over the calls that ended (Little's law).
    pub(super) fn end_call(&mut self, now: Timestamp) -> Duration {
        self.pass(now);
        self.calls -= 1;
        std::mem::take(&mut self.spent)
    }

    fn pass(&mut self, now: Timestamp) {
        self.spent += now.since(self.since) * self.calls;
        self.since = now;
    }
}

/// One version, or one of its tenants.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) shape: Shape,
    /// In the order they came.
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) idle: Shelf,
    /// Provisioned ones: kept whatever happens, and taken first.
    pub(super) ready: Shelf,
    pub(super) starting: usize,
    /// Those that run calls.
    pub(super) busy: usize,
    /// Those of them that would run another beside, by how many they run: the fullest is the last.
    pub(super) open: BTreeSet<(u32, Place)>,
    /// Those of them that take no more calls.
    pub(super) closing: usize,
    pub(super) provision: Provision,
    /// The version's: its tenants have none of their own.
    pub(super) bucket: Bucket,
    pub(super) pace: Pace,
    pub(super) rhythm: Option<Box<Rhythm>>,
    /// When its last call ended, if none waits or runs.
    pub(super) quiet_since: Option<Timestamp>,
    /// When to start a sandbox ahead of the next call.
    pub(super) prewarm_at: Option<Timestamp>,
    /// Gone: what it has left serves the calls that were there before.
    pub(super) retired: bool,
    /// Stands in the line of those who need starts.
    pub(super) hungry: bool,
    /// What it came to when it last asked.
    pub(super) fed: Fed,
    /// Its entry among those that are to leave: no later than the first does.
    pub(super) leaves: Option<Timestamp>,
    /// Its entry among those that end where room is needed: likewise.
    pub(super) yields: Option<Timestamp>,
    /// Its entry among those to look after.
    pub(super) look: Option<Timestamp>,
    /// The tenants of a version that has any.
    pub(super) family: Option<Box<Family>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) call: CallId,
    pub(super) since: Timestamp,
}

/// What is wanted of provisioned concurrency, and what is there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Provision {
    pub(super) wanted: u32,
    /// Idle or busy.
    pub(super) alive: u32,
    pub(super) starting: u32,
    pub(super) failed: Option<ProvisionFailure>,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Not before this moment is another started.
    pub(super) retry_at: Timestamp,
}

impl Provision {
    pub(super) fn missing(&self) -> u32 {
        self.wanted.saturating_sub(self.alive + self.starting)
    }

    pub(super) fn came_up(&mut self) {
        self.starting -= 1;
        self.alive += 1;
        (self.failed, self.failures) = (None, 0);
    }

    /// Another is tried after a while that doubles with each failure in a row.
    pub(super) fn came_to_nothing(&mut self, why: ProvisionFailure, now: Timestamp) {
        self.failed = Some(why);
        self.retry_at = now.plus(Duration::from_secs(1 << self.failures.min(RETRY_DOUBLINGS)));
        self.failures += 1;
    }
}

impl Group {
    pub(super) fn new(shape: Shape, bucket: Bucket, learns: bool, retired: bool) -> Self {
        Self {
            shape,
            waiting: VecDeque::new(),
            idle: Shelf::default(),
            ready: Shelf::default(),
            starting: 0,
            busy: 0,
            open: BTreeSet::new(),
            closing: 0,
            provision: Provision::default(),
            bucket,
            pace: Pace::default(),
            rhythm: (learns && !retired).then(|| Box::new(Rhythm::new())),
            quiet_since: None,
            prewarm_at: None,
            retired,
            hungry: false,
            fed: Fed::default(),
            leaves: None,
            yields: None,
            look: None,
            family: None,
        }
    }

    /// How many of its sandboxes live or are being started.
    pub(super) fn sandboxes(&self) -> usize {
        self.idle.len() + self.ready.len() + self.starting + self.busy
    }

    /// What they hold together, MiB.
    pub(super) fn held_mib(&self) -> u64 {
        self.sandboxes() as u64 * u64::from(self.shape.memory.get())
    }

    /// True when it has neither sandboxes nor calls nor tenants, and none are wanted.
    pub(super) fn is_bare(&self) -> bool {
        let alone = self.family.as_ref().is_none_or(|family| family.tenants.is_empty());
        self.waiting.is_empty() && self.sandboxes() == 0 && self.provision.wanted == 0 && alone
    }

    /// Until when a bare one is remembered: while it has not gained back all its starts, and while what was
    /// learned of its calls may still be of use.
    pub(super) fn remembered_until(&mut self, now: Timestamp) -> Timestamp {
        if self.retired {
            return now;
        }
        let starts = now.plus(self.bucket.full_in(now));
        match (&self.rhythm, self.quiet_since) {
            (Some(_), Some(quiet)) => starts.max(quiet.plus(Rhythm::RANGE)),
            _ => starts,
        }
    }

    /// Its entry in an order.
    pub(super) fn noted(&self, order: Order) -> Option<Timestamp> {
        match order {
            Order::Leave => self.leaves,
            Order::Yield => self.yields,
        }
    }

    pub(super) fn note(&mut self, order: Order, rank: Option<Timestamp>) {
        match order {
            Order::Leave => self.leaves = rank,
            Order::Yield => self.yields = rank,
        }
    }

    /// More calls wait than the sandboxes that are being started will run at once.
    pub(super) fn is_short(&self) -> bool {
        self.waiting.len() > self.starting * self.at_once()
    }

    /// How many starts are missing once `more` calls beside those that wait do so too.
    pub(super) fn starts_missing(&self, more: usize) -> usize {
        (self.waiting.len() + more).div_ceil(self.at_once()).saturating_sub(self.starting)
    }

    /// How many calls the sandboxes at work, and those being started, run at once.
    pub(super) fn servers(&self) -> usize {
        (self.busy - self.closing + self.starting).saturating_mul(self.at_once())
    }

    /// How many calls one sandbox runs at once.
    pub(super) fn at_once(&self) -> usize {
        self.shape.concurrency.get() as usize
    }

    /// What a keep-alive policy looks at for one of its idle sandboxes.
    pub(super) fn idling(&self, idle: Idle) -> Idling<'_> {
        Idling {
            since: idle.since,
            inflation: idle.inflation,
            memory: self.shape.memory,
            start: self.pace.start,
            quiet_since: self.quiet_since,
            rhythm: self.rhythm.as_deref(),
        }
    }

    /// How long a call that came now would wait for a sandbox at work or one being started.
    pub(super) fn expected_wait(&self) -> Option<Duration> {
        let servers = u32::try_from(self.servers()).ok().filter(|&servers| servers > 0)?;
        let rounds = u32::try_from(self.waiting.len() + 1).unwrap_or(u32::MAX).div_ceil(servers);
        Some(self.pace.run.saturating_mul(rounds))
    }
}

/// Idle sandboxes: last in, first out; those in front have idled longest, and the first of them are frozen.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    idle: VecDeque<Idle>,
    frozen: usize,
}

/// An idle sandbox.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    pub(super) place: Place,
    pub(super) since: Timestamp,
    /// The pool's inflation at that moment.
    pub(super) inflation: Timestamp,
    pub(super) frozen: bool,
}

impl Shelf {
    pub(super) fn len(&self) -> usize {
        self.idle.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.idle.is_empty()
    }

    pub(super) fn put(&mut self, place: Place, since: Timestamp, inflation: Timestamp) {
        self.idle.push_back(Idle { place, since, inflation, frozen: false });
    }

    /// The warmest one.
    pub(super) fn take(&mut self) -> Option<Idle> {
        let idle = self.idle.pop_back();
        self.frozen = self.frozen.min(self.idle.len());
        idle
    }

    pub(super) fn oldest(&self) -> Option<Idle> {
        self.idle.front().copied()
    }

    pub(super) fn take_oldest(&mut self) -> Option<Idle> {
        let idle = self.idle.pop_front();
        self.frozen = self.frozen.saturating_sub(usize::from(idle.is_some()));
        idle
    }

    /// Undoes [`Shelf::take_oldest`].
    pub(super) fn put_back(&mut self, idle: Idle) {
        self.frozen += usize::from(idle.frozen);
        self.idle.push_front(idle);
    }

    /// The one that has idled longest and is not frozen.
    pub(super) fn oldest_unfrozen(&mut self) -> Option<&mut Idle> {
        self.idle.get_mut(self.frozen)
    }

    /// Marks that one as frozen.
    pub(super) fn freeze_oldest(&mut self) {
        if let Some(idle) = self.oldest_unfrozen() {
            idle.frozen = true;
            self.frozen += 1;
        }
    }
}

/// Starts that a version may still make: filled continuously.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    rate: Option<Rate>,
    /// Thousandths of starts.
    level: u64,
    filled: Timestamp,
}

impl Bucket {
    pub(super) fn full(rate: Option<Rate>, now: Timestamp) -> Self {
        let level = rate.map_or(0, |rate| u64::from(rate.burst) * 1_000);
        Self { rate, level, filled: now }
    }

    /// How many starts it holds.
    pub(super) fn starts(&mut self, now: Timestamp) -> u64 {
        let Some(rate) = self.rate else { return u64::MAX };
        // One start a second is a thousandth of a start a millisecond.
        let gained = (now.0.saturating_sub(self.filled.0)).saturating_mul(u64::from(rate.per_second));
        self.level = self.level.saturating_add(gained).min(u64::from(rate.burst) * 1_000);
        self.filled = self.filled.max(now);
        self.level / 1_000
    }

    /// From now on it fills at another rate.
    pub(super) fn set_rate(&mut self, rate: Option<Rate>) {
        let most = rate.map_or(0, |rate| u64::from(rate.burst) * 1_000);
        self.level = if self.rate.is_none() { most } else { self.level.min(most) };
        self.rate = rate;
    }

    /// Takes one out; to be called after [`Bucket::starts`] showed one.
    pub(super) fn take(&mut self) {
        self.level = self.level.saturating_sub(1_000);
    }

    /// How long until it is full again.
    pub(super) fn full_in(&mut self, now: Timestamp) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        self.starts(now);
        let missing = u64::from(rate.burst) * 1_000 - self.level;
        Duration::from_millis(missing.div_ceil(u64::from(rate.per_second.max(1))))
    }
}

/// How long starts and runs of a version take: an average in which the newest counts for an eighth.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    pub(super) start: Duration,
    pub(super) run: Duration,
}

impl Pace {
    pub(super) fn started(&mut self, took: Duration) {
        average(&mut self.start, took);
    }

    pub(super) fn ran(&mut self, took: Duration) {
        average(&mut self.run, took);
    }
}

fn average(of: &mut Duration, newest: Duration) {
    // In microseconds: a duration's own arithmetic costs more than the rest of a warm decision.
    let (old, new) = (of.as_micros() as u64, newest.as_micros() as u64);
    *of = if old == 0 { newest } else { Duration::from_micros(old - old / 8 + new / 8) };
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::full(Some(Rate::AWS), Timestamp(0));
        let mut taken = 0;
        while bucket.starts(Timestamp(0)) > 0 {
            bucket.take();
            taken += 1;
        }
        assert_eq!(taken, 1_000);
        assert_eq!(bucket.starts(Timestamp(10)), 1);
        assert_eq!(bucket.full_in(Timestamp(10)), Duration::from_millis(9_990));
        assert_eq!(bucket.starts(Timestamp(60_000)), 1_000);
    }

    #[test]
    fn the_frozen_ones_are_always_those_in_front() {
        let mut shelf = Shelf::default();
        for place in 0..3 {
            shelf.put(Place(place), Timestamp(place), Timestamp(0));
        }
        shelf.freeze_oldest();
        shelf.freeze_oldest();
        assert_eq!(shelf.oldest_unfrozen().map(|idle| idle.place), Some(Place(2)));
        shelf.take();
        assert!(shelf.take().is_some_and(|idle| idle.frozen));
        let oldest = shelf.take_oldest().unwrap();
        assert!(shelf.oldest_unfrozen().is_none() && oldest.frozen);
        shelf.put_back(oldest);
        shelf.put(Place(3), Timestamp(3), Timestamp(0));
        assert_eq!(shelf.oldest_unfrozen().map(|idle| idle.place), Some(Place(3)));
    }
}
