//! Does what the decisions say: starts, lends, keeps and ends sandboxes.

mod hall;
mod tenants;

use crate::decide::{
    Action, Census, Event, GroupKey, Place, PoolOptions, PoolState, Provisioned, Purpose, Record, Refusal, Shape,
};
use crate::lease::{Held, Lease, Story};
use hall::{Errand, Grant, Hall};
use lacewing_model::{Clock, RevisionId, TenantId, Version};
use lacewing_sandbox::{InitEnding, Preparation, SandboxDriver, StartError, StartSpec, Started};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::oneshot;

/// Makes what a start of one version needs: the spec, and what travels with the sandbox until its end.
pub type Recipe<C> = Arc<dyn Fn(Purpose) -> (StartSpec, C) + Send + Sync>;

/// Why no sandbox could be lent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The call was turned away before or while it waited.
    #[error("no sandbox for this call: {}", .0.why().as_str())]
    Refused(Refusal),
    /// The start that the call waited for failed.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// How far a version's provisioned concurrency is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProvisionStatus {
    /// How many are wanted, allocated and available.
    pub figures: Provisioned,
    /// Why some are missing, in the driver's words where a start failed.
    pub reason: Option<String>,
}

/// The pool: cheap to clone, one state behind it.
pub struct Pool<C: Send + Sync + 'static>(Arc<Inner<C>>);

impl<C: Send + Sync + 'static> Clone for Pool<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<C: Send + Sync + 'static> {
    driver: Arc<dyn SandboxDriver>,
    clock: Arc<dyn Clock>,
    hall: Mutex<Hall<C>>,
}

/// What a call finds.
enum Arrived<'a, C: Send + Sync + 'static> {
    Served(Place, Held<C>),
    Waits(Wait<'a, C>),
}

impl<C: Send + Sync + 'static> Pool<C> {
    /// An empty pool.
    #[must_use]
    pub fn new(driver: Arc<dyn SandboxDriver>, options: PoolOptions, clock: Arc<dyn Clock>) -> Self {
        let hall = Mutex::new(Hall::new(PoolState::new(options)));
        Self(Arc::new(Inner { driver, clock, hall }))
    }

    /// Lends a sandbox of `version`: an idle one at once, else the first that becomes free. Where `tenant` is said, it
    /// is one that has never served another. `recipe` is asked for only where none idles.
    ///
    /// # Errors
    /// See [`PoolError`].
    ///
    /// # Cancel safety
    /// An abandoned wait leaves the line; a start begun for it goes on and serves another.
    pub async fn lease(
        &self,
        version: &Version,
        tenant: Option<&TenantId>,
        recipe: impl Fn() -> Recipe<C>,
    ) -> Result<Lease<C>, PoolError> {
        let began = Instant::now();
        loop {
            let (place, mut held) = match self.arrive(version, tenant, &recipe)? {
                Arrived::Served(place, held) => (place, held),
                Arrived::Waits(mut wait) => (&mut wait.reply).await.unwrap_or(Err(PoolError::Stopping))?,
            };
            // A new one is not asked: one that dies at once would be started for ever.
            if held.story.is_some() || held.sandbox.is_alive() {
                return Ok(Lease::new(self.clone(), place, held, began.elapsed()));
            }
            // It died idle. Each turn takes one such sandbox out of the pool, so the loop ends.
            self.give_back(place, held, false);
        }
    }

