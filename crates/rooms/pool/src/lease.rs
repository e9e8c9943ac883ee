//! A sandbox lent to one call. Every way out gives its place back.

use crate::decide::{Place, Purpose};
use crate::pool::Pool;
use lacewing_model::RequestId;
use lacewing_sandbox::{Built, InitReport, Missed, Outcome, Rung, SandboxError, StartPhases, WebRequest, Work};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a sandbox was started; told to the first call that runs in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// Which sandbox, as the pool's records name it.
    pub place: Place,
    /// What it was started for.
    pub purpose: Purpose,
    /// Which rung of the ladder.
    pub rung: Rung,
    /// Why no better one; `None` when it took the best that its version can have.
    pub missed: Option<Missed>,
    /// Where the time went.
    pub phases: StartPhases,
    /// How INIT went.
    pub init: InitReport,
}

/// A sandbox with what travels with it.
pub(crate) struct Held<C> {
    pub(crate) sandbox: Built,
    pub(crate) companion: Arc<C>,
    /// Until the first call takes it.
    pub(crate) story: Option<Story>,
}

impl<C> Held<C> {
    /// The same sandbox for one more call, where it runs several at once. The first one gets the story.
    pub(crate) fn share(&mut self) -> Option<Self> {
        let Built::Shared(sandbox) = &self.sandbox else { return None };
        let (sandbox, companion) = (Built::Shared(Arc::clone(sandbox)), Arc::clone(&self.companion));
        Some(Self { sandbox, companion, story: self.story.take() })
    }
}

/// A sandbox lent to one call, alone or beside others. Dropping it gives it back, or only its place when it cannot run
/// again.
pub struct Lease<C: Send + Sync + 'static> {
    pool: Pool<C>,
    place: Place,
    held: Option<Held<C>>,
    queued: Duration,
    usable: bool,
}

impl<C: Send + Sync + 'static> Lease<C> {
    pub(crate) fn new(pool: Pool<C>, place: Place, held: Held<C>, queued: Duration) -> Self {
        Self { pool, place, held: Some(held), queued, usable: true }
    }

    /// Runs one invocation.
    ///
    /// # Errors
    /// The sandbox broke; it is ended when the lease is dropped.
    ///
    /// # Cancel safety
    /// A run that is abandoned ends its sandbox.
    pub async fn run(&mut self, work: Work, deadline: Instant) -> Result<Outcome, SandboxError> {
        self.usable = false;
        let Some(held) = self.held.as_mut() else { return Err(SandboxError("the lease is spent".into())) };
        let outcome = held.sandbox.run(work, deadline).await?;
        self.usable = outcome.usable && !outcome.unfinished;
        Ok(outcome)
    }

    /// Passes a request to a web function's server.
    ///
    /// # Errors
    /// The sandbox broke; it is ended once its other requests have ended.
    ///
    /// # Cancel safety
    /// A request that is abandoned disturbs no other.
    pub async fn exchange(
        &mut self,
        work: Work,
        request: WebRequest,
        deadline: Instant,
    ) -> Result<Outcome, SandboxError> {
        let Some(held) = self.held.as_mut() else { return Err(SandboxError("the lease is spent".into())) };
        let ended = held.sandbox.exchange(work, request, deadline).await;
        self.usable = ended.as_ref().is_ok_and(|outcome| outcome.usable);
        ended
    }

    /// Where a run's outcome was unfinished: sees it to its end. See [`lacewing_sandbox::Sandbox::finish`].
    ///
    /// # Errors
    /// The sandbox broke; it is ended when the lease is dropped.
    ///
    /// # Cancel safety
    /// As of [`Lease::run`].
    pub async fn finish(&mut self, outcome: &mut Outcome) -> Result<(), SandboxError> {
        self.usable = false;
        let Some(held) = self.held.as_mut() else { return Err(SandboxError("the lease is spent".into())) };
        held.sandbox.finish(outcome).await?;
        self.usable = outcome.usable;
        Ok(())
    }

    /// Tells of an invocation's REPORT; see [`Sandbox::report`](lacewing_sandbox::Sandbox::report).
    pub fn report(&self, id: RequestId, after_runtime: Duration, record: &dyn Fn() -> serde_json::Value) {
        if let Some(held) = &self.held {
            held.sandbox.report(id, after_runtime, record);
        }
    }

    /// What travels with the sandbox.
    #[must_use]
    pub fn companion(&self) -> Option<&C> {
        self.held.as_ref().map(|held| &*held.companion)
    }

    /// How the sandbox was started, for the first call that asks; then `None`.
    pub fn take_story(&mut self) -> Option<Story> {
        self.held.as_mut()?.story.take()
    }

    /// How long the call waited for it.
    #[must_use]
    pub fn queued(&self) -> Duration {
        self.queued
    }
}

impl<C: Send + Sync + 'static> Drop for Lease<C> {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.pool.give_back(self.place, held, self.usable);
        }
    }
}
