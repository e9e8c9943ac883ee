//! A driver without a machine: each start and each run is answered by the test.

use async_trait::async_trait;
use bytes::Bytes;
use lacewing_model::Version;
use lacewing_sandbox::{
    ApiPassage, ApiRequest, ApiResponse, Built, Ending, FunctionError, InitEnding, InitReport, InterpreterInfo,
    IsolationReport, LogLine, LogSink, Outcome, Preparation, Rung, Sandbox, SandboxDriver, SandboxError, StartError,
    StartPhases, StartSpec, Started, Work,
};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How the next starts go.
#[derive(Clone, Debug)]
pub enum FakeStart {
    /// They succeed.
    Well,
    /// They fail with this.
    Fails(StartError),
}

/// Starts sandboxes that answer each event with itself. Starts and runs wait for a permit of their gate, so
/// a test decides when they end.
pub struct FakeDriver {
    start: Mutex<FakeStart>,
    /// One permit lets one start finish.
    pub starts: Arc<Semaphore>,
    /// One permit lets one run finish.
    pub runs: Arc<Semaphore>,
    alive: Arc<AtomicUsize>,
    started: AtomicUsize,
    /// Sandboxes of an earlier age are dead.
    age: Arc<AtomicUsize>,
    frozen: Arc<AtomicUsize>,
    prepared: Mutex<BTreeMap<Preparation, usize>>,
}

impl FakeDriver {
    /// A driver whose gates stand open.
    #[must_use]
    pub fn open() -> Arc<Self> {
        Self::gated(Semaphore::MAX_PERMITS, Semaphore::MAX_PERMITS)
    }

    /// A driver whose gates let this many through.
    #[must_use]
    pub fn gated(starts: usize, runs: usize) -> Arc<Self> {
        Arc::new(Self {
            start: Mutex::new(FakeStart::Well),
            starts: Arc::new(Semaphore::new(starts)),
            runs: Arc::new(Semaphore::new(runs)),
            alive: Arc::new(AtomicUsize::new(0)),
            started: AtomicUsize::new(0),
            age: Arc::new(AtomicUsize::new(0)),
            frozen: Arc::new(AtomicUsize::new(0)),
            prepared: Mutex::default(),
        })
    }

    /// Decides how the next starts go.
    pub fn next_starts(&self, how: FakeStart) {
        *self.start.lock().unwrap_or_else(PoisonError::into_inner) = how;
    }

    /// Kills every sandbox behind its owner's back.
    pub fn kill_all(&self) {
        self.age.fetch_add(1, Ordering::SeqCst);
    }

    /// How many sandboxes live.
    #[must_use]
    pub fn alive(&self) -> usize {
        self.alive.load(Ordering::SeqCst)
    }

    /// How many of them stand frozen.
    #[must_use]
    pub fn frozen(&self) -> usize {
        self.frozen.load(Ordering::SeqCst)
    }

    /// How many starts were begun.
    #[must_use]
    pub fn started(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }
}

async fn pass(gate: &Semaphore) {
    if let Ok(permit) = gate.acquire().await {
        permit.forget();
    }
}

#[async_trait]
impl SandboxDriver for FakeDriver {
    async fn start(&self, _spec: StartSpec) -> Result<Started, StartError> {
        self.started.fetch_add(1, Ordering::SeqCst);
        pass(&self.starts).await;
        let how = self.start.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let FakeStart::Fails(error) = how {
            return Err(error);
        }
        self.alive.fetch_add(1, Ordering::SeqCst);
        Ok(Started {
            sandbox: Built::Single(Box::new(FakeSandbox {
                alive: Arc::clone(&self.alive),
                runs: Arc::clone(&self.runs),
                born: self.age.load(Ordering::SeqCst),
                age: Arc::clone(&self.age),
                frozen: Arc::clone(&self.frozen),
                is_frozen: false,
            })),
            init: InitReport { duration: Duration::from_millis(5), ending: InitEnding::Ready },
            rung: Rung::Full,
            missed: None,
            phases: StartPhases::default(),
        })
    }

    fn isolation(&self) -> IsolationReport {
        IsolationReport { driver: "fake", walls: Vec::new() }
    }

