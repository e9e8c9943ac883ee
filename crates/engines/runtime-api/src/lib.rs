//! The guests' door: the Lambda Runtime API, as one sandbox sees it.
//!
//! ```text
//!   host                        Door                                guest
//!   ready() / invoke(work) ──►  desk (phase, event, answer)  ◄── own stream: our bootstraps, read and written
//!                                     ▲                              by the task that awaits invoke(): no hop
//!                                     └─────────────────────── tcp: official clients and custom runtimes, a task
//!                                                                    per connection; other paths ──► ApiPassage
//! ```
//!
//! Every byte that comes in here is untrusted: heads, bodies, answers and connections have limits, ids must be
//! those handed out, and no input makes it panic.

mod answer;
mod body;
mod chunks;
mod desk;
mod door;
mod event;
mod extensions;
mod flow;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod heads;
mod intake;
pub mod launch;
mod own;
mod pace;
mod parse;
mod refusal;
mod route;
mod state;
mod tcp;
mod telemetry;
pub mod waiting;
mod wire;

pub use answer::{GuestAnswer, GuestError, GuestReady};
pub use door::{Door, DoorOptions};
pub use extensions::{EXTENSIONS_MAX, ExtensionInfo, ExtensionState, Extensions, ShutdownReason, Subject};
pub use telemetry::{Category, Dial, EventKind, Telemetry, TelemetryEvent};
