//! The pool's decisions: `(state, event, now) -> actions`. No I/O, no clock, no async.
//!
//! ```text
//! call:     Arrive ─► Give (idle, last in first out) | waits ─► Give (whichever sandbox is free first) | Refuse | Fail
//! sandbox:  Start ─► starting ─Started─► busy ◄──► idle ─► End (keep-alive over, retired, room needed, drain)
//! ```
//!
//! Late binding: a call that found nothing idle waits for its version's first free sandbox, a new one or an
//! old one. Single flight: a version has at most as many starts under way as it has calls waiting.

use lacewing_model::{MemoryMib, RevisionId, Timestamp};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

/// One waiting or running call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// One sandbox, from the decision to start it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place(pub u64);

/// What bounds the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Memory for all sandboxes together, by what their functions were given, MiB.
    pub memory_mib: u64,
    /// Sandboxes alive at once: each takes descriptors of the server.
    pub sandboxes_max: usize,
    /// Starts under way at once, over all versions.
    pub starts_at_once: usize,
    /// How long an idle sandbox is kept.
    pub keep_alive: Duration,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A call wants a sandbox of a version.
    Arrive {
        /// The call.
        call: CallId,
        /// The version's generation.
        generation: RevisionId,
        /// What one of its sandboxes holds.
        memory: MemoryMib,
    },
    /// A waiting call is no longer wanted.
    Abandon {
        /// The call.
        call: CallId,
        /// The version it waited for.
        generation: RevisionId,
    },
    /// A start came to its end, INIT included.
    Started(Place),
    /// A start failed.
    StartFailed(Place),
    /// A run ended; `usable` says whether the sandbox can take another.
    Done {
        /// Where it ran.
        place: Place,
        /// Whether it can run again.
        usable: bool,
    },
    /// Code or configuration changed, or the function went: its sandboxes take no more calls.
    Retire(RevisionId),
    /// Time went by.
    Tick,
    /// The node stops: nothing idle is kept, nothing new starts.
    Drain,
}

/// What has to be done. The driver does them in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a sandbox of this version.
    Start {
        /// Its place.
        place: Place,
        /// The version's generation.
        generation: RevisionId,
    },
    /// Let this call run here.
    Give {
        /// The call.
        call: CallId,
        /// The sandbox.
        place: Place,
    },
    /// Turn this call away: the machine has no room for another sandbox.
    Refuse(CallId),
    /// Tell this call that the start it waited for failed.
    Fail {
        /// The call.
        call: CallId,
        /// The start whose reason it gets.
        place: Place,
    },
    /// End this sandbox.
    End(Place),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Busy,
    Idle { since: Timestamp },
}

#[derive(Debug)]
struct Member {
    generation: RevisionId,
    memory: MemoryMib,
    phase: Phase,
}

/// What the pool knows of one version.
#[derive(Debug, Default)]
struct Group {
    memory: MemoryMib,
    waiting: VecDeque<CallId>,
    /// Last in, first out: the warmest on top.
    idle: Vec<Place>,
    starting: usize,
    busy: usize,
}

impl Group {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.idle.is_empty() && self.starting == 0 && self.busy == 0
    }
}

/// The pool's whole state.
#[derive(Debug)]
pub struct PoolState {
    limits: PoolLimits,
    groups: HashMap<RevisionId, Group>,
    members: HashMap<Place, Member>,
    /// Idle sandboxes by the moment they went idle: the first one leaves first.
    idle_since: BTreeSet<(Timestamp, Place)>,
    /// Versions whose waiting calls could not get a start yet, in the order they asked.
    hungry: VecDeque<RevisionId>,
    /// Generations that went a short while ago: a call that had resolved one before may still arrive.
    retired: VecDeque<RevisionId>,
    memory_mib: u64,
    idle_mib: u64,
    starting: usize,
    next_place: u64,
    draining: bool,
}

/// How many retired generations are remembered.
const RETIRED_REMEMBERED: usize = 1_024;

/// What became of a version's hunger for starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fed {
    /// Every waiting call has a start under way.
    Enough,
    /// Too many starts are under way: its turn comes.
    Later,
    /// The machine is full.
    NoRoom,
}

/// Figures of the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Census {
    pub idle: usize,
    pub busy: usize,
    pub starting: usize,
    pub waiting: usize,
    pub memory_mib: u64,
}

impl PoolState {
    /// An empty pool.
    #[must_use]
    pub fn new(limits: PoolLimits) -> Self {
        Self {
            limits,
            groups: HashMap::new(),
            members: HashMap::new(),
            idle_since: BTreeSet::new(),
            hungry: VecDeque::new(),
            retired: VecDeque::new(),
            memory_mib: 0,
            idle_mib: 0,
            starting: 0,
            next_place: 0,
            draining: false,
        }
    }

