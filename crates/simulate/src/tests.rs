//! Whole plays: traces small enough to know the answer, and rules that hold for every trace.

#![allow(clippy::unwrap_used)]

use crate::*;
use lacewing_model::{Language, MemoryMib};
use std::time::Duration;

const UNPUBLISHED: Unpublished = Unpublished { init_median: Duration::from_millis(100) };

/// A trace written down.
struct Written {
    functions: Vec<Function>,
    calls: Vec<Call>,
    minutes: u32,
}

impl Source for Written {
    fn title(&self) -> String {
        "written".to_owned()
    }

    fn functions(&self) -> &[Function] {
        &self.functions
    }

    fn minutes(&self) -> u32 {
        self.minutes
    }

    fn minute(&mut self, minute: u32, calls: &mut Vec<Call>) -> Result<(), TraceError> {
        calls.clear();
        calls.extend(self.calls.iter().filter(|call| call.at_us / 60_000_000 == u64::from(minute)));
        Ok(())
    }
}

/// A native function of 1 GiB with 98 ms of INIT, so that a full start takes 100.
fn function(owner: u32) -> Function {
    Function {
        owner,
        trigger: Trigger::Http,
        language: Language::Provided,
        memory: MemoryMib::new(1_024).unwrap(),
        init: Duration::from_micros(97_500),
    }
}

fn call(at_ms: u64, function: u32, run_ms: u32) -> Call {
    Call { at_us: at_ms * 1_000, function, run_us: run_ms * 1_000 }
}

/// Prepared and full starts of a native function take the same.
fn machine() -> Machine {
    let mut start_times = StartTimes::default();
    start_times.set("prepared.native=2.5".parse().unwrap());
    start_times.set("full.native=2.5".parse().unwrap());
    Machine {
        nodes: 1,
        memory_mib: 1 << 40,
        sandboxes_max: 1 << 20,
        starts_at_once: 64,
        account_concurrency: 1_000,
        start_times,
    }
}

fn played(source: &mut dyn Source, machine: Machine, policies: &[&str]) -> Report {
    let policies = policies.iter().map(|policy| policy.parse().unwrap()).collect();
    simulate(source, &Plan { policies, machine, minutes_max: None }, &mut |_| {}).unwrap().report
}

#[test]
fn a_tiny_trace_gives_what_is_worked_out_by_hand() {
    let calls = vec![
        call(0, 0, 1_000),       // cold: runs 100 to 1,100 ms; idle until 30,000
        call(30_000, 0, 1_000),  // warm: idle from 31,000
        call(30_500, 0, 200),    // the first is busy: cold, but started for at 30,500, it runs 30,600 to 30,800
        call(150_000, 0, 1_000), // both kept by 600 s; by 60 s both went: cold
    ];
    let mut source = Written { functions: vec![function(0)], calls, minutes: 3 };
    let report = played(&mut source, machine(), &["fixed:600", "fixed:60"]);
    let [long, short] = &report.policies[..] else { panic!("two policies") };

    assert_eq!((long.calls, long.served, long.cold, long.sandboxes, long.sandboxes_peak), (4, 4, 2, 2, 2));
    assert_eq!((long.rungs.warm, long.rungs.prepared, long.rungs.full, long.queued), (2, 1, 1, 0));
    // Idle: the first 1.1 to 30, 31 to 180 without the second's run or not: the last call takes the one that idled
    // last, which is the first sandbox (31.0 s, the second went idle at 30.8 s): 28.9 + 119 + 29; the second 149.2.
    assert!((long.memory.idle_gib_s - (28.9 + 119.0 + 29.0 + 149.2)).abs() < 1e-6, "{:?}", long.memory);
    assert_eq!((long.memory.peak_mib, long.memory.idle_against_fixed_600), (2_048, Some(1.0)));
    // Two of four calls waited 100 ms.
    assert!((long.latency.mean_ms - 50.0).abs() < 1e-9);
    assert_eq!((long.latency.p50_ms, long.latency.p99_ms), (0.0, 99.968));

    assert_eq!((short.cold, short.sandboxes, short.function_cold_share_p50), (3, 3, 0.75));
    // Ticks are whole seconds: 31.0 + 60 ends at 91, 30.8 + 60 at the tick of 91 too. The last idles from 151.1 on.
    assert!((short.memory.idle_gib_s - (28.9 + 60.0 + 60.2 + 28.9)).abs() < 1e-6, "{:?}", short.memory);
    let held = 91.0 + 60.5 + 30.0;
    assert!((short.memory.held_gib_s - held).abs() < 1e-6, "{:?}", short.memory);
}

