//! What the tests of real sandboxes share: a driver in a folder of its own, functions, and a sink that keeps lines.
#![allow(dead_code, clippy::unwrap_used)]

use lacewing_model::{
    FunctionConfig, Limits, MemoryMib, RequestId, RevisionId, SandboxId, Timestamp, Version, VersionNumber,
};
use lacewing_sandbox::{
    ApiPassage, ApiRequest, ApiResponse, Credentials, Ending, LogLine, LogSink, Outcome, SandboxDriver, StartSpec,
    Started, Work, lambda_environment,
};
use lacewing_sandbox_linux::{InterpreterOptions, IsolationRequirement, LinuxDriver, LinuxOptions, PendingDriver};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

/// As long as a loaded machine may need for anything.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// False, with a word about it, where sandboxes of full strength cannot be made.
pub fn can_test() -> bool {
    let root =
        fs::metadata("/proc/self").map(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0).unwrap_or(false);
    if !root {
        eprintln!("skipped: making sandboxes needs root here");
    }
    root
}

pub fn options(data_dir: &Path) -> LinuxOptions {
    LinuxOptions {
        data_dir: data_dir.to_path_buf(),
        spawner: vec![
            std::env::var_os("LACEWING_TEST_SPAWNER").unwrap_or_else(|| env!("CARGO_BIN_EXE_lacewing-spawner").into()),
        ],
        interpreters: InterpreterOptions::default(),
        limits: Limits::default(),
        require: IsolationRequirement::Any,
        hard_cpu_quota: false,
        services: None,
    }
}

/// A driver, its folder, and where functions lie.
pub struct House {
    pub folder: tempfile::TempDir,
    pub driver: Arc<LinuxDriver>,
}

impl House {
    /// One, and a place for what is logged; `None`, with a word about it, where none can be made.
    pub fn where_possible() -> Option<(Self, Lines)> {
        can_test().then(|| (Self::open(), Lines::default()))
    }

    /// Must be called inside tokio.
    pub fn open() -> Self {
        Self::open_with(|_| {})
    }

    /// The same with other options.
    pub fn open_with(change: impl FnOnce(&mut LinuxOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path());
        change(&mut options);
        let pending: PendingDriver = LinuxDriver::launch(options).unwrap();
        Self { driver: pending.attach().unwrap(), folder }
    }

    /// A function whose `bootstrap` is `script`.
    pub fn function(&self, name: &str, script: &str) -> Function {
        let code = self.folder.path().join("code").join(name);
        fs::create_dir_all(&code).unwrap();
        write_executable(&code.join("bootstrap"), script.as_bytes());
        Function { version: version(name, "provided.al2023"), code, layers: None }
    }

    /// A function in C, so small that only the platform is seen; `None` without a compiler.
    pub fn native(&self) -> Option<Function> {
        let function = self.function("native", "");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/native/bootstrap.c");
        let built = std::process::Command::new("cc")
            .args(["-O2", "-static", "-o"])
            .arg(function.code.join("bootstrap"))
            .arg(source)
            .status();
        built.is_ok_and(|status| status.success()).then_some(function)
    }

    /// A function in Python or Node.
    pub fn managed(&self, name: &str, runtime: &str, file: &str, text: &str) -> Function {
        let code = self.folder.path().join("code").join(name);
        fs::create_dir_all(&code).unwrap();
        fs::write(code.join(file), text).unwrap();
        Function { version: version(name, runtime), code, layers: None }
    }

    pub async fn start(&self, function: &Function, lines: &Lines) -> Started {
        self.driver.start(function.spec(lines)).await.unwrap()
    }
}

impl Drop for House {
    /// Nothing of a test outlives it: what a sandbox leaves open would look as if it leaked.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let closed = tokio::time::timeout(PATIENCE, self.driver.close());
            let closed = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(closed));
            closed.expect("every sandbox ends");
        }
    }
}

