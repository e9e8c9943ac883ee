//! What a simulation found, policy by policy.

use serde::Serialize;

/// The policy that memory is compared with, as the literature does.
pub const BASELINE: &str = "fixed:600";

/// What a simulation found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What was played.
    pub workload: String,
    /// Functions that could be called.
    pub functions: usize,
    /// How long the trace is, minutes.
    pub minutes: u32,
    /// Nodes.
    pub nodes: usize,
    /// In the order they were asked for.
    pub policies: Vec<PolicyReport>,
}

/// What one policy did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PolicyReport {
    /// Its name, as it was asked for.
    pub policy: String,
    /// Calls that came.
    pub calls: u64,
    /// Calls that ran.
    pub served: u64,
    /// Calls that waited for a sandbox to start and ran in it.
    pub cold: u64,
    /// Cold starts among the calls that ran.
    pub cold_share: f64,
    /// Half of the functions have at most this share of cold starts.
    pub function_cold_share_p50: f64,
    /// Three quarters of the functions have at most this share of cold starts.
    pub function_cold_share_p75: f64,
    /// The whole curve: at 0, 1, .., 100 % of the functions.
    pub function_cold_share_curve: Vec<f64>,
    /// Calls by what their sandbox was.
    pub rungs: Rungs,
    /// Calls that waited for a sandbox of their version that ran another.
    pub queued: u64,
    /// What waiting for a sandbox added to calls.
    pub latency: Latency,
    /// What sandboxes held.
    pub memory: Memory,
    /// Sandboxes started.
    pub sandboxes: u64,
    /// Most sandboxes at once, those being started included.
    pub sandboxes_peak: u64,
    /// Sandboxes started before a call asked for one.
    pub prewarmed: u64,
    /// Calls that did not run.
    pub refused: Refused,
}

/// Calls by the rung of the ladder of starts that their sandbox took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rungs {
    /// It lived already.
    pub warm: u64,
    /// Forked from a process that had finished its INIT.
    pub snapshot: u64,
    /// A booted runtime waited for code.
    pub prepared: u64,
    /// From nothing.
    pub full: u64,
}

/// What waiting for a sandbox added to calls, ms; quantiles to three figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Mean over all calls that ran.
    pub mean_ms: f64,
    /// Half of the calls waited no longer.
    pub p50_ms: f64,
    /// 99 % of the calls waited no longer.
    pub p99_ms: f64,
    /// 99.9 % of the calls waited no longer.
    pub p999_ms: f64,
    /// Half of those that waited at all waited no longer.
    pub waited_p50_ms: f64,
}

/// What sandboxes held, by what their functions were given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// By idle sandboxes, GiB × seconds: the waste.
    pub idle_gib_s: f64,
    /// The same against a fixed keep-alive of ten minutes, where that was played too.
    pub idle_against_fixed_600: Option<f64>,
    /// By all sandboxes, GiB × seconds.
    pub held_gib_s: f64,
    /// Most at once, all nodes together, MiB.
    pub peak_mib: u64,
}

/// Calls that did not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Their account had as many in flight as it may.
    pub account: u64,
    /// No node had room.
    pub machine: u64,
}

impl Report {
    /// Fills in how each policy's waste compares with the baseline's, where that was played.
    pub(crate) fn compare(&mut self) {
        let baseline = self.policies.iter().find(|policy| policy.policy == BASELINE);
        let Some(wasted) = baseline.map(|policy| policy.memory.idle_gib_s).filter(|wasted| *wasted > 0.0) else {
            return;
        };
        for policy in &mut self.policies {
            policy.memory.idle_against_fixed_600 = Some(policy.memory.idle_gib_s / wasted);
        }
    }
}
