//! What decisions cost: `cargo run --release -p lacewing-pool --example pool-costs`.

#![allow(clippy::unwrap_used)]

use lacewing_model::{Concurrency, Egress, Language, MemoryMib, RevisionId, Timestamp};
use lacewing_pool::{CallId, Cost, Event, GroupKey, KeepAlive, PoolOptions, PoolState, Shape};
use lacewing_sandbox::{Preparation, Rung};
use std::time::{Duration, Instant};

const ROUNDS: u64 = 2_000_000;

fn main() {
    let cost = Cost {
        mib_seconds_per_ms: Cost::MIB_SECONDS_PER_MS,
        least: Duration::from_secs(10),
        most: Duration::from_secs(600),
    };
    let policies = [
        ("fixed", KeepAlive::Fixed(Duration::from_secs(600))),
        ("cost", KeepAlive::Cost(cost)),
        ("rhythm", KeepAlive::Rhythm { otherwise: Duration::from_secs(600) }),
    ];
    for (name, keep_alive) in policies {
        for versions in [1, 10_000] {
            println!("{name}, {versions} versions: {} ns a warm call (two decisions)", warm(keep_alive, versions));
        }
    }
    println!("refusal by a full line: {} ns", refused());
}

fn shape() -> Shape {
    let kind = Preparation { language: Language::Provided, egress: Egress::Internet, memory: None };
    Shape { memory: MemoryMib::new(128).unwrap(), kind, concurrency: Concurrency::default() }
}

/// Every version has an idle sandbox, and each is called in turn; a tick each 1,000 calls.
fn warm(keep_alive: KeepAlive, versions: u64) -> u64 {
    let options = PoolOptions {
        memory_mib: 1 << 40,
        sandboxes_max: 1 << 20,
        starts_at_once: 1 << 20,
        keep_alive,
        ..PoolOptions::default()
    };
    let (mut state, mut actions) = (PoolState::new(options), Vec::new());
    let mut places = Vec::new();
    let key = |version: u64| GroupKey::from(RevisionId::from_u128(u128::from(version) << 64 | 7));
    for version in 0..versions {
        state.on(
            Event::Arrive { call: CallId(version), key: key(version), shape: shape() },
            Timestamp(1),
            &mut actions,
        );
        let Some(lacewing_pool::Action::Start { place, .. }) = actions.drain(..).next() else { panic!("no start") };
        state.on(Event::Started { place, rung: Rung::Full }, Timestamp(1), &mut actions);
        state.on(Event::Done { place, usable: true }, Timestamp(1), &mut actions);
        places.push(place);
        actions.clear();
    }
    let began = Instant::now();
    for round in 0..ROUNDS {
        let (version, now) = (round % versions, Timestamp(1 + round / 100));
        state.on(Event::Arrive { call: CallId(round), key: key(version), shape: shape() }, now, &mut actions);
        assert!(actions.len() == 1, "{actions:?}");
        actions.clear();
        state.on(Event::Done { place: places[version as usize], usable: true }, now, &mut actions);
        if round % 1_000 == 0 {
            state.on(Event::Tick, now, &mut actions);
        }
        actions.clear();
    }
    u64::try_from(began.elapsed().as_nanos()).unwrap() / ROUNDS
}

fn refused() -> u64 {
    let mut options = PoolOptions::default();
    options.waiting.of_a_version = 1;
    let (mut state, mut actions) = (PoolState::new(options), Vec::new());
    let key = GroupKey::from(RevisionId::from_u128(1));
    let began = Instant::now();
    for round in 0..ROUNDS {
        state.on(Event::Arrive { call: CallId(round), key, shape: shape() }, Timestamp(1 + round / 100), &mut actions);
        actions.clear();
    }
    u64::try_from(began.elapsed().as_nanos()).unwrap() / ROUNDS
}
