//! The database: the only SQL.
//!
//! Values go in and come out as the model's types; how they lie in tables and documents is private to this
//! crate. Its methods wait for the disk: call them off the async threads. A change is durable when it returns.

mod aliases;
mod column;
mod document;
mod error;
pub mod events;
mod functions;
pub mod identities;
mod migrate;
mod record;
pub mod records;
mod versions;

pub use error::StoreError;
pub use record::{FunctionKey, Generation, StoredFunction, StoredVersion};
use rusqlite::Connection;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a statement waits for another process that holds the file, such as a backup.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// Memory for pages of the file.
const CACHE_KIB: i64 = 512;

/// The database of one data directory.
pub struct Store {
    connection: Mutex<Connection>,
}

impl Store {
    /// Opens the database file at `path`, making it where it is absent and bringing its tables up to date.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when a newer release wrote it; [`StoreError::File`], [`StoreError::Database`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        // The file holds functions' environment variables: it is its owner's alone from the first moment, and
        // SQLite gives its companions the same mode.
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| StoreError::File { path: path.to_owned(), source })?;
        Self::with(Connection::open(path)?)
    }

    /// A database in memory, gone with the value.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::with(Connection::open_in_memory()?)
    }

    fn with(mut connection: Connection) -> Result<Self, StoreError> {
        connection.busy_timeout(BUSY_MAX)?;
        // WAL: readers never wait, a commit is one append. FULL: that append is on the disk before we answer.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // Negative: in KiB. The rooms hold in memory what they read; pages kept here too would only take room.
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        migrate::migrate(&mut connection)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// The connection. A transaction that a panic cut off was rolled back when it was dropped.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
