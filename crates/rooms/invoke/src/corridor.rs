//! The corridor itself, read as the flow.

use crate::admit::{Admission, Permit};
use crate::detach::Detached;
use crate::error::InvokeError;
use crate::flowing::{self, Outlet, RunHead, Streamed};
use crate::in_flight::InFlight;
use crate::report::{self, Account};
use crate::start::{Companion, Kitchen, OpenSession};
use crate::starts::{StartBook, StartRecord};
use crate::templates::TemplateBook;
use crate::trace::{Step, step, trace_id};
use bytes::Bytes;
use lacewing_catalog::records::{Document, Recursion};
use lacewing_catalog::{Catalog, Runnable, Scope};
use lacewing_ledger::{Ledger, TenantUse, UsageRecord, billed_ms};
use lacewing_model::{
    Clock, FunctionConfig, FunctionName, Limits, Qualifier, RequestId, Tenancy, TenantId, Version, VersionNumber,
};
use lacewing_pool::{Lease, Pool, PoolOptions, Purpose, Story};
use lacewing_sandbox::{
    AnswerSink, ApiPassage, Ending, EventTranslator, Outcome, PhaseTimes, Rung, SandboxDriver, SandboxError,
    StreamedBytes, WebRequest, Work,
};
use serde::de::IgnoredAny;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// What the corridor is made of.
pub struct InvokeParts {
    /// Names to versions.
    pub catalog: Catalog,
    /// Logs and usage.
    pub ledger: Ledger,
    /// Makes sandboxes.
    pub driver: Arc<dyn SandboxDriver>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Named limits.
    pub limits: Limits,
    /// What bounds and steers the pool.
    pub pool: PoolOptions,
    /// Reads how much memory the machine has left, MiB.
    pub memory_left: MemoryLeft,
    /// Opens a session for a function's role.
    pub open_session: OpenSession,
    /// The way from a sandbox to the public API.
    pub api: Arc<dyn ApiPassage>,
    /// Adds how a start went to the REPORT line.
    pub start_phases: bool,
}

/// Reads how much memory the machine has left, MiB; `None` where it does not tell.
pub type MemoryLeft = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

/// One call, as the gateway read it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Whose function, and where.
    pub scope: Arc<Scope>,
    /// Its name.
    pub name: FunctionName,
    /// What the caller wrote behind the name.
    pub qualifier: Option<Qualifier>,
    /// The event. Empty counts as `{}`.
    pub payload: Bytes,
    /// The caller's `X-Amzn-Trace-Id`.
    pub trace_id: Option<String>,
    /// The client context, decoded.
    pub client_context: Option<String>,
    /// The tenant that it is for: needed where the function isolates its tenants, and refused where not.
    pub tenant: Option<TenantId>,
    /// Whether the caller wants the end of the log.
    pub tail: bool,
    /// The invocation's id, where the event names it; else it gets one.
    pub request_id: Option<RequestId>,
    /// The version to run, where the gateway had to look first ([`Invoke::resolve`]): an alias may name another one at
    /// the next look.
    pub resolved: Option<Runnable>,
}

/// What a call came to.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The invocation's id.
    pub request_id: RequestId,
    /// The version that ran.
    pub executed_version: VersionNumber,
    /// What it was traced as.
    pub trace_id: String,
    /// The function's answer or error.
    pub ending: Ending,
    /// The last bytes of the invocation's log, where they were asked for.
    pub log_tail: Option<Vec<u8>>,
}

/// Which try at a call it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// The invocation's id.
    pub(crate) request_id: RequestId,
    /// Counted from 1.
    pub(crate) number: u32,
}

impl Attempt {
    fn first(id: Option<RequestId>) -> Self {
        Self { request_id: id.unwrap_or_else(RequestId::random), number: 1 }
    }
}

/// The corridor: a cheap handle.
#[derive(Clone)]
pub struct Invoke(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) catalog: Catalog,
    ledger: Ledger,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) translator: OnceLock<Arc<dyn EventTranslator>>,
    pub(crate) admission: Admission,
    pub(crate) pool: Pool<Companion>,
    pub(crate) driver: Arc<dyn SandboxDriver>,
    /// What the pool may promise, MiB.
    pub(crate) memory_mib_max: u64,
    pub(crate) kitchen: Arc<Kitchen>,
    pub(crate) starts: StartBook,
    pub(crate) memory_left: MemoryLeft,
    start_phases: bool,
    /// Until when no call is run, because the last one could not be recorded: milliseconds since the epoch.
    books_closed_until: AtomicU64,
}

