//! What is played: functions, their calls in order of time, and where both come from.

use crate::TraceError;
use lacewing_model::{Language, MemoryMib};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};
use std::time::Duration;

/// Longest run of one call, µs: Lambda's 900 seconds. What ran longer in a trace is cut here.
pub const RUN_US_MAX: u64 = 900_000_000;
/// One minute in µs: sources give calls minute by minute.
pub const MINUTE_US: u64 = 60_000_000;
/// Minutes of a day.
pub const DAY_MINUTES: u32 = 1_440;

/// What calls a function; the groups of the 2019 trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Trigger {
    Http,
    Queue,
    Event,
    Orchestration,
    Timer,
    Storage,
    Other,
}

impl Trigger {
    /// The trace's word for it; an unknown word is [`Trigger::Other`].
    #[must_use]
    pub fn named(word: &str) -> Self {
        match word {
            "http" => Self::Http,
            "queue" => Self::Queue,
            "event" => Self::Event,
            "orchestration" => Self::Orchestration,
            "timer" => Self::Timer,
            "storage" => Self::Storage,
            _ => Self::Other,
        }
    }
}

/// One function of the workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Whose it is: an account of its own, with its own limit of calls in flight.
    pub owner: u32,
    /// What calls it.
    pub trigger: Trigger,
    /// What it is written in. No public trace tells; see [`Unpublished`].
    pub language: Language,
    /// What one of its sandboxes is given.
    pub memory: MemoryMib,
    /// How long its own INIT takes, beyond the runtime's start. No public trace tells; see [`Unpublished`].
    pub init: Duration,
}

/// One call. Sources give them in order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it arrives, µs since the trace began.
    pub at_us: u64,
    /// Which function: its index.
    pub function: u32,
    /// How long it runs once it has a sandbox, µs; at most 15 minutes.
    pub run_us: u32,
}

/// Where functions and calls come from.
pub trait Source: Send {
    /// What is played, for the report's head.
    fn title(&self) -> String;
    /// Every function that may be called.
    fn functions(&self) -> &[Function];
    /// How long the trace is, in minutes.
    fn minutes(&self) -> u32;
    /// Replaces `calls` by those of `minute`, in order of time. Minutes are asked for once each, in order.
    ///
    /// # Errors
    /// A file cannot be read, or says what it must not.
    fn minute(&mut self, minute: u32, calls: &mut Vec<Call>) -> Result<(), TraceError>;
}

/// What no public trace tells of a function and a simulation cannot do without. Assumptions, not measurements:
/// half of the functions are Python, four in ten Node, the rest native; INIT is log-normal over functions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unpublished {
    /// Median of INIT over functions.
    pub init_median: Duration,
}

/// Spread of INIT over functions: sigma of the log-normal. One in ten takes 3.6 times the median.
const INIT_SIGMA: f64 = 1.0;
/// Longest INIT. Source: Lambda, "init phase".
const INIT_MAX: Duration = Duration::from_secs(10);

impl Unpublished {
    /// Draws language and INIT of one function.
    pub fn draw(&self, random: &mut ChaCha8Rng) -> (Language, Duration) {
        let language = match uniform(random) {
            share if share < 0.5 => Language::Python(13),
            share if share < 0.9 => Language::Node(22),
            _ => Language::Provided,
        };
        let init = self.init_median.mul_f64((INIT_SIGMA * normal(random)).exp());
        (language, init.min(INIT_MAX))
    }
}

/// A number in `[0, 1)`.
pub fn uniform(random: &mut ChaCha8Rng) -> f64 {
    StandardUniform.sample(random)
}

/// A number of the standard normal distribution.
pub fn normal(random: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(random)
}

/// A memory size of what a trace measured: rounded up, and within what a function may be given.
#[must_use]
pub fn memory(mib: f64) -> MemoryMib {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped to the type's own range
    MemoryMib::new(mib.ceil().clamp(128.0, 10_240.0) as u32).unwrap_or_default()
}
