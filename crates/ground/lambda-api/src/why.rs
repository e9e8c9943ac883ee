//! What `GET /_lacewing/why/…` answers: how calls came to their sandboxes, and what the pool did. Times are
//! milliseconds, moments RFC 3339.

use serde::{Deserialize, Serialize};

/// Why one invocation was as quick or slow as it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct WhyRequestReply {
    pub request_id: String,
    pub function: String,
    pub version: String,
    pub ended: String,
    /// `success`, `error`, `timeout`, `crash`, `out_of_memory`.
    pub outcome: String,
    /// How it came to its sandbox: `warm`, `snapshot`, `prepared` or `full`.
    pub rung: String,
    /// From its arrival until it had a sandbox.
    pub waited_ms: f64,
    pub run_ms: f64,
    /// The INIT that it was billed for.
    pub init_ms: Option<f64>,
    /// Empty where the record is of an older server.
    pub sandbox: String,
    /// The tenant that it was for, where the function isolates its tenants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// How that sandbox was started, as far as records reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<WhyStart>,
}

/// How one sandbox was started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct WhyStart {
    /// The first invocation that ran there.
    pub first_request_id: String,
    /// When that one got it.
    pub at: String,
    pub rung: String,
    /// What it was started for, in words; empty where only the usage record is left.
    pub purpose: String,
    /// Why it took no better rung; empty where there was none, or it is not known any more.
    pub missed: String,
    pub phases: WhyPhases,
}

/// Where the time went between a call's arrival and the moment its sandbox was ready.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct WhyPhases {
    /// The first call's whole wait; 0 where it came later.
    pub queue_ms: f64,
    /// The part of it before the start was begun, and after its end.
    pub place_ms: f64,
    pub sandbox_ms: f64,
    pub mount_ms: f64,
    pub boot_ms: f64,
    /// The function's code loaded and its INIT run.
    pub load_ms: f64,
}

/// What the pool did for one function in the last hour, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct WhyFunctionReply {
    pub function: String,
    pub version: String,
    pub from: String,
    /// Why it has no snapshot to start from, where it is to have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_snapshot: Option<String>,
    pub decisions: Vec<WhyDecision>,
}

/// One decision of the pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct WhyDecision {
    pub at: String,
    pub what: String,
    pub why: String,
    /// The sandbox's number within this run of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<u64>,
    /// How often: refusals of one second are counted together.
    pub count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rung: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<f64>,
    /// Why a start took no better rung.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<String>,
    /// The first invocation that ran in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}
