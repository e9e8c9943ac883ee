//! Nothing outlives a sandbox, and no sandbox outlives its server.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_sandbox::{Ending, SandboxDriver};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::{House, Lines, can_test, children, eventually, run, settled_traces, spawners};

/// Descriptors and children are counted by process: one test of this file at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Sandboxes at once.
const AT_ONCE: usize = 20;
const ROUNDS: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_starts_leave_nothing() {
    if !can_test() {
        return;
    }
    let _alone = ALONE.lock().await;
    let house = House::open();
    let Some(function) = house.native() else { return eprintln!("skipped: no C compiler") };
    let lines = Lines::default();
    let mut before = None;
    for round in 0..=ROUNDS {
        let starting: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let (driver, spec) = (house.driver.clone(), function.spec(&lines));
                tokio::spawn(async move { driver.start(spec).await.unwrap() })
            })
            .collect();
        for (at, starting) in starting.into_iter().enumerate() {
            let mut started = starting.await.unwrap();
            if at == 0 {
                let outcome = run(&mut started, &function, "1", Duration::from_secs(5)).await;
                assert_eq!(outcome.ending, Ending::Answer("\"ok\"".into()), "{}", lines.text());
            }
        }
        house.driver.all_ended().await;
        // The first round warms what stays by intention, such as the stock of network namespaces.
        if round == 0 {
            before = Some(settled_traces(house.folder.path()).await);
        }
    }
    assert_eq!(before.unwrap(), settled_traces(house.folder.path()).await);
}

/// Not a test of its own: the server that the next tests kill, run by them as another process.
#[tokio::test]
#[ignore = "a part of other tests"]
async fn server_to_be_killed() {
    let Some(folder) = std::env::var_os("LACEWING_TEST_FOLDER") else { return };
    let pending = lacewing_sandbox_linux::LinuxDriver::launch(support::options(Path::new(&folder))).unwrap();
    let driver = pending.attach().unwrap();
    let code = Path::new(&folder).join("code");
    std::fs::create_dir_all(&code).unwrap();
    support::write_executable(
        &code.join("bootstrap"),
        support::python_bootstrap("def handle(event): return event").as_bytes(),
    );
    let function = support::Function { version: support::version("f", "provided.al2023"), code, layers: None };
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(driver.start(function.spec(&Lines::default())).await.unwrap());
    }
    println!("ready");
    std::future::pending::<()>().await;
}

/// Starts that server and returns it when it has sandboxes, with all processes below it.
fn server(folder: &Path) -> (Child, Vec<u32>) {
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "server_to_be_killed", "--nocapture"])
        .env("LACEWING_TEST_FOLDER", folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains("ready"))));
    let spawners = spawners(server.id());
    let inits: Vec<u32> = spawners.iter().flat_map(|pid| children(*pid)).collect();
    let runtimes: Vec<u32> = inits.iter().flat_map(|pid| children(*pid)).collect();
    assert_eq!((spawners.len(), inits.len(), runtimes.len()), (1, 3, 3));
    (server, [spawners, inits, runtimes].concat())
}

fn kill(pid: u32) {
    assert!(Command::new("/bin/kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A dead one that nobody has reaped runs no more; without a parent it is init's to reap.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn cgroups(folder: &Path) -> Vec<PathBuf> {
    let instance = std::fs::read_to_string(folder.join("run/cgroup")).unwrap();
    let all =
        support::names("/sys/fs/cgroup").into_iter().map(|name| Path::new("/sys/fs/cgroup").join(name).join(&instance));
    all.filter(|path| path.exists()).collect()
}

#[test]
fn a_killed_server_leaves_nothing() {
    if !can_test() {
        return;
    }
    let _alone = ALONE.blocking_lock();
    let folder = tempfile::tempdir().unwrap();
    let (mut server, below) = server(folder.path());
    assert!(!cgroups(folder.path()).is_empty());
    kill(server.id());
    server.wait().unwrap();
    eventually("the end of every process", || !below.iter().any(|pid| lives(*pid)));
    eventually("the end of every cgroup", || cgroups(folder.path()).is_empty());
}

#[test]
fn a_killed_spawner_takes_its_sandboxes_along_and_the_next_launch_sweeps() {
    if !can_test() {
        return;
    }
    let _alone = ALONE.blocking_lock();
    let folder = tempfile::tempdir().unwrap();
    let (mut server, below) = server(folder.path());
    kill(below[0]);
    eventually("the end of every process", || !below.iter().any(|pid| lives(*pid)));
    kill(server.id());
    server.wait().unwrap();
    let of_the_dead = format!("{}-1", below[0]);
    let left = |folder: &Path| cgroups(folder).iter().any(|root| root.join(&of_the_dead).exists());
    assert!(left(folder.path()), "nobody was there to remove the cgroups");
    let pending = lacewing_sandbox_linux::LinuxDriver::launch(support::options(folder.path())).unwrap();
    assert!(!left(folder.path()));
    drop(pending);
    eventually("the end of every cgroup", || cgroups(folder.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_after_the_end_of_the_spawner_begins_a_new_one() {
    if !can_test() {
        return;
    }
    let _alone = ALONE.lock().await;
    let house = House::open();
    let function = house.function("f", &support::python_bootstrap("def handle(event): return b'well'"));
    let lines = Lines::default();
    let mut lost = house.start(&function, &lines).await;
    let here = std::process::id();
    let mine = spawners(here);
    // Other tests of this process have spawners of their own; this one's holds the sandbox that has just begun.
    let holds =
        |pid: &&u32| children(**pid).iter().any(|init| children(*init).iter().any(|pid| runs(*pid, &function.code)));
    let Some(spawner) = mine.iter().find(holds) else { panic!("no spawner holds the sandbox") };
    let inits = children(*spawner);
    let below: Vec<u32> = inits.iter().flat_map(|init| children(*init)).chain(inits.iter().copied()).collect();
    kill(*spawner);
    // What runs in the sandbox dies after it, and may answer until then.
    eventually("the end of the spawner", || !lives(*spawner) && !below.iter().any(|pid| lives(*pid)));
    let now = std::time::Instant::now();
    let work = support::work(&function, "1", Duration::from_secs(5));
    assert!(lost.sandbox.run(work, now + Duration::from_secs(5)).await.is_err(), "its sandbox is gone");
    let mut next = house.start(&function, &lines).await;
    let outcome = run(&mut next, &function, "1", Duration::from_secs(5)).await;
    assert_eq!(outcome.ending, Ending::Answer("well".into()));
}

/// True for a process in a sandbox that has `code` mounted.
fn runs(pid: u32, code: &Path) -> bool {
    let code = code.canonicalize().unwrap().display().to_string();
    std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).is_ok_and(|mounts| mounts.contains(&code))
}
