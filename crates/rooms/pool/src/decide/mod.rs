//! The pool's decisions: `(state, event, now) -> actions`. No I/O, no clock, no async, and no order that depends on
//! anything but what came before: the same events give the same actions.
//!
//! ```text
//! call:     Arrive ─► Give (idle, last in first out) | waits ─► Give (whichever sandbox is free first) | Refuse | Fail
//! sandbox:  Start ─► starting ─Started─► busy ◄──► idle ─► frozen ─► End (not worth its memory, retired, room needed, ...)
//!             ▲                           ▲───────────────────┘
//!             └ a call waits, the rhythm of calls says that one is near, or provisioned concurrency asks for it
//! ```
//!
//! Late binding: a call that found nothing idle waits for its version's first free sandbox, a new one or an
//! old one. Single flight: a version has at most as many starts under way as it has calls waiting.
//!
//! | file | decides |
//! |---|---|
//! | `calls` | who gets an idle sandbox, who waits, who is refused |
//! | `starts` | whose start is next; what a start's end means |
//! | `room` | whose sandbox ends for another's; fair shares |
//! | `rest` | idling, freezing, leaving |
//! | `provision` | provisioned concurrency |
//! | `family` | tenants of one version, apart from each other and one to its neighbours |
//! | `keep`, `rhythm` | how long idle sandboxes are kept, and which are started ahead of a call |
//! | `stock` | how many sandboxes wait prepared |

mod calls;
mod family;
mod group;
mod keep;
mod options;
mod provision;
mod record;
mod rest;
mod rhythm;
mod room;
mod starts;
mod stock;
mod words;

pub use keep::{Cost, KeepAlive};
pub use options::{HistoryLimits, PoolOptions, Rate, StockOptions, WaitingLimits};
pub use record::{Record, What, Why};
pub use words::{
    Action, CallId, Census, Event, GroupKey, Place, ProvisionFailure, Provisioned, Purpose, Refusal, Shape,
    TenantNumber,
};

use foldhash::fast::FixedState;
use group::{Bucket, Group, Idle, Member};
use keep::Order;
use lacewing_model::{MemoryMib, RevisionId, Timestamp};
use record::History;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use stock::{Change, Stock};

/// A map whose order is the same in every run. The keys are our own: nobody can choose them to collide.
type Map<K, V> = HashMap<K, V, FixedState>;

/// Groups by a moment, the earliest first. An entry counts only while its group names that moment.
type Agenda = BinaryHeap<Reverse<(Timestamp, GroupKey)>>;

/// How many retired generations are remembered: a call that had resolved one before may still arrive.
const RETIRED_REMEMBERED: usize = 1_024;

/// The pool's whole state.
#[derive(Debug)]
pub struct PoolState {
    options: PoolOptions,
    /// Versions, and the tenants of those that isolate them.
    groups: Map<GroupKey, Group>,
    /// How many of them are tenants.
    tenants: usize,
    members: Map<Place, Member>,
    /// Versions with calls that wait for a start to be begun, in the order they asked.
    hungry: VecDeque<RevisionId>,
    /// Versions that miss provisioned sandboxes.
    short: VecDeque<GroupKey>,
    /// Versions with idle sandboxes, by when the first of them is to leave.
    leaving: Agenda,
    /// The same versions by what it costs to lose it, where the policy tells that from when it leaves.
    yielding: Agenda,
    /// The rank of the dearest sandbox that ended for another's room.
    inflation: Timestamp,
    /// Versions by when something else is due: to freeze, to start ahead of a call, to forget.
    looks: Agenda,
    /// Generations that went a short while ago.
    retired: VecDeque<RevisionId>,
    stock: Stock,
    history: History,
    tally: Tally,
    /// The newest reading of the machine's free memory.
    free_mib: u64,
    next_place: u64,
    draining: bool,
}

/// Sums over all versions.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    memory_mib: u64,
    /// Idle sandboxes that may be ended to make room.
    spare: usize,
    spare_mib: u64,
    idle: usize,
    frozen: usize,
    provisioned: usize,
    busy: usize,
    starting: usize,
    waiting: usize,
}

impl Tally {
    /// An idle sandbox was taken; `spare` is the memory of one that could have been ended for another.
    fn left_shelf(&mut self, idle: Idle, spare: Option<MemoryMib>) {
        self.idle -= 1;
        self.frozen -= usize::from(idle.frozen);
        if let Some(memory) = spare {
            self.spare -= 1;
            self.spare_mib -= u64::from(memory.get());
        }
    }
}

/// The present moment, and the place where decisions are written.
struct Turn<'a> {
    now: Timestamp,
    actions: &'a mut Vec<Action>,
}

impl PoolState {
    /// An empty pool.
    #[must_use]
    pub fn new(options: PoolOptions) -> Self {
        Self {
            history: History::new(options.history),
            options,
            groups: Map::default(),
            tenants: 0,
            members: Map::default(),
            hungry: VecDeque::new(),
            short: VecDeque::new(),
            leaving: Agenda::new(),
            yielding: Agenda::new(),
            inflation: Timestamp(0),
            looks: Agenda::new(),
            retired: VecDeque::new(),
            stock: Stock::default(),
            tally: Tally::default(),
            free_mib: u64::MAX,
            next_place: 0,
            draining: false,
        }
    }

