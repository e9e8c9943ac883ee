//! Starts of Python with nothing prepared: once a zygote is up, the runtime is forked from it, and sealed as any other.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_sandbox::{Ending, Rung, SandboxDriver, Started};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use support::{Function, House, Lines, PATIENCE, answer, run};

/// The number of a forked runtime in its sandbox; an executed one has 2.
const FORKED: u64 = 3;

/// A start whose runtime was forked; the first ones boot their own.
async fn forked(house: &House, function: &Function, lines: &Lines) -> (Started, serde_json::Value) {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let mut started = house.start(function, lines).await;
        assert_eq!(started.rung, Rung::Full);
        let seen = answer(&mut started, function, "{}", lines).await;
        if seen["pid"] == FORKED {
            return (started, seen);
        }
    }
    panic!("no runtime was forked\n{}", lines.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_cannot_tell_a_forked_runtime_from_an_executed_one() {
    let Some((house, lines)) = House::where_possible() else { return };
    let pythons = house.driver.interpreters().into_iter().filter(|found| found.language == "python");
    let runtimes: BTreeSet<String> =
        pythons.filter_map(|found| Some(found.version.rsplit_once('.')?.0.to_owned())).collect();
    for runtime in runtimes {
        let text = include_str!("functions/look_around.py");
        let function = house.managed("look", &format!("python{runtime}"), "app.py", text);
        let mut first = house.start(&function, &lines).await;
        let executed = answer(&mut first, &function, "{}", &lines).await;
        let (second, seen) = forked(&house, &function, &lines).await;
        eprintln!("{runtime}, executed: {:?}\n{runtime}, forked:   {:?}", first.phases, second.phases);
        let same = |what: &str, value| what == "pid" || seen.get(what) == Some(value);
        let differs = executed.as_object().unwrap().iter().filter(|(what, value)| !same(what, *value));
        let differs: Vec<_> = differs.map(|(what, value)| (what, value, &seen[what])).collect();
        assert!(differs.is_empty(), "{runtime}; executed, forked: {differs:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_forked_runtime_is_told_and_another_is_executed() {
    let Some((house, lines)) = House::where_possible() else { return };
    let text = "import os\ndef handler(event, context):\n  if event == 'end': os._exit(3)\n  return {'pid': os.getpid(), 'left': os.listdir('/proc')}";
    let function = house.managed("f", "python3.11", "app.py", text);
    let (mut started, _) = forked(&house, &function, &lines).await;
    let ended = run(&mut started, &function, "\"end\"", PATIENCE).await;
    let Ending::Failed(error) = &ended.ending else { panic!("{ended:?}") };
    assert!(error.payload.windows(13).any(|part| part == b"exit status 3"), "{error:?}");
    let again = answer(&mut started, &function, "{}", &lines).await;
    assert_ne!(again["pid"], FORKED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forked_runtime_that_runs_out_of_time_is_ended_with_all_that_it_started() {
    let Some((house, lines)) = House::where_possible() else { return };
    let text = "import os, subprocess, time\ndef handler(event, context):\n  if event == 'late':\n    subprocess.Popen(['/bin/sleep', '60'])\n    time.sleep(60)\n  return {'pid': os.getpid(), 'count': len([n for n in os.listdir('/proc') if n.isdigit()])}";
    let function = house.managed("f", "python3.11", "app.py", text);
    let (mut started, seen) = forked(&house, &function, &lines).await;
    assert_eq!(seen["count"], 2, "init and the runtime");
    let late = run(&mut started, &function, "\"late\"", Duration::from_millis(300)).await;
    let Ending::Failed(error) = &late.ending else { panic!("{late:?}") };
    assert!(error.timed_out && late.usable, "{late:?}");
    assert_eq!(answer(&mut started, &function, "{}", &lines).await["count"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_given_up_does_not_hurt_the_zygote() {
    let Some((house, lines)) = House::where_possible() else { return };
    let function = house.managed(
        "f",
        "python3.11",
        "app.py",
        "import os\ndef handler(event, context): return {'pid': os.getpid()}",
    );
    forked(&house, &function, &lines).await;
    for micros in (0..40).map(|step| step * 100) {
        let given_up = tokio::time::timeout(Duration::from_micros(micros), house.start(&function, &lines)).await;
        drop(given_up);
    }
    house.driver.all_ended().await;
    let mut next = house.start(&function, &lines).await;
    assert_eq!(answer(&mut next, &function, "{}", &lines).await["pid"], FORKED, "the same zygote serves on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a thousand starts"]
async fn a_zygote_is_renewed_and_its_elder_is_gone() {
    let Some((house, lines)) = House::where_possible() else { return };
    let text = "import os\ndef handler(event, context): return {'pid': os.getpid(), 'place': next(l.split()[0] for l in open('/proc/self/maps') if '[stack]' in l)}";
    let function = house.managed("f", "python3.11", "app.py", text);
    let (_, first) = forked(&house, &function, &lines).await;
    for _ in 0..1_000 {
        house.start(&function, &lines).await;
    }
    house.driver.all_ended().await;
    let renewed = async {
        loop {
            let (_, seen) = forked(&house, &function, &lines).await;
            if seen["place"] != first["place"] {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, renewed).await.expect("another zygote serves, with other places in memory");
    let zygotes = || {
        let of_house = |pid: &u32| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("python"))
        };
        support::spawners(std::process::id()).into_iter().flat_map(support::children).filter(of_house).count()
    };
    support::eventually("the end of the elder", || zygotes() == 1);
}
