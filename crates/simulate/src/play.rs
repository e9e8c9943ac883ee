//! One policy's play: the server's decisions under virtual time.
//!
//! ```text
//! call ─► admission ─► a node's pool ─► Give ─► Done after its run ─► pool
//!                                   └─► Start ─► Started after the rung's time and INIT ─► pool
//! ```
//!
//! What is due lies in one heap; each second of virtual time every pool gets its tick, as in the server.

use crate::machine::Machine;
use crate::nodes::Nodes;
use crate::policy::Policy;
use crate::report::PolicyReport;
use crate::tally::{Origin, Tally};
use crate::workload::{Call, Function};
use lacewing_catalog::Scope;
use lacewing_invoke::InFlight;
use lacewing_model::{AccountId, Concurrency, Egress, Language, Region, RevisionId, Timestamp};
use lacewing_pool::{Action, CallId, Event, Place, Purpose, Shape};
use lacewing_sandbox::{Preparation, Rung};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::time::Duration;

/// How often pools get their tick: as in the server.
const TICK_US: u64 = 1_000_000;
/// Virtual time begins here, ms: pools may take zero for "never".
const EPOCH_MS: u64 = 1_000;

/// One policy's play.
pub struct Play<'a> {
    name: String,
    functions: &'a [Function],
    machine: &'a Machine,
    accounts: Vec<Scope>,
    admission: InFlight,
    nodes: Nodes,
    due: BinaryHeap<Reverse<Due>>,
    waiting: HashMap<CallId, Call>,
    next_call: u64,
    next_tick_us: u64,
    tally: Tally,
    /// Decisions made so far: events that a pool was told.
    decisions: u64,
    /// Kept so that a decision allocates nothing.
    actions: Vec<Action>,
}

/// Something that will happen. The order in which its fields stand is the order of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at_us: u64,
    node: u32,
    place: u64,
    function: u32,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Done,
    Started(Rung),
    /// A prepared sandbox is ready; place and function say nothing.
    Prepared,
}

/// The sandbox that an event is about, and what it says of calls that get it.
#[derive(Clone, Copy)]
struct Subject {
    place: Place,
    function: u32,
    origin: Origin,
}

impl<'a> Play<'a> {
    /// Nothing has happened yet. Memory counts until `end_us`.
    pub fn new(policy: &Policy, functions: &'a [Function], machine: &'a Machine, end_us: u64) -> Self {
        let owners = functions.iter().map(|function| function.owner + 1).max().unwrap_or_default();
        let mut play = Self {
            name: policy.to_string(),
            functions,
            machine,
            accounts: (0..owners).map(account).collect(),
            admission: InFlight::new(machine.account_concurrency),
            nodes: Nodes::new(machine, policy, functions.len()),
            due: BinaryHeap::new(),
            waiting: HashMap::new(),
            next_call: 0,
            next_tick_us: TICK_US,
            tally: Tally::new(functions.len(), end_us),
            decisions: 0,
            actions: Vec::new(),
        };
        play.expect();
        play
    }

    /// Every function is deployed before the first call.
    fn expect(&mut self) {
        let kinds: BTreeSet<Preparation> = self.functions.iter().map(|function| shape(function).kind).collect();
        for node in 0..self.nodes.count() {
            for &kind in &kinds {
                self.tell(node, Event::Expect(kind), 0, None, None);
            }
        }
    }

    /// Plays calls that come no earlier than those before, in order.
    pub fn calls(&mut self, calls: &[Call]) {
        for call in calls {
            self.until(call.at_us);
            self.arrive(*call);
        }
    }

    /// Plays what is under way to its end. Returns what was found, and the number of decisions made.
    pub fn finish(mut self, end_us: u64) -> (PolicyReport, u64) {
        self.until(end_us);
        while let Some(&Reverse(next)) = self.due.peek() {
            self.until(next.at_us);
        }
        (self.tally.report(self.name), self.decisions)
    }

