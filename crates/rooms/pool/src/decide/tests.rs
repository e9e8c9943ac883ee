//! The pool's decisions under tables and under random play.

#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

fn limits() -> PoolLimits {
    PoolLimits { memory_mib: 1_024, sandboxes_max: 6, starts_at_once: 3, keep_alive: Duration::from_secs(60) }
}

/// A pool with a record of what it promised, checked after every step.
struct Game {
    state: PoolState,
    now: Timestamp,
    generations: Vec<RevisionId>,
    next_call: u64,
    waiting: HashSet<CallId>,
    running: HashMap<Place, CallId>,
    starting: Vec<Place>,
    idle_or_busy: HashSet<Place>,
    refused: usize,
    failed: usize,
    served: usize,
    given: Vec<(CallId, Place)>,
}

impl Game {
    fn new(limits: PoolLimits) -> Self {
        Self {
            state: PoolState::new(limits),
            now: Timestamp(0),
            generations: (0..4).map(|_| RevisionId::random()).collect(),
            next_call: 0,
            waiting: HashSet::new(),
            running: HashMap::new(),
            starting: Vec::new(),
            idle_or_busy: HashSet::new(),
            refused: 0,
            failed: 0,
            served: 0,
            given: Vec::new(),
        }
    }

    fn arrive(&mut self, version: usize) -> CallId {
        let call = CallId(self.next_call);
        self.next_call += 1;
        self.waiting.insert(call);
        let memory = MemoryMib::new(if version == 3 { 512 } else { 128 }).unwrap();
        self.play(Event::Arrive { call, generation: self.generations[version], memory });
        call
    }

    fn play(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.state.on(event, self.now, &mut actions);
        for action in actions {
            match action {
                Action::Start { place, .. } => self.starting.push(place),
                Action::Give { call, place } => {
                    assert!(self.waiting.remove(&call), "{call:?} was not waiting");
                    assert!(self.idle_or_busy.contains(&place), "{place:?} does not live");
                    assert!(self.running.insert(place, call).is_none(), "two calls in {place:?}");
                    self.given.push((call, place));
                }
                Action::Refuse(call) => {
                    assert!(self.waiting.remove(&call));
                    self.refused += 1;
                }
                Action::Fail { call, .. } => {
                    assert!(self.waiting.remove(&call));
                    self.failed += 1;
                }
                Action::End(place) => {
                    assert!(self.idle_or_busy.remove(&place), "{place:?} ended twice");
                    assert!(!self.running.contains_key(&place), "{place:?} ended under a call");
                }
            }
        }
        let census = self.state.census();
        assert!(census.memory_mib <= self.state.limits.memory_mib, "memory");
        assert!(self.state.members.len() <= self.state.limits.sandboxes_max, "sandboxes");
        assert!(self.starting.len() <= self.state.limits.starts_at_once, "starts at once");
        assert_eq!(census.waiting, self.waiting.len());
        assert_eq!(census.busy, self.running.len());
        assert_eq!(census.idle + census.busy, self.idle_or_busy.len());
        for group in self.state.groups.values() {
            assert!(group.waiting.is_empty() || group.idle.is_empty(), "a call waits while a sandbox idles");
            assert!(
                group.waiting.is_empty() || group.starting + group.busy > 0 || self.starting.len() == 3,
                "stranded"
            );
        }
    }

    fn finish_start(&mut self, well: bool) {
        if self.starting.is_empty() {
            return;
        }
        let place = self.starting.remove(0);
        if well {
            self.idle_or_busy.insert(place);
            self.play(Event::Started(place));
        } else {
            self.play(Event::StartFailed(place));
        }
    }

    fn finish_run(&mut self, usable: bool) {
        let Some(&place) = self.running.keys().min() else { return };
        self.running.remove(&place);
        self.served += 1;
        if !usable {
            self.idle_or_busy.remove(&place);
        }
        self.play(Event::Done { place, usable });
    }
}

#[test]
fn a_burst_starts_what_it_needs_and_no_more() {
    let mut game = Game::new(limits());
    for _ in 0..5 {
        game.arrive(0);
    }
    assert_eq!(game.starting.len(), 3, "the bound on starts at once holds");
    game.finish_start(true);
    assert_eq!(game.given.len(), 1);
    assert_eq!(game.starting.len(), 3, "the next start takes the free turn");
    game.finish_run(true);
    assert_eq!(game.given.len(), 2, "an old sandbox serves the next call before a new one is up");
}