    fn arrive(
        &self,
        version: &Version,
        tenant: Option<&TenantId>,
        recipe: impl Fn() -> Recipe<C>,
    ) -> Result<Arrived<'_, C>, PoolError> {
        let generation = version.generation;
        let mut hall = self.hall();
        if hall.stopping {
            return Err(PoolError::Stopping);
        }
        let (call, key) = (hall.next_call(), hall.key(generation, tenant));
        let now = self.0.clock.now();
        let actions = hall.decide(Event::Arrive { call, key, shape: shape(version) }, now);
        // The common case, a sandbox with room, needs no channel.
        if let [Action::Give { place, .. }] = actions[..] {
            let held = hall.take_now(place, actions);
            return held.map(|held| Arrived::Served(place, held)).ok_or_else(|| broken("an idle sandbox was missing"));
        }
        // Nor does a refusal, which is to cost as little.
        let refused = actions.iter().find_map(|action| match action {
            Action::Refuse { call: refused, refusal } if *refused == call => Some(*refusal),
            _ => None,
        });
        if let Some(refusal) = refused {
            let errands = hall.perform(actions, None);
            drop(hall);
            self.run(errands);
            return Err(PoolError::Refused(refusal));
        }
        let (sender, reply) = oneshot::channel();
        hall.wait(call, sender);
        hall.remember(generation, recipe);
        let errands = hall.perform(actions, None);
        drop(hall);
        let wait = Wait { pool: self, call, key, reply };
        self.run(errands);
        Ok(Arrived::Waits(wait))
    }

    /// Ends the idle sandboxes of a generation that is no longer current; running ones end after their call.
    pub fn retire(&self, generation: RevisionId) {
        self.decide(Event::Retire(generation));
    }

    /// From now on keeps `count` sandboxes of `version` initialised; 0 ends it. Returns at once.
    pub fn provision(&self, version: &Version, count: u32, recipe: impl FnOnce() -> Recipe<C>) {
        let generation = version.generation;
        let mut hall = self.hall();
        if hall.stopping {
            return;
        }
        let now = self.0.clock.now();
        let actions = hall.decide(Event::Provision { generation, shape: shape(version), count }, now);
        if count > 0 {
            hall.remember(generation, recipe);
        }
        let errands = hall.perform(actions, None);
        drop(hall);
        self.run(errands);
    }

    /// How far the provisioned concurrency of a version is.
    #[must_use]
    pub fn provisioned(&self, generation: RevisionId) -> ProvisionStatus {
        self.hall().provisioned(generation)
    }

    /// Says that functions of this kind are deployed, so that a few sandboxes are prepared for them.
    pub fn expect(&self, kind: Preparation) {
        self.decide(Event::Expect(kind));
    }

    /// Takes a reading of the machine's free memory. To be called about once a second.
    pub fn memory_left(&self, mib: u64) {
        self.decide(Event::Memory(mib));
    }

    /// Lets keep-alives run out, freezes, starts ahead. To be called several times a second.
    pub fn tick(&self) {
        self.decide(Event::Tick);
    }

    /// Ends what is idle and refuses new calls; running calls go on.
    pub fn drain(&self) {
        self.hall().stopping = true;
        self.decide(Event::Drain);
    }

    /// Figures of the moment.
    #[must_use]
    pub fn census(&self) -> Census {
        self.hall().census()
    }

    /// What was done and why in the last hour, for one version or over all, oldest first.
    #[must_use]
    pub fn history(&self, generation: Option<RevisionId>) -> Vec<Record> {
        self.hall().history(generation)
    }

    /// How many sandboxes wait prepared at this moment, by kind.
    #[must_use]
    pub fn prepared(&self) -> Vec<(Preparation, usize)> {
        self.0.driver.prepared()
    }

    pub(crate) fn give_back(&self, place: Place, held: Held<C>, usable: bool) {
        let mut hall = self.hall();
        let now = self.0.clock.now();
        let actions = hall.decide(Event::Done { place, usable }, now);
        if actions.is_empty() {
            hall.put_back(place, held, actions);
            return;
        }
        let errands = hall.perform(actions, Some((place, held)));
        drop(hall);
        self.run(errands);
    }

    fn decide(&self, event: Event) {
        let mut hall = self.hall();
        let now = self.0.clock.now();
        let actions = hall.decide(event, now);
        let errands = hall.perform(actions, None);
        drop(hall);
        self.run(errands);
    }

    fn run(&self, errands: Vec<Errand<C>>) {
        for errand in errands {
            match errand {
                Errand::Start(place, recipe, purpose) => {
                    let pool = self.clone();
                    tokio::spawn(async move { pool.start(place, recipe, purpose).await });
                }
                Errand::GiveBack(place, held) => self.give_back(place, held, true),
                Errand::End(held) => end(held),
                // One at a time, so that no call waits for more than one system call.
                Errand::Freeze(place) => self.hall().freeze(place),
                Errand::KeepPrepared(kind, count) => self.0.driver.keep_prepared(kind, count),
            }
        }
    }

    async fn start(self, place: Place, recipe: Recipe<C>, purpose: Purpose) {
        // Should the start panic, the place must still come back.
        let mut settle =
            Settle { pool: &self, place, result: Err(StartError::Broken("the start was abandoned".into())) };
        let (spec, companion) = recipe(purpose);
        settle.result = self.0.driver.start(spec).await.and_then(|started| {
            // A call repeats an INIT that failed, and gets its error. Provisioned, it is of no use to anyone.
            if purpose == Purpose::Provisioned && started.init.ending != InitEnding::Ready {
                return Err(StartError::InvalidEntrypoint(INIT_FAILURE.into()));
            }
            let Started { sandbox, init, rung, missed, phases } = started;
            let story = Story { place, purpose, rung, missed, phases, init };
            Ok(Held { sandbox, companion: Arc::new(companion), story: Some(story) })
        });
    }

    fn started(&self, place: Place, result: Result<Held<C>, StartError>) {
        let mut hall = self.hall();
        let now = self.0.clock.now();
        let errands = match result {
            Ok(held) => {
                hall.note_success(place);
                let rung = held.story.as_ref().map_or(lacewing_sandbox::Rung::Full, |story| story.rung);
                let actions = hall.decide(Event::Started { place, rung }, now);
                hall.perform(actions, Some((place, held)))
            }
            Err(error) => {
                tracing::warn!(%error, "a sandbox could not be started");
                hall.note_failure(place, &error);
                let actions = hall.decide(Event::StartFailed(place), now);
                for action in &actions {
                    if let Action::Fail { call, .. } = action {
                        let _unheard = hall.answer(*call, Err(PoolError::Start(error.clone())));
                    }
                }
                hall.perform(actions, None)
            }
        };
        drop(hall);
        self.run(errands);
    }

    fn hall(&self) -> MutexGuard<'_, Hall<C>> {
        // The state is changed by total functions only: a poisoned lock guards a sound state.
        self.0.hall.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// AWS's `StatusReason` for provisioned concurrency whose INIT fails.
