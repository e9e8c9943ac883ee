//! The project's tasks: `cargo xtask test`, `tidy`, `conformance` and `bench`. One command each, so that a newcomer, a
//! developer and CI do the same things in the same way.

mod bench;
mod conformance;
mod ecosystem;
mod steps;
mod test;
mod tidy;
mod tools;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tasks of the Lacewing repository")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the tests need and run all of them: what CI does.
    Test(test::Options),
    /// Check what the compiler does not: dependency arrows, file lengths, module docs.
    Tidy,
    /// Write down what of the Lambda API is supported: docs/reference/compatibility.md.
    Conformance,
    /// Try tools and frameworks of Lambda's world: cargo-lambda, Powertools, SDKs. Installs what they need.
    Ecosystem(ecosystem::Options),
    /// Measure cold and warm calls, the server's start and its memory, beside the bare cost. One table.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test(options) => test::run(&options),
        Task::Tidy => tidy::run(),
        Task::Conformance => conformance::run(),
        Task::Ecosystem(options) => ecosystem::run(&options),
        Task::Bench(options) => bench::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
