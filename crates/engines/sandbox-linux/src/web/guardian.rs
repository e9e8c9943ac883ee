//! The task that owns a web function's sandbox and hears when its server is gone.
//!
//! While requests run it looks after the memory too; between them it only listens to init, so that an idle server
//! costs nothing.

use crate::attention::Event;
use crate::endings;
use crate::sandbox::LinuxSandbox;
use lacewing_sandbox::FunctionError;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

/// How long no request may run before memory is looked after no more.
const REST: Duration = Duration::from_secs(1);
/// Further ahead than any sandbox lives.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

/// What guardian and exchanges tell each other.
pub(super) struct Guard {
    down: watch::Sender<Option<FunctionError>>,
    calls: Arc<AtomicU32>,
    /// The guardian waits to be told of the next request.
    resting: AtomicBool,
    wake: Notify,
}

impl Guard {
    /// `failed`: the server never came up, for this reason.
    pub(super) fn new(failed: Option<FunctionError>, calls: Arc<AtomicU32>) -> Self {
        Self { down: watch::channel(failed).0, calls, resting: AtomicBool::new(false), wake: Notify::new() }
    }

    /// A request has come.
    pub(super) fn called(&self) {
        if self.resting.load(Ordering::SeqCst) && self.resting.swap(false, Ordering::SeqCst) {
            self.wake.notify_one();
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.down.borrow().is_none()
    }

    /// Resolves when the server is gone, with the reason.
    ///
    /// # Cancel safety
    /// Complete.
    pub(super) async fn down(&self) -> FunctionError {
        let mut down = self.down.subscribe();
        match down.wait_for(Option::is_some).await.map(|error| error.clone()) {
            Ok(Some(error)) => error,
            // The sender is ours, so it is never gone.
            _ => pending().await,
        }
    }

    /// Resolves when no request has run for a while.
    async fn quiet(&self) {
        loop {
            sleep(REST).await;
            if self.calls.load(Ordering::SeqCst) == 0 {
                return;
            }
        }
    }

    /// Resolves with the next request.
    async fn stirs(&self) {
        self.resting.store(true, Ordering::SeqCst);
        if self.calls.load(Ordering::SeqCst) == 0 {
            self.wake.notified().await;
        }
        self.resting.store(false, Ordering::SeqCst);
    }
}

/// Holds the sandbox, and says when its server is gone.
pub(super) async fn watch_over(mut sandbox: LinuxSandbox, guard: Arc<Guard>) {
    if guard.is_up() {
        let error = until_gone(&mut sandbox, &guard).await;
        sandbox.logs.drain();
        sandbox.logs.finish_lines();
        guard.down.send_replace(Some(error));
    }
    // Held until nobody needs it; what it left behind must not run on meanwhile.
    sandbox.reset().await;
    pending::<()>().await;
}

async fn until_gone(sandbox: &mut LinuxSandbox, guard: &Guard) -> FunctionError {
    loop {
        let deadline = Instant::now() + FOR_EVER;
        tokio::select! {
            () = guard.stirs() => {}
            () = sandbox.control.heard() => {}
        }
        match sandbox.watch(guard.quiet(), None, deadline).await {
            Ok(Event::Guest(()) | Event::Late) => {}
            Ok(Event::Gone(error)) => return error,
            Ok(Event::OutOfMemory) => return endings::out_of_memory(None),
            Err(broken) => return endings::told("Sandbox.Failure", None, &broken.to_string()),
        }
    }
}
