//! How a start and a run can end.

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
    /// True when the sandbox can take another call. False: it must be dropped.
    pub usable: bool,
}

/// Answer or error.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The runtime's answer, byte for byte; not parsed.
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

/// Which rung of the ladder a start took. Best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rung {
    /// No start: an idle sandbox took the call.
    Warm,
    /// Forked from a process that had finished its INIT.
    Snapshot,
    /// A booted runtime waited for code.
    Prepared,
    /// From nothing.
    Full,
}

impl Rung {
    /// Its name in REPORT lines, records and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Snapshot => "snapshot",
            Self::Prepared => "prepared",
            Self::Full => "full",
        }
    }
}

/// Where a start's time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartPhases {
    /// Namespaces, cgroup, root: until the sandbox stood, locked.
    pub sandbox: Duration,
    /// Until the code lay in it.
    pub mount: Duration,
    /// Until the runtime's first sign of life: for our bootstraps before the handler's code is loaded,
    /// for others until it asked for work.
    pub boot: Duration,
    /// Until it asked for work.
    pub init: Duration,
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
