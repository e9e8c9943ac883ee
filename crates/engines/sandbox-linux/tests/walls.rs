//! What a function cannot do, tried from within a real sandbox.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_sandbox::{Ending, SandboxDriver, Strength};
use lacewing_sandbox_linux::{IsolationRequirement, LinuxDriver, LinuxOptions};
use std::time::Duration;
use support::{House, Lines, can_test, python_bootstrap, run};

/// Each probe is an expression that must fail, or a statement of what must be seen.
const PROBES: &str = r#"
import ctypes, errno, json, resource, signal, socket, stat, time
libc = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(number, *arguments)
    return "made" if result >= 0 else errno.errorcode[ctypes.get_errno()]

def attempt(what):
    try:
        return repr(what())[:200]
    except BaseException as error:
        return type(error).__name__

def status(name):
    return next(line.split()[1] for line in open("/proc/self/status") if line.startswith(name + ":"))

def handle(event):
    return json.dumps({
        "uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups(),
        "caps": [status(name) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
        "no_new_privs": status("NoNewPrivs"), "seccomp": status("Seccomp"),
        "pids": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
        "host": socket.gethostname(),
        "interfaces": [name for _, name in socket.if_nameindex()],
        "cgroup": open("/proc/self/cgroup").read().count("lacewing"),
        "limits": [resource.getrlimit(r)[1] for r in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE)],
        "fds": [os.readlink("/proc/self/fd/" + fd).split(":")[0] for fd in sorted(os.listdir("/proc/self/fd"))[:-1]],
        "root": sorted(os.listdir("/")),
        "sys": os.path.exists("/sys"), "shadow": os.path.exists("/etc/shadow"), "home": os.path.exists("/root"),
        "etc": attempt(lambda: open("/etc/passwd", "a")),
        "task": attempt(lambda: open("/var/task/x", "w")),
        "usr": attempt(lambda: open("/usr/x", "w")),
        "sysctl": attempt(lambda: open("/proc/sys/kernel/hostname", "w")),
        "init": [attempt(lambda path=path: os.readlink("/proc/1/" + path) if path == "root" else open("/proc/1/" + path, "rb").read(1)) for path in ("mem", "environ", "root", "maps")],
        "kill init": attempt(lambda: os.kill(1, signal.SIGKILL)),
        "limit init": attempt(lambda: resource.prlimit(1, resource.RLIMIT_CPU, (0, 0))),
        "raise files": attempt(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))),
        "tmp": attempt(lambda: open("/tmp/x", "w").write("x")),
        "shm": attempt(lambda: open("/dev/shm/x", "w").write("x")),
        "null": attempt(lambda: open("/dev/null", "w").write("x")),
        "random": attempt(lambda: len(os.urandom(4))),
        "device": attempt(lambda: os.mknod("/tmp/d", stat.S_IFBLK | 0o600, os.makedev(254, 0))),
        "raw": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
        "packet": attempt(lambda: socket.socket(17, socket.SOCK_RAW)),
        "unshare": call(272, 0x10000000), "mount": call(165, b"x", b"/tmp", b"tmpfs", 0, None),
        "ptrace": call(101, 0, 0, 0, 0), "bpf": call(321, 0, 0, 0), "keyctl": call(250, 0, 0, 0),
        "perf": call(298, 0, 0, 0, 0, 0), "module": call(175, 0, 0, 0), "clone3": call(435, 0, 0),
        "user namespace": call(56, 0x10000000 | 17, 0, 0, 0, 0), "chroot": call(161, b"/tmp"), "io_uring": call(425, 1, 0),
        "suid": attempt(lambda: __import__("subprocess").run(["/usr/bin/su", "-c", "id"], capture_output=True, stdin=-3, timeout=5).returncode != 0),
    })
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_finds_walls_on_every_side() {
    if !can_test() || std::env::consts::ARCH != "x86_64" {
        return;
    }
    let house = House::open();
    let isolation = house.driver.isolation();
    for wall in &isolation.walls {
        eprintln!("{:20} {:?}: {}", wall.name, wall.strength, wall.detail);
    }
    let lines = Lines::default();
    let function = house.function("probes", &python_bootstrap(PROBES));
    let mut started = house.start(&function, &lines).await;
    let outcome = run(&mut started, &function, "1", Duration::from_secs(10)).await;
    let Ending::Answer(bytes) = &outcome.ending else { panic!("{outcome:?} {}", lines.text()) };
    let seen: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    eprintln!("{seen:#}");
    let text = |key: &str| seen[key].to_string();
    // From version 6 on Landlock refuses what the kernel would only ignore.
    let scopes = isolation.walls.iter().any(|wall| wall.name == "landlock" && wall.strength == Strength::Full);
    for (key, want) in [
        ("uid", "993"),
        ("gid", "990"),
        ("groups", "[]"),
        ("no_new_privs", "\"1\""),
        ("seccomp", "\"2\""),
        ("pids", "[1,2]"),
        ("host", "\"sandbox\""),
        ("interfaces", "[\"lo\"]"),
        ("cgroup", "0"),
        ("limits", "[1024,0]"),
        ("sys", "false"),
        ("shadow", "false"),
        ("home", "false"),
        ("etc", "\"PermissionError\""),
        ("task", "\"OSError\""),
        ("usr", "\"OSError\""),
        ("sysctl", "\"PermissionError\""),
        ("init", r#"["PermissionError","PermissionError","PermissionError","PermissionError"]"#),
        ("kill init", if scopes { "\"PermissionError\"" } else { "\"None\"" }),
        ("limit init", "\"PermissionError\""),
        ("raise files", "\"ValueError\""),
        ("tmp", "\"1\""),
        ("shm", "\"1\""),
        ("null", "\"1\""),
        ("random", "\"4\""),
        ("device", "\"PermissionError\""),
        ("raw", "\"PermissionError\""),
        ("packet", "\"OSError\""),
        ("unshare", "\"EPERM\""),
        ("mount", "\"EPERM\""),
        ("ptrace", "\"EPERM\""),
        ("bpf", "\"EPERM\""),
        ("keyctl", "\"EPERM\""),
        ("perf", "\"EPERM\""),
        ("module", "\"EPERM\""),
        ("clone3", "\"ENOSYS\""),
        ("user namespace", "\"EPERM\""),
        ("chroot", "\"EPERM\""),
        ("io_uring", "\"ENOSYS\""),
        ("suid", "\"True\""),
    ] {
        assert_eq!(text(key), want, "{key}");
    }
    assert!(seen["caps"].as_array().unwrap().iter().all(|set| set == "0000000000000000"), "{}", text("caps"));
    assert!(isolation.walls.iter().all(|wall| wall.strength != Strength::Missing));
    // It killed init in vain: the next call is served.
    let outcome = run(&mut started, &function, "1", Duration::from_secs(10)).await;
    assert!(matches!(outcome.ending, Ending::Answer(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_is_born_with_its_own_descriptors_and_no_other() {
    let Some((house, lines)) = House::where_possible() else { return };
    // The fourth is the directory that `ls` reads.
    let function = house.function("fds", "#!/bin/sh\nexec ls /proc/self/fd\n");
    drop(house.start(&function, &lines).await);
    assert_eq!(lines.text(), "0\n1\n2\n3\n");
    let lines = Lines::default();
    let text = "import os\nheld = sorted(os.listdir('/proc/self/fd'), key=int)\nprint(held[:-1])\ndef handler(event, context): return 1\n";
    let function = house.managed("managed-fds", "python3.11", "app.py", text);
    if house.driver.can_run(&function.version).is_ok() {
        drop(house.start(&function, &lines).await);
        assert!(lines.text().contains("['0', '1', '2', '3', '4']"), "{}", lines.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_output_is_bounded_and_counted() {
    let Some((house, lines)) = House::where_possible() else { return };
    let flood = "import time\ndef handle(event):\n    until = time.time() + 2\n    while time.time() < until: os.write(1, b'flood\\n' * 10000)\n    os.write(1, b'last without an end')\n    return b'1'";
    let function = house.function("flood", &python_bootstrap(flood));
    let mut started = house.start(&function, &lines).await;
    let outcome = run(&mut started, &function, "1", Duration::from_secs(20)).await;
    assert!(matches!(outcome.ending, Ending::Answer(_)), "{outcome:?}");
    drop(started);
    let text = lines.text();
    assert!(text.len() < 64 << 20, "{} bytes", text.len());
    assert!(text.contains("LOGS_DROPPED Records: "), "it says that something is missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_hurt_only_whoever_lights_them() {
    if !can_test() {
        return;
    }
    let house = House::open();
    let (lines, calm_lines) = (Lines::default(), Lines::default());
    let calm = house.function("calm", &python_bootstrap("def handle(event): return b'calm'"));
    let mut neighbour = house.start(&calm, &calm_lines).await;
    for (name, bomb) in [
        ("forks", "def handle(event):\n    while True:\n        try: os.fork()\n        except OSError: pass"),
        ("memory", "def handle(event):\n    all = []\n    while True: all.append(bytearray(1 << 20))"),
        (
            "disk",
            "def handle(event):\n    with open('/tmp/x', 'wb') as f:\n        while True: f.write(b'x' * (1 << 20))",
        ),
        (
            "shared",
            "def handle(event):\n    with open('/dev/shm/x', 'wb') as f:\n        while True: f.write(b'x' * (1 << 20))",
        ),
    ] {
        let function = house.function(name, &python_bootstrap(bomb));
        let mut started = house.start(&function, &lines).await;
        let outcome = run(&mut started, &function, "1", Duration::from_secs(2)).await;
        assert!(matches!(outcome.ending, Ending::Failed(_)), "{name}: {outcome:?}");
        let outcome = run(&mut neighbour, &calm, "1", Duration::from_secs(5)).await;
        assert_eq!(outcome.ending, Ending::Answer("calm".into()), "{name}");
        drop(started);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hard_quota_holds_where_processors_are_idle() {
    if !can_test() {
        return;
    }
    let house = House::open_with(|options| options.hard_cpu_quota = true);
    let lines = Lines::default();
    let busy = "import time\ndef handle(event):\n    until = time.time() + 2\n    while time.time() < until: pass\n    return b'1'";
    let function = house.function("busy", &python_bootstrap(busy)).memory(256);
    let mut started = house.start(&function, &lines).await;
    let outcome = run(&mut started, &function, "1", Duration::from_secs(20)).await;
    // 256 of 1,769 MiB is a seventh of a processor.
    assert!(outcome.cpu < Duration::from_millis(600), "{outcome:?}");
}

/// Not a test of its own: what the next one runs as an ordinary user.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a part of another test"]
async fn sandboxes_of_an_ordinary_user() {
    let house = House::open();
    let isolation = house.driver.isolation();
    let strength = |name: &str| isolation.walls.iter().find(|wall| wall.name == name).map(|wall| wall.strength);
    assert!(!isolation.is_full());
    assert_eq!(strength("own uid"), Some(Strength::Weaker));
    for name in ["user namespace", "mount namespace", "system call filter", "capabilities", "read-only root"] {
        assert_eq!(strength(name), Some(Strength::Full), "{name}");
    }
    let lines = Lines::default();
    let function = house.function("probes", &python_bootstrap(PROBES));
    let mut started = house.start(&function, &lines).await;
    let outcome = run(&mut started, &function, "1", Duration::from_secs(10)).await;
    let Ending::Answer(bytes) = &outcome.ending else { panic!("{outcome:?} {}", lines.text()) };
    let seen: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    for (key, want) in
        [("uid", "993"), ("pids", "[1,2]"), ("home", "false"), ("usr", "\"OSError\""), ("mount", "\"EPERM\"")]
    {
        assert_eq!(seen[key].to_string(), want, "{key}");
    }
    let full =
        LinuxOptions { require: IsolationRequirement::Full, ..support::options(&house.folder.path().join("other")) };
    let refused = LinuxDriver::launch(full).map(drop).unwrap_err().to_string();
    assert!(refused.contains("own uid"), "{refused}");
    println!("as it should be");
}

#[test]
fn an_ordinary_user_gets_what_the_kernel_grants() {
    if !can_test() {
        return;
    }
    // Copies, where that user can reach them.
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let copy = |from: &std::path::Path, name: &str| {
        let to = folder.path().join(name);
        std::fs::copy(from, &to).unwrap();
        to
    };
    let test = copy(&std::env::current_exe().unwrap(), "test");
    let spawner = copy(env!("CARGO_BIN_EXE_lacewing-spawner").as_ref(), "spawner");
    let ran = std::process::Command::new("setpriv")
        .args(["--reuid=4000", "--regid=4000", "--clear-groups"])
        .arg(test)
        .args(["--ignored", "--exact", "sandboxes_of_an_ordinary_user", "--nocapture"])
        .env("LACEWING_TEST_SPAWNER", spawner)
        .env("TMPDIR", folder.path())
        .current_dir(folder.path())
        .output();
    let Ok(ran) = ran else { return eprintln!("skipped: no setpriv") };
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(said.contains("as it should be"), "{said}");
}
