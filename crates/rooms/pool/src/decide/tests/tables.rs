//! One rule each.

use super::*;
use std::collections::BTreeMap;

fn warm(options: PoolOptions, version_mib: &[u32]) -> World {
    let mut world = World::new(options, version_mib);
    world.arrive(0);
    world.finish_start(true);
    world.finish_run(true);
    world
}

fn reasons(world: &World, version: usize) -> Vec<(&'static str, &'static str)> {
    let generation = Some(world.versions[version].generation);
    world.state.history(generation).map(|record| (record.what.as_str(), record.why.as_str())).collect()
}

#[test]
fn a_burst_starts_what_it_needs_and_no_more() {
    let mut world = World::new(options(), &[128]);
    for _ in 0..5 {
        world.arrive(0);
    }
    assert_eq!(world.starting.len(), 3, "the last turn is kept for a version that has none");
    world.finish_start(true);
    assert_eq!((world.given.len(), world.starting.len()), (1, 3), "the next start takes the free turn");
    world.finish_run(true);
    assert_eq!(world.given.len(), 2, "an old sandbox serves the next call before a new one is up");
}

#[test]
fn the_warmest_sandbox_is_reused_first() {
    let mut world = World::new(options(), &[128]);
    world.arrive(0);
    world.arrive(0);
    world.finish_start(true);
    world.finish_start(true);
    world.finish_run(true);
    world.pass(Duration::from_millis(10));
    world.finish_run(true);
    let last = world.given.last().unwrap().1;
    world.arrive(0);
    assert_eq!(world.given.last().unwrap().1, last);
}

#[test]
fn an_idle_sandbox_is_frozen_and_then_ends_and_says_why() {
    let mut world = warm(options(), &[128]);
    world.pass(Duration::from_millis(1_999));
    assert_eq!(world.state.census().frozen, 0);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.state.census().frozen, 1);
    world.pass(Duration::from_millis(57_999));
    assert_eq!(world.state.census().idle, 1);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.state.census(), Census::default());
    assert_eq!(
        reasons(&world, 0),
        [
            ("start", "no idle sandbox"),
            ("started", "no idle sandbox"),
            ("freeze", "idle for a short while"),
            ("end", "keep-alive over"),
        ]
    );
}

#[test]
fn a_full_machine_ends_the_longest_idle_and_else_lets_calls_wait() {
    let mut world = warm(PoolOptions { memory_mib: 256, ..options() }, &[128, 128, 128, 512]);
    world.arrive(1);
    world.finish_start(true);
    world.arrive(2);
    assert_eq!(world.ended.len(), 1, "the idle one made room");
    world.finish_start(true);
    let late = world.arrive(0);
    assert!(world.refused.is_empty(), "both places are busy: it waits");
    world.finish_run(true);
    world.finish_start(true);
    assert!(world.waited(late).is_some());
    let never = world.arrive(3);
    assert_eq!(world.refused, [(never, Refusal::NoRoom)], "it would not fit into the empty machine");
}

#[test]
fn a_failed_start_fails_its_call_once() {
    let mut world = World::new(options(), &[128]);
    world.arrive(0);
    world.arrive(0);
    world.finish_start(false);
    assert_eq!((world.failed.len(), world.waiting.len()), (1, 1));
    world.finish_start(true);
    assert_eq!((world.failed.len(), world.given.len()), (1, 1));
}

#[test]
fn a_retired_version_ends_when_its_calls_have() {
    let mut world = World::new(options(), &[128]);
    world.arrive(0);
    world.finish_start(true);
    world.retire(0);
    assert_eq!(world.busy().count(), 1, "a running call is not disturbed");
    world.finish_run(true);
    assert_eq!(world.ended.len(), 1, "but its sandbox takes no other");
    assert!(world.state.groups.is_empty());
}

#[test]
fn a_call_that_would_wait_too_long_is_refused_when_it_comes() {
    let mut world = World::new(PoolOptions { memory_mib: 128, ..options() }, &[128]);
    world.arrive(0);
    world.finish_start(true);
    world.now = world.now.plus(Duration::from_secs(4));
    world.finish_run(true);
    let calls: Vec<CallId> = (0..6).map(|_| world.arrive(0)).collect();
    let refused: Vec<CallId> = world.refused.iter().map(|&(call, _)| call).collect();
    assert_eq!(refused, calls[3..], "one runs, two wait 4 and 8 seconds, the others would wait 12");
    assert!(world.refused.iter().all(|&(_, refusal)| refusal == Refusal::TooLong));
}

