//! What happened: function logs, usage records, and the money they come to.
//!
//! ```text
//! driver ── LogSink::write ──► logs: memory ──(each second)──► segments below logs/ ──► CloudWatch Logs queries
//! settle ── record ──────────► usage: one write(2) below usage/, folded into hours ──► bill under a rate card
//! everywhere ── count ───────► metrics: atomics ──(each scrape)──► Prometheus text
//! ```
//!
//! Nothing here waits for a disk on the path of a call but `record`, whose one append is the promise that
//! `kill -9` loses no answered call. Queries read files: call them where blocking is allowed.

mod frame;
mod logs;
mod metrics;
mod money;
mod options;
mod usage;

pub use logs::{
    EventsPage, EventsQuery, FilterPage, FilterQuery, GroupInfo, GroupQuery, LogEvent, LogScope, LogStream, LogsError,
    Page, StreamInfo, StreamOrder, StreamQuery,
};
pub use metrics::{FunctionMetrics, METRICS_CONTENT_TYPE, Metrics, Moment, OperationRequests};
pub use money::{Bill, BillLine, BillQuery, CardError, Meter, RateCard, Slice};
pub use options::{LedgerOptions, LogOptions, UsageOptions};
pub use usage::{
    FunctionKey, FunctionUsage, Sums, TenantUse, UsageError, UsageOutcome, UsageQuery, UsageRecord, billed_ms,
};

use lacewing_model::{SandboxId, Version};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The ledger could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Its usage files cannot be read or written.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The thread that writes logs could not be started.
    #[error("no thread for writing logs: {0}; raise the limit on processes of this user (ulimit -u)")]
    Thread(std::io::Error),
    /// The library for metrics takes a definition of ours for unsound: a fault of this build.
    #[error("metrics: {0}; report it with the version of this build")]
    Metrics(String),
}

/// Logs and usage of everything that ran. A cheap handle.
#[derive(Clone)]
pub struct Ledger {
    logs: Arc<logs::Logs>,
    usage: Arc<usage::Usage>,
    metrics: Arc<Metrics>,
}

impl Ledger {
    /// Opens what lies below the data dir: reads the newest usage file and no log at all.
    ///
    /// # Errors
    /// [`LedgerError`] when the usage files cannot be used.
    pub fn open(options: LedgerOptions) -> Result<Self, LedgerError> {
        let metrics = Metrics::new().map_err(|error| LedgerError::Metrics(error.to_string()))?;
        let usage = usage::Usage::open(&options, metrics.volumes.usage.clone())?;
        let logs = logs::Logs::open(options, metrics.volumes.clone()).map_err(LedgerError::Thread)?;
        Ok(Self { logs: Arc::new(logs), usage: Arc::new(usage), metrics: Arc::new(metrics) })
    }

    /// The figures of this node.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The log stream of a new sandbox of `version`, named for today.
    #[must_use]
    pub fn stream(&self, version: &Version, sandbox: SandboxId) -> Arc<LogStream> {
        self.logs.stream(version, sandbox)
    }

    /// Writes all buffered log lines to disk now; the background does so each second.
    pub fn flush(&self) {
        self.logs.flush();
    }

    /// Keeps one finished invocation. When this returns, the record outlives `kill -9`. A second record of
    /// the same request and attempt changes nothing.
    ///
    /// # Errors
    /// [`UsageError`] when the disk refuses it: the invocation is then not accounted for.
    pub fn record(&self, record: &UsageRecord) -> Result<(), UsageError> {
        self.usage.record(record)
    }

    /// Sums of usage, one row per function and architecture, ordered by region, name and architecture.
    ///
    /// # Errors
    /// [`UsageError`] when a usage file cannot be read or is damaged.
    pub fn usage(&self, query: &UsageQuery) -> Result<Vec<FunctionUsage>, UsageError> {
        self.usage.sum(query)
    }

    /// The newest record that `wanted` says yes to, if it is one of the newest 400,000 or so. Reads files.
    ///
    /// # Errors
    /// [`UsageError`] when a usage file cannot be read or is damaged.
    pub fn find_usage(&self, wanted: impl FnMut(&UsageRecord) -> bool) -> Result<Option<UsageRecord>, UsageError> {
        self.usage.find(wanted)
    }

