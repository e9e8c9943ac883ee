//! A real interpreter, as a plain process, in front of a real door: no sandbox.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

pub mod wire;

use bytes::Bytes;
use lacewing_model::{Clock as _, FunctionArn, Language, RequestId, SystemClock, Timestamp};
use lacewing_runtime_api::{Door, DoorOptions, GuestAnswer, GuestReady, launch};
use lacewing_sandbox::{ApiPassage, ApiRequest, ApiResponse, Work};
use std::collections::BTreeMap;
use std::future::Future;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Long enough for the slowest interpreter on a busy machine; only a hanging one reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Repeats what it was asked.
#[derive(Default)]
pub struct Echo(pub Mutex<Vec<ApiRequest>>);

impl ApiPassage for Echo {
    fn call(&self, request: ApiRequest) -> Pin<Box<dyn Future<Output = ApiResponse> + Send>> {
        let body = format!("{} {} {}", request.method, request.target, request.body.len());
        self.0.lock().unwrap().push(request);
        let headers = vec![("x-echo".to_owned(), b"yes".to_vec()), ("content-length".to_owned(), b"999".to_vec())];
        Box::pin(async move { ApiResponse { status: 209, headers, body: body.into() } })
    }
}

pub fn work(payload: &str) -> Work {
    Work {
        request_id: RequestId::random(),
        invoked_arn: FunctionArn {
            region: "us-east-1".parse().unwrap(),
            account: "000000000000".parse().unwrap(),
            name: "probe".parse().unwrap(),
            qualifier: None,
        },
        deadline: Timestamp(SystemClock.now().0 + 3_000),
        timeout: Duration::from_secs(3),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        trace_id: "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1".into(),
        client_context: None,
        tenant: None,
        stream: None,
    }
}

/// The first of `names` that runs, or a message and `None`: the test is then skipped.
pub fn interpreter(names: &[&str]) -> Option<PathBuf> {
    let found = names.iter().find_map(|name| {
        let output = Command::new(name).arg("--version").stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| PathBuf::from(name))
    });
    if found.is_none() {
        eprintln!("skipped: none of {names:?} is on the PATH");
    }
    found
}

pub struct Guest {
    pub door: Door,
    pub child: Child,
    pub code: tempfile::TempDir,
    runtime: tempfile::TempDir,
}

/// How a guest is started.
#[derive(Clone, Default)]
pub struct Start<'a> {
    pub handler: &'a str,
    pub files: &'a [(&'a str, &'a str)],
    pub env: BTreeMap<&'a str, String>,
    /// Over TCP, without our own stream.
    pub tcp: bool,
    /// Without the log pipe: entries are lines on stdout.
    pub lines: bool,
    /// Through a wrapper that leaves no descriptor open but the first three.
    pub closing: bool,
    /// Instead of our bootstrap.
    pub argv: Option<Vec<String>>,
}

