//! Sandboxes that run several calls at once.

use super::*;

/// A version whose sandboxes run two calls at once, and one whose run one.
fn world(options: PoolOptions) -> World {
    World::of(options, [shared(128, 2), shared(128, 1)].into_iter())
}

#[test]
fn a_burst_starts_as_many_sandboxes_as_its_calls_fill() {
    let mut world = world(options());
    for _ in 0..5 {
        world.arrive(0);
    }
    assert_eq!(world.starting.len(), 3);
    world.finish_start(true);
    assert_eq!((world.given.len(), world.busy().count()), (2, 1), "the first one up takes two");
    world.finish_start(true);
    world.finish_start(true);
    assert_eq!((world.given.len(), world.busy().count(), world.waiting.len()), (5, 3, 0));
}

#[test]
fn the_fullest_sandbox_with_room_is_taken_so_that_the_others_come_to_idle() {
    let mut world = world(options());
    for _ in 0..3 {
        world.arrive(0);
    }
    world.finish_start(true);
    world.finish_start(true);
    let half_full = world.given.last().unwrap().1;
    world.arrive(0);
    assert_eq!(world.given.last().unwrap().1, half_full);
    world.done(half_full, true);
    world.done(half_full, true);
    assert_eq!((world.busy().count(), world.idle().count()), (1, 1));
    let full = world.busy().next().unwrap();
    world.done(full, true);
    world.arrive(0);
    assert_eq!(world.given.last().unwrap().1, full, "and not the one that idles");
}

#[test]
fn a_place_that_becomes_free_in_a_full_sandbox_goes_to_the_next_in_line() {
    let mut world = world(PoolOptions { memory_mib: 128, ..options() });
    let calls: Vec<CallId> = (0..3).map(|_| world.arrive(0)).collect();
    world.finish_start(true);
    assert_eq!(world.waited(calls[2]), None);
    world.finish_run(true);
    assert!(world.waited(calls[2]).is_some());
}

#[test]
fn a_broken_sandbox_takes_no_call_and_ends_after_those_that_it_runs() {
    let mut world = world(options());
    world.arrive(0);
    world.arrive(0);
    world.finish_start(true);
    world.finish_run(false);
    assert_eq!((world.ended.len(), world.busy().count()), (0, 1), "its other call is not disturbed");
    world.arrive(0);
    assert_eq!(world.starting.len(), 1, "the next one needs another");
    world.finish_run(true);
    assert_eq!((world.ended.len(), world.busy().count()), (1, 0));
}

#[test]
fn one_without_anything_gets_the_room_of_a_full_sandbox_after_its_calls() {
    let mut world = world(PoolOptions { memory_mib: 256, ..options() });
    for _ in 0..4 {
        world.arrive(0);
    }
    world.finish_start(true);
    world.finish_start(true);
    let quiet = world.arrive(1);
    world.arrive(0);
    world.arrive(0);
    assert_eq!((world.busy().count(), world.waiting.len()), (2, 3));
    let first = world.busy().next().unwrap();
    world.done(first, true);
    world.done(first, true);
    assert_eq!((world.ended.as_slice(), world.starting.len()), ([first].as_slice(), 1));
    world.finish_start(true);
    assert!(world.waited(quiet).is_some());
}

#[test]
fn the_pace_of_calls_that_run_together_is_their_own_and_not_that_of_their_ends() {
    let mut world = world(options());
    for _ in 0..2 {
        world.arrive(0);
    }
    world.finish_start(true);
    world.now = world.now.plus(Duration::from_secs(4));
    world.finish_run(true);
    world.finish_run(true);
    let group = world.state.groups.values().next().unwrap();
    // Both took four seconds; the first sample holds the time of both, the second none.
    assert_eq!(group.pace.run, Duration::from_secs(7), "an average in which the newest counts for an eighth");
}

#[test]
fn a_retired_version_serves_its_last_calls_from_what_has_room() {
    let mut world = world(options());
    world.arrive(0);
    world.finish_start(true);
    let key = world.versions[0].generation.into();
    world.retire(0);
    let late = CallId(1_000);
    let shape = world.versions[0].shape;
    let mut actions = Vec::new();
    world.state.on(Event::Arrive { call: late, key, shape }, world.now, &mut actions);
    let place = world.busy().next().unwrap();
    assert_eq!(actions, [Action::Give { call: late, place }]);
}
