//! The queue: takes events, runs them when they are due, and settles what follows.
//!
//! ```text
//! enqueue ─► journal (disk) ─► 202 ||      look: what is due, and not running ─► attempt ─► decide ─► journal: gone | due later | gone and a result sent
//!                  └────── wake ──────────►    └──────────────── wake, or the next due time ◄─────────────┘
//! ```
//!
//! The table is the truth, memory knows only what runs right now: a process that dies leaves every event as it was
//! before its attempt, and the next one runs it again.

use crate::backlog::Backlog;
use crate::decide::{self, Bounds, End, GiveUp, Next, Standing};
use crate::journal::Journal;
use crate::places::{Places, RUNNING_MAX};
use crate::record::{self, Outcome, Ran};
use crate::{EventsError, EventsParts};
use bytes::Bytes;
use lacewing_invoke::{Call, EventRules, Invoke, InvokeError, has_passed};
use lacewing_model::{Clock, FunctionName, Qualifier, RequestId};
use lacewing_store::events::{EventCount, EventStep, StoredEvent};
use lacewing_store::{FunctionKey, Store};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The longest pause between two looks at the table.
const LOOK_MAX: Duration = Duration::from_secs(30);
/// The same while places are scarce: then the look passes over events that find none, which may be many.
const SCARCE_LOOK_PAUSE: Duration = Duration::from_secs(1);
/// The pause after the table could not be read or written.
const TROUBLE: Duration = Duration::from_secs(1);
/// How often what follows from an attempt is tried to be written. Over it the event runs again.
const SETTLE_TRIES_MAX: u32 = 60;

/// The queue of asynchronous calls: a cheap handle.
#[derive(Clone)]
pub struct Events(Arc<Inner>);

struct Inner {
    store: Arc<Store>,
    journal: Journal,
    backlog: Arc<Backlog>,
    invoke: Invoke,
    clock: Arc<dyn Clock>,
    stop: watch::Sender<bool>,
    /// True when no attempt runs any more, after [`Events::drain`].
    ended: watch::Sender<bool>,
}

/// What waits or runs at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventsWaiting {
    /// Events.
    pub events: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// How long ago the oldest of them was taken.
    pub oldest: Option<Duration>,
}

impl Events {
    /// Opens the queue and begins to run what waits in it. Must be called inside tokio.
    ///
    /// # Errors
    /// [`EventsError::Internal`] when the table cannot be read.
    pub fn open(parts: EventsParts) -> Result<Self, EventsError> {
        let EventsParts { store, invoke, clock } = parts;
        let store = Arc::new(store);
        let internal = |error: &dyn std::fmt::Display| EventsError::Internal(error.to_string());
        let backlog = Arc::new(Backlog::new(store.events_waiting().map_err(|error| internal(&error))?));
        let journal = Journal::open(Arc::clone(&store), Arc::clone(&backlog)).map_err(|error| internal(&error))?;
        let inner = Arc::new(Inner {
            store,
            journal,
            backlog,
            invoke,
            clock,
            stop: watch::Sender::new(false),
            ended: watch::Sender::new(false),
        });
        tokio::spawn(Arc::clone(&inner).run());
        Ok(Self(inner))
    }

    /// Takes an event: it is on the disk when this returns. All its attempts bear the id.
    ///
    /// # Errors
    /// [`EventsError`]; then it was not taken.
    ///
    /// # Cancel safety
    /// An event that was on its way to the disk is taken and runs.
    pub async fn enqueue(&self, call: Call) -> Result<RequestId, EventsError> {
        let payload = self.0.invoke.check_event(&call)?;
        if !self.0.backlog.has_room_for(payload.len() as u64) {
            return Err(EventsError::Full);
        }
        let now = self.0.clock.now();
        let event = StoredEvent {
            id: RequestId::random(),
            account: call.scope.account.clone(),
            region: call.scope.region.clone(),
            function: call.name,
            qualifier: call.qualifier,
            payload: payload.to_vec(),
            trace_id: call.trace_id,
            client_context: call.client_context,
            tenant: call.tenant,
            arrived: now,
            due: now,
            failures: 0,
            refusals: 0,
        };
        let id = event.id;
        let steps = Arc::new([EventStep::Add(Box::new(event))]);
        self.0.journal.make(steps).await.map_err(EventsError::Internal)?;
        Ok(id)
    }

    /// What waits or runs. Reads the disk: to be called off the async threads.
    ///
    /// # Errors
    /// [`EventsError::Internal`] when the table cannot be read.
    pub fn waiting(&self) -> Result<EventsWaiting, EventsError> {
        let oldest = self.0.store.oldest_event().map_err(|error| EventsError::Internal(error.to_string()))?;
        let oldest = oldest.map(|arrived| self.0.clock.now().since(arrived));
        let EventCount { events, bytes } = self.0.backlog.now();
        Ok(EventsWaiting { events, bytes, oldest })
    }

    /// Begins no more attempts; those that run end by themselves, and all else waits for the next start.
    pub fn drain(&self) {
        self.0.stop.send_replace(true);
    }

