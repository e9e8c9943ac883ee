//! Figures for Prometheus: counted where things happen, read at `GET /_lacewing/metrics`.
//!
//! ```text
//! start of a sandbox ─► function(version): handles, kept with the sandbox ─► each call: atomics only
//! scrape ─► Moment (gauges of now) + every counter ─► text
//! ```
//!
//! A warm call takes no lock and allocates nothing here. Names and units follow Prometheus's conventions: base
//! units, `_total` for counters. The whole list is `docs/reference/metrics.md`; a test holds the two together.
//! Why this library: `docs/decisions/0017-metrics-by-prometheus.md`.

mod functions;
mod moment;
#[cfg(test)]
mod reference;
mod requests;
mod starts;

pub use functions::FunctionMetrics;
pub use moment::Moment;
pub use requests::OperationRequests;

use functions::Functions;
use lacewing_model::{Language, Version};
use lacewing_sandbox::{InitReport, Rung, StartPhases};
use moment::Gauges;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};
use requests::Requests;
use starts::Starts;
use std::sync::Arc;
use std::time::Duration;

/// Bounds of invocations: a millisecond to the longest timeout.
const RUN_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0];
/// Bounds of starts and their phases: a tenth of a millisecond to the longest INIT.
const START_SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Bounds of the event loop's lag.
const LAG_SECONDS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0];

/// The `Content-Type` of what [`Metrics::expose`] writes.
pub const METRICS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All figures of one node.
pub struct Metrics {
    registry: Registry,
    functions: Functions,
    failures: IntCounterVec,
    starts: Starts,
    requests: Requests,
    lag: Histogram,
    gauges: Gauges,
    pub(crate) volumes: Volumes,
}

/// Bytes that the ledger itself takes in and writes.
#[derive(Clone)]
pub(crate) struct Volumes {
    pub logs: IntCounter,
    pub logs_dropped: IntCounter,
    pub usage: IntCounter,
}

/// A definition that the library refuses.
pub(crate) type Unsound = prometheus::Error;

impl Metrics {
    pub(crate) fn new() -> Result<Self, Unsound> {
        let desk = Desk(Registry::new());
        let figures = Self {
            functions: Functions::new(&desk)?,
            failures: desk.counters(
                "lacewing_invocation_failures_total",
                "Calls that were not run, other than throttled ones, by reason.",
                &["reason"],
            )?,
            starts: Starts::new(&desk)?,
            requests: Requests::new(&desk)?,
            lag: desk.histogram(
                "lacewing_event_loop_lag_seconds",
                "How late a timer of the event loop fired; up to 0.001 is the timer's own grain.",
                LAG_SECONDS,
            )?,
            gauges: Gauges::new(&desk)?,
            volumes: Volumes {
                logs: desk.counter("lacewing_log_bytes_total", "Bytes of log lines taken in.")?,
                logs_dropped: desk.counter(
                    "lacewing_log_dropped_bytes_total",
                    "Bytes of log lines dropped because a stream or the memory for lines was over its limit.",
                )?,
                usage: desk.counter("lacewing_usage_bytes_total", "Bytes of usage records written to disk.")?,
            },
            registry: desk.0.clone(),
        };
        let build = desk.gauges("lacewing_build_info", "The version that runs; always 1.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        desk.0.register(Box::new(ProcessCollector::for_self()))?;
        Ok(figures)
    }

    /// The counters of one version: to be kept with each of its sandboxes.
    #[must_use]
    pub fn function(&self, version: &Version) -> Arc<FunctionMetrics> {
        self.functions.of(version)
    }

    /// Counts a call that a limit turned away. `reason` is AWS's word.
    pub fn throttled(&self, version: &Version, reason: &'static str) {
        self.functions.throttled(version, reason);
    }

    /// Counts a call that was not run for another reason: one of a fixed set of words.
    pub fn failed(&self, reason: &'static str) {
        self.failures.with_label_values(&[reason]).inc();
    }

    /// Counts a start that reached its end, INIT included.
    pub fn started(&self, language: Language, rung: Rung, phases: &StartPhases, init: &InitReport) {
        self.starts.count(language, rung, phases, init);
    }

    /// Notes how long a call waited for a sandbox that did not idle.
    pub fn waited(&self, queue: Duration) {
        self.starts.waited(queue);
    }

    /// The counters of one operation of the HTTP door.
    #[must_use]
    pub fn operation(&self, name: &'static str) -> OperationRequests {
        self.requests.of(name)
    }

    /// Notes how late a timer of the event loop fired.
    pub fn loop_lag(&self, lag: Duration) {
        self.lag.observe(lag.as_secs_f64());
    }

    /// Everything in Prometheus's text form.
    #[must_use]
    pub fn expose(&self, now: &Moment) -> String {
        self.gauges.set(now);
        // Only a family without a metric is refused, and such a one is not gathered.
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

/// Makes metrics and registers them.
struct Desk(Registry);

impl Desk {
    fn keep<C: Collector + Clone + 'static>(&self, metric: C) -> Result<C, Unsound> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Unsound> {
        self.keep(IntCounter::new(name, help)?)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Unsound> {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Unsound> {
        self.keep(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Result<Histogram, Unsound> {
        self.keep(Histogram::with_opts(HistogramOpts::new(name, help).buckets(bounds.to_vec()))?)
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str], bounds: &[f64]) -> Result<HistogramVec, Unsound> {
        self.keep(HistogramVec::new(HistogramOpts::new(name, help).buckets(bounds.to_vec()), labels)?)
    }
}
