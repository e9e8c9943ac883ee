//! Driver and sandbox: the two traits of the seam, and what passes through them.

use crate::{
    AnswerSink, InitReport, LogSink, Missed, Outcome, Rung, SharedSandbox, SnapshotRefused, SnapshotReport,
    StartPhases, WebRequest,
};
use async_trait::async_trait;
use bytes::Bytes;
use lacewing_model::{
    Egress, FunctionArn, Language, MemoryMib, RequestId, RevisionId, SandboxId, TenantId, Timestamp, Version,
};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Makes sandboxes.
#[async_trait]
pub trait SandboxDriver: Send + Sync {
    /// Makes a sandbox and runs INIT in it. Resolves when the runtime asks for work, or when INIT failed:
    /// that too is `Ok`, because INIT is repeated inside the first run.
    ///
    /// # Errors
    /// [`StartError`] when no sandbox could be made: the platform's fault or the machine's.
    ///
    /// # Cancel safety
    /// Dropping the future ends whatever was begun.
    async fn start(&self, spec: StartSpec) -> Result<Started, StartError>;

    /// What isolation is in force here.
    fn isolation(&self) -> IsolationReport;

    /// The interpreters found on this machine.
    fn interpreters(&self) -> Vec<InterpreterInfo>;

    /// What would run `version`, or why nothing can: asked at deploy, so that a function whose runtime is
    /// absent fails then and not when it is called.
    ///
    /// # Errors
    /// [`StartError::RuntimeUnavailable`] with what is available.
    fn can_run(&self, version: &Version) -> Result<(), StartError>;

    /// From now on keeps `count` sandboxes prepared for this kind of function: made, sealed, and where it has a
    /// managed runtime, booted; they know no function yet. Returns at once; the driver makes and ends them in the
    /// background, and a start takes one where it can. A driver without that rung keeps none.
    fn keep_prepared(&self, kind: Preparation, count: usize) {
        let _ = (kind, count);
    }

    /// How many wait prepared at this moment, by kind.
    fn prepared(&self) -> Vec<(Preparation, usize)> {
        Vec::new()
    }

    /// Runs INIT of a version once, in a sandbox of its own, and keeps the initialised process as a template: later
    /// starts of that version fork from it. Another template of the same generation is replaced.
    ///
    /// # Errors
    /// [`SnapshotRefused`] where there can be none; starts then take the next rung.
    async fn snapshot(&self, spec: StartSpec) -> Result<SnapshotReport, SnapshotRefused> {
        drop(spec);
        Err(SnapshotRefused::Unsupported("this driver keeps no snapshots".to_owned()))
    }

    /// Drops the template of this generation, if there is one.
    fn forget_snapshot(&self, generation: RevisionId) {
        let _ = generation;
    }

    /// The next generation that had a template and is given up: its starts take the next rung from now on. And why, in
    /// words for the function's owner.
    ///
    /// # Cancel safety
    /// Complete.
    async fn snapshot_given_up(&self) -> (RevisionId, String) {
        std::future::pending().await
    }

    /// Whether starts of this generation fork from a template now.
    fn has_snapshot(&self, generation: RevisionId) -> bool {
        let _ = generation;
        false
    }

    /// Memory that all its sandboxes really hold, bytes, where the machine tells.
    fn memory_used_bytes(&self) -> Option<u64> {
        None
    }
}

/// What a prepared sandbox is ready for: equal for versions that could take each other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Preparation {
    /// The runtime that is booted in it; `Provided` for none.
    pub language: Language,
    /// Whether it has a way out.
    pub egress: Egress,
    /// The function's memory where its runtime must know it from the start: V8's heap cannot be resized.
    pub memory: Option<MemoryMib>,
}

impl Preparation {
    /// False where nothing can be made ahead: what runs brings a root of its own, which a sandbox has from its birth.
    #[must_use]
    pub fn can_wait(&self) -> bool {
        self.language != Language::Image
    }

    /// What a sandbox of `version` can be prepared as.
    #[must_use]
    pub fn of(version: &Version) -> Self {
        let config = &version.config;
        // The command of a web function starts its own interpreter.
        let language = if config.web().is_some() && config.image.is_none() {
            Language::Provided
        } else {
            config.runtime.language()
        };
        let memory = matches!(language, Language::Node(_)).then_some(config.memory);
        Self { language, egress: config.egress, memory }
    }
}

/// One isolated place where one version runs, one invocation at a time. Dropping it kills its processes
/// and frees its cgroup, mounts, network and disk: nothing outlives the value.
#[async_trait]
pub trait Sandbox: Send {
    /// Runs one invocation until it answers or `deadline` passes. Log lines written meanwhile have
    /// reached the sink when it resolves.
    ///
    /// # Errors
    /// The *sandbox* broke. A handler that throws or runs out of time is `Ok`: a result, not a fault.
    ///
    /// # Cancel safety
    /// None: an abandoned run leaves a sandbox that must be dropped.
    async fn run(&mut self, work: Work, deadline: Instant) -> Result<Outcome, SandboxError>;

