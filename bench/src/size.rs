//! The server itself: how soon it is ready, and what it holds.

use crate::calls;
use crate::figures::{Table, Times};
use crate::languages::{Language, zip};
use crate::server::Server;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const STARTS: usize = 11;
/// Until a server has done what it does once after its start.
const SETTLE: Duration = Duration::from_secs(1);

/// Start and memory with many deployed functions, beside the exec of the same binary and an empty server.
pub fn measure(binary: &Path, native: &Language, deployed: usize, table: &mut Table) -> Result<(), String> {
    let data = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let empty = Server::start_on(binary, data.path())?;
    thread::sleep(SETTLE);
    let (resident_empty, own_empty) = (empty.resident_bytes(), empty.own_bytes());
    println!("deploying {deployed} functions ...");
    calls::deploy(&empty, &small(native)?, "f", deployed)?;
    empty.stop()?;
    let mut starts = Vec::with_capacity(STARTS);
    let mut own_full = 0;
    for round in 0..STARTS {
        let server = Server::start_on(binary, data.path())?;
        starts.push(server.ready_after);
        calls::healthy(&server)?;
        if round + 1 == STARTS {
            thread::sleep(SETTLE);
            own_full = server.own_bytes();
        }
        server.stop()?;
    }
    let what = format!("server ready, {deployed} functions deployed");
    table.times(&what, &Times::of(starts), &bare(binary)?, [50.0, f64::INFINITY]);
    let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
    table.size("server idle, resident, with its spawner", "MiB", 1, mib(resident_empty), 30.0);
    let each = own_full.saturating_sub(own_empty) as f64 / 1024.0 / deployed as f64;
    table.size("each deployed idle function", "KiB", 1, each, 10.0);
    Ok(())
}

/// The same binary, loaded and ended.
fn bare(binary: &Path) -> Result<Times, String> {
    let mut samples = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let begin = Instant::now();
        let status = Command::new(binary).arg("--version").stdout(Stdio::null()).status();
        status.map_err(|error| format!("{}: {error}", binary.display()))?;
        samples.push(begin.elapsed());
    }
    Ok(Times::of(samples))
}

/// A function whose package is small, so that a thousand are deployed soon.
pub fn small(native: &Language) -> Result<Language, String> {
    Ok(Language { zip: zip([("bootstrap", b"#!/bin/sh\n".as_slice())])?, ..native.clone() })
}
