//! A sandbox in which a web function's server runs: several requests at once.
//!
//! ```text
//! start ─ exec of the command ─► probe until it listens ─► WebSandbox { exchanges } ──┬─ the pool lets go ─► ended
//!                                      │ ended, too late, out of memory               │
//!                                      └► every request that waited fails with it     └─ guardian: it crashed, or took
//!                                                                                        too much memory ─► down
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `way` | where in the sandbox the server is found |
//! | `ready` | the wait until it listens, and what to say when it never does |
//! | `guardian` | the task that owns the sandbox and hears when its server is gone |
//! | `meters` | what each request used of what all of them share |

mod guardian;
mod meters;
mod ready;
mod way;

use crate::cgroup::Layout;
use crate::endings;
use crate::sandbox::{LinuxSandbox, broke};
use async_trait::async_trait;
use guardian::Guard;
use lacewing_model::RequestId;
use lacewing_sandbox::{
    Ending, FunctionError, InitEnding, InitReport, Outcome, SandboxError, SharedSandbox, WebRequest, Work,
};
use lacewing_web::{Exchanged, NoAnswer, Server};
use meters::Meters;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};
use way::Way;

/// After a connection broke: how long the word may take that the server is gone.
const LAST_WORD_MAX: Duration = Duration::from_millis(200);

/// The sandbox, as its callers share it.
pub(crate) struct WebSandbox {
    guard: Arc<Guard>,
    server: Server<Arc<Way>>,
    meters: Meters,
    /// Owns the sandbox: ended with this value.
    guardian: JoinHandle<()>,
}

impl LinuxSandbox {
    /// Waits until the server that was begun at `at` listens, and takes the sandbox over.
    ///
    /// # Errors
    /// The sandbox broke.
    pub(crate) async fn serve_web(
        mut self,
        web: Web<'_>,
        at: Instant,
        deadline: Instant,
    ) -> Result<(WebSandbox, InitReport), SandboxError> {
        let way = Arc::new(Way::new(Arc::clone(&self.dialer), web.port));
        let server = Server::new(Arc::clone(&way), web.concurrency);
        let up = ready::until_it_listens(&mut self, &way, web.command, (at, deadline)).await?;
        let duration = at.elapsed();
        let (ending, failed) = match up {
            Ok(first) => {
                server.adopt(first).await;
                (InitEnding::Ready, None)
            }
            Err(ready::NotUp { error, late: true }) => (InitEnding::TimedOut, Some(error)),
            Err(ready::NotUp { error, late: false }) => (InitEnding::Failed(error.clone()), Some(error)),
        };
        let meters = Meters::new(&self, (web.layout, web.cgroup)).map_err(broke("meter it"))?;
        let guard = Arc::new(Guard::new(failed, meters.calls()));
        let guardian = tokio::spawn(guardian::watch_over(self, Arc::clone(&guard)));
        Ok((WebSandbox { guard, server, meters, guardian }, InitReport { duration, ending }))
    }
}

/// What is known of a web function when its server starts.
pub(crate) struct Web<'a> {
    pub(crate) command: &'a str,
    pub(crate) port: u16,
    pub(crate) concurrency: usize,
    pub(crate) layout: &'a Layout,
    pub(crate) cgroup: &'a str,
}

/// What came first.
enum Ended {
    Exchanged(Exchanged),
    Down(FunctionError),
    Late,
}

impl WebSandbox {
    async fn see_through(&self, request: WebRequest, deadline: Instant) -> Ended {
        let ended = tokio::select! {
            biased;
            ended = self.server.exchange(request) => ended,
            error = self.guard.down() => return Ended::Down(error),
            () = sleep_until(deadline.into()) => return Ended::Late,
        };
        match ended {
            // Mostly because its process ended, which init is about to say.
            Exchanged::Failed(_) => match timeout(LAST_WORD_MAX, self.guard.down()).await {
                Ok(error) => Ended::Down(error),
                Err(_) => Ended::Exchanged(ended),
            },
            ended => Ended::Exchanged(ended),
        }
    }
}

#[async_trait]
impl SharedSandbox for WebSandbox {
    async fn exchange(&self, work: Work, request: WebRequest, deadline: Instant) -> Result<Outcome, SandboxError> {
        let (id, began) = (work.request_id, Instant::now());
        let visit = self.meters.enter(id).map_err(broke("let its processes go on"))?;
        self.guard.called();
        let ended = self.see_through(request, deadline).await;
        let mut duration = began.elapsed();
        let (ending, usable) = match ended {
            Ended::Exchanged(Exchanged::Whole | Exchanged::ClientGone) => (Ending::Answer(bytes::Bytes::new()), true),
            Ended::Exchanged(Exchanged::Failed(why)) => {
                let error = no_answer(id, &why);
                visit.say(format!("RequestId: {id} Error: {why}"));
                (Ending::Failed(error), true)
            }
            Ended::Down(error) => (Ending::Failed(endings::of_request(&error, id)), false),
            Ended::Late => {
                duration = work.timeout;
                // Whatever it waits for or turns in, it is not left to other requests; those that run may end.
                (Ending::Failed(endings::timed_out(Some(id), work.timeout)), false)
            }
        };
        let out_of_memory = matches!(&ending, Ending::Failed(error) if error.kind == "Runtime.OutOfMemory");
        let used = visit.leave(out_of_memory);
        Ok(Outcome {
            ending,
            duration,
            init: None,
            memory_peak_bytes: used.memory_peak_bytes,
            cpu: used.cpu,
            share: Some(used.time),
            after_runtime: Duration::ZERO,
            usable,
            unfinished: false,
        })
    }

    fn is_alive(&self) -> bool {
        self.guard.is_up()
    }

    fn freeze(&self) {
        self.meters.freeze();
    }
}

impl Drop for WebSandbox {
    fn drop(&mut self) {
        self.guardian.abort();
    }
}

fn no_answer(id: RequestId, why: &NoAnswer) -> FunctionError {
    endings::told("Server.NoAnswer", Some(id), &why.to_string())
}