pub fn write_executable(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[derive(Clone)]
pub struct Function {
    pub version: Version,
    pub code: PathBuf,
    pub layers: Option<PathBuf>,
}

impl Function {
    pub fn memory(mut self, mib: u32) -> Self {
        Arc::make_mut(&mut self.version.config).memory = MemoryMib::new(mib).unwrap();
        self
    }

    pub fn spec(&self, lines: &Lines) -> StartSpec {
        let id = SandboxId::random();
        let credentials =
            Credentials { access_key_id: "A".into(), secret_access_key: "S".into(), session_token: "T".into() };
        StartSpec {
            id,
            version: Arc::new(self.version.clone()),
            code_dir: self.code.clone(),
            layers_dir: self.layers.clone(),
            environment: lambda_environment(&self.version, id, Timestamp(0), &credentials),
            init_max: Duration::from_secs(10),
            logs: Arc::new(lines.clone()),
            api: Arc::new(NoApi),
        }
    }
}

pub fn version(name: &str, runtime: &str) -> Version {
    Version {
        account: "000000000000".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
        name: name.parse().unwrap(),
        number: VersionNumber::Latest,
        config: Arc::new(FunctionConfig::new(
            &name.parse().unwrap(),
            runtime.parse().unwrap(),
            "app.handler".parse().unwrap(),
            "arn:aws:iam::000000000000:role/r".parse().unwrap(),
        )),
        code_sha256: "A".repeat(44).parse().unwrap(),
        code_bytes: 1,
        revision: RevisionId::random(),
        generation: RevisionId::random(),
        last_modified: Timestamp(0),
    }
}

/// Everything on this machine that a sandbox of `driver` could leave behind, by kind.
pub fn traces(data_dir: &Path) -> BTreeMap<&'static str, Vec<String>> {
    let instance = fs::read_to_string(data_dir.join("run/cgroup")).unwrap();
    let mut found = BTreeMap::new();
    let lines =
        |path: &str| fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    found.insert("mounts of the server", lines("/proc/self/mounts"));
    found.insert("descriptors of the server", vec![names("/proc/self/fd").len().to_string()]);
    let mut groups = Vec::new();
    for controller in names("/sys/fs/cgroup") {
        let root = Path::new("/sys/fs/cgroup").join(controller).join(&instance);
        groups.extend(
            fs::read_dir(root)
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| entry.path().is_dir())
                .map(|entry| format!("{:?}", entry.path())),
        );
    }
    // Only their number: a stock is kept, each with a name of its own.
    found.insert("cgroups", vec![groups.len().to_string()]);
    let spawners = spawners(std::process::id());
    found.insert(
        "children of the spawner",
        spawners.iter().flat_map(|pid| children(*pid)).map(|pid| pid.to_string()).collect(),
    );
    found.insert(
        "descriptors of the spawner",
        spawners.iter().map(|pid| names(&format!("/proc/{pid}/fd")).len().to_string()).collect(),
    );
    found.insert(
        "mounts of the spawner",
        spawners.iter().map(|pid| lines(&format!("/proc/{pid}/mounts")).len().to_string()).collect(),
    );
    found
}

/// The same once it no longer changes: stock is made in the background, files are closed a moment later.
pub async fn settled_traces(data_dir: &Path) -> BTreeMap<&'static str, Vec<String>> {
    let (mut last, mut same) = (traces(data_dir), 0);
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = traces(data_dir);
        same = if now == last { same + 1 } else { 0 };
        last = now;
        if same == 20 {
            break;
        }
    }
    last
}

pub fn names(directory: &str) -> Vec<String> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// The processes whose parent is `pid`, dead ones that are not reaped included.
pub fn children(pid: u32) -> Vec<u32> {
    let parent = |stat: String| stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok();
    let all = names("/proc").into_iter().filter_map(|name| name.parse::<u32>().ok());
    all.filter(|child| fs::read_to_string(format!("/proc/{child}/stat")).ok().and_then(parent) == Some(pid)).collect()
}

/// The spawners of server `pid`; its other children, interpreters that compile, are none.
pub fn spawners(pid: u32) -> Vec<u32> {
    let is_spawner = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("lacewing-spawn"))
    };
    children(pid).into_iter().filter(is_spawner).collect()
}

/// Waits until `done`, for as long as a loaded machine may need.
pub fn eventually(what: &str, done: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not come true");
}

/// Keeps what is logged.
#[derive(Clone, Default)]
pub struct Lines(pub Arc<Mutex<Vec<LogLine>>>);

impl Lines {
    pub fn text(&self) -> String {
        self.0.lock().unwrap().iter().map(|line| format!("{}\n", line.text)).collect()
    }
}

impl LogSink for Lines {
    fn write(&self, line: LogLine) {
        self.0.lock().unwrap().push(line);
    }
}

struct NoApi;

impl ApiPassage for NoApi {
    fn call(&self, _: ApiRequest) -> Pin<Box<dyn Future<Output = ApiResponse> + Send>> {
        Box::pin(async { ApiResponse { status: 501, headers: vec![], body: "{}".into() } })
    }
}

/// One invocation.
pub fn work(function: &Function, payload: &str, timeout: Duration) -> Work {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Work {
        request_id: RequestId::random(),
        invoked_arn: function.version.arn(),
        deadline: Timestamp((now + timeout).as_millis() as u64),
        timeout,
        payload: payload.to_owned().into(),
        trace_id: "Root=1-00000000-000000000000000000000000".into(),
        client_context: None,
        tenant: None,
        stream: None,
    }
}

/// Runs one invocation that answers; the answer.
pub async fn answer(started: &mut Started, function: &Function, event: &str, lines: &Lines) -> serde_json::Value {
    let outcome = run(started, function, event, PATIENCE).await;
    let Ending::Answer(bytes) = &outcome.ending else { panic!("{outcome:?}\n{}", lines.text()) };
    serde_json::from_slice(bytes).unwrap()
}

/// Runs one invocation with a timeout.
pub async fn run(started: &mut Started, function: &Function, payload: &str, timeout: Duration) -> Outcome {
    started.sandbox.run(work(function, payload, timeout), Instant::now() + timeout).await.unwrap()
}

/// A Runtime API client as small as can be, with `handle(event)` to be defined before it.
pub fn python_bootstrap(handle: &str) -> String {
    format!(
        r#"#!/usr/bin/python3 -SE
import os, sys
{handle}
from http.client import HTTPConnection
api = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
root = "/2018-06-01/runtime/"
while True:
    api.request("GET", root + "invocation/next")
    answer = api.getresponse()
    event = answer.read()
    id = answer.getheader("Lambda-Runtime-Aws-Request-Id")
    api.request("POST", root + "invocation/" + id + "/response", handle(event))
    api.getresponse().read()
"#
    )
}
