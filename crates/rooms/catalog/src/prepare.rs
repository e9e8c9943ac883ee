//! What makes a version ready: its code put in its place, then a snapshot of it where one is wanted. A few threads
//! of each kind, because both wait for the machine.

use crate::entry::LaidOut;
use crate::{Runnable, Scope};
use lacewing_artifact::{ArtifactError, CodeDir, ImageFault, Package};
use lacewing_model::{FailReason, FunctionName, RevisionId, VersionNumber};
use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

/// Threads that unpack, at most: they wait for the disk more than for the processor, but more only compete.
const UNPACKING_MAX: usize = 4;
/// Snapshots taken at once: each runs a whole INIT, which calls must not wait behind.
const SNAPSHOTS_MAX: usize = 1;

/// Takes a snapshot of a version that ran INIT, or says why there is none; waits until it is done. Starts of the
/// version then take it by themselves.
pub type TakeSnapshot = Arc<dyn Fn(Runnable) -> Result<(), String> + Send + Sync>;

/// What is to be prepared: at most one per version, so that the queue is never longer than the registry.
pub(crate) struct Job {
    pub(crate) owner: Scope,
    pub(crate) name: FunctionName,
    pub(crate) number: VersionNumber,
    pub(crate) generation: RevisionId,
    pub(crate) package: Package,
    pub(crate) layers: Vec<Package>,
}

/// How it went.
pub(crate) struct Prepared {
    pub(crate) owner: Scope,
    pub(crate) name: FunctionName,
    pub(crate) number: VersionNumber,
    pub(crate) generation: RevisionId,
    /// The package's tree, and the layers'.
    pub(crate) code: Result<(CodeDir, LaidOut), Unprepared>,
    /// How the snapshot went; `None` before it was tried.
    pub(crate) snapshot: Option<Result<(), String>>,
}

/// Why a version is not ready.
#[derive(Clone, Debug)]
pub(crate) struct Unprepared {
    pub(crate) reason: FailReason,
    /// True when its code could not be had from where it stays: it may be there again.
    pub(crate) is_source_lost: bool,
}

/// Both kinds of threads. Dropping it waits until what was begun is done; the rest is left for the next start.
pub(crate) struct Preparers {
    unpacking: Threads<Job>,
    snapshots: Threads<(Prepared, Runnable)>,
}

impl Preparers {
    /// Starts the threads; each result goes to `done`.
    pub(crate) fn start(take: TakeSnapshot, done: &Arc<dyn Fn(Prepared) + Send + Sync>) -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, |count| count.get().min(UNPACKING_MAX));
        let unpacked = done.clone();
        let snapped = done.clone();
        Ok(Self {
            unpacking: Threads::start("prepare", count, move |job| unpacked(unpack(job)))?,
            snapshots: Threads::start("snapshot", SNAPSHOTS_MAX, move |(prepared, runnable)| {
                snapped(Prepared { snapshot: Some(take(runnable)), ..prepared });
            })?,
        })
    }

    pub(crate) fn prepare(&self, job: Job) {
        self.unpacking.give(job);
    }

    pub(crate) fn snapshot(&self, prepared: Prepared, runnable: Runnable) {
        self.snapshots.give((prepared, runnable));
    }
}

fn unpack(job: Job) -> Prepared {
    let Job { owner, name, number, generation, package, layers } = job;
    let laid = lay_out(&package, layers).and_then(|(code, layers)| {
        if layers.tree.is_some() {
            code.check_with(&layers.packages)?;
        }
        Ok((code, layers))
    });
    let code = laid.map_err(|error| Unprepared {
        is_source_lost: error.is_source_lost(),
        reason: FailReason { code: reason_code(&error).into(), message: error.to_string() },
    });
    Prepared { owner, name, number, generation, code, snapshot: None }
}

/// The API's code for it. Source: Lambda service model, `StateReasonCode`.
fn reason_code(error: &ArtifactError) -> &'static str {
    match error {
        // What a change would have been refused for, had it been known then.
        ArtifactError::Image { fault: ImageFault::Image, .. } => "InvalidImage",
        ArtifactError::Image { fault: ImageFault::Gone, .. } => "ImageDeleted",
        ArtifactError::Image { fault: ImageFault::Forbidden, .. } => "ImageAccessDenied",
        error if error.is_source_lost() => "DependencyError",
        error if error.is_senders_fault() => "InvalidZipFileException",
        _ => "InternalError",
    }
}

/// Threads that work off one queue.
struct Threads<J> {
    jobs: Option<mpsc::Sender<J>>,
    queue: Arc<Mutex<mpsc::Receiver<J>>>,
    threads: Vec<JoinHandle<()>>,
}

impl<J: Send + 'static> Threads<J> {
    fn start(name: &str, count: usize, work: impl Fn(J) + Send + Sync + 'static) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let (queue, work) = (Arc::new(Mutex::new(queue)), Arc::new(work));
        let threads = (0..count)
            .map(|_| {
                let (queue, work) = (queue.clone(), work.clone());
                std::thread::Builder::new().name(name.into()).spawn(move || {
                    while let Some(job) = next(&queue) {
                        work(job);
                    }
                })
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { jobs: Some(jobs), queue, threads })
    }

    fn give(&self, job: J) {
        if let Some(jobs) = &self.jobs {
            // The queue is held by this value too, so that it is there.
            let _ = jobs.send(job);
        }
    }
}

impl<J> Drop for Threads<J> {
    fn drop(&mut self) {
        drop(self.jobs.take());
        // Whoever empties the queue first, here or there, does not matter: it ends when it is empty.
        while next(&self.queue).is_some() {}
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn next<J>(queue: &Mutex<mpsc::Receiver<J>>) -> Option<J> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Puts the trees of a package and of its layers in their places.
pub(crate) fn lay_out(package: &Package, packages: Vec<Package>) -> Result<(CodeDir, LaidOut), ArtifactError> {
    let code = package.unpack()?;
    let tree = CodeDir::merged(&packages)?;
    Ok((code, LaidOut { packages, tree }))
}
