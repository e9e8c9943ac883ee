//! Calls that nobody is waiting for: taken when they are on the disk, run at least once, retried as their function's
//! configuration says, and ended with a record where it says.
//!
//! Owns the table of events in the store. What it decides after each attempt is in `decide`, without I/O or clock.
//!
//! Nothing that was answered with 202 is lost: an event leaves the table only in the transaction that writes what
//! follows from its end. After a crash whatever was running runs again.

mod backlog;
mod decide;
mod journal;
mod places;
mod queue;
mod record;

pub use queue::{Events, EventsWaiting};

use lacewing_invoke::{Invoke, InvokeError};
use lacewing_model::Clock;
use lacewing_store::Store;
use std::sync::Arc;

/// What the queue is made of.
pub struct EventsParts {
    /// The database, by a connection of its own.
    pub store: Store,
    /// Runs the calls.
    pub invoke: Invoke,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Why an event was not taken.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// No such function, no JSON, or too large.
    #[error(transparent)]
    Refused(#[from] InvokeError),
    /// Too many events wait, or too many bytes of them.
    #[error("Rate Exceeded.")]
    Full,
    /// Something here broke; the text is for the log.
    #[error("{0}")]
    Internal(String),
}