/// How long calls are refused after one could not be recorded; then one tries again.
const BOOKS_CLOSED: Duration = Duration::from_secs(1);

/// What of each streamed answer costs nothing. Source: Lambda pricing.
const STREAMED_BYTES_FREE: u64 = 6 << 20;

impl Invoke {
    /// Puts the corridor together.
    #[must_use]
    pub fn new(parts: InvokeParts) -> Self {
        let kitchen = Kitchen {
            ledger: parts.ledger.clone(),
            clock: Arc::clone(&parts.clock),
            open_session: parts.open_session,
            api: parts.api,
            init_max: parts.limits.init_max,
            templates: Arc::new(TemplateBook::default()),
        };
        Self(Arc::new(Inner {
            memory_mib_max: parts.pool.memory_mib,
            pool: Pool::new(Arc::clone(&parts.driver), parts.pool, Arc::clone(&parts.clock)),
            driver: parts.driver,
            admission: Admission::new(
                InFlight::new(parts.limits.account_concurrency_max)
                    .with_requests_per_unit(parts.limits.requests_per_unit),
            ),
            kitchen: Arc::new(kitchen),
            catalog: parts.catalog,
            ledger: parts.ledger,
            clock: parts.clock,
            limits: parts.limits,
            translator: OnceLock::new(),
            starts: StartBook::default(),
            memory_left: parts.memory_left,
            start_phases: parts.start_phases,
            books_closed_until: AtomicU64::new(0),
        }))
    }

    /// Runs one call.
    ///
    /// # Errors
    /// [`InvokeError`] where it was not run. A function that fails is an [`Answer`].
    ///
    /// # Cancel safety
    /// Dropping the future stops no function: what is left of the corridor goes on by itself.
    pub async fn call(&self, call: Call) -> Result<Answer, InvokeError> {
        let inner = Arc::clone(&self.0);
        Detached::new(async move {
            let attempt = Attempt::first(call.request_id);
            inner.walk(call, None, attempt).await.inspect_err(|error| inner.count_failure(error))
        })
        .await
    }

    /// Runs one call until the first bytes of its answer, where the function streams it, or its end.
    ///
    /// # Errors
    /// As [`Invoke::call`].
    ///
    /// # Cancel safety
    /// As [`Invoke::call`].
    pub async fn stream(&self, call: Call) -> Result<Streamed, InvokeError> {
        let inner = Arc::clone(&self.0);
        flowing::begin(|outlet| async move {
            let attempt = Attempt::first(call.request_id);
            inner.walk(call, Some(outlet), attempt).await.inspect_err(|error| inner.count_failure(error))
        })
        .await
    }

    /// Has a snapshot of a version taken, from which its starts fork from then on.
    ///
    /// # Errors
    /// Why there is none; the version then starts as others do.
    pub async fn snapshot(&self, runnable: &Runnable) -> Result<(), String> {
        let (spec, companion) = self.0.kitchen.template(runnable);
        let taken = self.0.driver.snapshot(spec).await;
        if let Err(refused) = &taken {
            companion.logs.platform(&format!("SNAPSHOT Error: {refused}"));
            return Err(refused.to_string());
        }
        let generation = runnable.version.generation;
        if !self.0.kitchen.templates.keep(generation, companion) {
            self.0.driver.forget_snapshot(generation);
        }
        Ok(())
    }

    /// What a `DryRun` checks: that the function is there and can be invoked; which version would run.
    ///
    /// # Errors
    /// As [`Invoke::call`].
    pub fn check(&self, call: &Call) -> Result<VersionNumber, InvokeError> {
        let version = self.0.catalog.resolve(&call.scope, &call.name, call.qualifier.as_ref())?.version;
        check_tenant(&version.config, call.tenant.as_ref())?;
        Ok(version.number)
    }

    /// Refuses new calls and ends what is idle; running calls go on.
    pub fn drain(&self) {
        self.0.pool.drain();
    }
}

/// What a call brings to its sandbox.
pub(crate) enum Freight {
    /// An event, and where its answer goes if it is streamed.
    Event(Bytes, Option<Outlet>),
    /// A request to a web function's server.
    Request(Box<WebRequest>),
}