    /// Waits until no attempt runs any more, after [`Events::drain`].
    pub async fn drained(&self) {
        // The sender lives as long as this handle.
        let _ = self.0.ended.subscribe().wait_for(|ended| *ended).await;
    }
}

impl Inner {
    async fn run(self: Arc<Self>) {
        let mut stopped = self.stop.subscribe();
        let mut running: JoinSet<RequestId> = JoinSet::new();
        let mut places = Places::default();
        let mut scarce_look_at = Instant::now();
        while !*stopped.borrow() {
            let pause = self.fill(&mut places, &mut running, &mut scarce_look_at).await;
            tokio::select! {
                ended = running.join_next(), if !running.is_empty() => match ended {
                    Some(Ok(id)) => places.give_back(id),
                    // An attempt that panicked; its place stays taken until the next start, which runs it again.
                    Some(Err(error)) => tracing::error!(%error, "an attempt at an event broke"),
                    None => {}
                },
                () = self.backlog.more.notified() => {}
                () = tokio::time::sleep(pause) => {}
                _ = stopped.changed() => {}
            }
        }
        while running.join_next().await.is_some() {}
        self.ended.send_replace(true);
    }

    /// Begins what is due, as far as there are places. Returns how long nothing more will be.
    async fn fill(
        self: &Arc<Self>,
        places: &mut Places,
        running: &mut JoinSet<RequestId>,
        scarce_look_at: &mut Instant,
    ) -> Duration {
        if places.is_full() {
            // The end of an attempt comes first.
            return LOOK_MAX;
        }
        if places.are_scarce() {
            let now = Instant::now();
            if now < *scarce_look_at {
                return *scarce_look_at - now;
            }
            *scarce_look_at = now + SCARCE_LOOK_PAUSE;
        }
        let (due, next) = match self.look(places).await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "waiting events cannot be read");
                return TROUBLE;
            }
        };
        for (id, function) in due {
            if places.take(id, function) {
                let inner = Arc::clone(self);
                running.spawn(async move {
                    inner.attempt(id).await;
                    id
                });
            }
        }
        if places.are_scarce() { next.min(SCARCE_LOOK_PAUSE) } else { next }
    }

    /// What is due and may find a place, and how long nothing more will be.
    async fn look(self: &Arc<Self>, places: &Places) -> Result<(Vec<(RequestId, FunctionKey)>, Duration), String> {
        let (inner, now) = (Arc::clone(self), self.clock.now());
        let max = places.taken() + RUNNING_MAX;
        let passed_over = if places.are_scarce() { places.sated() } else { Vec::new() };
        let found = tokio::task::spawn_blocking(move || {
            let due = inner.store.due_events(now, &passed_over, max)?;
            Ok::<_, lacewing_store::StoreError>((due, inner.store.next_event_after(now)?))
        });
        let (due, next) = found.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let pause = next.map_or(LOOK_MAX, |next| Duration::from_millis(next.0.saturating_sub(now.0)));
        Ok((due, pause.min(LOOK_MAX)))
    }

    async fn attempt(self: &Arc<Self>, id: RequestId) {
        let inner = Arc::clone(self);
        let found = tokio::task::spawn_blocking(move || inner.store.event(id)).await;
        let event = match found {
            Ok(Ok(Some(event))) => event,
            Ok(Ok(None)) => return,
            Ok(Err(error)) => return self.trouble(id, error.to_string()).await,
            Err(error) => return self.trouble(id, error.to_string()).await,
        };
        if let Some(steps) = self.follow(&event).await {
            self.settle(id, steps.into()).await;
        }
    }

    /// Writes what follows from an attempt. While the disk refuses it the function does not run again for that.
    async fn settle(&self, id: RequestId, steps: Arc<[EventStep]>) {
        for _ in 0..SETTLE_TRIES_MAX {
            match self.journal.make(Arc::clone(&steps)).await {
                Ok(()) => return,
                Err(error) => self.trouble(id, error).await,
            }
            if *self.stop.borrow() {
                return;
            }
        }
    }

    /// The event stays as it is, for a little while.
    async fn trouble(&self, id: RequestId, error: String) {
        tracing::error!(%id, %error, "what follows from an event cannot be read or written; it is tried again");
        tokio::time::sleep(TROUBLE).await;
    }

    /// Runs the event if it may run, and says what follows; `None` where all stays as it is.
    async fn follow(&self, event: &StoredEvent) -> Option<Vec<EventStep>> {
        let call = call_of(event);
        let rules = match self.invoke.event_rules(&call) {
            Ok(rules) => rules,
            Err(error) => {
                // As on Lambda, nobody hears of events of a function that is gone.
                tracing::info!(id = %event.id, %error, "an event was dropped");
                return Some(vec![EventStep::Remove(event.id)]);
            }
        };
        let standing = Standing { arrived: event.arrived, failures: event.failures, refusals: event.refusals };
        let EventRules { retries_max, age_max, switched_off, .. } = rules;
        let bounds = Bounds { retries_max, age_max, switched_off };
        if let Some(why) = decide::before(standing, bounds, self.clock.now()) {
            return Some(self.end(event, &rules, why.as_str(), event.failures, None));
        }
        let (end, ran) = match self.invoke.attempt(call, event.id, event.failures + 1).await {
            Ok(answer) => {
                let ran = Ran::of(&answer);
                (if ran.failed() { End::Failed } else { End::Answered }, Some(ran))
            }
            Err(InvokeError::Stopping) => return None,
            Err(error @ (InvokeError::PayloadTooLarge { .. } | InvokeError::NotJson(_))) => {
                // A record with a large answer in it. As on Lambda, what is too large for its destination is dropped.
                tracing::warn!(id = %event.id, function = %event.function, %error, "an event can never run and was dropped");
                return Some(vec![EventStep::Remove(event.id)]);
            }
            Err(error @ InvokeError::Recursive) => {
                tracing::warn!(id = %event.id, function = %event.function, %error, "an event was stopped");
                return Some(self.end_of_circle(event, rules));
            }
            Err(_) => (End::Refused, None),
        };
        Some(match decide::after(standing, bounds, end, self.clock.now()) {
            Next::Succeeded => self.end(event, &rules, "Success", event.failures + 1, ran),
            Next::Again { due, failures, refusals } => {
                vec![EventStep::PutOff { id: event.id, due, failures, refusals }]
            }
            Next::GiveUp { why, failures } => self.end(event, &rules, why.as_str(), failures, ran),
        })
    }

    /// The end of an event whose function has been in the chain of calls too often. Who has been there too is told
    /// nothing: it would go on in circles with refusals.
    fn end_of_circle(&self, event: &StoredEvent, mut rules: EventRules) -> Vec<EventStep> {
        let trace = event.trace_id.as_deref().unwrap_or_default();
        let (account, region) = (event.account.as_str(), event.region.as_str());
        let passed = |name: &FunctionName| has_passed(trace, account, region, name.as_str());
        rules.on_failure.take_if(|arn| function_of(event, arn).is_some_and(|(name, _)| passed(&name)));
        self.end(event, &rules, GiveUp::RetriesExhausted.as_str(), event.failures, None)
    }

    /// The event's end for good, and what is sent because of it.
    fn end(
        &self,
        event: &StoredEvent,
        rules: &EventRules,
        condition: &str,
        runs: u32,
        last: Option<Ran>,
    ) -> Vec<EventStep> {
        let now = self.clock.now();
        let mut steps = vec![EventStep::Remove(event.id)];
        let success = condition == "Success";
        let destination = if success { &rules.on_success } else { &rules.on_failure };
        let trace = last.as_ref().map(|ran| ran.trace_id().to_owned()).or_else(|| event.trace_id.clone());
        if let Some(destination) = destination {
            let outcome = Outcome { id: event.id, arn: &rules.arn, condition, runs, payload: &event.payload, last };
            steps.push(self.sent(event, destination, record::write(&outcome, now), trace.clone()));
        }
        if let Some(queue) = rules.dead_letter.as_ref().filter(|_| !success) {
            steps.push(self.sent(event, queue, event.payload.clone(), trace));
        }
        steps
    }

    /// How something is sent: to a function of the same account as an event of its own, in the same transaction.
    fn sent(&self, event: &StoredEvent, destination: &str, record: Vec<u8>, trace_id: Option<String>) -> EventStep {
        let now = self.clock.now();
        match function_of(event, destination) {
            Some((function, qualifier)) => EventStep::Add(Box::new(StoredEvent {
                id: RequestId::random(),
                account: event.account.clone(),
                region: event.region.clone(),
                function,
                qualifier,
                payload: record,
                trace_id,
                client_context: None,
                tenant: None,
                arrived: now,
                due: now,
                failures: 0,
                refusals: 0,
            })),
            None => {
                tracing::warn!(id = %event.id, destination, "the result of an event is kept: its destination cannot be reached yet");
                EventStep::Undelivered { destination: destination.to_owned(), record, at: now }
            }
        }
    }
}

/// The function that an ARN names, if it is of the event's account and region.
fn function_of(event: &StoredEvent, arn: &str) -> Option<(FunctionName, Option<Qualifier>)> {
    let here = format!(":lambda:{}:{}:function:", event.region, event.account);
    let (_, name) = arn.split_once(&here)?;
    let (name, qualifier) = name.split_once(':').map_or((name, None), |(name, qualifier)| (name, Some(qualifier)));
    let qualifier = qualifier.map(str::parse).transpose().ok()?;
    Some((name.parse().ok()?, qualifier))
}

fn call_of(event: &StoredEvent) -> Call {
    Call {
        scope: Arc::new(lacewing_invoke::Scope { account: event.account.clone(), region: event.region.clone() }),
        name: event.function.clone(),
        qualifier: event.qualifier.clone(),
        payload: Bytes::from(event.payload.clone()),
        trace_id: event.trace_id.clone(),
        client_context: event.client_context.clone(),
        tenant: event.tenant.clone(),
        tail: false,
        request_id: None,
        resolved: None,
    }
}
