//! The server itself: how soon it is ready, and what it holds.

use crate::calls;
use crate::figures::{Table, Times};
use crate::languages::{Bare, Language};
use crate::server::Server;
use std::io::{Cursor, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const STARTS: usize = 11;
/// Until a server has done what it does once after its start.
const SETTLE: Duration = Duration::from_secs(1);

/// Start and memory with many deployed functions, beside the exec of the same binary and an empty server.
pub fn measure(binary: &Path, deployed: usize, table: &mut Table) -> Result<(), String> {
    let data = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let empty = Server::start_on(binary, data.path())?;
    thread::sleep(SETTLE);
    let (resident_empty, own_empty) = (empty.resident_bytes(), empty.own_bytes());
    println!("deploying {deployed} functions ...");
    calls::deploy(&empty, &small()?, deployed)?;
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
    table.times(&format!("server ready, {deployed} functions deployed"), Times::of(starts), &bare(binary)?, 50.0);
    let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
    table.size("server idle, resident, with its spawner", "MiB", mib(resident_empty), None, 30.0);
    let each = own_full.saturating_sub(own_empty) as f64 / 1024.0 / deployed as f64;
    table.size("each deployed idle function", "KiB", each, None, 10.0);
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
fn small() -> Result<Language, String> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    writer.start_file("bootstrap", options).map_err(|error| error.to_string())?;
    writer.write_all(b"#!/bin/sh\n").map_err(|error| error.to_string())?;
    Ok(Language {
        name: "small",
        runtime: "provided.al2023".into(),
        handler: "bootstrap",
        zip: writer.finish().map_err(|error| error.to_string())?.into_inner(),
        bare: Bare::Lines(String::new(), Vec::new()),
        cold_goal_ms: 0.0,
        warm_goal_ms: 0.0,
    })
}
