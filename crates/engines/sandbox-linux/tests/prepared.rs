//! Prepared sandboxes: a start takes one where it can, and its function cannot tell.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_model::{EphemeralMib, Language, LogFormat};
use lacewing_sandbox::{Ending, Missed, Preparation, Rung, SandboxDriver};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use support::{Function, House, Lines, PATIENCE, answer, can_test, python_bootstrap, run};

const LOOK_AROUND_PYTHON: &str = include_str!("functions/look_around.py");
const LOOK_AROUND_NODE: &str = include_str!("functions/look_around.cjs");

fn kind(function: &Function) -> Preparation {
    Preparation::of(&function.version)
}

fn count(house: &House, kind: Preparation) -> usize {
    house.driver.prepared().iter().find(|(of, _)| *of == kind).map_or(0, |(_, count)| *count)
}

/// Has `wanted` of a kind kept, and waits until they are there.
async fn keep(house: &House, kind: Preparation, wanted: usize) {
    house.driver.keep_prepared(kind, wanted);
    wait_for(house, kind, wanted).await;
}

async fn wait_for(house: &House, kind: Preparation, wanted: usize) {
    let there = async {
        while count(house, kind) != wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, there).await.expect("the wanted number is prepared");
}

/// The processes of this house that wait for their function.
fn waiting_runtimes(house: &House) -> Vec<u32> {
    let holds = |pid: &u32, file: &str, part: &[u8]| {
        let text = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        text.windows(part.len()).any(|found| found == part)
    };
    let here = house.folder.path().display().to_string();
    let inits = support::spawners(std::process::id()).into_iter().flat_map(support::children);
    let runtimes = inits.flat_map(support::children);
    runtimes
        .filter(|pid| holds(pid, "environ", b"LACEWING_WAITS") && holds(pid, "mountinfo", here.as_bytes()))
        .collect()
}

/// What a function sees after a full start and after a prepared one.
async fn both_ways(house: &House, function: &Function) -> [serde_json::Value; 2] {
    let lines = Lines::default();
    let mut full = house.start(function, &lines).await;
    assert_eq!((full.rung, &full.missed), (Rung::Full, &Some(Missed::NonePrepared)));
    let expected = answer(&mut full, function, "{}", &lines).await;
    keep(house, kind(function), 1).await;
    let mut prepared = house.start(function, &lines).await;
    assert_eq!((prepared.rung, &prepared.missed), (Rung::Prepared, &None), "{}", lines.text());
    let seen = answer(&mut prepared, function, "{}", &lines).await;
    [expected, seen]
}

