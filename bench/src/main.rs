//! Measures a server of this build end to end over HTTP, with signed requests, beside the bare cost: the
//! same interpreter or program without any platform. One table; every figure with its ratio to bare.
//!
//! ```text
//! machine facts ── bare costs ── server: ready, memory ── cold starts ── warm calls ── load at 64 connections
//! ```
//!
//! Figures are of this machine at this moment: nothing else should run meanwhile.

mod bare;
mod calls;
mod connection;
mod figures;
mod languages;
mod load;
mod machine;
mod server;
mod signing;
mod size;

use clap::Parser;
use figures::{Table, Times};
use languages::Language;
use std::path::PathBuf;
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
    /// Few functions and short loops: shows whether it works, not how fast it is.
    #[arg(long)]
    quick: bool,
}

/// How much is measured.
#[derive(Clone, Copy)]
struct Amounts {
    /// Never-invoked functions of each language.
    cold: usize,
    /// Calls on one connection.
    warm: usize,
    /// Functions that are deployed when the server's start and memory are taken.
    deployed: usize,
    /// Requests at 64 connections.
    load: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let amounts = if arguments.quick {
        Amounts { cold: 10, warm: 500, deployed: 50, load: 5_000 }
    } else {
        Amounts { cold: 100, warm: 5_000, deployed: 1_000, load: 60_000 }
    };
    let mut table = Table::default();
    let outcome = run(&arguments, amounts, &mut table);
    println!("{table}"); // what was measured before something failed too
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, amounts: Amounts, table: &mut Table) -> Result<(), String> {
    for line in machine::facts() {
        println!("{line}");
    }
    size::measure(&arguments.server, amounts.deployed, table)?;
    for language in languages::here(&arguments.guest)? {
        println!("measuring {} ...", language.name);
        measure(&arguments.server, &language, amounts, table)?;
    }
    Ok(())
}

/// Cold and warm of one language; of the native one also under load.
fn measure(binary: &std::path::Path, language: &Language, amounts: Amounts, table: &mut Table) -> Result<(), String> {
    let server = server::Server::start(binary)?;
    let names = calls::deploy(&server, language, amounts.cold + 1)?;
    let (probe, others) = names.split_first().ok_or("no function was deployed")?;
    // What a first start pays once for all (page cache, first namespaces) is no function's own.
    calls::once(&server, probe)?;
    let bare_cold = bare::cold(language, amounts.cold)?;
    let cold = others.iter().map(|name| calls::cold(&server, name)).collect::<Result<Vec<_>, _>>()?;
    table.times(&format!("cold, full start: {}", language.name), Times::of(cold), &bare_cold, language.cold_goal_ms);
    let bare_warm = bare::warm(language, amounts.warm)?;
    let warm = Times::of(calls::warm(&server, probe, amounts.warm)?);
    table.times(&format!("warm, one connection: {}", language.name), warm, &bare_warm, language.warm_goal_ms);
    if language.is_native() {
        let ours = load::per_second(&server.address, &calls::request(&server, probe), amounts.load)?;
        let bare = load::bare_per_second(amounts.load)?;
        table.rate("native at 64 connections", "requests/s", ours, bare, 8_000.0);
    }
    server.stop()
}
