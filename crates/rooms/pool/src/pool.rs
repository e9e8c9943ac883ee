//! Does what the decisions say: starts, lends, keeps and ends sandboxes.

use crate::decide::{Action, CallId, Census, Event, Place, PoolLimits, PoolState};
use crate::lease::{Held, Lease, Story};
use lacewing_model::{Clock, RevisionId, Version};
use lacewing_sandbox::{SandboxDriver, StartError, StartSpec};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::oneshot;

/// Makes what a start of one version needs: the spec, and what travels with the sandbox until its end.
pub type Recipe<C> = Arc<dyn Fn() -> (StartSpec, C) + Send + Sync>;

/// Why no sandbox could be lent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The machine's memory is taken by sandboxes at work.
    #[error("no room for another sandbox")]
    Full,
    /// The start that the call waited for failed.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// The pool: cheap to clone, one state behind it.
pub struct Pool<C: Send + 'static>(Arc<Inner<C>>);

impl<C: Send + 'static> Clone for Pool<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<C: Send + 'static> {
    driver: Arc<dyn SandboxDriver>,
    clock: Arc<dyn Clock>,
    hall: Mutex<Hall<C>>,
}

/// What the lock guards: the decisions' state and the things they speak of.
struct Hall<C> {
    state: PoolState,
    idle: HashMap<Place, Held<C>>,
    waiting: HashMap<CallId, Waiter<C>>,
    /// What to start for a version, while calls wait for it, and how many do.
    recipes: HashMap<RevisionId, (Recipe<C>, usize)>,
    next_call: u64,
    stopping: bool,
    /// Kept so that a decision allocates nothing.
    actions: Vec<Action>,
}

type Grant<C> = Result<(Place, Held<C>), PoolError>;

struct Waiter<C> {
    generation: RevisionId,
    reply: oneshot::Sender<Grant<C>>,
}

/// What a call finds.
enum Arrived<'a, C: Send + 'static> {
    Served(Place, Held<C>),
    Waits(Wait<'a, C>),
}

/// What is left to do once the lock is gone.
enum Errand<C> {
    Start(Place, Recipe<C>),
    GiveBack(Place, Held<C>),
    End(Held<C>),
}

impl<C: Send + 'static> Pool<C> {
    /// An empty pool.
    #[must_use]
    pub fn new(driver: Arc<dyn SandboxDriver>, limits: PoolLimits, clock: Arc<dyn Clock>) -> Self {
        let hall = Hall {
            state: PoolState::new(limits),
            idle: HashMap::new(),
            waiting: HashMap::new(),
            recipes: HashMap::new(),
            next_call: 0,
            stopping: false,
            actions: Vec::new(),
        };
        Self(Arc::new(Inner { driver, clock, hall: Mutex::new(hall) }))
    }