    /// Lets happen what is due until `now_us`, that moment included.
    fn until(&mut self, now_us: u64) {
        loop {
            match self.due.peek() {
                Some(&Reverse(next)) if next.at_us <= now_us && next.at_us < self.next_tick_us => {
                    self.due.pop();
                    self.happen(next);
                }
                _ if self.next_tick_us <= now_us => {
                    let at_us = self.next_tick_us;
                    self.next_tick_us += TICK_US;
                    for node in 0..self.nodes.count() {
                        self.tell(node, Event::Tick, at_us, None, None);
                    }
                }
                _ => return,
            }
        }
    }

    fn happen(&mut self, due: Due) {
        let Due { at_us, node, function, .. } = due;
        let place = Place(due.place);
        let (event, origin) = match due.what {
            What::Done => {
                self.admission.leave(&self.accounts[self.functions[function as usize].owner as usize]);
                (Event::Done { place, usable: true }, Origin::Freed)
            }
            What::Started(rung) => (Event::Started { place, rung }, Origin::Started(rung)),
            What::Prepared => {
                self.nodes.stock(node).made();
                return self.prepare(node, at_us);
            }
        };
        self.tell(node, event, at_us, Some(Subject { place, function, origin }), None);
    }

    fn arrive(&mut self, call: Call) {
        let function = &self.functions[call.function as usize];
        if self.admission.enter(&self.accounts[function.owner as usize]).is_err() {
            self.tally.refused_by_account();
            return;
        }
        let id = CallId(self.next_call);
        self.next_call += 1;
        for node in self.nodes.in_order(call.function, u64::from(function.memory.get())) {
            let key = generation(call.function).into();
            let event = Event::Arrive { call: id, key, shape: shape(function) };
            if self.tell(node, event, call.at_us, None, Some((id, call))) {
                return;
            }
        }
        self.refuse(call.function);
    }

    /// Tells a pool what happened and does what it decides. `new` is the call that the event brings: false says that
    /// it was turned away.
    fn tell(
        &mut self,
        node: u32,
        event: Event,
        now_us: u64,
        subject: Option<Subject>,
        new: Option<(CallId, Call)>,
    ) -> bool {
        self.decisions += 1;
        let now = Timestamp(EPOCH_MS + now_us / 1_000);
        let mut actions = std::mem::take(&mut self.actions);
        self.nodes.pool(node).on(event, now, &mut actions);
        let (mut kept, mut settled) = (true, new.is_none());
        let mut idles = subject;
        for action in actions.drain(..) {
            match action {
                Action::Give { call: id, place } => {
                    let own = subject.filter(|subject| subject.place == place);
                    idles = idles.filter(|subject| subject.place != place);
                    let call = match new {
                        Some((new, call)) if new == id => {
                            settled = true;
                            call
                        }
                        _ => match self.waiting.remove(&id) {
                            Some(call) => call,
                            None => continue,
                        },
                    };
                    self.give(node, place, call, own.map(|own| own.origin), now_us);
                }
                Action::Start { place, key, purpose } => self.start(node, place, key.generation, purpose, now_us),
                Action::Refuse { call: id, .. } => match new {
                    Some((new, _)) if new == id => (kept, settled) = (false, true),
                    _ => {
                        if let Some(call) = self.waiting.remove(&id) {
                            self.refuse(call.function);
                        }
                    }
                },
                Action::KeepPrepared { kind, count } => {
                    self.nodes.stock(node).want(kind, count);
                    self.prepare(node, now_us);
                }
                // No start fails here, what is frozen costs the same, and nothing is kept beside the pool's own state.
                Action::Fail { .. } | Action::Freeze(_) | Action::Forget(_) => {}
                Action::End(place) => {
                    let own = subject.filter(|subject| subject.place == place);
                    idles = idles.filter(|subject| subject.place != place);
                    self.end(node, place, own.is_none(), now_us);
                }
            }
        }
        self.actions = actions;
        if let Some((id, call)) = new.filter(|_| !settled) {
            self.waiting.insert(id, call);
        }
        if let Some(subject) = idles {
            self.idle(node, subject.function, true, now_us);
        }
        kept
    }

