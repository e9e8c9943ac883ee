//! What a version's snapshot needs as long as anything lives that came from it: what INIT was given stays valid.
//!
//! INIT may have made clients with the credentials that it found, and every copy has those clients. So the credentials
//! of a template are ended when the version is retired and the last of its sandboxes is gone.

use crate::start::Companion;
use lacewing_model::RevisionId;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Retired generations that are remembered: a snapshot that is being taken meanwhile comes too late.
const RETIRED_MAX: usize = 1_024;

/// The companions of templates, by generation.
#[derive(Default)]
pub(crate) struct TemplateBook(Mutex<Book>);

#[derive(Default)]
struct Book {
    kept: HashMap<RevisionId, Arc<Companion>>,
    retired: VecDeque<RevisionId>,
}

impl TemplateBook {
    /// Keeps the companion of a template that was taken. False when its version is gone already.
    pub(crate) fn keep(&self, generation: RevisionId, companion: Companion) -> bool {
        let mut book = self.lock();
        let wanted = !book.retired.contains(&generation);
        if wanted {
            book.kept.insert(generation, Arc::new(companion));
        }
        wanted
    }

    /// That of a generation, for a sandbox that is copied from it.
    pub(crate) fn of(&self, generation: RevisionId) -> Option<Arc<Companion>> {
        self.lock().kept.get(&generation).cloned()
    }

    /// The version is gone. Those that hold the companion go on holding it.
    pub(crate) fn retire(&self, generation: RevisionId) {
        let mut book = self.lock();
        if book.retired.len() == RETIRED_MAX {
            book.retired.pop_front();
        }
        book.retired.push_back(generation);
        let gone = book.kept.remove(&generation);
        drop(book);
        drop(gone);
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
