//! The ladder of starts: which rung a start took, why no better one, and where its time went.

use std::fmt;
use std::time::Duration;

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

impl StartPhases {
    /// All of them together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.sandbox + self.mount + self.boot + self.init
    }
}

/// Why a start took no better rung.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Missed {
    /// No sandbox of its kind was prepared at that moment.
    NonePrepared,
    /// This variable of its environment is read when an interpreter begins: one that was booted before cannot honour it.
    Environment(String),
    /// Its wrapper (`AWS_LAMBDA_EXEC_WRAPPER`) starts the interpreter itself.
    Wrapper,
    /// It is an image: a sandbox has its root from its birth, so none can be made ahead.
    Image,
    /// This version has a snapshot, but forking from it failed.
    SnapshotFailed(String),
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NonePrepared => f.write_str("none of its kind was prepared"),
            Self::Environment(name) => write!(f, "its environment needs a fresh interpreter ({name})"),
            Self::Image => f.write_str("it is an image, whose root no sandbox can be given that was made before"),
            Self::Wrapper => f.write_str("its wrapper starts the interpreter"),
            Self::SnapshotFailed(reason) => write!(f, "its snapshot could not be forked: {reason}"),
        }
    }
}

/// What a snapshot came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotReport {
    /// How long INIT took, hooks before the snapshot included.
    pub init: Duration,
    /// Memory that the template holds, bytes.
    pub held_bytes: u64,
}

/// Why there is no snapshot of a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotRefused {
    /// This driver, this machine or this runtime has no such rung.
    #[error("{0}")]
    Unsupported(String),
    /// What INIT left cannot be forked: threads, child processes, open connections. The function's own doing.
    #[error("{0}")]
    NotForkable(String),
    /// INIT failed; the text is the function's error.
    #[error("INIT failed: {0}")]
    InitFailed(String),
    /// No sandbox could be made for it.
    #[error(transparent)]
    Start(#[from] crate::StartError),
}
