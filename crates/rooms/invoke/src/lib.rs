//! The corridor: resolve, admit, lease, run, settle. One file per step that decides something.
//!
//! ```text
//! call ─► catalog.resolve ─► admit ─► pool.lease ─► lease.run ─► settle { report, ledger.record } ─► answer
//! ```
//!
//! A caller that hangs up stops no function: the rest of its corridor goes on in a task of its own. An answer that
//! is streamed leaves from inside `lease.run`, piece by piece; what follows it is the same.

mod admit;
mod corridor;
mod detach;
mod error;
mod events;
mod exchange;
mod flowing;
mod house;
mod in_flight;
mod report;
mod start;
mod starts;
mod templates;
mod trace;

pub use admit::Permit;
pub use corridor::{Answer, Call, Invoke, InvokeParts, MemoryLeft};
pub use error::{InvokeError, ThrottleReason};
pub use events::EventRules;
pub use exchange::{Exchange, Exchanged};
pub use flowing::{Flowing, RunHead, Streamed};
pub use in_flight::{Ask, InFlight, ProvisionedShare, Took};
pub use lacewing_catalog::{Runnable, Scope};
pub use lacewing_pool::ProvisionStatus;
pub use lacewing_sandbox::Ending;
pub use start::{Companion, OpenSession};
pub use starts::StartRecord;
pub use trace::{has_passed, trace_id};
