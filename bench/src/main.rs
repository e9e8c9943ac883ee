//! Measures a server of this build end to end over HTTP, with signed requests, beside the bare cost: the
//! same interpreter or program without any platform. One table; every figure with its goal.
//!
//! ```text
//! machine facts ── for each suite asked for: a server of its own ── measure ── stop ── one table
//! ```
//!
//! Figures are of this machine at this moment: nothing else should run meanwhile. What cannot be measured is a row
//! that says why; the other suites go on.

mod bare;
mod calls;
mod cold;
mod connection;
mod crowd;
mod figures;
mod floor;
mod languages;
mod load;
mod machine;
mod overload;
mod processes;
mod rest;
mod server;
mod signing;
mod size;
mod web;

use clap::{Parser, ValueEnum};
use figures::Table;
use languages::{Folders, Language};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "Measures a server beside the bare cost of the same programs")]
struct Arguments {
    /// The server's binary, built for speed.
    #[arg(long)]
    server: PathBuf,
    /// The native function's binary.
    #[arg(long)]
    guest: PathBuf,
    /// Our bootstraps: the repository's folder `runtimes`.
    #[arg(long)]
    runtimes: PathBuf,
    /// A folder with numpy and boto3 for this machine's Python; without it the suite `snapshot` is left out.
    #[arg(long)]
    packages: Option<PathBuf>,
    /// Only these suites, separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Suite>,
    /// Only these languages, by the beginning of their names, separated by commas: native, python, node.
    #[arg(long, value_delimiter = ',')]
    language: Vec<String>,
    /// Few functions and short loops: shows whether it works, not how fast it is.
    #[arg(long)]
    quick: bool,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// The server's start and memory.
    Server,
    /// Cold starts with a sandbox prepared.
    Cold,
    /// Cold starts with nothing prepared.
    Unprepared,
    /// Cold starts from a snapshot.
    Snapshot,
    /// A hundred calls at once.
    Burst,
    /// Cold starts without end.
    Churn,
    /// Warm calls on one connection.
    Warm,
    /// Warm calls on 64 connections.
    Load,
    /// Warm calls over many functions.
    Zipf,
    /// Ten times the calls that there is room for.
    Overload,
    /// A web function through its URL.
    Web,
    /// Memory of idle sandboxes.
    Memory,
    /// Processor time of an idle machine.
    Idle,
}

/// How much is measured.
#[derive(Clone, Copy)]
struct Amounts {
    /// Cold calls of each line.
    cold: usize,
    bursts: usize,
    /// Cold starts without end.
    churn: usize,
    /// Calls on one connection.
    warm: usize,
    /// Functions that are deployed and not called.
    deployed: usize,
    /// Requests at 64 connections.
    load: usize,
    /// Seconds of too many calls.
    overload: u64,
    /// Idle sandboxes.
    idle: usize,
}

const WHOLE: Amounts =
    Amounts { cold: 200, bursts: 10, churn: 4_000, warm: 5_000, deployed: 1_000, load: 60_000, overload: 15, idle: 20 };
const QUICK: Amounts =
    Amounts { cold: 10, bursts: 2, churn: 400, warm: 500, deployed: 50, load: 6_400, overload: 3, idle: 5 };

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(web::SERVES) {
        return web::serve().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let arguments = Arguments::parse();
    let mut table = Table::default();
    let outcome = run(&arguments, &mut table);
    println!("{table}"); // what was measured before something failed too
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, table: &mut Table) -> Result<(), String> {
    for line in machine::facts() {
        println!("{line}");
    }
    let scratch = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let folders = Folders { guest: &arguments.guest, runtimes: &arguments.runtimes, scratch: scratch.path() };
    let bench = Bench {
        binary: &arguments.server,
        packages: arguments.packages.as_deref(),
        amounts: if arguments.quick { QUICK } else { WHOLE },
        languages: languages::here(&folders)?,
        asked_for: arguments.language.iter().map(|name| name.to_lowercase()).collect(),
    };
    let chosen = |suite: &&Suite| arguments.only.is_empty() || arguments.only.contains(suite);
    Suite::value_variants().iter().filter(chosen).try_for_each(|suite| bench.measure(*suite, table))
}

struct Bench<'a> {
    binary: &'a Path,
    packages: Option<&'a Path>,
    amounts: Amounts,
    /// The native one first.
    languages: Vec<Language>,
    /// Beginnings of the names of those that are measured; all where there are none.
    asked_for: Vec<String>,
}

impl Bench<'_> {
    /// Runs one suite; what fails in it becomes a row.
    fn measure(&self, suite: Suite, table: &mut Table) -> Result<(), String> {
        let native = self.languages.first().ok_or("no language")?;
        let (binary, amounts) = (self.binary, self.amounts);
        for language in self.languages_of(suite) {
            println!("measuring {suite:?}: {} ...", language.name);
            let measured = match suite {
                Suite::Server => size::measure(binary, native, amounts.deployed, table),
                Suite::Cold => cold::prepared(binary, language, amounts.cold, table),
                Suite::Unprepared => cold::unprepared(binary, language, amounts.cold, table),
                Suite::Snapshot => cold::snapshot(binary, language, self.packages, amounts.cold, table),
                Suite::Burst => crowd::bursts(binary, language, amounts.bursts, table),
                Suite::Churn => crowd::churn(binary, language, amounts.churn, table),
                Suite::Warm => self.warm(language, table),
                Suite::Load => crowd::load(binary, language, amounts.load, table),
                Suite::Zipf => crowd::zipf(binary, language, amounts.load, table),
                Suite::Overload => overload::measure(binary, language, amounts.overload, table),
                Suite::Web => web::measure(binary, amounts.warm, table),
                Suite::Memory => rest::memory(binary, language, amounts.idle, table),
                Suite::Idle => rest::idle(binary, native, amounts.deployed, table),
            };
            if let Err(why) = measured {
                table.missing(&format!("{suite:?}: {}", language.name), &why);
            }
        }
        Ok(())
    }

    fn languages_of(&self, suite: Suite) -> impl Iterator<Item = &Language> {
        let asked_for = |language: &&Language| {
            let name = language.name.to_lowercase();
            self.asked_for.is_empty() || self.asked_for.iter().any(|start| name.starts_with(start.as_str()))
        };
        self.languages.iter().filter(asked_for).filter(move |language| match suite {
            Suite::Server | Suite::Idle | Suite::Zipf | Suite::Overload | Suite::Web => {
                language.name.starts_with("native")
            }
            Suite::Snapshot => language.name == "Python",
            _ => true,
        })
    }

    /// What the platform adds to a warm call of the very same worker.
    fn warm(&self, language: &Language, table: &mut Table) -> Result<(), String> {
        let server = server::Server::start(self.binary, "")?;
        let names = calls::deploy(&server, language, "warm", 1)?;
        let ours = calls::warm(&server, &names[0], self.amounts.warm)?;
        let beside = bare::warm(&language.worker, self.amounts.warm)?;
        table.added(&format!("warm, added to the worker: {}", language.name), &ours, &beside, language.goals.added_ms);
        server.stop()
    }
}
