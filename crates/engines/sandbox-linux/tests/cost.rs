//! What a start costs, by phase. A measurement, not a check: `cargo test --release -p lacewing-sandbox-linux
//! --test cost -- --ignored --nocapture` on an idle machine.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};
use support::{House, Lines, can_test, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn cost_of_a_start() {
    if !can_test() {
        return;
    }
    let house = House::open();
    let Some(function) = house.native() else { return };
    let lines = Lines::default();
    // Pauses between: in a loop caches and clocks are warm, and grace periods of the kernel already begun.
    for pause in [Duration::from_millis(30), Duration::ZERO] {
        let mut columns = vec![Vec::new(); 6];
        let mut warm = Vec::new();
        for _ in 0..200 {
            tokio::time::sleep(pause).await;
            let begun = Instant::now();
            let mut started = house.start(&function, &lines).await;
            let start = begun.elapsed();
            run(&mut started, &function, "1", Duration::from_secs(5)).await;
            let whole = begun.elapsed();
            for _ in 0..5 {
                let begun = Instant::now();
                run(&mut started, &function, "1", Duration::from_secs(5)).await;
                warm.push(begun.elapsed());
            }
            let phases = started.phases;
            for (column, time) in
                columns.iter_mut().zip([phases.sandbox, phases.mount, phases.boot, phases.init, start, whole])
            {
                column.push(time);
            }
            drop(started);
            if pause.is_zero() {
                house.driver.all_ended().await;
            }
        }
        println!("pause {pause:?}");
        for (name, column) in ["sandbox", "mount", "boot", "init", "start", "start and call"].iter().zip(&mut columns) {
            column.sort_unstable();
            println!("  {name:15} p10 {:?}  p50 {:?}  p99 {:?}", column[20], column[100], column[198]);
        }
        warm.sort_unstable();
        println!("  {:15} p10 {:?}  p50 {:?}  p99 {:?}", "warm call", warm[100], warm[500], warm[990]);
    }
}
