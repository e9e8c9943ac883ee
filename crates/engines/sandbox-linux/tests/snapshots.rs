//! Starts that fork a process which has finished INIT, into a sandbox of their own.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_sandbox::{InitEnding, Rung, SandboxDriver, SnapshotRefused, SnapshotReport, Started};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;
use support::{Function, House, Lines, answer};

async fn snapshot(house: &House, function: &Function, lines: &Lines) -> Result<SnapshotReport, SnapshotRefused> {
    let mut spec = function.spec(lines);
    for (_, value) in spec.environment.iter_mut().filter(|(name, _)| name == "AWS_LAMBDA_INITIALIZATION_TYPE") {
        *value = "snap-start".to_owned();
    }
    house.driver.snapshot(spec).await
}

/// A start from the snapshot that there is.
async fn restored(house: &House, function: &Function, lines: &Lines) -> Started {
    let started = house.start(function, lines).await;
    assert_eq!((started.rung, &started.missed), (Rung::Snapshot, &None), "{}", lines.text());
    assert_eq!(started.init.ending, InitEnding::Ready, "{}", lines.text());
    started
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_init_made_is_there_and_what_is_random_is_drawn_anew() {
    let Some((house, lines)) = House::where_possible() else { return };
    let text = r#"
import os, random, ssl, uuid
from snapshot_restore_py import register_after_restore, register_before_snapshot
ran = []
register_before_snapshot(ran.append, 'before')
register_after_restore(ran.append, 'after')
made = {'pid': os.getpid(), 'type': os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'], 'id': str(uuid.uuid4())}
ssl.RAND_bytes(8)
def handler(event, context):
    return {'made': made, 'ran': ran, 'pid': os.getpid(), 'random': {'python': random.random(), 'openssl': ssl.RAND_bytes(8).hex(), 'kernel': os.urandom(8).hex()},
            'stream': context.log_stream_name, 'count': event}
"#;
    let function = house.managed("f", "python3.11", "app.py", text);
    let report = snapshot(&house, &function, &lines).await.unwrap_or_else(|error| panic!("{error}\n{}", lines.text()));
    assert!(report.held_bytes > 1 << 20, "{report:?}");
    let mut both = [restored(&house, &function, &lines).await, restored(&house, &function, &lines).await];
    let mut seen = Vec::new();
    for started in &mut both {
        eprintln!("{:?}", started.phases);
        seen.push(answer(started, &function, "1", &lines).await);
        assert_eq!(answer(started, &function, "2", &lines).await["count"], 2);
    }
    assert_eq!(seen[0]["made"], seen[1]["made"], "of one INIT");
    assert_eq!(seen[0]["made"]["type"], "snap-start");
    assert_eq!((&seen[0]["pid"], &seen[0]["made"]["pid"]), (&3.into(), &2.into()));
    assert_eq!(seen[0]["ran"], serde_json::json!(["before", "after"]));
    for kind in ["python", "openssl", "kernel"] {
        assert_ne!(seen[0]["random"][kind], seen[1]["random"][kind], "{kind}");
    }
    assert_ne!(seen[0]["stream"], seen[1]["stream"], "its own log");
    assert!(lines.text().contains("restored from a snapshot; drawn anew: random"), "{}", lines.text());
}

fn without_what_init_was_told(mut seen: serde_json::Value) -> serde_json::Value {
    for variables in ["environ", "shown"] {
        let variables = seen[variables].as_object_mut().unwrap();
        variables.retain(|name, _| !matches!(name.as_str(), "AWS_LAMBDA_INITIALIZATION_TYPE" | "LACEWING_TEMPLATE"));
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_runtime_stands_within_the_same_walls_as_an_executed_one() {
    let Some((house, lines)) = House::where_possible() else { return };
    let pythons = house.driver.interpreters().into_iter().filter(|found| found.language == "python");
    let runtimes: BTreeSet<String> =
        pythons.filter_map(|found| Some(found.version.rsplit_once('.')?.0.to_owned())).collect();
    for runtime in runtimes {
        let text = include_str!("functions/look_around.py");
        let function = house.managed("look", &format!("python{runtime}"), "app.py", text);
        let mut first = house.start(&function, &lines).await;
        let executed = answer(&mut first, &function, "{}", &lines).await;
        snapshot(&house, &function, &lines).await.unwrap();
        let seen = answer(&mut restored(&house, &function, &lines).await, &function, "{}", &lines).await;
        // Its number, and what INIT was told; what is frozen for the fork is not collected.
        let [executed, seen] = [executed, seen].map(without_what_init_was_told);
        let same = |what: &str, value| matches!(what, "pid" | "gc") || seen.get(what) == Some(value);
        let differs = executed.as_object().unwrap().iter().filter(|(what, value)| !same(what, *value));
        let differs: Vec<_> = differs.map(|(what, value)| (what, value, &seen[what])).collect();
        assert!(differs.is_empty(), "{runtime}; executed, restored: {differs:#?}");
    }
}

/// What the host's kernel says of one process.
struct Seen {
    status: BTreeMap<String, String>,
    namespaces: BTreeMap<String, String>,
}

fn status(pid: u32) -> Option<BTreeMap<String, String>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let fields = status.lines().filter_map(|line| line.split_once(':'));
    Some(fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
}

/// The runtimes of a house, the template among them, by their number on the host.
fn runtimes(house: &House) -> BTreeMap<u32, Seen> {
    let instance = fs::read_to_string(house.folder.path().join("run/cgroup")).unwrap();
    let ours = |pid: &u32| {
        let is = |file: &str, part: &str| {
            String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default()).contains(part)
        };
        is("cgroup", &instance) && is("cmdline", "bootstrap.py")
    };
    let seen = |pid: u32| {
        let status = status(pid)?;
        let link = |name: String| Some((name.clone(), fs::read_link(format!("/proc/{pid}/ns/{name}")).ok()?));
        let namespaces = support::names(&format!("/proc/{pid}/ns")).into_iter().filter_map(link);
        let namespaces = namespaces.map(|(name, link)| (name, link.display().to_string())).collect();
        Some((pid, Seen { status, namespaces }))
    };
    support::names("/proc").iter().filter_map(|name| name.parse().ok()).filter(ours).filter_map(seen).collect()
}

impl Seen {
    /// A template is executed, as the second process of its sandbox; what is copied from it lies a namespace deeper.
    fn is_template(&self) -> bool {
        self.status["NSpid"].split_whitespace().skip(1).eq(["2"])
    }

    fn is_held(&self) -> bool {
        self.status["TracerPid"] != "0"
    }
}

/// The one that is held for good.
fn template(house: &House) -> u32 {
    *runtimes(house).iter().find(|(_, seen)| seen.is_template() && seen.is_held()).unwrap().0
}

const NEIGHBOUR: &str = r#"
import ctypes, os, socket
def tried(what):
    try:
        return what() or 'done'
    except OSError as error:
        return type(error).__name__
def layers():
    # How many more sets of Landlock's rules there is room for, of 16.
    calls, handled, count = ctypes.CDLL(None), (ctypes.c_uint64 * 1)(1 << 6), 0
    while True:
        rules = calls.syscall(444, handled, 8, 0)
        if calls.syscall(446, rules, 0) != 0:
            return count
        count += 1
held = []
def serve():
    for family, address in ((socket.AF_INET, ('127.0.0.1', 5000)), (socket.AF_UNIX, '\0neighbour')):
        held.append(socket.socket(family)); held[-1].bind(address); held[-1].listen()
    os.mkdir('/tmp/mine'); open('/dev/shm/mine', 'w').close()
def visit(family, address):
    with socket.socket(family) as visitor:
        visitor.connect(address)
def handler(event, context):
    if event == 'serve':
        serve()
    return {
        'processes': sorted(int(name) for name in os.listdir('/proc') if name.isdigit()),
        'tmp': os.listdir('/tmp'), 'shm': os.listdir('/dev/shm'), 'uid': os.getuid(),
        'init': tried(lambda: os.kill(1, 0)), 'all': tried(lambda: os.kill(-1, 0)),
        'others': sorted({tried(lambda: os.kill(pid, 0)) for pid in range(4, 300)}),
        'tcp': tried(lambda: visit(socket.AF_INET, ('127.0.0.1', 5000))),
        'abstract': tried(lambda: visit(socket.AF_UNIX, '\0neighbour')),
        'fds': sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:-1],
        'layers': layers() if event == 'layers' else None,
    }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn siblings_and_their_template_are_out_of_each_others_reach() {
    let Some((house, lines)) = House::where_possible() else { return };
    let function = house.managed("f", "python3.11", "app.py", NEIGHBOUR);
    snapshot(&house, &function, &lines).await.unwrap();
    let mut one = restored(&house, &function, &lines).await;
    let mut other = restored(&house, &function, &lines).await;
    let served = answer(&mut one, &function, "\"serve\"", &lines).await;
    assert_eq!((&served["tcp"], &served["abstract"]), (&"done".into(), &"done".into()), "in its own it reaches both");
    let seen = answer(&mut other, &function, "1", &lines).await;
    assert_eq!(seen["processes"], serde_json::json!([1, 3]), "init and itself");
    assert_eq!((&seen["tmp"], &seen["shm"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert_eq!(seen["uid"], 993);
    assert_eq!(seen["init"], "PermissionError", "Landlock keeps signals in");
    assert_eq!(seen["others"], serde_json::json!(["ProcessLookupError"]));
    assert_eq!((&seen["tcp"], &seen["abstract"]), (&"ConnectionRefusedError".into(), &"ConnectionRefusedError".into()));
    assert_eq!(seen["fds"], serde_json::json!([0, 1, 2, 3, 4]));

    // One may be in spare, or on its way to that: what is at rest is seen by one look.
    let all = std::cell::RefCell::new(BTreeMap::new());
    support::eventually("rest", || {
        all.replace(runtimes(&house));
        all.borrow().values().all(|seen| seen.is_held() == seen.is_template())
    });
    let all = all.into_inner();
    assert_eq!(all.values().filter(|seen| seen.is_template()).count(), 1);
    assert!((3..=4).contains(&all.len()), "the template, two copies, one in spare");
    let own = fs::read_link("/proc/self/ns/user").unwrap().display().to_string();
    for kind in ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] {
        let distinct: BTreeSet<_> = all.values().map(|seen| &seen.namespaces[kind]).collect();
        assert_eq!(distinct.len(), all.len(), "{kind}");
        assert!(!distinct.contains(&own));
    }
    let users: BTreeSet<_> = all.values().map(|seen| &seen.status["Uid"]).collect();
    assert_eq!(users.len(), all.len(), "a user each, on the host: {users:?}");
    for seen in all.values() {
        for (name, wanted) in [("NoNewPrivs", "1"), ("Seccomp", "2"), ("Seccomp_filters", "1"), ("Threads", "1")] {
            assert_eq!(seen.status[name], wanted, "{name}");
        }
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(seen.status[set], "0".repeat(16), "{set}");
        }
    }
    // Three sets: those of the template's init and of its runtime, and its own.
    assert_eq!(answer(&mut other, &function, "\"layers\"", &lines).await["layers"], 13);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_init_left_in_tmp_and_open_is_each_copys_own() {
    let Some((house, lines)) = House::where_possible() else { return };
    let text = r#"
import os
os.makedirs('/tmp/deep/er')
with open('/tmp/deep/er/file', 'w') as file: file.write('0123456789')
os.chmod('/tmp/deep/er/file', 0o640); os.utime('/tmp/deep/er/file', (1, 1))
os.symlink('er/file', '/tmp/deep/link'); os.symlink('/etc/passwd', '/tmp/out')
os.mkfifo('/tmp/pipe')
left, own = open('/tmp/deep/er/file'), open('/var/task/app.py')
left.seek(3); own.readline(); own.seek(4)
os.chdir('/tmp/deep')
def handler(event, context):
    about = os.stat('/tmp/deep/er/file')
    seen = {'read': os.read(left.fileno(), 2).decode(), 'own': os.read(own.fileno(), 2).decode(), 'cwd': os.getcwd(), 'mode': oct(about.st_mode), 'time': about.st_mtime,
            'owner': about.st_uid, 'link': open('/tmp/deep/link').read(), 'out': os.readlink('/tmp/out'), 'names': sorted(os.listdir('/tmp'))}
    with open('/tmp/deep/er/file', 'a') as file: file.write(event)
    return seen
"#;
    let function = house.managed("f", "python3.11", "app.py", text);
    snapshot(&house, &function, &lines).await.unwrap_or_else(|error| panic!("{error}\n{}", lines.text()));
    for _ in 0..2 {
        let mut started = restored(&house, &function, &lines).await;
        let seen = answer(&mut started, &function, "\"mine\"", &lines).await;
        let wanted = serde_json::json!({
            "read": "34", "own": &text[4..6], "cwd": "/tmp/deep", "mode": "0o100640", "time": 1.0, "owner": 993,
            "link": "0123456789", "out": "/etc/passwd", "names": ["deep", "out"],
        });
        assert_eq!(seen, wanted, "each begins where INIT ended, also after another has written");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_forked_is_refused_with_its_reason_and_starts_otherwise() {
    let Some((house, lines)) = House::where_possible() else { return };
    for (what, init, reason) in [
        (
            "thread",
            "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
            "INIT left 2 threads",
        ),
        ("child", "import subprocess\nsubprocess.Popen(['/bin/sleep', '60'])", "INIT left 1 child process"),
        ("socket", "import socket\nkept = socket.socketpair()", "INIT left descriptor 5 open: socket:"),
        ("file", "kept = open('/tmp/x', 'w')", "INIT left descriptor 5 a file that is written to"),
        ("memory", "import mmap\nkept = mmap.mmap(-1, 4096)", "INIT left memory that others could share"),
        ("input", "import os\nos.close(0)", "INIT closed its standard input"),
        (
            "handler",
            "import os, threading\nos.register_at_fork(before=lambda: threading.Thread(target=print).start())",
            "what runs before a fork begins a thread",
        ),
        ("failure", "raise ValueError('broken')", "INIT failed: {\"errorMessage\": \"broken\""),
        (
            "end",
            "import os\nfrom snapshot_restore_py import register_before_snapshot\nregister_before_snapshot(os._exit, 5)",
            "INIT failed: ",
        ),
    ] {
        let text = format!("{init}\ndef handler(event, context): return 1");
        let function = house.managed(what, "python3.11", "app.py", &text);
        let refused = snapshot(&house, &function, &lines).await.unwrap_err().to_string();
        assert!(refused.starts_with(reason), "{what}: {refused}");
        if what != "failure" && what != "end" {
            let mut started = house.start(&function, &lines).await;
            assert_eq!(started.rung, Rung::Full);
            assert_eq!(answer(&mut started, &function, "1", &lines).await, 1, "{what}");
        }
    }
    house.driver.all_ended().await;
    assert!(runtimes(&house).is_empty(), "nothing is left of them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_lives_on_when_its_snapshot_is_forgotten() {
    let Some((house, lines)) = House::where_possible() else { return };
    let function = house.managed("f", "python3.11", "app.py", "def handler(event, context): return event");
    snapshot(&house, &function, &lines).await.unwrap();
    let mut started = restored(&house, &function, &lines).await;
    house.driver.forget_snapshot(function.version.generation);
    support::eventually("the template's end", || runtimes(&house).len() == 1);
    assert_eq!(answer(&mut started, &function, "7", &lines).await, 7);
    assert_eq!(house.start(&function, &lines).await.rung, Rung::Full);
    drop(started);
    house.driver.all_ended().await;
    assert!(runtimes(&house).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_that_was_lost_is_taken_again_and_starts_go_on_meanwhile() {
    let Some((house, lines)) = House::where_possible() else { return };
    let text = "import uuid\nmade = str(uuid.uuid4())\ndef handler(event, context): return made";
    let function = house.managed("f", "python3.11", "app.py", text);
    snapshot(&house, &function, &lines).await.unwrap();
    let first = answer(&mut restored(&house, &function, &lines).await, &function, "1", &lines).await;
    house.driver.all_ended().await;
    let first_template = template(&house);
    let again = |what: &'static str| {
        let (house, function, lines) = (&house, &function, &lines);
        async move {
            let mut started = house.start(function, lines).await;
            if started.rung == Rung::Snapshot {
                // One that was in spare.
                started = house.start(function, lines).await;
            }
            assert_eq!(started.rung, Rung::Full, "{what}");
            let reason = started.missed.unwrap().to_string();
            assert!(reason.starts_with("its snapshot could not be forked: "), "{what}: {reason}");
            drop(started.sandbox);
            support::eventually("a new template", || house.driver.has_snapshot(function.version.generation));
            answer(&mut restored(house, function, lines).await, function, "1", lines).await
        }
    };
    kill(first_template);
    assert_ne!(again("the template was killed").await, first);
    let parent = |pid: u32| status(pid).unwrap()["PPid"].parse().unwrap();
    // The template is a child of its init, and that of the spawner.
    kill(parent(parent(template(&house))));
    assert_ne!(again("the spawner was killed").await, first);
}

fn kill(pid: u32) {
    let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    assert!(killed.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_is_given_up_leaves_nothing() {
    let Some((house, lines)) = House::where_possible() else { return };
    let function = house.managed("f", "python3.11", "app.py", "def handler(event, context): return event");
    snapshot(&house, &function, &lines).await.unwrap();
    for micros in (0..40).map(|step| step * 250) {
        drop(tokio::time::timeout(Duration::from_micros(micros), house.start(&function, &lines)).await);
    }
    house.driver.all_ended().await;
    support::eventually("the end of all but the template and one in spare", || runtimes(&house).len() <= 2);
    let mut started = restored(&house, &function, &lines).await;
    assert_eq!(answer(&mut started, &function, "7", &lines).await, 7, "the same template serves on");
}