    /// The same sums from the single records alone, for whoever doubts the hourly ones.
    ///
    /// # Errors
    /// [`UsageError`] when a usage file cannot be read or is damaged.
    pub fn recount_usage(&self, query: &UsageQuery) -> Result<Vec<FunctionUsage>, UsageError> {
        self.usage.recount(query)
    }

    /// What the usage costs under `card`.
    ///
    /// # Errors
    /// [`UsageError`] when a usage file cannot be read or is damaged.
    pub fn bill(&self, query: &BillQuery, card: &RateCard) -> Result<Bill, UsageError> {
        money::bill(query, card, |usage, visit| self.usage.visit(usage, visit))
    }

    /// Log groups by name. Source: CloudWatch Logs API, `DescribeLogGroups`.
    ///
    /// # Errors
    /// [`LogsError`], as the API has it.
    pub fn describe_groups(&self, scope: &LogScope, query: &GroupQuery) -> Result<Page<GroupInfo>, LogsError> {
        self.logs.describe_groups(scope, query)
    }

    /// Makes a group ahead of its first line. Source: CloudWatch Logs API, `CreateLogGroup`.
    ///
    /// # Errors
    /// [`LogsError`], as the API has it.
    pub fn create_group(
        &self,
        scope: &LogScope,
        name: &str,
        class: Option<String>,
        tags: BTreeMap<String, String>,
    ) -> Result<(), LogsError> {
        self.logs.create_group(scope, name, class, tags)
    }

    /// Removes a group and its events. Source: CloudWatch Logs API, `DeleteLogGroup`.
    ///
    /// # Errors
    /// [`LogsError`], as the API has it.
    pub fn delete_group(&self, scope: &LogScope, name: &str) -> Result<(), LogsError> {
        self.logs.delete_group(scope, name)
    }

    /// Keeps a group's events for so many days, or as long as the server keeps any. Source: CloudWatch Logs API,
    /// `PutRetentionPolicy`, `DeleteRetentionPolicy`.
    ///
    /// # Errors
    /// [`LogsError`], as the API has it.
    pub fn set_retention(&self, scope: &LogScope, name: &str, days: Option<u32>) -> Result<(), LogsError> {
        self.logs.set_retention(scope, name, days)
    }

    /// Changes a group's tags. Source: CloudWatch Logs API, `TagResource`, `UntagResource`.
    ///
    /// # Errors
    /// [`LogsError`], as the API has it.
    pub fn retag_group(
        &self,
        scope: &LogScope,
        name: &str,
        add: BTreeMap<String, String>,
        remove: &[String],
    ) -> Result<(), LogsError> {
        self.logs.retag_group(scope, name, add, remove)
    }

    /// A group's tags. Source: CloudWatch Logs API, `ListTagsForResource`.
    ///
    /// # Errors
    /// [`LogsError`], as the API has it.
    pub fn group_tags(&self, scope: &LogScope, name: &str) -> Result<BTreeMap<String, String>, LogsError> {
        self.logs.group_tags(scope, name)
    }

    /// Streams of a group. Source: CloudWatch Logs API, `DescribeLogStreams`.
    ///
    /// # Errors
    /// [`LogsError`], as the API has it.
    pub fn describe_streams(&self, scope: &LogScope, query: &StreamQuery) -> Result<Page<StreamInfo>, LogsError> {
        self.logs.describe_streams(scope, query)
    }

    /// Events of one stream. Source: CloudWatch Logs API, `GetLogEvents`.
    ///
    /// # Errors
    /// [`LogsError`], as the API has it.
    pub fn get_events(&self, scope: &LogScope, query: &EventsQuery) -> Result<EventsPage, LogsError> {
        self.logs.get_events(scope, query)
    }

    /// Events of a group, its streams interleaved. Source: CloudWatch Logs API, `FilterLogEvents`.
    ///
    /// # Errors
    /// [`LogsError`], as the API has it.
    pub fn filter_events(&self, scope: &LogScope, query: &FilterQuery) -> Result<FilterPage, LogsError> {
        self.logs.filter_events(scope, query)
    }
}