    fn interpreters(&self) -> Vec<InterpreterInfo> {
        Vec::new()
    }

    fn can_run(&self, _version: &Version) -> Result<(), StartError> {
        Ok(())
    }

    fn keep_prepared(&self, kind: Preparation, count: usize) {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, count);
    }

    /// As many as were asked for: nothing takes one here.
    fn prepared(&self) -> Vec<(Preparation, usize)> {
        let prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        prepared.iter().map(|(&kind, &count)| (kind, count)).collect()
    }
}

struct FakeSandbox {
    alive: Arc<AtomicUsize>,
    runs: Arc<Semaphore>,
    born: usize,
    age: Arc<AtomicUsize>,
    frozen: Arc<AtomicUsize>,
    is_frozen: bool,
}

impl FakeSandbox {
    fn thaw(&mut self) {
        if std::mem::take(&mut self.is_frozen) {
            self.frozen.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl Sandbox for FakeSandbox {
    /// Answers with the event; the event `"break"` breaks the sandbox, `"spent"` leaves it unusable. `"flow"` streams
    /// `one,` and, when its gate lets it, `two`; `"flow and fail"` fails instead of the second. `"linger"` leaves it with
    /// extensions at work, which are done when the gate lets them.
    async fn run(&mut self, work: Work, _deadline: Instant) -> Result<Outcome, SandboxError> {
        self.thaw();
        pass(&self.runs).await;
        if work.payload == Bytes::from_static(b"\"break\"") {
            return Err(SandboxError("as the test asked".into()));
        }
        let flows = work.payload.starts_with(b"\"flow");
        let fails = work.payload.ends_with(b"fail\"");
        if let (true, Some(sink)) = (flows, &work.stream) {
            sink.begin("text/flow");
            sink.room().await.put(Bytes::from_static(b"one,"));
            pass(&self.runs).await;
            if !fails {
                sink.room().await.put(Bytes::from_static(b"two"));
            }
        }
        let ending = match (flows, fails, &work.stream) {
            (true, true, _) => Ending::Failed(FunctionError {
                kind: "Function.Fails".into(),
                payload: Bytes::from_static(br#"{"errorType":"Fails"}"#),
                by_platform: false,
                timed_out: false,
            }),
            (true, false, Some(_)) => Ending::Answer(Bytes::new()),
            (true, false, None) => Ending::Answer(Bytes::from_static(b"one,two")),
            (false, ..) => Ending::Answer(work.payload.clone()),
        };
        Ok(Outcome {
            usable: work.payload != Bytes::from_static(b"\"spent\""),
            ending,
            duration: Duration::from_micros(1_500),
            after_runtime: Duration::ZERO,
            share: None,
            unfinished: work.payload == Bytes::from_static(b"\"linger\""),
            init: None,
            memory_peak_bytes: 30 << 20,
            cpu: Duration::from_millis(1),
        })
    }

    async fn finish(&mut self, outcome: &mut Outcome) -> Result<(), SandboxError> {
        pass(&self.runs).await;
        outcome.after_runtime = Duration::from_micros(2_500);
        outcome.duration += outcome.after_runtime;
        outcome.unfinished = false;
        Ok(())
    }

    fn is_alive(&mut self) -> bool {
        self.born == self.age.load(Ordering::SeqCst)
    }

    fn freeze(&mut self) {
        if !std::mem::replace(&mut self.is_frozen, true) {
            self.frozen.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Drop for FakeSandbox {
    fn drop(&mut self) {
        self.thaw();
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A sink that keeps the texts it was given.
#[derive(Debug, Default)]
pub struct QuietSink(pub Mutex<Vec<String>>);

impl LogSink for QuietSink {
    fn write(&self, line: LogLine) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.text);
    }
}

/// A passage that answers every request with 404.
#[derive(Clone, Copy, Debug, Default)]
pub struct FakePassage;

impl ApiPassage for FakePassage {
    fn call(&self, _request: ApiRequest) -> Pin<Box<dyn Future<Output = ApiResponse> + Send>> {
        Box::pin(async { ApiResponse { status: 404, headers: Vec::new(), body: Bytes::new() } })
    }
}