#[test]
fn a_waiting_call_takes_what_is_free_first() {
    // The second call waits for a start of 1 s, but the first is done after 300 ms of run, 100 ms earlier.
    let mut slow = function(0);
    slow.init = Duration::from_micros(997_500);
    let calls = vec![call(0, 0, 300), call(400, 0, 10)];
    let report = played(&mut Written { functions: vec![slow], calls, minutes: 1 }, machine(), &["fixed:600"]);
    let one = &report.policies[0];
    assert_eq!((one.cold, one.queued, one.sandboxes), (1, 1, 2));
    assert!((one.latency.mean_ms - (1_000.0 + 900.0) / 2.0).abs() < 1e-9, "{:?}", one.latency);
}

#[test]
fn limits_of_account_and_machine_turn_calls_away() {
    let calls = [(0, 0), (1, 0), (2, 1), (3, 2)].map(|(at_ms, function)| call(at_ms, function, 30_000)).to_vec();
    let functions = vec![function(0), function(1), function(1)];
    let small = Machine { memory_mib: 2_048, account_concurrency: 1, ..machine() };
    let mut source = Written { functions, calls, minutes: 1 };
    let report = played(&mut source, small, &["fixed:600"]);
    let one = &report.policies[0];
    assert_eq!((one.calls, one.served, one.refused), (4, 2, Refused { account: 2, machine: 0 }));

    let small = Machine { memory_mib: 2_048, ..machine() };
    let one = &played(&mut source, small.clone(), &["fixed:600"]).policies[0];
    assert_eq!((one.served, one.refused), (2, Refused { account: 0, machine: 2 }));

    let two = Machine { nodes: 2, ..small };
    let one = &played(&mut source, two, &["fixed:600"]).policies[0];
    assert_eq!((one.served, one.memory.peak_mib), (4, 4_096), "what one node cannot hold goes to the other");
}

#[test]
fn without_end_each_function_starts_once_where_calls_never_overlap() {
    let functions: Vec<Function> = (0..5).map(function).collect();
    let calls = (0..500u32).map(|nth| call(u64::from(nth) * 3_000, nth % 5, 1_000)).collect();
    let report = played(&mut Written { functions, calls, minutes: 30 }, machine(), &["fixed:inf"]);
    assert_eq!((report.policies[0].cold, report.policies[0].served, report.policies[0].sandboxes), (5, 500, 5));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = |seed| {
        let mut source = Synthetic::azure2019(100, 1, seed, &UNPUBLISHED);
        let report = played(&mut source, machine(), &["fixed:600", "fixed:60"]);
        (serde_json::to_string(&report).unwrap(), figure(&report))
    };
    assert_eq!(bytes(3), bytes(3));
    assert_ne!(bytes(3), bytes(4));
}

#[test]
fn a_bigger_machine_never_does_worse() {
    for seed in 0..3 {
        let mut before = (u64::MAX, u64::MAX);
        for memory_mib in [1_024, 4_096, 16_384, 1 << 30] {
            let mut source = Synthetic::azure2019(100, 1, seed, &UNPUBLISHED);
            let report = played(&mut source, Machine { memory_mib, ..machine() }, &["fixed:600"]);
            let one = &report.policies[0];
            assert!(one.memory.peak_mib <= memory_mib);
            let worse = (one.refused.machine, one.refused.machine + one.cold);
            assert!(worse.0 <= before.0 && worse.1 <= before.1, "seed {seed}, {memory_mib} MiB: {worse:?} {before:?}");
            before = worse;
        }
        assert_eq!(before.0, 0, "an endless machine turns nobody away");
    }
}

#[test]
fn the_figure_names_every_policy_and_closes_what_it_opens() {
    let mut source = Synthetic::azure2019(100, 1, 1, &UNPUBLISHED);
    let report = played(&mut source, machine(), &["fixed:600", "fixed:60", "fixed:inf"]);
    let svg = figure(&report);
    for policy in &report.policies {
        assert!(svg.contains(&format!(">{}<", policy.policy)), "{}", policy.policy);
    }
    assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && !svg.contains("NaN"));
}