impl Inner {
    pub(crate) async fn walk(
        self: &Arc<Self>,
        mut call: Call,
        outlet: Option<Outlet>,
        attempt: Attempt,
    ) -> Result<Answer, InvokeError> {
        let runnable = match call.resolved.take() {
            Some(runnable) => runnable,
            None => self.catalog.resolve(&call.scope, &call.name, call.qualifier.as_ref())?,
        };
        let payload = self.check_payload(std::mem::take(&mut call.payload))?;
        if runnable.version.config.web().is_some() {
            // Its answer's head is part of the payload: it is sent once it is whole.
            return self.walk_translated(call, runnable, attempt, payload).await;
        }
        self.walk_on(call, runnable, attempt, Freight::Event(payload, outlet)).await
    }

    /// The corridor behind the first door: the version is known and the freight checked.
    pub(crate) async fn walk_on(
        self: &Arc<Self>,
        call: Call,
        runnable: Runnable,
        attempt: Attempt,
        freight: Freight,
    ) -> Result<Answer, InvokeError> {
        self.check_books()?;
        check_tenant(&runnable.version.config, call.tenant.as_ref())?;
        let trace_id = self.check_circles(trace_id(call.trace_id, self.clock.now()), &call.scope, &runnable.version)?;
        let throttled = |error| self.count_throttle(&runnable.version, error);
        let permit = self.admission.admit(Arc::clone(&call.scope), &runnable, self.clock.now()).map_err(throttled)?;
        let recipe = || Arc::clone(&self.kitchen).recipe(runnable.clone());
        let leased = self.pool.lease(&runnable.version, call.tenant.as_ref(), recipe).await;
        let mut lease = leased.map_err(|error| throttled(error.into()))?;
        let request_id = attempt.request_id;
        let tail = call.tail;
        let executed_version = runnable.version.number;
        let (payload, stream, request) = match freight {
            Freight::Event(payload, None) => (payload, None, None),
            Freight::Event(payload, Some(Outlet { sink, tell })) => {
                let _ = tell.send(RunHead { request_id, executed_version, trace_id: trace_id.clone() });
                (payload, Some(sink), None)
            }
            Freight::Request(request) => (Bytes::new(), Some(request.answer.clone()), Some(request)),
        };
        let received = request.as_ref().map(|request| Arc::clone(&request.received));
        let mut visit = Visit {
            runnable,
            request_id,
            attempt: attempt.number,
            story: lease.take_story(),
            bytes_in: payload.len() as u64,
            // A second sink would keep the client from seeing the answer's end.
            streams: stream.as_ref().map(AnswerSink::count),
            tail,
            tenant: call.tenant.clone(),
        };
        if let (Some(story), Some(companion)) = (&visit.story, lease.companion()) {
            let (version, sandbox, now) = (&visit.runnable.version, companion.sandbox, self.clock.now());
            self.starts.add(StartRecord::new(request_id, version, sandbox, story, lease.queued(), now));
        }
        let timeout = visit.runnable.version.config.timeout.duration();
        let work = Work {
            request_id,
            invoked_arn: visit.runnable.version.arn_as(call.qualifier),
            deadline: self.clock.now().plus(timeout),
            timeout,
            payload,
            trace_id: trace_id.clone(),
            client_context: call.client_context,
            tenant: call.tenant,
            stream: stream.filter(|_| request.is_none()),
        };
        self.open(&visit, &lease);
        let by = Instant::now() + timeout;
        let ran = match request {
            None => lease.run(work, by).await,
            Some(request) => lease.exchange(work, *request, by).await,
        };
        visit.bytes_in += received.map_or(0, |received| received.load(Ordering::Relaxed));
        let outcome = ran.map_err(|broken| self.abort(&visit, &lease, &broken))?;
        let ending = outcome.ending.clone();
        let log_tail = if outcome.unfinished && !tail {
            // As on Lambda: extensions go on after the answer, and are billed with the invocation.
            let inner = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(error) = inner.finish(visit, lease, outcome, permit).await {
                    tracing::warn!(%error, %request_id, "an invocation went wrong after its answer");
                }
            });
            None
        } else if outcome.unfinished {
            self.finish(visit, lease, outcome, permit).await?
        } else {
            self.settle(&visit, &lease, &outcome, permit)?
        };
        Ok(Answer { request_id, executed_version, trace_id, ending, log_tail })
    }

    /// The trace that the function sees, unless it goes in circles and has not been allowed to.
    fn check_circles(&self, trace: String, scope: &Scope, version: &Version) -> Result<String, InvokeError> {
        let Step { header, circles } = step(&trace, version);
        if circles {
            let key = scope.function_record(Recursion::FAMILY, &version.name, "");
            let allowed = self.catalog.record::<Recursion>(&key).is_some_and(|recursion| recursion.allowed);
            return if allowed { Ok(header) } else { Err(InvokeError::Recursive) };
        }
        Ok(header)
    }

    /// What comes after the answer where extensions still work.
    async fn finish(
        &self,
        visit: Visit,
        mut lease: Lease<Companion>,
        mut outcome: Outcome,
        permit: Permit,
    ) -> Result<Option<Vec<u8>>, InvokeError> {
        let finished = lease.finish(&mut outcome).await;
        finished.map_err(|broken| self.abort(&visit, &lease, &broken))?;
        self.settle(&visit, &lease, &outcome, permit)
    }

    fn count_throttle(&self, version: &Version, error: InvokeError) -> InvokeError {
        if let InvokeError::Throttled { reason, .. } = error {
            self.ledger.metrics().throttled(version, reason.as_str());
        }
        error
    }

    pub(crate) fn count_failure(&self, error: &InvokeError) {
        if !matches!(error, InvokeError::Throttled { .. }) {
            self.ledger.metrics().failed(error.reason());
        }
    }

    pub(crate) fn check_payload(&self, payload: Bytes) -> Result<Bytes, InvokeError> {
        let (bytes, max) = (payload.len() as u64, self.limits.sync_payload_bytes_max);
        if bytes > max {
            return Err(InvokeError::PayloadTooLarge { bytes, max, kind: "RequestResponse" });
        }
        if payload.is_empty() {
            return Ok(Bytes::from_static(b"{}"));
        }
        // The JSON check passes over the inside of strings, where bytes that are no UTF-8 could hide.
        let text = std::str::from_utf8(&payload).map_err(|error| InvokeError::NotJson(error.to_string()))?;
        match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => Ok(payload),
            Err(error) => Err(InvokeError::NotJson(error.to_string())),
        }
    }

    /// A call that cannot be recorded must not run: its caller would try again what has had its effects.
    fn check_books(&self) -> Result<(), InvokeError> {
        if self.clock.now().0 < self.books_closed_until.load(Ordering::Relaxed) {
            return Err(InvokeError::Internal("usage cannot be recorded; is the disk of the data dir full?".into()));
        }
        Ok(())
    }

    /// The lines before the run.
    fn open(&self, visit: &Visit, lease: &Lease<Companion>) {
        let Some(companion) = lease.companion() else { return };
        let (version, now) = (&visit.runnable.version, self.clock.now());
        if let Some(story) = &visit.story {
            let (metrics, language) = (self.ledger.metrics(), version.config.runtime.language());
            metrics.started(language, story.rung, &story.phases, &story.init);
            metrics.waited(lease.queued());
            if story.rung == Rung::Snapshot {
                say(companion, report::restore_report(version, &story.init, now));
            } else {
                if companion.restores() {
                    // The next rung was taken after all.
                    say(companion, report::init_start(version, "on-demand", now));
                }
                say(companion, report::init_report(version, &story.init, "init", now));
            }
        }
        companion.logs.begin(visit.request_id, visit.tail);
        say(companion, report::start(version, visit.request_id, visit.tenant.as_ref(), now));
    }

    /// The lines after the run, and the record: on the disk before the caller is answered.
    fn settle(
        &self,
        visit: &Visit,
        lease: &Lease<Companion>,
        outcome: &Outcome,
        permit: Permit,
    ) -> Result<Option<Vec<u8>>, InvokeError> {
        let account = Account {
            request_id: visit.request_id,
            version: &visit.runnable.version,
            outcome,
            init: init_paid(visit.story.as_ref(), outcome),
            story: visit.story.as_ref(),
            queued: lease.queued(),
            streamed_bytes: visit.streams.as_ref().map_or(0, StreamedBytes::get),
            sandbox: lease.companion().map(|companion| companion.sandbox),
            start_phases: self.start_phases,
            tenant: visit.tenant.as_ref(),
            now: self.clock.now(),
        };
        let mut tail = None;
        if let Some(companion) = lease.companion() {
            if let Some(init) = &outcome.init {
                say(companion, report::init_report(account.version, init, "invoke", account.now));
            }
            say(companion, report::end(&account));
            say(companion, report::report(&account));
            tail = companion.logs.end(visit.request_id);
        }
        lease.report(visit.request_id, outcome.after_runtime, &|| report::report_record(&account));
        let record = usage_record(&account, visit.bytes_in, visit.attempt);
        if let Some(companion) = lease.companion() {
            companion.metrics.ended(record.outcome, record.duration);
        }
        self.ledger.record(&record).map_err(|error| {
            self.books_closed_until.store(account.now.plus(BOOKS_CLOSED).0, Ordering::Relaxed);
            InvokeError::Internal(error.to_string())
        })?;
        drop(permit);
        Ok(tail)
    }

    fn abort(&self, visit: &Visit, lease: &Lease<Companion>, broken: &SandboxError) -> InvokeError {
        if let Some(companion) = lease.companion() {
            companion.logs.platform(&format!("RequestId: {} Error: the sandbox broke", visit.request_id));
            companion.logs.end(visit.request_id);
        }
        InvokeError::Internal(broken.to_string())
    }
}

