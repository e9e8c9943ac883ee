//! Every way in which a function can end, in real sandboxes.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_sandbox::{Ending, InitEnding, Outcome};
use std::time::Duration;
use support::{House, Lines, can_test, python_bootstrap, run};

const SHORT: Duration = Duration::from_secs(5);

fn answer(outcome: &Outcome) -> String {
    match &outcome.ending {
        Ending::Answer(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Ending::Failed(error) => format!("{}: {}", error.kind, String::from_utf8_lossy(&error.payload)),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_custom_runtime_answers_and_its_lines_arrive_before_the_answer() {
    let Some((house, lines)) = House::where_possible() else { return };
    let function = house.function(
        "echo",
        &python_bootstrap("def handle(event):\n    print('seen', event, flush=True)\n    return b'<' + event + b'>'"),
    );
    let mut started = house.start(&function, &lines).await;
    assert_eq!(started.init.ending, InitEnding::Ready, "{}", lines.text());
    for payload in ["1", "2"] {
        let outcome = run(&mut started, &function, payload, SHORT).await;
        assert_eq!(answer(&outcome), format!("<{payload}>"));
        assert!(outcome.usable && outcome.memory_peak_bytes > 0 && outcome.cpu > Duration::ZERO, "{outcome:?}");
        assert!(lines.text().contains(&format!("seen b'{payload}'")), "{}", lines.text());
    }
    eprintln!("{:?} {:?}", started.phases, started.init);
    drop(started);
    house.driver.all_ended().await;
}

/// A function that does what its event says, in Python without our bootstrap.
fn obedient(house: &House) -> support::Function {
    house.function(
        "obedient",
        &python_bootstrap(
            "import time, signal\n\
             held = []\n\
             def handle(event):\n\
             \x20   event = event.decode()\n\
             \x20   print('doing', event, flush=True)\n\
             \x20   if event == 'sleep': time.sleep(60)\n\
             \x20   if event == 'spawn': os.fork() or time.sleep(60); time.sleep(60)\n\
             \x20   if event.startswith('exit'): os._exit(int(event[4:]))\n\
             \x20   if event == 'segfault': os.kill(os.getpid(), signal.SIGSEGV)\n\
             \x20   if event.startswith('hold'): held.append(b'x' * (int(event[4:]) << 20))\n\
             \x20   if event.startswith('fill'): [open('/tmp/fill', 'ab' if n else 'wb').write(b'y' * (1 << 20)) for n in range(int(event[4:]))]\n\
             \x20   if event == 'size': return str(os.path.getsize('/tmp/fill') >> 20)\n\
             \x20   if event == 'large': return b'z' * (6 * 1024 * 1024 + 101)\n\
             \x20   return 'done ' + event",
        ),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_ending_leaves_a_sandbox_that_can_be_used_again() {
    let Some((house, lines)) = House::where_possible() else { return };
    let function = obedient(&house);
    let mut started = house.start(&function, &lines).await;
    let second = Duration::from_secs(1);
    let outcome = run(&mut started, &function, "fill20", SHORT).await;
    assert_eq!(answer(&outcome), "done fill20", "{}", lines.text());
    for (event, timeout, kind, text) in [
        ("sleep", second, "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ("spawn", second, "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ("exit0", SHORT, "Runtime.ExitError", "Runtime exited without providing a reason"),
        ("exit7", SHORT, "Runtime.ExitError", "Runtime exited with error: exit status 7"),
        ("segfault", SHORT, "Runtime.ExitError", "Runtime exited with error: signal: segmentation fault"),
        ("hold130", SHORT, "Runtime.OutOfMemory", "Runtime exited with error: signal: killed"),
        ("hold200", SHORT, "Runtime.OutOfMemory", "Runtime exited with error: signal: killed"),
        ("hold2000", SHORT, "Runtime.OutOfMemory", "Runtime exited with error: signal: killed"),
        ("large", SHORT, "Function.ResponseSizeTooLarge", "maximum allowed payload size (6291556 bytes)."),
    ] {
        let outcome = run(&mut started, &function, event, timeout).await;
        let Ending::Failed(error) = &outcome.ending else { panic!("{event}: {}", answer(&outcome)) };
        assert_eq!(error.kind, kind, "{event}: {}", answer(&outcome));
        assert!(String::from_utf8_lossy(&error.payload).contains(text), "{event}: {}", answer(&outcome));
        assert_eq!(error.timed_out, kind == "Sandbox.Timedout", "{event}");
        assert!(outcome.usable, "{event}");
        if error.timed_out {
            let total = outcome.duration + outcome.init.as_ref().map_or(Duration::ZERO, |init| init.duration);
            assert_eq!(total, timeout, "{event}: what is billed is the limit");
        }
        if kind == "Runtime.OutOfMemory" {
            assert_eq!(outcome.memory_peak_bytes, 128 << 20, "{event}");
        }
        assert!(lines.text().contains(&format!("doing {event}")), "{event}: {}", lines.text());
        let next = run(&mut started, &function, "size", SHORT).await;
        assert_eq!(answer(&next), "20", "{event}: /tmp was kept");
        assert_eq!(next.init.is_some(), kind != "Function.ResponseSizeTooLarge", "{event}: INIT ran again inside it");
    }
    // As much memory as it has, beside a full /tmp, is no reason to die.
    let outcome = run(&mut started, &function, "fill400", SHORT).await;
    assert_eq!(answer(&outcome), "done fill400");
    let outcome = run(&mut started, &function, "hold70", SHORT).await;
    assert_eq!(answer(&outcome), "done hold70");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shared_memory_dies_with_its_processes_and_tmp_is_no_memory() {
    let Some((house, lines)) = House::where_possible() else { return };
    let script = python_bootstrap(
        "import ctypes\n\
         libc = ctypes.CDLL(None)\n\
         libc.shmat.restype = ctypes.c_void_p\n\
         def handle(event):\n\
         \x20   event = event.decode()\n\
         \x20   if event == 'system v': ctypes.memset(ctypes.c_void_p(libc.shmat(libc.shmget(0, 100 << 20, 0o1600), None, 0)), 1, 100 << 20)\n\
         \x20   if event == 'posix':\n\
         \x20       os.makedirs('/dev/shm/a/b'); open('/dev/shm/a/b/c', 'wb').write(b'x' * (30 << 20)); os.chmod('/dev/shm/a', 0)\n\
         \x20   if event in ('system v', 'posix'): os._exit(1)\n\
         \x20   if event == 'fill': [open('/tmp/fill', 'ab').write(bytes(1 << 20)) for _ in range(200)]\n\
         \x20   if event == 'unlink': os.unlink('/tmp/fill')\n\
         \x20   return b'fine'",
    );
    let function = house.function("shared", &script);
    let mut started = house.start(&function, &lines).await;
    for event in ["system v", "posix", "system v"] {
        let outcome = run(&mut started, &function, event, SHORT).await;
        assert!(answer(&outcome).contains("exit status 1"), "{event}: {}", answer(&outcome));
        assert!(outcome.usable, "{event}");
        let outcome = run(&mut started, &function, "nothing", SHORT).await;
        assert_eq!(answer(&outcome), "fine", "after {event}");
    }
    let mut fresh = house.start(&function, &lines).await;
    for event in ["nothing", "fill", "unlink", "nothing"] {
        let outcome = run(&mut fresh, &function, event, SHORT).await;
        assert_eq!(answer(&outcome), "fine", "{event}");
        assert!(outcome.memory_peak_bytes < 64 << 20, "{event}: {}", outcome.memory_peak_bytes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_init_is_told_and_repeated_inside_the_first_run() {
    let Some((house, lines)) = House::where_possible() else { return };
    for (name, script, text) in [
        ("none", "", "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
        ("exits", "#!/bin/sh\necho going\nexit 3\n", "Runtime exited with error: exit status 3"),
        ("noexec", "\x7fELF nonsense", "fork/exec /var/task/bootstrap: exec format error"),
        ("lost", "#!/no/such/thing\n", "fork/exec /var/task/bootstrap: no such file or directory"),
    ] {
        let function = house.function(name, script);
        if script.is_empty() {
            std::fs::remove_file(function.code.join("bootstrap")).unwrap();
        }
        let mut started = house.start(&function, &lines).await;
        let InitEnding::Failed(error) = &started.init.ending else { panic!("{name}: {:?}", started.init) };
        assert!(String::from_utf8_lossy(&error.payload).contains(text), "{name}: {error:?}");
        let outcome = run(&mut started, &function, "1", SHORT).await;
        assert!(answer(&outcome).contains(text), "{name}: {}", answer(&outcome));
        assert!(outcome.usable && outcome.init.is_some(), "{name}");
    }
    // One that fails once succeeds inside the first run.
    let script = python_bootstrap(
        "if not os.path.exists('/tmp/seen'):\n    open('/tmp/seen', 'w')\n    sys.exit(1)\ndef handle(event): return b'well'",
    );
    let function = house.function("once", &script);
    let mut started = house.start(&function, &lines).await;
    assert!(matches!(started.init.ending, InitEnding::Failed(_)));
    let outcome = run(&mut started, &function, "1", SHORT).await;
    assert_eq!(answer(&outcome), "well");
    assert_eq!(outcome.init.unwrap().ending, InitEnding::Ready);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_init_over_its_limit_is_repeated_under_the_timeout_of_the_function() {
    let Some((house, lines)) = House::where_possible() else { return };
    let function = house.function("slow", "#!/bin/sh\nexec sleep 60\n");
    let mut spec = function.spec(&lines);
    spec.init_max = Duration::from_millis(300);
    let mut started = lacewing_sandbox::SandboxDriver::start(&*house.driver, spec).await.unwrap();
    assert_eq!(started.init.ending, InitEnding::TimedOut);
    let outcome = run(&mut started, &function, "1", Duration::from_secs(1)).await;
    assert!(answer(&outcome).contains("Task timed out after 1.00 seconds"), "{}", answer(&outcome));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn managed_runtimes_run_on_the_interpreters_of_the_host() {
    if !can_test() {
        return;
    }
    let house = House::open();
    let python = "import os, sys\ndef handler(event, context):\n    print('hello from', sys.version)\n    return {'in': event, 'ls': sorted(os.listdir('/'))}\n";
    let node =
        "exports.handler = async (event) => { console.log('hello from', process.version); return { in: event } }\n";
    let found = lacewing_sandbox::SandboxDriver::interpreters(&*house.driver);
    for (runtime, language, file, text) in [
        ("python3.11", "python", "app.py", python),
        ("python3.13", "python", "app.py", python),
        ("python3.14", "python", "app.py", python),
        ("nodejs20.x", "nodejs", "app.js", node),
        ("nodejs22.x", "nodejs", "app.js", node),
    ] {
        if !found.iter().any(|found| found.language == language) {
            eprintln!("skipped: no {language} here");
            continue;
        }
        let lines = Lines::default();
        let function = house.managed(&runtime.replace('.', "_"), runtime, file, text);
        let mut started = house.start(&function, &lines).await;
        assert_eq!(started.init.ending, InitEnding::Ready, "{runtime}: {}", lines.text());
        let outcome = run(&mut started, &function, "{\"a\":1}", SHORT).await;
        eprintln!("{runtime}: {} {:?}\n{}", answer(&outcome), started.phases, lines.text());
        assert!(answer(&outcome).contains("{\"a\":1}") || answer(&outcome).contains("{\"a\": 1}"), "{runtime}");
        assert!(lines.text().contains("hello from"), "{runtime}: {}", lines.text());
    }
}
