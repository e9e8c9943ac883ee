//! Why the driver could not be launched.

use std::io;
use std::path::PathBuf;

/// Why the driver could not be launched; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LinuxError {
    /// A path of the data dir cannot be used.
    #[error("cannot use {path}: {source}; give a --data-dir on a local disk that this user may write to")]
    DataDir {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another server holds the data dir.
    #[error("another lacewing uses {0}; stop it, or give this one a --data-dir of its own")]
    InUse(PathBuf),
    /// The spawner could not be started.
    #[error("cannot start the spawner: {0}; the server's own executable must still be in its place")]
    Spawn(io::Error),
    /// The spawner could not take its stand.
    #[error("the spawner cannot {step}: {source}; {hint}")]
    Stand {
        /// What it was doing.
        step: String,
        /// Why it failed.
        source: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// The spawner ended before it said anything.
    #[error("the spawner ended at its start; its own message is above this one, `lacewing doctor` says more")]
    Gone,
    /// Less isolation than asked for.
    #[error(
        "isolation is not full here: {0}; `lacewing doctor` lists the commands that mend it, or leave out --require-isolation full"
    )]
    Weak(String),
    /// Talking to it failed.
    #[error("cannot talk to the spawner: {0}")]
    Talk(#[from] io::Error),
}
