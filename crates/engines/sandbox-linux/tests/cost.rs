//! What a start costs, by rung and phase. A measurement, not a check: `cargo test --release -p lacewing-sandbox-linux
//! --test cost -- --ignored --nocapture` on an idle machine.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_sandbox::{Preparation, SandboxDriver, StartPhases};
use std::time::{Duration, Instant};
use support::{Function, House, Lines, can_test, run};

const SAMPLES: usize = 100;
const KEPT: usize = 2;
const PATIENCE: Duration = Duration::from_secs(5);
/// Between samples: in a loop caches and clocks are warm, and grace periods of the kernel already begun.
const PAUSE: Duration = Duration::from_millis(30);
/// Starts of the sustained measurement, and how many are under way at once.
const SUSTAINED: usize = 600;
const AT_ONCE: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn cost_of_a_start() {
    if !can_test() {
        return;
    }
    let house = House::open();
    let python = house.managed("python", "python3.11", "app.py", "def handler(event, context): return event");
    let node = house.managed("node", "nodejs20.x", "app.js", "exports.handler = async (event) => event;");
    // One runtime only, if it is named.
    let only = std::env::var("LACEWING_COST_OF").ok();
    for function in house.native().into_iter().chain([python, node]) {
        if only.as_ref().is_some_and(|only| *only != function.version.config.runtime.to_string()) {
            continue;
        }
        let kind = Preparation::of(&function.version);
        for kept in [0, KEPT] {
            house.driver.keep_prepared(kind, kept);
            one_after_the_other(&house, &function, kept).await;
        }
        house.driver.keep_prepared(kind, 0);
        sustained(&house, &function).await;
    }
}

async fn one_after_the_other(house: &House, function: &Function, kept: usize) {
    let lines = Lines::default();
    let (mut starts, mut wholes, mut warm) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        while kept > 0 && house.driver.prepared().iter().map(|(_, count)| count).sum::<usize>() < kept {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(PAUSE).await;
        let begun = Instant::now();
        let mut started = house.start(function, &lines).await;
        starts.push((begun.elapsed(), started.phases));
        run(&mut started, function, "1", PATIENCE).await;
        wholes.push(begun.elapsed());
        let begun = Instant::now();
        run(&mut started, function, "1", PATIENCE).await;
        warm.push(begun.elapsed());
    }
    println!("{}, {kept} kept", function.version.config.runtime);
    let of = |phase: fn(&StartPhases) -> Duration| starts.iter().map(|(_, phases)| phase(phases)).collect();
    show("sandbox", of(|phases| phases.sandbox));
    show("mount", of(|phases| phases.mount));
    show("boot", of(|phases| phases.boot));
    show("init", of(|phases| phases.init));
    show("start", starts.iter().map(|(whole, _)| *whole).collect());
    show("start and call", wholes);
    show("warm call", warm);
}

async fn sustained(house: &House, function: &Function) {
    let lines = Lines::default();
    let begun = Instant::now();
    let one_after_the_other = |_| {
        let (driver, function, lines) = (house.driver.clone(), function.clone(), lines.clone());
        tokio::spawn(async move {
            for _ in 0..SUSTAINED / AT_ONCE {
                let mut started = driver.start(function.spec(&lines)).await.unwrap();
                run(&mut started, &function, "1", PATIENCE).await;
            }
        })
    };
    for task in (0..AT_ONCE).map(one_after_the_other).collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let answered = begun.elapsed();
    house.driver.all_ended().await;
    let rate = |time: Duration| SUSTAINED as f64 / time.as_secs_f64();
    println!("  sustained: {:.0}/s answered, {:.0}/s to the end of the last", rate(answered), rate(begun.elapsed()));
}

fn show(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    println!("  {name:15} p10 {:?}  p50 {:?}  p99 {:?}", at(10), at(50), at(99));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn memory_of_what_waits() {
    let Some((house, lines)) = House::where_possible() else { return };
    // As the kernel counts it for each, on v1; what is shared, such as an interpreter's code, is not in it. A start begins the
    // zygote.
    let python = house.managed("python", "python3.11", "app.py", "def handler(event, context): return event");
    drop(house.start(&python, &lines).await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    for runtime in ["provided.al2023", "python3.11", "nodejs20.x"] {
        let kind = Preparation::of(&support::version("f", runtime));
        house.driver.keep_prepared(kind, 8);
        while house.driver.prepared().iter().all(|(_, count)| *count < 8) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let instance = std::fs::read_to_string(house.folder.path().join("run/cgroup")).unwrap();
        let root = format!("/sys/fs/cgroup/memory/{instance}");
        let held = support::names(&root).into_iter().filter_map(|group| {
            std::fs::read_to_string(format!("{root}/{group}/memory.usage_in_bytes")).ok()?.trim().parse::<u64>().ok()
        });
        let mut held: Vec<u64> = held.filter(|bytes| *bytes > 0).collect();
        held.sort_unstable();
        println!("{runtime}: KiB {:?}", held.iter().map(|bytes| bytes / 1_024).collect::<Vec<_>>());
        house.driver.keep_prepared(kind, 0);
        while !house.driver.prepared().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        house.driver.all_ended().await;
    }
}