#[test]
fn a_call_without_prospects_loses_patience() {
    let mut world = World::new(PoolOptions { memory_mib: 128, ..options() }, &[128, 128]);
    world.arrive(0);
    world.finish_start(true);
    let call = world.arrive(1);
    world.pass(Duration::from_secs(10));
    assert!(world.refused.is_empty());
    world.pass(Duration::from_millis(1));
    assert_eq!(world.refused, [(call, Refusal::TooLong)]);
}

#[test]
fn a_line_has_an_end() {
    let waiting = WaitingLimits { of_a_version: 2, in_all: 3, longest: Duration::from_secs(10) };
    let mut world = World::new(PoolOptions { memory_mib: 128, waiting, ..options() }, &[128, 128]);
    for _ in 0..3 {
        world.arrive(0);
    }
    assert_eq!(world.refused.len(), 1);
    world.arrive(1);
    world.arrive(1);
    assert_eq!(world.refused.len(), 2);
    assert!(world.refused.iter().all(|&(_, refusal)| refusal == Refusal::QueueFull));
}

#[test]
fn a_version_gains_sandboxes_no_faster_than_the_rate() {
    let rate = Some(Rate { burst: 2, per_second: 1 });
    let mut world = World::new(PoolOptions { scaling_rate: rate, ..options() }, &[128]);
    for _ in 0..3 {
        world.arrive(0);
    }
    assert_eq!(world.refused.len(), 1);
    assert_eq!(world.refused[0].1, Refusal::ScalingRate);
    world.pass(Duration::from_secs(1));
    world.arrive(0);
    assert_eq!((world.refused.len(), world.starting.len()), (1, 3));
}

#[test]
fn provisioned_sandboxes_stand_ready_and_are_taken_first() {
    let mut world = World::new(options(), &[128]);
    world.provision(0, 2);
    world.finish_start(true);
    world.finish_start(true);
    let figures = |world: &World| {
        let provisioned = world.state.provisioned(world.versions[0].generation);
        (provisioned.requested, provisioned.available, provisioned.allocated)
    };
    assert_eq!((figures(&world), world.idle().count()), ((2, 2, 2), 2));
    world.pass(Duration::from_secs(3_600));
    assert_eq!((world.idle().count(), world.state.census().frozen), (2, 2), "they stay");
    world.arrive(0);
    world.arrive(0);
    assert_eq!((world.given.len(), world.starting.len()), (2, 0));
    world.arrive(0);
    assert_eq!(world.starting.len(), 1, "more calls spill over to one on demand");
    world.finish_run(false);
    assert_eq!(figures(&world), (2, 1, 2), "a broken one is replaced");
    world.provision(0, 0);
    while world.starting.len() + world.busy().count() > 0 {
        world.finish_start(true);
        world.finish_run(true);
    }
    world.pass(Duration::from_secs(60));
    assert_eq!(world.state.census(), Census::default());
}

#[test]
fn provisioned_starts_that_fail_say_so_and_are_tried_again() {
    let mut world = World::new(options(), &[128, 2_048]);
    world.provision(0, 1);
    world.finish_start(false);
    let failed = |world: &World, version: usize| world.state.provisioned(world.versions[version].generation).failed;
    assert_eq!((failed(&world, 0), world.starting.len()), (Some(ProvisionFailure::Start), 0));
    world.pass(Duration::from_secs(1));
    assert_eq!(world.starting.len(), 1);
    world.finish_start(true);
    assert_eq!(failed(&world, 0), None);
    world.provision(1, 1);
    assert_eq!(failed(&world, 1), Some(ProvisionFailure::NoRoom));
}