    /// Where a run's outcome was [`Outcome::unfinished`]: sees its extensions to the end of that invocation, or of
    /// their environment, and corrects the outcome by what it came to. Then the sandbox can run again, if it can.
    ///
    /// # Errors
    /// As of [`Sandbox::run`].
    ///
    /// # Cancel safety
    /// As of [`Sandbox::run`].
    async fn finish(&mut self, outcome: &mut Outcome) -> Result<(), SandboxError> {
        let _ = outcome;
        Ok(())
    }

    /// Tells what runs in it, where it wants to know, of an invocation's REPORT: its record, and how long extensions
    /// worked on after the runtime.
    fn report(&self, id: RequestId, after_runtime: Duration, record: &dyn Fn() -> serde_json::Value) {
        let _ = (id, after_runtime, record);
    }

    /// True when something in it is to be told before it ends: [`Sandbox::wind_down`].
    fn winds_down(&self) -> bool {
        false
    }

    /// Tells what runs in it that the end has come, and waits for it: at most 2 seconds. To be called once, between
    /// runs, before it is dropped.
    async fn wind_down(&mut self) {}

    /// False when it is known to be gone, for example because the host killed it while it idled: no call is
    /// handed to it any more. Asked before every call, so it must be cheap.
    fn is_alive(&mut self) -> bool {
        true
    }

    /// Stops its processes where they stand, so that nothing runs that nobody pays for; the next [`Sandbox::run`]
    /// lets them go on by itself. Quick and without waiting. To be called only between runs; once more does nothing.
    fn freeze(&mut self) {}
}

/// What a start is made from.
#[derive(Clone)]
pub struct StartSpec {
    /// The new sandbox's id; also the end of its log stream's name.
    pub id: SandboxId,
    /// What runs in it.
    pub version: Arc<Version>,
    /// The unpacked package on the host, mounted read-only: as `/var/task`, or as the root where it is an image.
    pub code_dir: PathBuf,
    /// The function's layers on the host, merged: mounted read-only as `/opt`.
    pub layers_dir: Option<PathBuf>,
    /// The whole environment but for what the driver itself adds (`AWS_LAMBDA_RUNTIME_API`, `PATH`, ...).
    pub environment: Vec<(String, String)>,
    /// How long INIT may take.
    pub init_max: Duration,
    /// Where its lines go.
    pub logs: Arc<dyn LogSink>,
    /// The way to the platform's own API, for the function under its own role.
    pub api: Arc<dyn ApiPassage>,
}

/// A sandbox that has been through INIT.
pub struct Started {
    /// The sandbox.
    pub sandbox: Built,
    /// How INIT went.
    pub init: InitReport,
    /// Which rung the start took.
    pub rung: Rung,
    /// Why it took no better one; `None` when it took the best that this version can have.
    pub missed: Option<Missed>,
    /// Where its time went.
    pub phases: StartPhases,
}

/// A sandbox, by how calls run in it.
pub enum Built {
    /// One at a time.
    Single(Box<dyn Sandbox>),
    /// As many as its version's concurrency says.
    Shared(Arc<dyn SharedSandbox>),
}

impl Built {
    /// Runs one invocation where they run one at a time; see [`Sandbox::run`].
    ///
    /// # Errors
    /// The sandbox broke, or it takes requests and no events.
    pub async fn run(&mut self, work: Work, deadline: Instant) -> Result<Outcome, SandboxError> {
        match self {
            Self::Single(sandbox) => sandbox.run(work, deadline).await,
            Self::Shared(_) => Err(SandboxError("an event came to a web function's server".to_owned())),
        }
    }

    /// Passes a request on where several run at a time; see [`SharedSandbox::exchange`].
    ///
    /// # Errors
    /// The sandbox broke, or it takes events and no requests.
    pub async fn exchange(
        &mut self,
        work: Work,
        request: WebRequest,
        deadline: Instant,
    ) -> Result<Outcome, SandboxError> {
        match self {
            Self::Single(_) => Err(SandboxError("a request came to what is no web function".to_owned())),
            Self::Shared(sandbox) => sandbox.exchange(work, request, deadline).await,
        }
    }

    /// Sees an unfinished outcome to its end; see [`Sandbox::finish`].
    ///
    /// # Errors
    /// The sandbox broke.
    pub async fn finish(&mut self, outcome: &mut Outcome) -> Result<(), SandboxError> {
        match self {
            Self::Single(sandbox) => sandbox.finish(outcome).await,
            Self::Shared(_) => Ok(()),
        }
    }