/// The INIT that a call pays for: the one at the start of its sandbox, where it is the first to run there, and
/// the one that was repeated inside it. Source: Lambda pricing; both are billed. What was started ahead of any call
/// is paid as provisioned concurrency or is the platform's own venture.
fn init_paid(story: Option<&Story>, outcome: &Outcome) -> Option<Duration> {
    let at_start = story.filter(|story| story.purpose == Purpose::Call).map(|story| match story.rung {
        // Loading the runtime and the hooks; the copying is ours.
        Rung::Snapshot => story.phases.boot + story.phases.init,
        _ => story.init.duration,
    });
    let inside = outcome.init.as_ref().map(|init| init.duration);
    match (at_start, inside) {
        (None, None) => None,
        (at_start, inside) => Some(at_start.unwrap_or_default() + inside.unwrap_or_default()),
    }
}

/// Writes a platform line, unless the function's log level hides it.
fn say(companion: &Companion, line: Option<String>) {
    if let Some(line) = line {
        companion.logs.platform(&line);
    }
}

/// What the steps of one call share.
struct Visit {
    runnable: Runnable,
    request_id: RequestId,
    attempt: u32,
    /// How the sandbox was started, where this call is its first.
    story: Option<Story>,
    bytes_in: u64,
    /// How much of the answer was streamed.
    streams: Option<StreamedBytes>,
    tail: bool,
    tenant: Option<TenantId>,
}

