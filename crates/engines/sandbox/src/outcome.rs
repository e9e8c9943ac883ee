//! How a start and a run can end.

use crate::StartPhases;
use bytes::Bytes;
use std::time::Duration;

/// What one invocation came to. Every ending is a result, not a fault of the platform.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Answer or error.
    pub ending: Ending,
    /// From handing the event over until the runtime was done (or was stopped); without `init`.
    pub duration: Duration,
    /// An INIT that ran inside this invocation, because the one at the start had failed or its process had ended.
    pub init: Option<InitReport>,
    /// Most memory the sandbox has held so far, bytes; at most what it was given.
    pub memory_peak_bytes: u64,
    /// Processor time used meanwhile.
    pub cpu: Duration,
    /// What of `duration` came after the runtime was done, when only extensions still worked.
    pub after_runtime: Duration,
    /// Its part of the time that the sandbox was at work, where it runs several calls at once: what all of them took
    /// together is shared equally among those that ran at a moment. `None` where it runs one at a time.
    pub share: Option<Duration>,
    /// True when the sandbox can take another call. False: it must be dropped.
    pub usable: bool,
    /// True when answer or error stand, and may be given to the caller, but extensions still work: see
    /// [`Sandbox::finish`](crate::Sandbox::finish).
    pub unfinished: bool,
}

/// Answer or error.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The runtime's answer, byte for byte; not parsed. Empty when it was streamed.
    Answer(Bytes),
    /// The function failed. The caller gets 200 and `X-Amz-Function-Error`.
    Failed(FunctionError),
}

/// A failed invocation or INIT, in the caller's words.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionError {
    /// The error's type as telemetry and REPORT show it, for example `Runtime.ExitError`.
    pub kind: String,
    /// What the caller gets: the runtime's own JSON, or ours where it could not write one.
    pub payload: Bytes,
    /// True for what the platform ended: timeout, exit, out of memory.
    /// REPORT then bears `Status:`; an error that the handler reported does not.
    pub by_platform: bool,
    /// True when it ran into its deadline.
    pub timed_out: bool,
}

/// How an INIT went.
#[derive(Clone, Debug, PartialEq)]
pub struct InitReport {
    /// From exec of the runtime until it asked for the first event (or ended).
    pub duration: Duration,
    /// Its end.
    pub ending: InitEnding,
}

/// The end of an INIT.
#[derive(Clone, Debug, PartialEq)]
pub enum InitEnding {
    /// The runtime asks for work.
    Ready,
    /// It reported an error, or ended; INIT is repeated inside the first invocation.
    Failed(FunctionError),
    /// It passed the limit and was stopped; INIT is repeated inside the first invocation.
    TimedOut,
}

/// The times of every phase of one invocation, as the usage record keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseTimes {
    /// Waiting for a place or a sandbox.
    pub queue: Duration,
    /// The start it waited for, where there was one.
    pub start: Option<StartPhases>,
    /// The run.
    pub run: Duration,
}
