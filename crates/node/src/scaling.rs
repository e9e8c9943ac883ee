//! `[scaling]`: how calls are admitted and sandboxes started, kept and shared.

use serde::Deserialize;

/// `[scaling]`
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Scaling {
    /// How it is decided how long an idle sandbox is kept; default `cost`.
    pub keep_alive: KeepAlivePolicy,
    /// Seconds that an idle sandbox is kept, with `cost` at most; default 600, with `cost` 3,600.
    pub keep_alive_seconds: Option<u64>,
    /// Milliseconds after which an idle sandbox is frozen; 0: never; default 2,000.
    pub freeze_after_ms: u64,
    /// Invocations in flight of the whole account; default 1,000.
    pub account_concurrency: u32,
    /// Requests a second for each unit of concurrency, as AWS has 10; default: as many as come.
    pub requests_per_unit: Option<u32>,
    /// Sandboxes that one function may gain in 10 seconds, gained back continuously; 0: as many as the machine
    /// starts; default 1,000.
    pub scaling_rate: u32,
    /// Memory for all sandboxes together, counted as their functions were given it, in MiB; default three
    /// quarters of the machine's times `memory_overcommit`.
    pub memory_mib: Option<u64>,
    /// How many times the machine's memory may be promised, because functions hold a part of what they are
    /// given; default 4.
    pub memory_overcommit: u32,
    /// Free memory of the machine, in MiB, below which idle sandboxes are given up; default a twentieth of it.
    pub memory_low_mib: Option<u64>,
    /// Starts under way at once; default four for each processor.
    pub starts_at_once: Option<usize>,
    /// Calls of one function that may wait for a sandbox; default 1,000.
    pub waiting_max: usize,
    /// Calls of all functions that may wait for a sandbox; default 10,000.
    pub waiting_in_all_max: usize,
    /// Seconds that a call may wait for room or for a running sandbox; one that would wait longer is refused when
    /// it comes; default 10.
    pub wait_seconds: u64,
    /// Sandboxes kept prepared of each kind (runtime, egress) that is deployed or was used lately; default 2.
    pub prepared_least: usize,
    /// Sandboxes kept prepared of each kind after bursts; 0: none at all; default 16.
    pub prepared_most: usize,
    /// Seconds that a stopping node waits for running calls; default 900, the longest a function runs.
    pub drain_seconds: u64,
    /// `share`: a function may use idle processors; `quota`: never more than its memory grants.
    pub cpu: Cpu,
}

/// How it is decided how long an idle sandbox is kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum KeepAlivePolicy {
    /// Always `keep_alive_seconds`.
    Fixed,
    /// As long as its memory costs less than the start that it saves: dear starts and small functions longest.
    #[default]
    Cost,
    /// As each function's own calls come, started ahead of those that come at intervals.
    Rhythm,
}

/// How processors are divided.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Cpu {
    /// By weight: idle processors may be used.
    #[default]
    Share,
    /// By a hard limit.
    Quota,
}

impl Default for Scaling {
    fn default() -> Self {
        Self {
            keep_alive: KeepAlivePolicy::Cost,
            keep_alive_seconds: None,
            freeze_after_ms: 2_000,
            account_concurrency: 1_000,
            requests_per_unit: None,
            scaling_rate: 1_000,
            memory_mib: None,
            memory_overcommit: 4,
            memory_low_mib: None,
            starts_at_once: None,
            waiting_max: 1_000,
            waiting_in_all_max: 10_000,
            wait_seconds: 10,
            prepared_least: 2,
            prepared_most: 16,
            drain_seconds: 900,
            cpu: Cpu::Share,
        }
    }
}