    /// Lends a sandbox of `version`: an idle one at once, else the first that becomes free. `recipe` is asked
    /// for only where none idles.
    ///
    /// # Errors
    /// See [`PoolError`].
    ///
    /// # Cancel safety
    /// An abandoned wait leaves the line; a start begun for it goes on and serves another.
    pub async fn lease(&self, version: &Version, recipe: impl Fn() -> Recipe<C>) -> Result<Lease<C>, PoolError> {
        let began = Instant::now();
        loop {
            let (place, mut held) = match self.arrive(version, &recipe)? {
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

    fn arrive(&self, version: &Version, recipe: impl Fn() -> Recipe<C>) -> Result<Arrived<'_, C>, PoolError> {
        let generation = version.generation;
        let mut hall = self.hall();
        if hall.stopping {
            return Err(PoolError::Stopping);
        }
        let call = CallId(hall.next_call);
        hall.next_call += 1;
        let event = Event::Arrive { call, generation, memory: version.config.memory };
        let now = self.0.clock.now();
        let mut actions = std::mem::take(&mut hall.actions);
        hall.state.on(event, now, &mut actions);
        // The common case, an idle sandbox, needs no channel.
        if let [Action::Give { place, .. }] = actions[..] {
            actions.clear();
            hall.actions = actions;
            let held = hall.idle.remove(&place);
            return held.map(|held| Arrived::Served(place, held)).ok_or_else(|| broken("an idle sandbox was missing"));
        }
        let (sender, reply) = oneshot::channel();
        hall.waiting.insert(call, Waiter { generation, reply: sender });
        hall.recipes.entry(generation).or_insert_with(|| (recipe(), 0)).1 += 1;
        let errands = hall.perform(actions, None);
        drop(hall);
        let wait = Wait { pool: self, call, generation, reply };
        self.run(errands);
        Ok(Arrived::Waits(wait))
    }

    /// Ends the idle sandboxes of a generation that is no longer current; running ones end after their call.
    pub fn retire(&self, generation: RevisionId) {
        self.decide(Event::Retire(generation));
    }

    /// Lets keep-alives run out. To be called about once a second.
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
        self.hall().state.census()
    }

    pub(crate) fn give_back(&self, place: Place, held: Held<C>, usable: bool) {
        let mut hall = self.hall();
        let now = self.0.clock.now();
        let mut actions = std::mem::take(&mut hall.actions);
        hall.state.on(Event::Done { place, usable }, now, &mut actions);
        if usable && actions.is_empty() {
            hall.idle.insert(place, held);
            hall.actions = actions;
            return;
        }
        let mut errands = Vec::new();
        let held = if usable {
            Some((place, held))
        } else {
            errands.push(Errand::End(held));
            None
        };
        errands.extend(hall.perform(actions, held));
        drop(hall);
        self.run(errands);
    }

    fn decide(&self, event: Event) {
        let mut hall = self.hall();
        let now = self.0.clock.now();
        let mut actions = std::mem::take(&mut hall.actions);
        hall.state.on(event, now, &mut actions);
        let errands = hall.perform(actions, None);
        drop(hall);
        self.run(errands);
    }

    fn run(&self, errands: Vec<Errand<C>>) {
        for errand in errands {
            match errand {
                Errand::Start(place, recipe) => {
                    let pool = self.clone();
                    tokio::spawn(async move { pool.start(place, recipe).await });
                }
                Errand::GiveBack(place, held) => self.give_back(place, held, true),
                Errand::End(held) => drop(held),
            }
        }
    }

    async fn start(self, place: Place, recipe: Recipe<C>) {
        // Should the start panic, the place must still come back.
        let mut settle =
            Settle { pool: &self, place, result: Err(StartError::Broken("the start was abandoned".into())) };
        let (spec, companion) = recipe();
        settle.result = self.0.driver.start(spec).await.map(|started| Held {
            sandbox: started.sandbox,
            companion,
            story: Some(Story { rung: started.rung, phases: started.phases, init: started.init }),
        });
    }

    fn started(&self, place: Place, result: Result<Held<C>, StartError>) {
        let mut hall = self.hall();
        let now = self.0.clock.now();
        let mut actions = std::mem::take(&mut hall.actions);
        let errands = match result {
            Ok(held) => {
                hall.state.on(Event::Started(place), now, &mut actions);
                hall.perform(actions, Some((place, held)))
            }
            Err(error) => {
                tracing::warn!(%error, "a sandbox could not be started");
                hall.state.on(Event::StartFailed(place), now, &mut actions);
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

impl<C: Send + 'static> Hall<C> {
    /// Does what can be done under the lock and returns the rest. `held` is the sandbox that the event
    /// was about: it is given on, ended, or kept idle.
    fn perform(&mut self, mut actions: Vec<Action>, mut held: Option<(Place, Held<C>)>) -> Vec<Errand<C>> {
        let mut errands = Vec::new();
        for action in actions.drain(..) {
            match action {
                Action::Start { place, generation } => {
                    if let Some((recipe, _)) = self.recipes.get(&generation) {
                        errands.push(Errand::Start(place, Arc::clone(recipe)));
                    }
                }
                Action::Give { call, place } => {
                    let found = self.take(place, &mut held);
                    let unheard = found.and_then(|found| self.answer(call, Ok((place, found))));
                    errands.extend(unheard.map(|(place, held)| Errand::GiveBack(place, held)));
                }
                Action::Refuse(call) => {
                    let _unheard = self.answer(call, Err(PoolError::Full));
                }
                Action::Fail { .. } => {} // answered where the reason is known
                Action::End(place) => errands.extend(self.take(place, &mut held).map(Errand::End)),
            }
        }
        if let Some((place, held)) = held {
            self.idle.insert(place, held);
        }
        self.actions = actions;
        errands
    }

    fn take(&mut self, place: Place, held: &mut Option<(Place, Held<C>)>) -> Option<Held<C>> {
        match held {
            Some((own, _)) if *own == place => held.take().map(|(_, held)| held),
            _ => self.idle.remove(&place),
        }
    }

    /// Tells a waiting call what it gets; returns a sandbox that nobody was there to take.
    fn answer(&mut self, call: CallId, grant: Grant<C>) -> Option<(Place, Held<C>)> {
        match self.leave_line(call) {
            Some(reply) => reply.send(grant).err().and_then(Result::ok),
            None => grant.ok(),
        }
    }

    fn leave_line(&mut self, call: CallId) -> Option<oneshot::Sender<Grant<C>>> {
        let waiter = self.waiting.remove(&call)?;
        if let Some((_, waiting)) = self.recipes.get_mut(&waiter.generation) {
            *waiting -= 1;
            if *waiting == 0 {
                self.recipes.remove(&waiter.generation);
            }
        }
        Some(waiter.reply)
    }
}

/// A place in the line. Dropping it leaves the line, and gives back what came in the last moment.
struct Wait<'a, C: Send + 'static> {
    pool: &'a Pool<C>,
    call: CallId,
    generation: RevisionId,
    reply: oneshot::Receiver<Grant<C>>,
}

impl<C: Send + 'static> Drop for Wait<'_, C> {
    fn drop(&mut self) {
        if self.pool.hall().leave_line(self.call).is_some() {
            self.pool.decide(Event::Abandon { call: self.call, generation: self.generation });
        } else if let Ok(Ok((place, held))) = self.reply.try_recv() {
            self.pool.give_back(place, held, true);
        }
    }
}

/// Reports how a start ended, whatever happened to it.
struct Settle<'a, C: Send + 'static> {
    pool: &'a Pool<C>,
    place: Place,
    result: Result<Held<C>, StartError>,
}

impl<C: Send + 'static> Drop for Settle<'_, C> {
    fn drop(&mut self) {
        let gone = Err(StartError::Broken("the start was abandoned".into()));
        self.pool.started(self.place, std::mem::replace(&mut self.result, gone));
    }
}

fn broken(why: &str) -> PoolError {
    PoolError::Start(StartError::Broken(why.into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use lacewing_model::{ManualClock, RequestId, SandboxId, Timestamp};
    use lacewing_sandbox::Work;
    use lacewing_testkit::{FakeDriver, FakePassage, FakeStart, QuietSink, version_named};
    use std::time::Duration;

    fn pool(driver: &Arc<FakeDriver>, memory_mib: u64) -> (Pool<()>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let limits =
            PoolLimits { memory_mib, sandboxes_max: 64, starts_at_once: 4, keep_alive: Duration::from_secs(60) };
        (Pool::new(Arc::clone(driver) as _, limits, Arc::clone(&clock) as _), clock)
    }

    fn version() -> Arc<Version> {
        Arc::new(version_named("f"))
    }

    fn recipe(version: &Arc<Version>) -> Recipe<()> {
        let version = Arc::clone(version);
        Arc::new(move || {
            let spec = StartSpec {
                id: SandboxId::random(),
                version: Arc::clone(&version),
                code_dir: "/code".into(),
                layers_dir: None,
                environment: Vec::new(),
                init_max: Duration::from_secs(10),
                logs: Arc::new(QuietSink::default()),
                api: Arc::new(FakePassage),
            };
            (spec, ())
        })
    }

    async fn lend(pool: &Pool<()>, version: &Arc<Version>) -> Result<Lease<()>, PoolError> {
        pool.lease(version, || recipe(version)).await
    }

    fn work(payload: &'static str, version: &Arc<Version>) -> Work {
        Work {
            request_id: RequestId::random(),
            invoked_arn: version.arn(),
            deadline: Timestamp(3_000),
            timeout: Duration::from_secs(3),
            payload: Bytes::from_static(payload.as_bytes()),
            trace_id: String::new(),
            client_context: None,
        }
    }

    async fn run(pool: &Pool<()>, version: &Arc<Version>, payload: &'static str) {
        let mut lease = lend(pool, version).await.unwrap();
        let _ = lease.run(work(payload, version), Instant::now() + Duration::from_secs(3)).await;
    }

    #[tokio::test]
    async fn a_sandbox_is_reused_and_its_story_told_once() {
        let driver = FakeDriver::open();
        let (pool, _) = pool(&driver, 1_024);
        let version = version();
        let mut lease = lend(&pool, &version).await.unwrap();
        assert!(lease.take_story().is_some());
        lease.run(work("1", &version), Instant::now()).await.unwrap();
        drop(lease);
        let mut lease = lend(&pool, &version).await.unwrap();
        assert!(lease.take_story().is_none());
        drop(lease);
        assert_eq!(driver.started(), 1);
    }

    #[tokio::test]
    async fn a_broken_spent_or_abandoned_run_ends_its_sandbox() {
        let driver = FakeDriver::gated(8, 2);
        let (pool, _) = pool(&driver, 1_024);
        let version = version();
        run(&pool, &version, "\"break\"").await;
        run(&pool, &version, "\"spent\"").await;
        assert_eq!(driver.alive(), 0);
        {
            let stuck = run(&pool, &version, "1");
            tokio::pin!(stuck);
            while driver.alive() == 0 {
                assert!(!futures_poll_once(stuck.as_mut()).await, "no permit is left for this run");
                tokio::task::yield_now().await;
            }
            assert!(!futures_poll_once(stuck).await);
        }
        assert_eq!((driver.alive(), pool.census()), (0, Census::default()));
    }

    async fn futures_poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
        std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_ready())).await
    }

    #[tokio::test]
    async fn a_sandbox_that_died_idle_is_given_to_nobody() {
        let driver = FakeDriver::open();
        let (pool, _) = pool(&driver, 1_024);
        let version = version();
        drop(lend(&pool, &version).await.unwrap().take_story());
        driver.kill_all();
        run(&pool, &version, "2").await;
        assert_eq!((driver.started(), driver.alive(), pool.census().idle), (2, 1, 1));
    }

    #[tokio::test]
    async fn a_failed_start_tells_its_waiter_why() {
        let driver = FakeDriver::open();
        driver.next_starts(FakeStart::Fails(StartError::Broken("as asked".into())));
        let (pool, _) = pool(&driver, 1_024);
        let refused = lend(&pool, &version()).await.map(|_| ());
        assert_eq!(refused, Err(PoolError::Start(StartError::Broken("as asked".into()))));
        assert_eq!(pool.census(), Census::default());
    }

    #[tokio::test]
    async fn an_abandoned_wait_leaves_its_start_to_the_next_call() {
        let driver = FakeDriver::gated(0, 8);
        let (pool, _) = pool(&driver, 1_024);
        let version = version();
        {
            let wait = lend(&pool, &version);
            tokio::pin!(wait);
            assert!(!futures_poll_once(wait).await);
        }
        assert_eq!(pool.census().waiting, 0);
        driver.starts.add_permits(1);
        run(&pool, &version, "1").await;
        assert_eq!((driver.started(), pool.census().idle), (1, 1));
    }

    #[tokio::test]
    async fn a_full_machine_refuses_and_zero_comes_after_the_keep_alive() {
        let driver = FakeDriver::open();
        let (pool, clock) = pool(&driver, 128);
        let version = version();
        let lease = lend(&pool, &version).await.unwrap();
        assert_eq!(lend(&pool, &version).await.map(|_| ()), Err(PoolError::Full));
        drop(lease);
        clock.advance(Duration::from_secs(60));
        pool.tick();
        assert_eq!((driver.alive(), pool.census()), (0, Census::default()));
    }

    #[tokio::test]
    async fn a_draining_pool_lends_nothing_and_keeps_nothing() {
        let driver = FakeDriver::open();
        let (pool, _) = pool(&driver, 1_024);
        let version = version();
        let lease = lend(&pool, &version).await.unwrap();
        pool.drain();
        assert_eq!(lend(&pool, &version).await.map(|_| ()), Err(PoolError::Stopping));
        drop(lease);
        assert_eq!(driver.alive(), 0);
    }
}