fn assert_same([expected, seen]: &[serde_json::Value; 2]) {
    let (expected, seen) = (expected.as_object().unwrap(), seen.as_object().unwrap());
    for (what, value) in expected {
        if what == "pid" {
            continue; // One that a zygote forked has the next number.
        }
        assert_eq!(Some(value), seen.get(what), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_function_cannot_tell_a_prepared_start_from_a_full_one() {
    if !can_test() {
        return;
    }
    let house = House::open();
    let mut function = house.managed("look", "python3.11", "app.py", LOOK_AROUND_PYTHON).memory(1_024);
    assert_same(&both_ways(&house, &function).await);
    // And one that changes whatever can be changed.
    let own =
        [("TZ", "Asia/Tokyo"), ("PYTHONPATH", "/opt/mine:/var/task/deep"), ("MINE", "a=b\u{e4}"), ("PATH", "/bin")];
    Arc::make_mut(&mut function.version.config).environment =
        Some(own.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    Arc::make_mut(&mut function.version.config).ephemeral = EphemeralMib::new(2_048).unwrap();
    Arc::make_mut(&mut function.version.config).logging.format = LogFormat::Json;
    let both = both_ways(&House::open(), &function).await;
    assert_same(&both);
    assert_eq!(both[1]["zone"][2], 9, "the function's own time zone is in force");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_function_cannot_tell_a_prepared_start_from_a_full_one() {
    if !can_test() {
        return;
    }
    let house = House::open();
    let mut function = house.managed("look", "nodejs20.x", "app.js", LOOK_AROUND_NODE).memory(512);
    assert_same(&both_ways(&house, &function).await);
    let own = [("TZ", "Asia/Tokyo"), ("NODE_PATH", "/opt/mine"), ("MINE", "a=b\u{e4}"), ("NODE_ENV", "test")];
    Arc::make_mut(&mut function.version.config).environment =
        Some(own.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    Arc::make_mut(&mut function.version.config).logging.format = LogFormat::Json;
    let both = both_ways(&House::open(), &function).await;
    assert_same(&both);
    assert_eq!(both[1]["offset"], -540, "the function's own time zone is in force");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loader_finds_the_functions_libraries_after_a_prepared_start() {
    if !can_test() {
        return;
    }
    let house = House::open();
    let text =
        "import ctypes\nLIBRARY = ctypes.CDLL('libmine.so')\ndef handler(event, context): return LIBRARY.answer()";
    let function = house.managed("library", "python3.11", "app.py", text);
    std::fs::create_dir(function.code.join("lib")).unwrap();
    std::fs::write(function.code.join("mine.c"), "int answer(void) { return 42; }").unwrap();
    let (library, source) = (function.code.join("lib/libmine.so"), function.code.join("mine.c"));
    let built = std::process::Command::new("cc").args(["-shared", "-o"]).args([library, source]).status();
    if !built.is_ok_and(|status| status.success()) {
        return eprintln!("skipped: no C compiler");
    }
    let [full, prepared] = both_ways(&house, &function).await;
    assert_eq!((full, prepared), (42.into(), 42.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_native_function_takes_a_bare_sandbox() {
    let Some((house, lines)) = House::where_possible() else { return };
    let function = house.function("f", &python_bootstrap("def handle(event): return b'well'"));
    keep(&house, kind(&function), 1).await;
    let mut started = house.start(&function, &lines).await;
    assert_eq!((started.rung, &started.missed), (Rung::Prepared, &None));
    let outcome = run(&mut started, &function, "1", PATIENCE).await;
    assert_eq!(outcome.ending, Ending::Answer("well".into()), "{}", lines.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_booted_runtime_cannot_serve_starts_in_a_bare_sandbox_and_says_why() {
    let Some((house, lines)) = House::where_possible() else { return };
    let text = "import os\ndef handler(event, context): return [os.environ.get('LANG'), os.environ.get('WRAPPED')]";
    let mut function = house.managed("f", "python3.11", "app.py", text);
    support::write_executable(&function.code.join("wrap"), b"#!/bin/sh\nexport WRAPPED=yes\nexec \"$@\"\n");
    let bare = Preparation { language: Language::Provided, ..kind(&function) };
    keep(&house, bare, 1).await;
    keep(&house, kind(&function), 1).await;
    for (variable, value, missed, want) in [
        ("LANG", "C", Missed::Environment("LANG".into()), serde_json::json!(["C", null])),
        ("AWS_LAMBDA_EXEC_WRAPPER", "/var/task/wrap", Missed::Wrapper, serde_json::json!(["en_US.UTF-8", "yes"])),
    ] {
        wait_for(&house, bare, 1).await;
        Arc::make_mut(&mut function.version.config).environment =
            Some(BTreeMap::from([(variable.to_owned(), value.to_owned())]));
        let mut started = house.start(&function, &lines).await;
        assert_eq!((started.rung, &started.missed), (Rung::Prepared, &Some(missed)));
        assert_eq!(answer(&mut started, &function, "{}", &lines).await, want);
        assert_eq!(count(&house, kind(&function)), 1, "the booted one is left for another");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shelf_is_refilled_and_emptied_and_hands_out_nothing_dead() {
    let Some((house, lines)) = House::where_possible() else { return };
    let function = house.managed("f", "python3.11", "app.py", "def handler(event, context): return event");
    keep(&house, kind(&function), 2).await;
    let first = house.start(&function, &lines).await;
    wait_for(&house, kind(&function), 2).await;
    // All that wait lose their runtime; the one that was taken is not of them.
    let waiting = waiting_runtimes(&house);
    assert_eq!(waiting.len(), 2);
    for runtime in waiting {
        let killed = std::process::Command::new("/bin/kill").args(["-9", &runtime.to_string()]).status();
        assert!(killed.unwrap().success());
    }
    support::eventually("the end of the runtimes", || waiting_runtimes(&house).is_empty());
    let mut next = house.start(&function, &lines).await;
    assert_eq!(answer(&mut next, &function, "{}", &lines).await, serde_json::json!({}));
    assert_eq!(next.rung, Rung::Full, "nothing that lives was there");
    wait_for(&house, kind(&function), 2).await;
    keep(&house, kind(&function), 0).await;
    drop((first, next));
    house.driver.all_ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_that_ends_in_a_prepared_sandbox_is_started_again_with_the_same_tmp() {
    let Some((house, lines)) = House::where_possible() else { return };
    let text = "import os\ndef handler(event, context):\n  if event == 'end': os._exit(3)\n  if event == 'put': open('/tmp/x', 'w')\n  return [os.listdir('/tmp'), os.environ['AWS_LAMBDA_FUNCTION_NAME'], os.getcwd()]";
    let function = house.managed("again", "python3.11", "app.py", text);
    keep(&house, kind(&function), 1).await;
    let mut started = house.start(&function, &lines).await;
    assert_eq!(started.rung, Rung::Prepared);
    run(&mut started, &function, "\"put\"", PATIENCE).await;
    let ended = run(&mut started, &function, "\"end\"", PATIENCE).await;
    assert!(matches!(ended.ending, Ending::Failed(_)) && ended.usable, "{ended:?}");
    let again = answer(&mut started, &function, "{}", &lines).await;
    assert_eq!(again, serde_json::json!([["x"], "again", "/var/task"]), "{}", lines.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_ends_with_its_driver() {
    if !can_test() {
        return;
    }
    let house = House::open();
    let python = Preparation::of(&support::version("f", "python3.11"));
    let bare = Preparation::of(&support::version("f", "provided.al2023"));
    keep(&house, python, 2).await;
    keep(&house, bare, 2).await;
    house.driver.close().await;
    assert_eq!(house.driver.prepared(), []);
    assert_eq!(waiting_runtimes(&house), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_init_that_runs_out_of_time_in_a_prepared_sandbox_is_repeated_in_the_call() {
    let Some((house, lines)) = House::where_possible() else { return };
    let text = "import os, time\nif not os.path.exists('/tmp/once'):\n  open('/tmp/once', 'w')\n  time.sleep(30)\ndef handler(event, context): return 'at last'";
    for runtime in ["python3.11", "nodejs20.x"] {
        let text = if runtime.starts_with("python") {
            text
        } else {
            "const fs = require('fs');\nif (!fs.existsSync('/tmp/once')) { fs.writeFileSync('/tmp/once', ''); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30000); }\nexports.handler = async () => 'at last';"
        };
        let file = if runtime.starts_with("python") { "app.py" } else { "app.js" };
        let function = house.managed(&runtime.replace(".", "-"), runtime, file, text);
        keep(&house, kind(&function), 1).await;
        let spec = lacewing_sandbox::StartSpec { init_max: Duration::from_millis(500), ..function.spec(&lines) };
        let mut started = house.driver.start(spec).await.unwrap();
        assert_eq!((started.rung, &started.init.ending), (Rung::Prepared, &lacewing_sandbox::InitEnding::TimedOut));
        assert_eq!(answer(&mut started, &function, "{}", &lines).await, serde_json::json!("at last"));
    }
}
