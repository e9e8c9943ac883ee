//! The `lacewing` binary: the command line, and the server behind `lacewing serve`.
//!
//! Commands other than `serve`, `demo`, `doctor` and `simulate` are clients of the public API: what they can do, so can an
//! SDK. stdout is data, stderr is talk, every error ends in a hint.

// Doc comments of arguments are the text of `--help`: brackets there are no links.
#![allow(rustdoc::broken_intra_doc_links)]

mod arguments;
mod client;
mod commands;
mod failure;
mod output;
mod package;
mod progress;
mod stack;

use arguments::Arguments;
use clap::Parser;
use output::Output;
use std::process::ExitCode;

/// The hidden subcommand by which the server starts its spawner.
const SPAWNER: &str = "__spawner";

fn main() -> ExitCode {
    // Decided before anything else: the spawner has to stay small, single-threaded and quick to start.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == SPAWNER) {
        return lacewing_node::spawner_main();
    }
    let arguments = Arguments::parse();
    let output = Output { json: arguments.json };
    match commands::run(arguments.command, output) {
        Ok(code) => code,
        Err(failure) => output.failure(&failure),
    }
}
