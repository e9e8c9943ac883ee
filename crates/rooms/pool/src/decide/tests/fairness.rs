//! One version's flood and what it does to its neighbours.

use super::*;

/// Version 0 floods; version 1 is called once in a while. Starts take 20 ms, runs 100 ms.
struct Neighbours {
    world: World,
    due: Vec<(Timestamp, Place, bool)>,
    quiet: Vec<CallId>,
}

impl Neighbours {
    fn new(options: PoolOptions) -> Self {
        Self { world: World::new(options, &[128, 128]), due: Vec::new(), quiet: Vec::new() }
    }

    /// One millisecond: what is due ends, what was begun gets a time.
    fn step(&mut self) {
        self.world.now = self.world.now.plus(Duration::from_millis(1));
        let now = self.world.now;
        let due: Vec<_> = self.due.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, place, start) in due {
            if start { self.world.started(place) } else { self.world.done(place, true) }
        }
        if now.0.is_multiple_of(100) {
            self.world.play(Event::Tick);
        }
        let known = |due: &[(Timestamp, Place, bool)], place, start| {
            due.iter().any(|&(_, other, kind)| (other, kind) == (place, start))
        };
        let starts: Vec<Place> = self.world.starting.keys().copied().collect();
        for place in starts.into_iter().filter(|&place| !known(&self.due, place, true)).collect::<Vec<_>>() {
            self.due.push((now.plus(Duration::from_millis(20)), place, true));
        }
        let runs: Vec<Place> = self.world.busy().collect();
        for place in runs.into_iter().filter(|&place| !known(&self.due, place, false)).collect::<Vec<_>>() {
            self.due.push((now.plus(Duration::from_millis(100)), place, false));
        }
    }

    fn play(&mut self, ms: u64, flood_each_ms: usize, quiet_each: u64) {
        for ms in 0..ms {
            for _ in 0..flood_each_ms {
                self.world.arrive(0);
            }
            if ms % quiet_each == quiet_each / 2 {
                let call = self.world.arrive(1);
                self.quiet.push(call);
            }
            self.step();
        }
    }

    fn worst_quiet(&self) -> Duration {
        self.quiet.iter().map(|&call| self.world.waited(call).unwrap_or(Duration::MAX)).max().unwrap()
    }
}

#[test]
fn a_quiet_version_gets_its_start_past_a_neighbours_line() {
    let mut both = Neighbours::new(PoolOptions { memory_mib: 65_536, sandboxes_max: 400, ..options() });
    both.play(300, 2, 200);
    assert!(both.worst_quiet() <= Duration::from_millis(25), "{:?}", both.worst_quiet());
    assert!(both.world.waiting.len() > 100, "the neighbour waits in line meanwhile");
}

#[test]
fn a_quiet_version_gets_room_on_a_machine_that_its_neighbour_fills() {
    let mut both = Neighbours::new(options());
    both.play(2_000, 1, 500);
    assert!(both.world.busy_of(0) >= 6, "the machine is full");
    let worst = both.worst_quiet();
    // A running call ends (100 ms at most, a few ms as there are eight), then a start.
    assert!(worst <= Duration::from_millis(125), "{worst:?}");
    let later = both.quiet[1..].iter().filter_map(|&call| both.world.waited(call)).max().unwrap();
    assert_eq!(later, Duration::ZERO, "from then on its sandbox is left to it");
}

#[test]
fn a_flood_ends_no_sandbox_of_a_quiet_neighbour_within_its_share() {
    let mut both = Neighbours::new(options());
    both.play(1, 0, 1);
    both.play(300, 0, 1_000);
    assert_eq!(both.world.alive_of(1), 1);
    both.play(3_000, 2, 10_000);
    assert_eq!(both.world.alive_of(1), 1, "the neighbour's idle sandbox survives");
    assert_eq!(both.world.alive_of(0), 7);
}

#[test]
fn what_nobody_used_for_a_while_makes_room_for_a_flood() {
    let mut both = Neighbours::new(PoolOptions { keep_alive: KeepAlive::Fixed(Duration::from_secs(600)), ..options() });
    both.play(1, 0, 1);
    both.play(300, 0, 1_000);
    both.world.pass(Duration::from_secs(61));
    both.play(1_000, 2, 10_000);
    assert_eq!((both.world.alive_of(0), both.world.alive_of(1)), (8, 0));
}

#[test]
fn the_rate_served_stays_at_its_best_under_ten_times_the_load() {
    let served = |flood_each_ms: usize| {
        let mut one = Neighbours::new(options());
        one.play(5_000, flood_each_ms, 100_000);
        one.world.given.len()
    };
    // Eight sandboxes, 100 ms a call: 80 a second at best, 400 in five seconds.
    let (full, flooded) = (served(1), served(10));
    assert!(full >= 380 && flooded >= full * 95 / 100, "{full} and {flooded}");
}

#[test]
fn two_versions_without_room_get_a_finished_neighbours_places_in_turn() {
    let mut world = World::new(PoolOptions { memory_mib: 256, ..options() }, &[128, 128, 128]);
    world.arrive(0);
    world.arrive(0);
    world.finish_start(true);
    world.finish_start(true);
    let (one, other) = (world.arrive(1), world.arrive(2));
    for _ in 0..2 {
        world.now = world.now.plus(Duration::from_secs(5));
        let busy = world.busy().next().unwrap();
        world.done(busy, true);
    }
    world.finish_start(true);
    world.finish_start(true);
    assert!(world.waited(one).is_some() && world.waited(other).is_some());
}

#[test]
fn versions_that_share_one_place_are_served_in_turn() {
    let mut world = World::new(PoolOptions { memory_mib: 128, ..options() }, &[128, 128]);
    for _ in 0..20 {
        world.arrive(0);
        world.arrive(1);
    }
    for _ in 0..40 {
        world.pass(Duration::from_millis(101));
        world.finish_start(true);
        world.pass(Duration::from_millis(101));
        world.finish_run(true);
    }
    assert_eq!(world.given.len() + world.refused.len(), 40);
    assert!(world.given.len() >= 35, "each start serves a call at least: {}", world.given.len());
}