pub async fn start(interpreter: &Path, language: Language, start: Start<'_>) -> Guest {
    let (code, runtime) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (name, text) in start.files {
        let path = code.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    for (name, bytes) in launch::FILES {
        let path = runtime.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let mut door = Door::new(DoorOptions::default(), Arc::new(Echo::default()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    door.expect_runtime();
    door.serve_tcp(listener);
    let argv = start.argv.unwrap_or_else(|| {
        let argv = launch::command(language).argv.iter();
        let argv = argv.map(|arg| arg.replace("/var/runtime", runtime.path().to_str().unwrap()));
        let argv = argv.map(|arg| arg.replace("/var/lang/bin/python3", interpreter.to_str().unwrap()));
        argv.map(|arg| arg.replace("/var/lang/bin/node", interpreter.to_str().unwrap())).collect()
    });
    let mut command = Command::new("sh");
    let closing = if start.closing { "exec 3<&- 4>&-; " } else { "" };
    let frames = format!("exec 4>\"$FRAMES\"; unset FRAMES; {closing}exec \"$@\"");
    if start.tcp {
        command.args(["-c", &frames, "sh"]).stdin(Stdio::null());
    } else {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        door.serve_unix(tokio::net::UnixStream::from_std(ours).unwrap());
        command.args(["-c", &format!("exec 3<&0 0</dev/null; {frames}"), "sh"]).stdin(OwnedFd::from(theirs));
    }
    command.args(argv).env_clear().current_dir(code.path()).env("FRAMES", runtime.path().join("frames"));
    if !start.tcp {
        command.env("LACEWING_DOOR_FD", "3");
    }
    command.env("PATH", std::env::var_os("PATH").unwrap());
    if let Some(home) = std::env::var_os("HOME") {
        command.env("HOME", home);
    }
    for (key, value) in [
        ("_HANDLER", start.handler),
        ("LAMBDA_TASK_ROOT", code.path().to_str().unwrap()),
        ("AWS_LAMBDA_RUNTIME_API", &address.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", "probe"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/probe"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/24/[$LATEST]0123"),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_python3.13"),
        ("TZ", ":UTC"),
        ("LANG", "en_US.UTF-8"),
    ] {
        command.env(key, value);
    }
    if !start.lines {
        command.env("_LAMBDA_TELEMETRY_LOG_FD", "4");
    }
    command.envs(start.env);
    let out = std::fs::File::create(runtime.path().join("stdout")).unwrap();
    let err = std::fs::File::create(runtime.path().join("stderr")).unwrap();
    let child = command.stdout(out).stderr(err).spawn().unwrap();
    Guest { door, child, code, runtime }
}

impl Guest {
    pub async fn ready(&mut self) -> GuestReady {
        match tokio::time::timeout(PATIENCE, self.door.ready()).await {
            Ok(ready) => ready,
            Err(_) => panic!("not ready: {} {}", self.stdout(), self.stderr()),
        }
    }

    pub async fn invoke(&mut self, work: &Work) -> GuestAnswer {
        match tokio::time::timeout(PATIENCE, self.door.invoke(work)).await {
            Ok(answer) => answer,
            Err(_) => panic!("no answer: {} {} {:?}", self.stdout(), self.stderr(), self.frames()),
        }
    }

    /// The answer's text; a panic with everything known when it is an error.
    pub async fn answer(&mut self, payload: &str) -> String {
        match self.invoke(&work(payload)).await {
            GuestAnswer::Response(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            other => panic!("{other:?} {} {}", self.stdout(), self.stderr()),
        }
    }

    /// The error's kind and body.
    pub async fn error(&mut self, payload: &str) -> (String, serde_json::Value) {
        match self.invoke(&work(payload)).await {
            GuestAnswer::Error(error) => (error.kind, serde_json::from_slice(&error.body).unwrap()),
            other => panic!("{other:?} {} {}", self.stdout(), self.stderr()),
        }
    }

    pub async fn init_error(&mut self) -> (String, serde_json::Value) {
        match self.ready().await {
            GuestReady::InitError(error) => (error.kind, serde_json::from_slice(&error.body).unwrap()),
            GuestReady::Asked => panic!("it came up: {} {}", self.stdout(), self.stderr()),
        }
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.runtime.path().join(name)).unwrap_or_default()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.read("stdout")).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.read("stderr")).into_owned()
    }

    /// Each frame's first word and its text.
    pub fn frames(&self) -> Vec<(u32, String)> {
        let bytes = self.read("frames");
        let mut rest = &bytes[..];
        let mut frames = Vec::new();
        while rest.len() >= 16 {
            let word = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().unwrap());
            let (kind, length) = (word(0), word(4) as usize);
            frames.push((kind, String::from_utf8(rest[16..16 + length].to_vec()).unwrap()));
            rest = &rest[16 + length..];
        }
        assert!(rest.is_empty(), "half a frame: {rest:?}");
        frames
    }

    pub async fn exit_code(&mut self) -> Option<i32> {
        let mut child = std::mem::replace(&mut self.child, Command::new("true").spawn().unwrap());
        let waited = tokio::task::spawn_blocking(move || child.wait().unwrap().code());
        waited.await.unwrap()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn read_all(path: &Path) -> String {
    let mut text = String::new();
    std::fs::File::open(path).unwrap().read_to_string(&mut text).unwrap();
    text
}
