//! The world at random, from a seed. A seed that fails is printed; `LACEWING_SEED=N` plays it alone.

use super::*;

/// Worlds in one run of the tests.
const SEEDS: u64 = 2_000;
const STEPS: u64 = 250;
/// The versions: memory of one sandbox, calls that it runs at once, and tenants.
const SHAPES: [(u32, u32, u32); 7] =
    [(128, 1, 0), (128, 1, 0), (256, 3, 0), (512, 1, 0), (128, 20, 0), (128, 1, 12), (256, 2, 3)];

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.below(from.len())])
    }
}

fn random_options(dice: &mut Dice) -> PoolOptions {
    let keep_alive = match dice.below(3) {
        0 => KeepAlive::Fixed(Duration::from_secs(60)),
        1 => KeepAlive::Cost(Cost {
            mib_seconds_per_ms: 768,
            least: Duration::from_secs(5),
            most: Duration::from_secs(300),
        }),
        _ => KeepAlive::Rhythm { otherwise: Duration::from_secs(60) },
    };
    PoolOptions {
        memory_mib: [256, 640, 1_024, 4_096][dice.below(4)],
        sandboxes_max: [2, 6, 40][dice.below(3)],
        starts_at_once: 1 + dice.below(6),
        keep_alive,
        freeze_after: [None, Some(Duration::from_secs(2))][dice.below(2)],
        scaling_rate: [None, Some(Rate { burst: 3, per_second: 1 }), Some(Rate::AWS)][dice.below(3)],
        waiting: WaitingLimits {
            of_a_version: 1 + dice.below(20),
            in_all: 1 + dice.below(40),
            // Endless patience shows whether calls are ever served.
            longest: Duration::from_secs([5, 100_000][dice.below(2)]),
        },
        history: HistoryLimits { in_all: 64, of_a_version: 16, versions: 4 },
        ..PoolOptions::default()
    }
}

fn step(world: &mut World, dice: &mut Dice) {
    let version = dice.below(world.versions.len());
    match dice.below(100) {
        0..=34 => match world.versions[version].tenants {
            0 => drop(world.arrive(version)),
            tenants => drop(world.arrive_for(version, 1 + dice.below(tenants as usize) as u64)),
        },
        35..=52 => {
            let starting: Vec<Place> = world.starting.keys().copied().collect();
            if let Some(place) = dice.pick(&starting) {
                if dice.below(5) == 0 { world.start_failed(place) } else { world.started(place) }
            }
        }
        53..=74 => {
            let busy: Vec<Place> = world.busy().collect();
            if let Some(place) = dice.pick(&busy) {
                world.done(place, dice.below(6) > 0);
            }
        }
        75..=87 => {
            let time = [10, 100, 1_000, 30_000, 90_000][dice.below(5)];
            world.pass(Duration::from_millis(time));
        }
        88..=90 => {
            let waiting: Vec<CallId> = world.waiting.keys().copied().collect();
            dice.pick(&waiting).into_iter().for_each(|call| world.abandon(call));
        }
        91..=92 => world.retire(version),
        93..=94 if world.versions[version].tenants == 0 => world.provision(version, dice.below(4) as u32),
        95..=96 => world.play(Event::Memory([5, 40, 10_000][dice.below(3)])),
        97 => {
            let options = random_options(dice);
            let waiting = world.state.options.waiting;
            // A shorter line asks nobody to leave it.
            world.set_options(PoolOptions { waiting, ..options });
        }
        98 => world.play(Event::Expect(PROVIDED)),
        _ if dice.below(40) == 0 => world.drain(),
        _ => {}
    }
}

/// Lets everything under way end, then lets time pass until nothing is kept but what is provisioned.
fn settle(world: &mut World) {
    world.play(Event::Memory(10_000));
    // Where patience has no end, what waits must be served once there is room beside all that is provisioned.
    let options = world.state.options.clone();
    if options.waiting.longest > Duration::from_secs(5) && (options.memory_mib, options.sandboxes_max) != (4_096, 40) {
        world.set_options(PoolOptions { memory_mib: 4_096, sandboxes_max: 40, ..options });
    }
    for _ in 0..2_000 {
        if world.waiting.is_empty() && world.starting.is_empty() && world.busy().next().is_none() {
            break;
        }
        world.finish_start(true);
        world.finish_run(true);
        world.pass(Duration::from_millis(100));
    }
    assert!(world.waiting.is_empty(), "a call was lost");
}

/// A world of these versions, and the dice that made it.
fn world(seed: u64) -> (World, Dice) {
    let mut dice = Dice(seed);
    let options = random_options(&mut dice);
    let mut world = World::of(options, SHAPES.iter().map(|&(mib, concurrency, _)| shared(mib, concurrency)));
    for (known, &(.., tenants)) in world.versions.iter_mut().zip(&SHAPES) {
        known.tenants = tenants;
    }
    (world, dice)
}

fn play(seed: u64) {
    let (mut world, mut dice) = world(seed);
    for _ in 0..STEPS {
        step(&mut world, &mut dice);
    }
    settle(&mut world);
    for _ in 0..5 {
        world.pass(Duration::from_secs(3_600));
        settle(&mut world);
    }
    let floor = world.versions.iter().map(|known| known.provisioned as usize).sum::<usize>();
    let census = world.state.census();
    assert!(census.idle <= floor && census.provisioned == census.idle, "{census:?} over the floor of {floor}");
    for version in 0..world.versions.len() {
        world.provision(version, 0);
    }
    world.pass(Duration::from_secs(5 * 3_600));
    assert_eq!(world.state.census(), Census::default());
    assert!(world.state.groups.is_empty() && world.state.members.is_empty(), "something is remembered for ever");
    world.pass(Duration::from_secs(1));
    assert!(world.state.hungry.is_empty() && world.state.short.is_empty());
}

#[test]
fn whatever_happens_every_promise_is_kept_and_everything_goes_to_zero() {
    if let Some(seed) = std::env::var("LACEWING_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return play(seed);
    }
    for seed in 0..SEEDS {
        if let Err(broken) = std::panic::catch_unwind(|| play(seed)) {
            println!("replay with LACEWING_SEED={seed}");
            std::panic::resume_unwind(broken);
        }
    }
}

#[test]
fn the_same_events_give_the_same_actions() {
    let history = |seed: u64| {
        let (mut world, mut dice) = world(seed);
        (0..STEPS).for_each(|_| step(&mut world, &mut dice));
        (world.given, world.refused, world.ended)
    };
    for seed in 0..50 {
        assert_eq!(history(seed), history(seed));
    }
}
