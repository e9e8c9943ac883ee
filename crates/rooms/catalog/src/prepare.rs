//! Prepares code: a few threads that put trees in their places.

use crate::Scope;
use crate::entry::LaidOut;
use lacewing_artifact::{ArtifactError, CodeDir, Package};
use lacewing_model::{FailReason, FunctionName, RevisionId, VersionNumber};
use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

/// Threads, at most: unpacking waits for the disk more than for the processor, but more of them only compete.
const THREADS_MAX: usize = 4;

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
    pub(crate) code: Result<(CodeDir, LaidOut), FailReason>,
}

/// The threads. Dropping it waits until the jobs that were begun are done; others are left for the next start.
pub(crate) struct Preparers {
    jobs: Option<mpsc::Sender<Job>>,
    queue: Arc<Mutex<mpsc::Receiver<Job>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Preparers {
    /// Starts the threads; each result goes to `done`.
    pub(crate) fn start(done: &Arc<dyn Fn(Prepared) + Send + Sync>) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        let count = std::thread::available_parallelism().map_or(1, |count| count.get().min(THREADS_MAX));
        let threads = (0..count)
            .map(|_| {
                let (queue, done) = (queue.clone(), done.clone());
                std::thread::Builder::new().name("prepare".into()).spawn(move || {
                    while let Some(job) = next(&queue) {
                        done(prepare(job));
                    }
                })
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { jobs: Some(jobs), queue, threads })
    }

    pub(crate) fn prepare(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // The queue is held by this value too, so that it is there.
            let _ = jobs.send(job);
        }
    }
}

impl Drop for Preparers {
    fn drop(&mut self) {
        drop(self.jobs.take());
        // Whoever empties the queue first, here or there, does not matter: it ends when it is empty.
        while next(&self.queue).is_some() {}
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn next(queue: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

fn prepare(job: Job) -> Prepared {
    let Job { owner, name, number, generation, package, layers } = job;
    let laid = lay_out(&package, layers).and_then(|(code, layers)| {
        if layers.tree.is_some() {
            code.check_with(&layers.packages)?;
        }
        Ok((code, layers))
    });
    let code = laid.map_err(|error| FailReason {
        code: if error.is_senders_fault() { "InvalidZipFileException" } else { "InternalError" }.into(),
        message: error.to_string(),
    });
    Prepared { owner, name, number, generation, code }
}

/// Puts the trees of a package and of its layers in their places.
pub(crate) fn lay_out(package: &Package, packages: Vec<Package>) -> Result<(CodeDir, LaidOut), ArtifactError> {
    let code = package.unpack()?;
    let tree = CodeDir::merged(&packages)?;
    Ok((code, LaidOut { packages, tree }))
}