    /// Tells of an invocation's REPORT; see [`Sandbox::report`].
    pub fn report(&self, id: RequestId, after_runtime: Duration, record: &dyn Fn() -> serde_json::Value) {
        if let Self::Single(sandbox) = self {
            sandbox.report(id, after_runtime, record);
        }
    }

    /// True when something in it is to be told before it ends.
    #[must_use]
    pub fn winds_down(&self) -> bool {
        match self {
            Self::Single(sandbox) => sandbox.winds_down(),
            Self::Shared(_) => false,
        }
    }

    /// Tells it; see [`Sandbox::wind_down`].
    pub async fn wind_down(&mut self) {
        if let Self::Single(sandbox) = self {
            sandbox.wind_down().await;
        }
    }

    /// False when it is known to be gone: no call is handed to it any more.
    pub fn is_alive(&mut self) -> bool {
        match self {
            Self::Single(sandbox) => sandbox.is_alive(),
            Self::Shared(sandbox) => sandbox.is_alive(),
        }
    }

    /// Stops its processes where they stand, unless a call runs; the next call lets them go on by itself.
    pub fn freeze(&mut self) {
        match self {
            Self::Single(sandbox) => sandbox.freeze(),
            Self::Shared(sandbox) => sandbox.freeze(),
        }
    }
}

/// One invocation, as the runtime sees it.
#[derive(Clone, Debug)]
pub struct Work {
    /// The invocation's id.
    pub request_id: RequestId,
    /// The ARN exactly as the caller wrote it, qualifier included.
    pub invoked_arn: FunctionArn,
    /// When the function will be stopped: wall clock, for the runtime.
    pub deadline: Timestamp,
    /// The timeout that `deadline` comes from, for the message.
    pub timeout: Duration,
    /// The event: JSON, at most 6 MiB.
    pub payload: Bytes,
    /// `X-Amzn-Trace-Id`, made up where the caller sent none.
    pub trace_id: String,
    /// The client context, decoded from base64 to JSON text.
    pub client_context: Option<String>,
    /// The tenant that the call is for, where the function isolates its tenants.
    pub tenant: Option<TenantId>,
    /// Where the answer goes if the function streams it. `None`: the caller wants it whole.
    pub stream: Option<AnswerSink>,
}

/// The function's temporary credentials: they die with its sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
}

/// A request of a function to the platform's API, taken as it came. Untrusted.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct ApiRequest {
    pub method: String,
    /// Path and query as sent, still encoded.
    pub target: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Bytes,
}

/// The platform's answer to it.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct ApiResponse {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Bytes,
}

/// The way from a sandbox to the public API. The gateway checks the signature as it does any other.
pub trait ApiPassage: Send + Sync {
    /// Answers one request.
    fn call(&self, request: ApiRequest) -> Pin<Box<dyn Future<Output = ApiResponse> + Send>>;
}

/// Why no sandbox could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Nothing here runs this runtime; the text lists what is available.
    #[error("{0}")]
    RuntimeUnavailable(String),
    /// The package has no `bootstrap` that can be executed, or the like: the function's fault.
    #[error("{0}")]
    InvalidEntrypoint(String),
    /// The machine is out of memory, processes or descriptors.
    #[error("no room for another sandbox: {0}")]
    NoRoom(String),
    /// The platform's own fault.
    #[error("the sandbox could not be made: {0}")]
    Broken(String),
}

/// The sandbox itself broke during a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox broke: {0}")]
pub struct SandboxError(pub String);

/// What isolation is in force on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IsolationReport {
    /// The driver's name.
    pub driver: &'static str,
    /// Each wall, in the order of the design page.
    pub walls: Vec<Wall>,
}

impl IsolationReport {
    /// True when nothing is weaker than it should be.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.walls.iter().all(|wall| wall.strength == Strength::Full)
    }
}

/// One wall of the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wall {
    /// For example `user namespace` or `memory limit`.
    pub name: &'static str,
    /// How strong it is here.
    pub strength: Strength,
    /// What is in force, or what is missing and the command that mends it.
    pub detail: String,
}

/// How strong a wall is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// As designed.
    Full,
    /// There, but weaker.
    Weaker,
    /// Not there.
    Missing,
}

/// An interpreter found on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct InterpreterInfo {
    /// `python` or `nodejs`.
    pub language: &'static str,
    /// Its version, such as `3.11.7`.
    pub version: String,
    /// The executable.
    pub path: PathBuf,
    /// Where a Python's functions find boto3, its own or another's; `None` where they do not.
    pub sdk: Option<PathBuf>,
}
