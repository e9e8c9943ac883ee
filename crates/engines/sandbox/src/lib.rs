//! The seam: one isolated place where one function version runs.
//!
//! ```text
//! driver.start(spec) ──► Started { sandbox, init } ──► sandbox.run(work, deadline) ──► Outcome ──┐
//!                                                            ▲───── while outcome.usable ─────────┘
//! dropping the sandbox kills its processes and frees its cgroup, mounts, network and disk
//! ```
//!
//! Rooms know this crate, never a driver. Drivers know no room: logs leave through [`LogSink`], calls of
//! the function to the platform's own API through [`ApiPassage`], streamed answers through [`AnswerSink`].

mod driver;
mod environment;
mod ladder;
mod logs;
mod outcome;
mod platform;
mod stream;
mod web;

pub use driver::{
    ApiPassage, ApiRequest, ApiResponse, Built, Credentials, InterpreterInfo, IsolationReport, Preparation, Sandbox,
    SandboxDriver, SandboxError, StartError, StartSpec, Started, Strength, Wall, Work,
};
pub use environment::{lambda_environment, log_stream_name, reserved_keys};
pub use ladder::{Missed, Rung, SnapshotRefused, SnapshotReport, StartPhases};
pub use logs::{LogLine, LogSink, LogSource};
pub use outcome::{Ending, FunctionError, InitEnding, InitReport, Outcome, PhaseTimes};
pub use platform::platform_line;
pub use stream::{AnswerPieces, AnswerSink, Room, StreamedBytes, answer_stream};
pub use web::{BodyLost, Duplex, EventTranslator, SharedSandbox, TranslatedEvent, Upgraded, WebBody, WebRequest};
