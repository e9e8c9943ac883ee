//! A frozen sandbox: nothing in it runs, the next call finds it as it was, and its end is an end.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_sandbox::Ending;
use std::path::Path;
use std::time::Duration;
use support::{Function, House, Lines, PATIENCE, can_test, python_bootstrap, run};

/// A thread counts; each call tells how far it has come.
const COUNTER: &str = r#"
import threading, time
count = 0
def go_on():
    global count
    while True:
        count += 1
        time.sleep(0.001)
threading.Thread(target=go_on, daemon=True).start()
def handle(event): return str(count)
"#;

const PAUSE: Duration = Duration::from_millis(400);

async fn count(started: &mut lacewing_sandbox::Started, function: &Function) -> u64 {
    let outcome = run(started, function, "1", PATIENCE).await;
    let Ending::Answer(bytes) = &outcome.ending else { panic!("{outcome:?}") };
    std::str::from_utf8(bytes).unwrap().parse().unwrap()
}

fn can_freeze() -> bool {
    can_test()
        && (Path::new("/sys/fs/cgroup/freezer").is_dir() || Path::new("/sys/fs/cgroup/cgroup.controllers").exists())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_runs_while_it_is_frozen_and_the_next_call_finds_it_as_it_was() {
    if !can_freeze() {
        return;
    }
    let house = House::open();
    let function = house.function("counter", &python_bootstrap(COUNTER));
    let mut started = house.start(&function, &Lines::default()).await;
    let mut before = count(&mut started, &function).await;
    for _ in 0..2 {
        started.sandbox.freeze();
        started.sandbox.freeze();
        assert!(started.sandbox.is_alive());
        tokio::time::sleep(PAUSE).await;
        let after = count(&mut started, &function).await;
        // The thread may have had a few turns before it stood and since it goes.
        assert!(after - before < 100, "from {before} to {after} in {PAUSE:?}");
        before = after;
    }
    tokio::time::sleep(PAUSE).await;
    assert!(count(&mut started, &function).await > before, "it goes on after a call");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_sandbox_ends_at_once() {
    if !can_freeze() {
        return;
    }
    let house = House::open();
    let function = house.function("counter", &python_bootstrap(COUNTER));
    let mut started = house.start(&function, &Lines::default()).await;
    started.sandbox.freeze();
    drop(started);
    tokio::time::timeout(PATIENCE, house.driver.all_ended()).await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launch_sweeps_what_was_left_frozen() {
    if !can_freeze() {
        return;
    }
    let house = House::open();
    let function = house.function("counter", &python_bootstrap(COUNTER));
    let mut started = house.start(&function, &Lines::default()).await;
    started.sandbox.freeze();
    let spawner = support::spawners(std::process::id())
        .into_iter()
        .find(|pid| support::children(*pid).iter().any(|init| holds(*init, house.folder.path())))
        .expect("the spawner of this house");
    assert!(std::process::Command::new("/bin/kill").args(["-9", &spawner.to_string()]).status().unwrap().success());
    // The next start begins a new spawner, and sweeps before.
    let other = house.start(&function, &Lines::default()).await;
    let instance = std::fs::read_to_string(house.folder.path().join("run/cgroup")).unwrap();
    let of_the_dead = format!("{spawner}-");
    let left = |root: &str| {
        support::names(&format!("{root}/{instance}")).into_iter().any(|name| name.starts_with(&of_the_dead))
    };
    support::eventually("the end of the frozen group", || !left("/sys/fs/cgroup/freezer") && !left("/sys/fs/cgroup"));
    drop(other);
}

/// True for a process that sees something of `folder` mounted.
fn holds(pid: u32, folder: &Path) -> bool {
    let folder = folder.canonicalize().unwrap().display().to_string();
    std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).is_ok_and(|mounts| mounts.contains(&folder))
}