const INIT_FAILURE: &str = "FUNCTION_ERROR_INIT_FAILURE";

/// Ends a sandbox. Its place is free already: what is told of the end does so beside the next start, for a bounded
/// time.
fn end<C: Send + Sync + 'static>(mut held: Held<C>) {
    if held.sandbox.winds_down()
        && let Ok(runtime) = tokio::runtime::Handle::try_current()
    {
        runtime.spawn(async move {
            held.sandbox.wind_down().await;
            drop(held);
        });
    }
}

fn shape(version: &Version) -> Shape {
    let (memory, concurrency) = (version.config.memory, version.config.concurrency());
    Shape { memory, kind: Preparation::of(version), concurrency }
}

/// A place in the line. Dropping it leaves the line, and gives back what came in the last moment.
struct Wait<'a, C: Send + Sync + 'static> {
    pool: &'a Pool<C>,
    call: crate::CallId,
    key: GroupKey,
    reply: oneshot::Receiver<Grant<C>>,
}

impl<C: Send + Sync + 'static> Drop for Wait<'_, C> {
    fn drop(&mut self) {
        if self.pool.hall().leave_line(self.call).is_some() {
            self.pool.decide(Event::Abandon { call: self.call, key: self.key });
        } else if let Ok(Ok((place, held))) = self.reply.try_recv() {
            self.pool.give_back(place, held, true);
        }
    }
}

/// Reports how a start ended, whatever happened to it.
struct Settle<'a, C: Send + Sync + 'static> {
    pool: &'a Pool<C>,
    place: Place,
    result: Result<Held<C>, StartError>,
}

impl<C: Send + Sync + 'static> Drop for Settle<'_, C> {
    fn drop(&mut self) {
        let gone = Err(StartError::Broken("the start was abandoned".into()));
        self.pool.started(self.place, std::mem::replace(&mut self.result, gone));
    }
}

fn broken(why: &str) -> PoolError {
    PoolError::Start(StartError::Broken(why.into()))
}

#[cfg(test)]
mod tests;
