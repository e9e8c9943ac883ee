//! What this machine would give, without a server: for `lacewing doctor`.

use crate::error::LinuxError;
use crate::interpreters::Interpreters;
use crate::options::LinuxOptions;
use crate::protocol::{Setup, Standing};
use crate::{report, starter};
use lacewing_sandbox::{InterpreterInfo, IsolationReport, Strength, Wall};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// The isolation that a server with these options would have, and the interpreters that it would find. A
/// spawner takes its stand in a folder of its own and is let go again: a server that runs at the same time is
/// not disturbed.
#[must_use]
pub fn probe(options: &LinuxOptions) -> (IsolationReport, Vec<InterpreterInfo>) {
    // A memory that does not exist: every interpreter is asked anew.
    let interpreters = Interpreters::discover(&options.interpreters, Path::new("/dev/null")).list();
    let isolation = match stand(options) {
        Ok(standing) => report::isolation(&standing, options),
        Err(error) => IsolationReport {
            driver: "linux",
            walls: vec![Wall { name: "sandbox", strength: Strength::Missing, detail: error.to_string() }],
        },
    };
    (isolation, interpreters)
}

fn stand(options: &LinuxOptions) -> Result<Standing, LinuxError> {
    let name = format!("lacewing-probe-{}", std::process::id());
    let scratch = std::env::temp_dir().join(&name);
    let bad = |source: io::Error| LinuxError::DataDir { path: scratch.clone(), source };
    std::fs::create_dir_all(&scratch).map_err(bad)?;
    let setup = Setup { scratch: scratch.clone(), cgroup: name, uid_base: 1_000_000, spare: 0, services: None };
    let socket = starter::begin(&options.spawner, &setup)?;
    let standing = starter::await_ready(socket.as_fd());
    drop(socket);
    // The spawner's own mount on it, if it still lives, is in another namespace and does not hold it.
    let _ = std::fs::remove_dir(&scratch);
    standing
}