    /// The one way to change state.
    pub fn on(&mut self, event: Event, now: Timestamp, actions: &mut Vec<Action>) {
        match event {
            Event::Arrive { call, generation, memory } => self.arrive(call, generation, memory, actions),
            Event::Abandon { call, generation } => self.abandon(call, generation),
            Event::Started(place) => self.started(place, now, actions),
            Event::StartFailed(place) => self.start_failed(place, actions),
            Event::Done { place, usable } => self.done(place, usable, now, actions),
            Event::Retire(generation) => self.retire(generation, actions),
            Event::Tick => self.tick(now, actions),
            Event::Drain => self.drain(actions),
        }
    }

    /// Figures of the moment.
    #[must_use]
    pub fn census(&self) -> Census {
        Census {
            idle: self.idle_since.len(),
            busy: self.groups.values().map(|group| group.busy).sum(),
            starting: self.starting,
            waiting: self.groups.values().map(|group| group.waiting.len()).sum(),
            memory_mib: self.memory_mib,
        }
    }

    fn arrive(&mut self, call: CallId, generation: RevisionId, memory: MemoryMib, actions: &mut Vec<Action>) {
        let group = self.groups.entry(generation).or_default();
        group.memory = memory;
        if let Some(place) = group.idle.pop() {
            self.make_busy(place);
            actions.push(Action::Give { call, place });
            return;
        }
        group.waiting.push_back(call);
        if self.feed(generation, actions) == Fed::NoRoom {
            if let Some(group) = self.groups.get_mut(&generation) {
                group.waiting.pop_back();
            }
            actions.push(Action::Refuse(call));
            self.forget_if_empty(generation);
        }
    }

    fn abandon(&mut self, call: CallId, generation: RevisionId) {
        if let Some(group) = self.groups.get_mut(&generation) {
            group.waiting.retain(|&waiting| waiting != call);
        }
        self.forget_if_empty(generation);
    }

    fn started(&mut self, place: Place, now: Timestamp, actions: &mut Vec<Action>) {
        let Some(member) = self.members.get_mut(&place) else { return };
        member.phase = Phase::Busy;
        let generation = member.generation;
        self.starting -= 1;
        if let Some(group) = self.groups.get_mut(&generation) {
            group.starting -= 1;
            group.busy += 1;
        }
        self.free(place, now, actions);
        self.feed_hungry(actions);
    }

    fn start_failed(&mut self, place: Place, actions: &mut Vec<Action>) {
        let Some(member) = self.members.remove(&place) else { return };
        self.memory_mib -= u64::from(member.memory.get());
        self.starting -= 1;
        if let Some(group) = self.groups.get_mut(&member.generation) {
            group.starting -= 1;
            // Each start was begun for one waiting call: that many fail, the rest keep what is under way.
            let served_elsewhere = group.starting + group.busy;
            while group.waiting.len() > served_elsewhere {
                let Some(call) = group.waiting.pop_front() else { break };
                actions.push(Action::Fail { call, place });
            }
        }
        self.forget_if_empty(member.generation);
        self.feed_hungry(actions);
    }

    fn done(&mut self, place: Place, usable: bool, now: Timestamp, actions: &mut Vec<Action>) {
        if usable {
            self.free(place, now, actions);
        } else {
            self.drop_busy(place);
        }
        self.feed_hungry(actions);
    }

    /// A busy sandbox has nothing to do: the longest waiting call gets it, else it idles or ends.
    fn free(&mut self, place: Place, now: Timestamp, actions: &mut Vec<Action>) {
        let Some(member) = self.members.get_mut(&place) else { return };
        let Some(group) = self.groups.get_mut(&member.generation) else { return };
        if let Some(call) = group.waiting.pop_front() {
            actions.push(Action::Give { call, place });
            return;
        }
        if self.draining || self.retired.contains(&member.generation) {
            self.drop_busy(place);
            actions.push(Action::End(place));
            return;
        }
        member.phase = Phase::Idle { since: now };
        self.idle_mib += u64::from(member.memory.get());
        group.busy -= 1;
        group.idle.push(place);
        self.idle_since.insert((now, place));
    }

    fn retire(&mut self, generation: RevisionId, actions: &mut Vec<Action>) {
        if self.retired.len() == RETIRED_REMEMBERED {
            self.retired.pop_front();
        }
        self.retired.push_back(generation);
        let Some(group) = self.groups.get_mut(&generation) else { return };
        for place in std::mem::take(&mut group.idle) {
            self.end_idle(place, actions);
        }
        self.forget_if_empty(generation);
        self.feed_hungry(actions);
    }

    fn tick(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        while let Some(&(since, place)) = self.idle_since.first() {
            if now.since(since) < self.limits.keep_alive {
                break;
            }
            self.end_idle(place, actions);
        }
        self.feed_hungry(actions);
    }

