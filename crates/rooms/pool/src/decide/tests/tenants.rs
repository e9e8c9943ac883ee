//! Tenants of one version: apart from each other, and one version to everybody else.

use super::*;

/// A version that isolates its tenants, and one without any.
fn world(options: PoolOptions) -> World {
    World::new(options, &[128, 128])
}

/// Has a call of this tenant started, run and ended.
fn visit(world: &mut World, tenant: u64) {
    world.arrive_for(0, tenant);
    world.finish_start(true);
    world.finish_run(true);
}

#[test]
fn an_idle_sandbox_of_another_tenant_is_no_sandbox_for_a_call() {
    let mut world = world(options());
    visit(&mut world, 1);
    world.arrive_for(0, 2);
    assert_eq!((world.starting.len(), world.idle().count()), (1, 1));
    world.finish_start(true);
    let first = world.given[0].1;
    world.finish_run(true);
    world.arrive_for(0, 1);
    assert_eq!(world.given.last().unwrap().1, first, "its own tenant finds it warm");
}

#[test]
fn a_sandbox_that_becomes_free_serves_no_waiting_call_of_another_tenant() {
    let mut world = world(PoolOptions { memory_mib: 128, ..options() });
    world.arrive_for(0, 1);
    world.finish_start(true);
    let other = world.arrive_for(0, 2);
    assert_eq!((world.waited(other), world.starting.len()), (None, 0), "there is no room for another");
    world.finish_run(true);
    // It ends for the other's start instead.
    assert_eq!((world.ended.len(), world.starting.len(), world.waited(other)), (1, 1, None));
    world.finish_start(true);
    assert!(world.waited(other).is_some());
}

#[test]
fn a_start_is_its_tenants_even_if_the_call_went_elsewhere() {
    let mut world = world(options());
    let call = world.arrive_for(0, 1);
    world.abandon(call);
    let waits = world.arrive_for(0, 2);
    let first = *world.starting.keys().next().unwrap();
    world.started(first);
    assert_eq!((world.waited(waits), world.idle().count()), (None, 1));
    world.finish_start(true);
    assert!(world.waited(waits).is_some());
}

#[test]
fn a_thousand_tenants_hold_what_one_version_may_and_leave_nothing_behind() {
    let mut world = world(options());
    world.arrive(1);
    world.finish_start(true);
    let neighbour = world.given[0].1;
    world.finish_run(true);
    for tenant in 1..=1_000 {
        world.pass(Duration::from_millis(10));
        visit(&mut world, tenant);
        assert!(world.alive_of(0) <= 7);
    }
    assert_eq!(world.alive_for(0, 1_000), 1, "the newest is there");
    assert_eq!(world.alive_for(0, 1), 0, "the oldest made room");
    assert!(world.idle().any(|place| place == neighbour), "the neighbour kept what is fairly its own");
    assert!(world.state.tenants <= 7, "of tenants that have gone nothing is remembered");
    world.pass(Duration::from_secs(600));
    world.pass(Duration::from_secs(600));
    assert!(world.state.groups.is_empty());
}

#[test]
fn a_line_of_tenants_is_one_versions_line() {
    let mut world = world(PoolOptions { memory_mib: 256, ..options() });
    world.arrive_for(0, 1);
    world.arrive_for(0, 2);
    world.finish_start(true);
    world.finish_start(true);
    for tenant in 3..=40 {
        world.arrive_for(0, tenant);
    }
    let quiet = world.arrive(1);
    // The quiet version has nothing: the first sandbox that becomes free ends for it, past 38 tenants in line.
    world.finish_run(true);
    world.finish_start(true);
    world.finish_run(true);
    world.finish_start(true);
    assert!(world.waited(quiet).is_some());
    let limit = world.state.options.waiting.of_a_version;
    for tenant in 41..=(limit as u64 + 100) {
        world.arrive_for(0, tenant);
    }
    assert!(world.refused.iter().any(|(_, refusal)| *refusal == Refusal::QueueFull));
}

#[test]
fn a_tenant_takes_the_room_of_its_versions_others_past_many_neighbours() {
    let long = Duration::from_secs(600);
    let (keep_alive, defaults) = (KeepAlive::Fixed(long), options());
    let waiting = WaitingLimits { longest: long, ..defaults.waiting };
    let options = PoolOptions { memory_mib: 128 * 42, sandboxes_max: 64, keep_alive, waiting, ..defaults };
    let mut world = World::new(options, &[128; 41]);
    for version in 1..41 {
        world.arrive(version);
        world.finish_start(true);
        world.finish_run(true);
    }
    // All that is left is two places: the neighbours' forty are fresh, and fairly their own.
    visit(&mut world, 1);
    visit(&mut world, 2);
    let third = world.arrive_for(0, 3);
    world.finish_start(true);
    assert!(world.waited(third).is_some());
    world.arrive_for(0, 3);
    assert_eq!((world.starting.len(), world.alive_for(0, 2)), (0, 1), "a second one would be more than its part");
    world.pass(Duration::from_secs(61));
    assert_eq!((world.starting.len(), world.alive_for(0, 2)), (1, 0), "unless nobody has used the other's");
}

#[test]
fn the_scaling_rate_is_the_versions() {
    let rate = Rate { burst: 3, per_second: 1 };
    let mut world = world(PoolOptions { scaling_rate: Some(rate), starts_at_once: 8, ..options() });
    for tenant in 1..=5 {
        world.arrive_for(0, tenant);
    }
    assert_eq!((world.starting.len(), world.refused.len()), (3, 2));
    assert!(world.refused.iter().all(|(_, refusal)| *refusal == Refusal::ScalingRate));
    world.pass(Duration::from_secs(1));
    world.arrive_for(0, 6);
    world.arrive_for(0, 7);
    assert_eq!((world.starting.len(), world.refused.len()), (4, 3), "one more a second, for all tenants together");
}

#[test]
fn a_version_that_is_retired_takes_the_idle_sandboxes_of_all_its_tenants_with_it() {
    let mut world = world(options());
    for tenant in 1..=3 {
        visit(&mut world, tenant);
    }
    world.arrive_for(0, 4);
    world.finish_start(true);
    world.retire(0);
    assert_eq!((world.ended.len(), world.busy().count()), (3, 1));
    world.finish_run(true);
    assert_eq!(world.state.census(), Census::default());
    assert!(world.state.groups.is_empty());
}