    /// The one way to change state.
    pub fn on(&mut self, event: Event, now: Timestamp, actions: &mut Vec<Action>) {
        let turn = &mut Turn { now, actions };
        match event {
            Event::Arrive { call, key, shape } => self.arrive(call, key, shape, turn),
            Event::Abandon { call, key } => self.abandon(call, key, turn),
            Event::Started { place, rung } => self.started(place, rung, turn),
            Event::StartFailed(place) => self.start_failed(place, turn),
            Event::Done { place, usable } => self.done(place, usable, turn),
            Event::Retire(generation) => self.retire(generation, turn),
            Event::Provision { generation, shape, count } => self.provision(generation.into(), shape, count, turn),
            Event::Expect(kind) => self.stock.expect(kind, now),
            Event::Memory(free_mib) => self.memory(free_mib, turn),
            Event::Options(options) => self.set_options(*options, turn),
            Event::Tick => self.tick(turn),
            Event::Drain => self.drain(turn),
        }
    }

    /// Figures of the moment.
    #[must_use]
    pub fn census(&self) -> Census {
        Census {
            idle: self.tally.idle,
            frozen: self.tally.frozen,
            provisioned: self.tally.provisioned,
            busy: self.tally.busy,
            starting: self.tally.starting,
            waiting: self.tally.waiting,
            memory_mib: self.tally.memory_mib,
        }
    }

    /// What was done and why in the last hour, for one version or over all, oldest first.
    pub fn history(&self, generation: Option<RevisionId>) -> impl Iterator<Item = &Record> {
        self.history.of(generation)
    }

    /// The earliest moment at which a tick may have something to do for an idle sandbox or a version at rest.
    /// Whoever turns the clock by hand can skip the ticks before it, but for the stock's, once a second after starts.
    #[must_use]
    pub fn next_look(&self) -> Option<Timestamp> {
        let first = |agenda: &Agenda| agenda.peek().map(|&Reverse((at, _))| at);
        match (first(&self.leaving), first(&self.looks)) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    fn tick(&mut self, turn: &mut Turn<'_>) {
        self.expire(turn);
        self.look_around(turn);
        self.lose_patience(turn);
        // Those that found no room do not keep the others from asking.
        if let Some(first) = self.hungry.pop_front() {
            self.hungry.push_back(first);
        }
        self.feed(turn);
        self.adjust_stock(turn);
        self.history.sweep(turn.now);
    }

    fn adjust_stock(&mut self, turn: &mut Turn<'_>) {
        if self.draining {
            return;
        }
        let free_mib = self.free_mib.saturating_sub(self.options.memory_low_mib);
        let mut changes = Vec::new();
        self.stock.tick(turn.now, free_mib, self.options.stock, &mut |change| changes.push(change));
        self.apply(&changes, turn);
    }

    fn apply(&mut self, changes: &[Change], turn: &mut Turn<'_>) {
        for &Change { kind, count, why } in changes {
            turn.actions.push(Action::KeepPrepared { kind, count });
            let what = What::KeepPrepared { kind, count };
            self.history.add(Record { at: turn.now, generation: None, place: None, what, why, count: 1 });
        }
    }

    fn set_options(&mut self, options: PoolOptions, turn: &mut Turn<'_>) {
        self.options = options;
        let mut keys: Vec<GroupKey> = self.groups.keys().copied().collect();
        keys.sort_unstable();
        for key in keys {
            if let Some(group) = self.groups.get_mut(&key) {
                group.bucket.set_rate(self.options.scaling_rate.filter(|_| key.tenant.is_none()));
                (group.leaves, group.yields) = (None, None);
            }
            self.schedule(Order::Leave, key);
            self.schedule(self.options.keep_alive.yield_order(), key);
        }
        self.shrink(turn);
        self.feed(turn);
    }

    fn record(&mut self, key: GroupKey, place: Option<Place>, what: What, why: Why, now: Timestamp) {
        self.history.add(Record { at: now, generation: Some(key.generation), place, what, why, count: 1 });
    }

    /// The group of this key; a new one where it is not known.
    fn group(&mut self, key: GroupKey, shape: Shape, now: Timestamp) -> &mut Group {
        if let Some(tenant) = key.tenant.filter(|_| !self.groups.contains_key(&key)) {
            self.add_tenant(key, tenant, shape, now);
        }
        self.groups.entry(key).or_insert_with(|| {
            let retired = self.retired.contains(&key.generation);
            let bucket = Bucket::full(self.options.scaling_rate, now);
            Group::new(shape, bucket, self.options.keep_alive.learns(), retired)
        })
    }

    /// Forgets a version or a tenant that has nothing left and nothing to remember.
    fn forget_if_bare(&mut self, key: GroupKey, turn: &mut Turn<'_>) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        if !group.is_bare() {
            return;
        }
        let until = match group.remembered_until(turn.now) {
            until if until > turn.now && !self.draining => until,
            _ => {
                self.groups.remove(&key);
                turn.actions.push(Action::Forget(key));
                if let Some(tenant) = key.tenant {
                    self.lose_tenant(key, tenant, turn);
                }
                return;
            }
        };
        self.look_at(key, until);
    }
}

#[cfg(test)]
mod tests;