    /// Lets a call run; `origin` is known where its sandbox is the one that the event was about.
    fn give(&mut self, node: u32, place: Place, call: Call, origin: Option<Origin>, now_us: u64) {
        if origin.is_none() {
            self.idle(node, call.function, false, now_us);
        }
        self.tally.served(call.function, origin.unwrap_or(Origin::Idle), now_us - call.at_us);
        self.later(now_us + u64::from(call.run_us), node, place, call.function, What::Done);
    }

    fn start(&mut self, node: u32, place: Place, generation: RevisionId, purpose: Purpose, now_us: u64) {
        let index = function_of(generation);
        let function = &self.functions[index as usize];
        let rung = if self.nodes.stock(node).take(shape(function).kind) { Rung::Prepared } else { Rung::Full };
        let took = self.machine.start_times.of(rung, function.language) + function.init;
        self.nodes.lives(node, place, index);
        self.tally.started(u64::from(function.memory.get()), purpose == Purpose::Call, now_us);
        self.later(now_us + micros(took), node, place, index, What::Started(rung));
        self.prepare(node, now_us);
    }

    /// Lets a node make the next prepared sandbox that it misses; it takes what a full start does.
    fn prepare(&mut self, node: u32, now_us: u64) {
        if let Some(kind) = self.nodes.stock(node).make() {
            let took = self.machine.start_times.of(Rung::Full, kind.language);
            self.later(now_us + micros(took), node, Place(u64::MAX), 0, What::Prepared);
        }
    }

    fn end(&mut self, node: u32, place: Place, idled: bool, now_us: u64) {
        let Some(function) = self.nodes.dies(node, place) else { return };
        if idled {
            self.idle(node, function, false, now_us);
        }
        self.tally.ended(self.memory_of(function), now_us);
    }

    /// A sandbox idles, or does no more.
    fn idle(&mut self, node: u32, function: u32, does: bool, now_us: u64) {
        let mib = self.memory_of(function);
        self.nodes.idles(node, function, mib, does);
        if does {
            self.tally.idles(mib, now_us);
        } else {
            self.tally.idles_no_more(mib, now_us);
        }
    }

    fn refuse(&mut self, function: u32) {
        self.admission.leave(&self.accounts[self.functions[function as usize].owner as usize]);
        self.tally.refused_by_machine();
    }

    fn later(&mut self, at_us: u64, node: u32, place: Place, function: u32, what: What) {
        self.due.push(Reverse(Due { at_us, node, place: place.0, function, what }));
    }

    fn memory_of(&self, function: u32) -> u64 {
        u64::from(self.functions[function as usize].memory.get())
    }
}

/// The account of an owner.
fn account(owner: u32) -> Scope {
    let account: Result<AccountId, _> = format!("{owner:012}").parse();
    let region: Result<Region, _> = "simulated".parse();
    match (account, region) {
        (Ok(account), Ok(region)) => Scope { account, region },
        (account, region) => unreachable!("twelve digits and a word: {account:?} {region:?}"),
    }
}

/// The generation that stands for a function: it never changes here.
fn generation(function: u32) -> RevisionId {
    RevisionId::from_u128(u128::from(function))
}

/// What a function's sandboxes are like.
fn shape(function: &Function) -> Shape {
    let (language, memory) = (function.language, function.memory);
    // As `Preparation::of` a version: V8's heap has its size from the start.
    let known_ahead = matches!(language, Language::Node(_)).then_some(memory);
    let kind = Preparation { language, egress: Egress::Internet, memory: known_ahead };
    Shape { memory, kind, concurrency: Concurrency::default() }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn function_of(generation: RevisionId) -> u32 {
    u32::try_from(generation.as_u128()).unwrap_or(u32::MAX)
}