/// Whether a call may name a tenant, and has to, is the function's choice.
pub(crate) fn check_tenant(config: &FunctionConfig, tenant: Option<&TenantId>) -> Result<(), InvokeError> {
    match (config.tenancy, tenant) {
        (Tenancy::PerTenant, None) => Err(InvokeError::TenantMissing),
        (Tenancy::Shared, Some(_)) => Err(InvokeError::TenantUnexpected),
        (Tenancy::PerTenant, Some(_)) | (Tenancy::Shared, None) => Ok(()),
    }
}

fn usage_record(account: &Account<'_>, bytes_in: u64, attempt: u32) -> UsageRecord {
    let Account { version, outcome, .. } = account;
    UsageRecord {
        account: version.account.clone(),
        region: version.region.clone(),
        function: version.name.clone(),
        version: version.number,
        request_id: account.request_id,
        attempt,
        rung: account.story.map_or(Rung::Warm, |story| story.rung),
        init: account.init,
        duration: outcome.duration,
        billed_ms: billed_ms(account.init, outcome.duration),
        memory: version.config.memory,
        ephemeral: version.config.ephemeral,
        architecture: version.config.architecture,
        memory_peak_bytes: outcome.memory_peak_bytes,
        cpu: outcome.cpu,
        bytes_in,
        bytes_out: report::produced(account),
        streamed_bytes: account.streamed_bytes.saturating_sub(STREAMED_BYTES_FREE),
        outcome: report::usage_outcome(outcome),
        phases: PhaseTimes {
            queue: account.queued,
            start: account.story.map(|story| story.phases),
            run: outcome.duration,
        },
        ended: account.now,
        sandbox: account.sandbox,
        share: outcome.share,
        // A tenant's environment is started by a call of the tenant, and by nothing else.
        tenant: account.tenant.map(|id| TenantUse { id: id.clone(), new_environment: account.story.is_some() }),
    }
}