    fn drain(&mut self, actions: &mut Vec<Action>) {
        self.draining = true;
        while let Some(&(_, place)) = self.idle_since.first() {
            self.end_idle(place, actions);
        }
    }

    /// Starts what the version's waiting calls need and what the limits grant.
    fn feed(&mut self, generation: RevisionId, actions: &mut Vec<Action>) -> Fed {
        loop {
            let Some(group) = self.groups.get(&generation) else { return Fed::Enough };
            if group.waiting.len() <= group.starting {
                return Fed::Enough;
            }
            let memory = group.memory;
            if self.starting >= self.limits.starts_at_once {
                if !self.hungry.contains(&generation) {
                    self.hungry.push_back(generation);
                }
                return Fed::Later;
            }
            if !self.make_room(memory, actions) {
                return Fed::NoRoom;
            }
            let place = Place(self.next_place);
            self.next_place += 1;
            self.memory_mib += u64::from(memory.get());
            self.starting += 1;
            if let Some(group) = self.groups.get_mut(&generation) {
                group.starting += 1;
            }
            self.members.insert(place, Member { generation, memory, phase: Phase::Starting });
            actions.push(Action::Start { place, generation });
        }
    }

    /// Each hungry version gets its turn once, so that one with a thousand waiting calls starves no other.
    fn feed_hungry(&mut self, actions: &mut Vec<Action>) {
        for _ in 0..self.hungry.len() {
            if self.starting >= self.limits.starts_at_once {
                return;
            }
            let Some(generation) = self.hungry.pop_front() else { return };
            if self.feed(generation, actions) == Fed::NoRoom {
                self.wait_for_room(generation, actions);
            }
        }
    }

    /// Calls that were promised a start find no room for it: those that a sandbox of their version will
    /// serve stay in line, the others are turned away.
    fn wait_for_room(&mut self, generation: RevisionId, actions: &mut Vec<Action>) {
        let Some(group) = self.groups.get_mut(&generation) else { return };
        if group.starting + group.busy > 0 {
            self.hungry.push_back(generation);
            return;
        }
        actions.extend(group.waiting.drain(..).map(Action::Refuse));
        self.forget_if_empty(generation);
    }

    /// Ends idle sandboxes, the longest idle first, until `memory` fits. Says whether it does.
    fn make_room(&mut self, memory: MemoryMib, actions: &mut Vec<Action>) -> bool {
        if self.no_room_for(memory) {
            return false;
        }
        while self.memory_mib + u64::from(memory.get()) > self.limits.memory_mib
            || self.members.len() >= self.limits.sandboxes_max
        {
            let Some(&(_, place)) = self.idle_since.first() else { return false };
            self.end_idle(place, actions);
        }
        true
    }

    /// True when not even the end of every idle sandbox would make room.
    fn no_room_for(&self, memory: MemoryMib) -> bool {
        let (kept, kept_mib) = (self.members.len() - self.idle_since.len(), self.memory_mib - self.idle_mib);
        kept >= self.limits.sandboxes_max || kept_mib + u64::from(memory.get()) > self.limits.memory_mib
    }

    fn make_busy(&mut self, place: Place) {
        let Some(member) = self.members.get_mut(&place) else { return };
        if let Phase::Idle { since } = member.phase {
            self.idle_since.remove(&(since, place));
            self.idle_mib -= u64::from(member.memory.get());
        }
        member.phase = Phase::Busy;
        if let Some(group) = self.groups.get_mut(&member.generation) {
            group.busy += 1;
        }
    }

    fn end_idle(&mut self, place: Place, actions: &mut Vec<Action>) {
        let Some(member) = self.members.remove(&place) else { return };
        if let Phase::Idle { since } = member.phase {
            self.idle_since.remove(&(since, place));
            self.idle_mib -= u64::from(member.memory.get());
        }
        self.memory_mib -= u64::from(member.memory.get());
        if let Some(group) = self.groups.get_mut(&member.generation) {
            group.idle.retain(|&idle| idle != place);
        }
        actions.push(Action::End(place));
        self.forget_if_empty(member.generation);
    }

    fn drop_busy(&mut self, place: Place) {
        let Some(member) = self.members.remove(&place) else { return };
        self.memory_mib -= u64::from(member.memory.get());
        let waits = self.groups.get_mut(&member.generation).is_some_and(|group| {
            group.busy -= 1;
            !group.waiting.is_empty()
        });
        // Calls that counted on this sandbox need a start of their own now.
        if waits && !self.hungry.contains(&member.generation) {
            self.hungry.push_back(member.generation);
        }
        self.forget_if_empty(member.generation);
    }

    fn forget_if_empty(&mut self, generation: RevisionId) {
        if self.groups.get(&generation).is_some_and(Group::is_empty) {
            self.groups.remove(&generation);
            self.hungry.retain(|&hungry| hungry != generation);
        }
    }
}

#[cfg(test)]
mod tests;