#[test]
fn memory_pressure_ends_what_is_cheapest_to_lose() {
    let mut world = World::new(options(), &[128]);
    for _ in 0..4 {
        world.arrive(0);
    }
    while world.starting.len() + world.busy().count() > 0 {
        world.finish_start(true);
        if world.starting.is_empty() {
            world.finish_run(true);
        }
    }
    let oldest = world.given[0].1;
    let idle = world.idle().count();
    world.play(Event::Memory(63));
    assert_eq!((world.ended.as_slice(), world.idle().count()), ([oldest].as_slice(), idle - 1));
    assert_eq!(reasons(&world, 0).last(), Some(&("end", "memory pressure")));
    world.play(Event::Memory(10));
    world.arrive(0);
    for _ in 0..4 {
        world.arrive(0);
    }
    assert!(world.starting.is_empty(), "with next to nothing left, nothing starts");
}

#[test]
fn a_function_with_a_rhythm_is_started_ahead_of_its_call() {
    let keep_alive = KeepAlive::Rhythm { otherwise: Duration::from_secs(60) };
    let mut world = World::new(PoolOptions { keep_alive, ..options() }, &[128]);
    for _ in 0..8 {
        world.arrive(0);
        world.finish_start(true);
        world.finish_run(true);
        for _ in 0..6_300 {
            world.pass(Duration::from_millis(100));
            world.finish_start(true);
        }
    }
    let last = world.arrive(0);
    assert_eq!(world.waited(last), Some(Duration::ZERO), "a call each 630 s finds a sandbox");
    let starts = reasons(&world, 0).into_iter().filter(|&(what, _)| what == "start").map(|(_, why)| why);
    let mut counts = BTreeMap::new();
    starts.for_each(|why| *counts.entry(why).or_insert(0) += 1);
    assert!(counts["rhythm of its calls: the next is near"] >= 3, "{counts:?}");
    assert!(reasons(&world, 0).contains(&("end", "rhythm of its calls: the next is far")));
}

#[test]
fn the_dearest_to_start_is_the_last_to_go() {
    let cost = Cost { mib_seconds_per_ms: 768, least: Duration::from_secs(1), most: Duration::from_secs(600) };
    let keep_alive = KeepAlive::Cost(cost);
    let mut world = World::new(PoolOptions { keep_alive, memory_mib: 256, ..options() }, &[128, 128, 128]);
    for (version, took) in [(0, 90), (1, 10)] {
        world.arrive(version);
        world.now = world.now.plus(Duration::from_millis(took));
        world.finish_start(true);
        world.finish_run(true);
    }
    world.arrive(2);
    assert_eq!((world.alive_of(0), world.alive_of(1)), (1, 0), "the one used later was cheaper to start");
}

#[test]
fn a_draining_pool_starts_and_keeps_nothing() {
    let mut world = warm(options(), &[128]);
    world.provision(0, 2);
    world.arrive(0);
    world.drain();
    world.arrive(0);
    assert_eq!(world.refused.last().unwrap().1, Refusal::Stopping);
    while world.starting.len() + world.busy().count() > 0 {
        world.finish_start(true);
        world.finish_run(true);
    }
    assert_eq!(world.state.census(), Census::default());
    assert!(world.state.groups.is_empty());
}

#[test]
fn a_dear_idle_sandbox_outlasts_as_many_cheap_starts_as_it_is_worth_and_no_more() {
    let (least, most) = (Duration::from_secs(10), Duration::from_secs(86_400));
    let cost = Cost { mib_seconds_per_ms: Cost::MIB_SECONDS_PER_MS, least, most };
    let room_for_two = PoolOptions { memory_mib: 256, keep_alive: KeepAlive::Cost(cost), ..options() };
    let mut world = World::new(room_for_two, &[128; 3]);
    let visit = |world: &mut World, version, start_ms| {
        world.arrive(version);
        world.pass(Duration::from_millis(start_ms));
        world.finish_start(true);
        world.finish_run(true);
    };
    visit(&mut world, 0, 995);
    let mut starts = 0;
    while world.alive_of(0) > 0 {
        visit(&mut world, 1 + starts % 2, 10);
        starts += 1;
    }
    // By the clock, six thousand seconds and as many starts as fit into them would have to pass.
    assert_eq!(starts, 101, "a hundred starts of 10 ms are the price of one of 995");
}