#[test]
fn the_warmest_sandbox_is_reused_first() {
    let mut game = Game::new(limits());
    game.arrive(0);
    game.arrive(0);
    game.finish_start(true);
    game.finish_start(true);
    game.finish_run(true);
    game.now = Timestamp(10);
    game.finish_run(true);
    let last = game.given.last().unwrap().1;
    game.arrive(0);
    assert_eq!(game.given.last().unwrap().1, last);
}

#[test]
fn a_full_machine_ends_the_longest_idle_and_else_refuses() {
    let mut game = Game::new(PoolLimits { memory_mib: 256, ..limits() });
    game.arrive(0);
    game.finish_start(true);
    game.finish_run(true);
    game.arrive(1);
    game.finish_start(true);
    game.arrive(2);
    assert_eq!(game.idle_or_busy.len(), 1, "the idle one made room");
    game.finish_start(true);
    game.arrive(1);
    assert_eq!(game.refused, 1, "both places are busy");
    let mut few = Game::new(PoolLimits { sandboxes_max: 1, ..limits() });
    few.arrive(0);
    few.arrive(1);
    assert_eq!(few.refused, 1, "descriptors bound it as memory does");
    let mut small = Game::new(PoolLimits { memory_mib: 64, ..limits() });
    small.arrive(0);
    assert_eq!(small.refused, 1);
}

#[test]
fn a_failed_start_fails_its_call_once() {
    let mut game = Game::new(limits());
    game.arrive(0);
    game.arrive(0);
    game.finish_start(false);
    assert_eq!((game.failed, game.waiting.len()), (1, 1));
    game.finish_start(true);
    assert_eq!((game.failed, game.given.len()), (1, 1));
}

#[test]
fn idle_sandboxes_end_after_their_keep_alive_or_when_retired() {
    let mut game = Game::new(limits());
    game.arrive(0);
    game.finish_start(true);
    game.finish_run(true);
    game.now = Timestamp(59_999);
    game.play(Event::Tick);
    assert_eq!(game.idle_or_busy.len(), 1);
    game.now = Timestamp(60_000);
    game.play(Event::Tick);
    assert!(game.idle_or_busy.is_empty());
    game.arrive(1);
    game.finish_start(true);
    game.play(Event::Retire(game.generations[1]));
    assert_eq!(game.idle_or_busy.len(), 1, "a running call is not disturbed");
    game.finish_run(true);
    assert!(game.idle_or_busy.is_empty(), "but its sandbox takes no other");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// No sandbox runs two calls, limits hold, nothing waits while something idles, no call is lost, and
    /// all goes to zero when the load ends.
    #[test]
    fn every_call_ends_and_everything_goes_to_zero(steps in prop::collection::vec(0u8..20, 1..300)) {
        let mut game = Game::new(limits());
        for step in steps {
            match step {
                0..=8 => { game.arrive(usize::from(step) % 4); }
                9..=11 => game.finish_start(true),
                12 => game.finish_start(false),
                13..=15 => game.finish_run(true),
                16 => game.finish_run(false),
                17 => { game.now = game.now.plus(Duration::from_secs(30)); game.play(Event::Tick); }
                18 => { let generation = game.generations[1]; game.play(Event::Retire(generation)); }
                _ => {
                    if let Some(&call) = game.waiting.iter().min() {
                        game.waiting.remove(&call);
                        let of = |(generation, group): (&RevisionId, &Group)| group.waiting.contains(&call).then_some(*generation);
                        let generation = game.state.groups.iter().find_map(of).unwrap();
                        game.play(Event::Abandon { call, generation });
                    }
                }
            }
        }
        for _ in 0..5_000 {
            if game.waiting.is_empty() && game.running.is_empty() && game.starting.is_empty() {
                break;
            }
            game.finish_start(true);
            game.finish_run(true);
        }
        prop_assert!(game.waiting.is_empty(), "a call was lost");
        game.now = game.now.plus(Duration::from_secs(60));
        game.play(Event::Tick);
        prop_assert!(game.idle_or_busy.is_empty());
        prop_assert_eq!(game.state.census(), Census::default());
        prop_assert!(game.state.groups.is_empty() && game.state.hungry.is_empty());
    }
}
