//! Why the database did not do what was asked.

use std::io;
use std::path::PathBuf;

/// A failure of the database, or of what lies in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What is to be added is there.
    #[error("it is there already")]
    AlreadyExists,
    /// What is to be changed is not there, or no longer as the caller believes.
    #[error("it is not there, or was changed by another writer: read it again")]
    Changed,
    /// A newer release wrote the file.
    #[error(
        "the database is of version {found}, this release knows versions up to {known}: start the newer release, \
         or restore a backup"
    )]
    Newer {
        /// What the file says.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// What lies in the file is not what this release writes.
    #[error("the database holds what cannot be read ({what}): restore a backup, or move the file away to start anew")]
    Unreadable {
        /// Where, and what is wrong.
        what: String,
    },
    /// The file cannot be made or opened.
    #[error("cannot open {}: {source}. Check that the data directory is there and yours", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// SQLite failed.
    #[error("the database failed: {0}. Check space and permissions of the data directory")]
    Database(#[from] rusqlite::Error),
}

impl StoreError {
    pub(crate) fn unreadable(place: &str, error: impl std::fmt::Display) -> Self {
        Self::Unreadable { what: format!("{place}: {error}") }
    }
}
