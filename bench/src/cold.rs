//! Cold starts one at a time: each a first call, on a machine that had time to go idle.

use crate::bare;
use crate::calls;
use crate::figures::{Table, Times};
use crate::languages::{Bare, Language, zip};
use crate::server::Server;
use std::path::Path;
use std::time::{Duration, Instant};

/// Between cold calls: the machine goes idle, and what was taken from a stock is made again.
const PAUSE: Duration = Duration::from_millis(150);
/// Nothing is kept prepared.
const UNPREPARED: &str = "[scaling]\nprepared_least = 0\nprepared_most = 0\n";
/// Idle sandboxes end at once, so that each call of the same version is a cold one.
const NOTHING_KEPT: &str = "[scaling]\nkeep_alive_seconds = 0\n";
/// Until an idle sandbox has ended there.
const END_PAUSE: Duration = Duration::from_millis(600);
/// One line's samples end here, however many there are.
const TIME_MAX: Duration = Duration::from_secs(150);
const GOAL_SNAPSHOT_MS: [f64; 2] = [6.0, 15.0];
/// What the function with large modules loads before its handler.
const HEAVY: &str = "import boto3\nimport numpy\n\nclient = boto3.client('s3', region_name='us-east-1')\n\n\
    def handler(event, context):\n    return {\"message\": \"hello \" + event[\"name\"], \"sum\": int(numpy.arange(4).sum())}\n";
/// How often the bare start of it is measured: it takes long.
const HEAVY_BARE: usize = 11;

/// A sandbox is prepared.
pub fn prepared(binary: &Path, language: &Language, count: usize, table: &mut Table) -> Result<(), String> {
    first_calls(binary, language, count, "", "cold, prepared", language.goals.prepared_ms, table)
}

/// Nothing is.
pub fn unprepared(binary: &Path, language: &Language, count: usize, table: &mut Table) -> Result<(), String> {
    first_calls(binary, language, count, UNPREPARED, "cold, nothing prepared", language.goals.unprepared_ms, table)
}

fn first_calls(
    binary: &Path,
    language: &Language,
    count: usize,
    config: &str,
    what: &str,
    goal: [f64; 2],
    table: &mut Table,
) -> Result<(), String> {
    let server = Server::start(binary, config)?;
    let names = calls::deploy(&server, language, "f", count + 1)?;
    let (probe, others) = names.split_first().ok_or("no function was deployed")?;
    // What a first start pays once for all (page cache, first namespaces) is no function's own.
    calls::once(&server, probe)?;
    let beside = bare::cold(&language.bare, count)?;
    let before = server.starts()?;
    let ours = sample(count, |at| calls::cold(&server, &calls::path_of(&others[at]), PAUSE))?;
    let what = format!("{what}: {} ({})", language.name, rungs(&before, &server.starts()?));
    table.times(&what, &ours, &beside, goal);
    server.stop()
}

/// A version with SnapStart whose INIT loads numpy and boto3, which lie in `packages`.
pub fn snapshot(
    binary: &Path,
    python: &Language,
    packages: Option<&Path>,
    count: usize,
    table: &mut Table,
) -> Result<(), String> {
    let packages = packages.ok_or("no folder with numpy and boto3 was named")?;
    let language = Language { zip: heavy_zip(packages)?, ..python.clone() };
    let server = Server::start(binary, NOTHING_KEPT)?;
    let names = calls::deploy(&server, &language, "heavy", 1)?;
    let path = calls::publish_snapshot(&server, &names[0])?;
    let before = server.starts()?;
    let ours = sample(count, |_| calls::cold(&server, &path, END_PAUSE))?;
    let what = format!("cold, snapshot: Python with numpy and boto3 ({})", rungs(&before, &server.starts()?));
    let Bare::Lines(interpreter, mut arguments) = python.bare.clone() else { return Err("no bare Python".into()) };
    if let Some(source) = arguments.last_mut() {
        *source = format!("import sys\nsys.path.insert(0, {:?})\n{HEAVY}", packages.display().to_string());
    }
    let beside = bare::cold(&Bare::Lines(interpreter, arguments), HEAVY_BARE.min(count))?;
    table.times(&what, &ours, &beside, GOAL_SNAPSHOT_MS);
    server.stop()
}

/// At most `count` samples, as many as the time allows.
fn sample(count: usize, mut one: impl FnMut(usize) -> Result<Duration, String>) -> Result<Times, String> {
    let begin = Instant::now();
    let mut samples = Vec::with_capacity(count);
    for at in 0..count {
        samples.push(one(at)?);
        if begin.elapsed() > TIME_MAX {
            break;
        }
    }
    Ok(Times::of(samples))
}

/// The rungs that starts took between two readings.
fn rungs(before: &[(String, u64)], after: &[(String, u64)]) -> String {
    let of =
        |known: &[(String, u64)], rung: &str| known.iter().find(|(name, _)| name == rung).map_or(0, |found| found.1);
    let new = after.iter().map(|(rung, count)| (rung, count - of(before, rung))).filter(|(_, count)| *count > 0);
    new.map(|(rung, count)| format!("{count} {rung}")).collect::<Vec<_>>().join(", ")
}

/// The package: the handler and everything below `packages`.
fn heavy_zip(packages: &Path) -> Result<Vec<u8>, String> {
    let mut files = vec![("app.py".to_owned(), HEAVY.as_bytes().to_vec())];
    let mut folders = vec![packages.to_owned()];
    let told = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| told(&folder, error))? {
            let path = entry.map_err(|error| told(&folder, error))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(name) = path.strip_prefix(packages) {
                files.push((name.display().to_string(), std::fs::read(&path).map_err(|error| told(&path, error))?));
            }
        }
    }
    zip(files.iter().map(|(name, content)| (name.as_str(), content.as_slice())))
}
