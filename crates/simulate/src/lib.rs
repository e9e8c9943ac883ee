//! Plays traces of serverless workloads against the server's own decisions, under virtual time.
//!
//! ```text
//! Source (synthetic | trace files) ── a minute of calls ──► Play, one for each policy ──► Report ──► figure
//!                                                            │ admission, pool: the rooms' state machines
//!                                                            └ machine: start times, memory, nodes
//! ```
//!
//! The rooms decide here as they do in the server: `(state, event, now) -> actions`. This crate is what the engines
//! and the clock are there: it says how long a start and a run take, and turns the time. It knows the rooms that
//! decide and ground; it touches no engine, no network, and prints nothing.

mod figure;
mod machine;
mod nodes;
mod play;
mod policy;
mod report;
mod simulation;
mod spread;
mod stock;
mod synthetic;
mod tally;
mod trace;
mod workload;

pub use figure::{figure, thousands};
pub use machine::{Machine, NODES_MAX, StartTime, StartTimes};
pub use policy::Policy;
pub use report::{BASELINE, Latency, Memory, PolicyReport, Refused, Report, Rungs};
pub use simulation::{Outcome, POLICIES_MAX, Plan, simulate};
pub use spread::Durations;
pub use synthetic::{FUNCTIONS_MAX, HOURS_MAX, Profile, Synthetic};
pub use trace::{Azure2019, Azure2021, TraceError, open};
pub use workload::{Call, Function, Source, Trigger, Unpublished};

#[cfg(test)]
mod tests;
