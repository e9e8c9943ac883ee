//! Which calls ran into a start, and how it went: for those who ask why a call was slow.

use lacewing_model::{AccountId, FunctionName, RequestId, RevisionId, SandboxId, Timestamp, Version, VersionNumber};
use lacewing_pool::{Place, Purpose, Story};
use lacewing_sandbox::{Missed, Rung, StartPhases};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many starts are remembered.
const REMEMBERED: usize = 4_096;

/// The start that one call ran into: it was the first to run in that sandbox.
#[derive(Clone, Debug, PartialEq)]
pub struct StartRecord {
    /// When the call got the sandbox.
    pub at: Timestamp,
    /// The call.
    pub request_id: RequestId,
    /// Whose function.
    pub account: AccountId,
    /// Its name.
    pub function: FunctionName,
    /// Its version.
    pub version: VersionNumber,
    /// The version's generation, as the pool's records name it.
    pub generation: RevisionId,
    /// The sandbox, as the pool's records name it.
    pub place: Place,
    /// The same as usage records name it.
    pub sandbox: SandboxId,
    /// What it was started for; where not for a call, this one hardly waited.
    pub purpose: Purpose,
    /// The rung of the ladder.
    pub rung: Rung,
    /// Why no better one.
    pub missed: Option<Missed>,
    /// How long the call waited for it, start included.
    pub queued: Duration,
    /// Where the start's time went.
    pub phases: StartPhases,
}

impl StartRecord {
    pub(crate) fn new(
        request_id: RequestId,
        version: &Version,
        sandbox: SandboxId,
        story: &Story,
        queued: Duration,
        at: Timestamp,
    ) -> Self {
        Self {
            at,
            request_id,
            account: version.account.clone(),
            function: version.name.clone(),
            version: version.number,
            generation: version.generation,
            place: story.place,
            sandbox,
            purpose: story.purpose,
            rung: story.rung,
            missed: story.missed.clone(),
            queued,
            phases: story.phases,
        }
    }
}

/// The newest of them. Only calls that ran into a start take its lock.
#[derive(Debug, Default)]
pub(crate) struct StartBook(Mutex<VecDeque<Arc<StartRecord>>>);

impl StartBook {
    pub(crate) fn add(&self, record: StartRecord) {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if book.len() == REMEMBERED {
            book.pop_front();
        }
        book.push_back(Arc::new(record));
    }

    pub(crate) fn all(&self) -> Vec<Arc<StartRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(crate) fn of(&self, request_id: RequestId) -> Option<Arc<StartRecord>> {
        let book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.iter().rev().find(|record| record.request_id == request_id).cloned()
    }
}
