//! One file per command. Each takes its arguments and the output, and returns an exit code or a failure.

pub mod cost;
pub mod demo;
pub mod deploy;
pub mod doctor;
pub mod env;
pub mod invoke;
pub mod key;
pub mod list;
pub mod logs;
pub mod remove;
pub mod serve;
pub mod simulate;
pub mod why;

use crate::arguments::{Command, Connection};
use crate::client::Client;
use crate::client::target::{Target, environment};
use crate::failure::Failure;
use crate::output::Output;
use std::future::Future;
use std::process::ExitCode;

/// Runs a command.
///
/// # Errors
/// [`Failure`], to be shown.
pub fn run(command: Command, output: Output) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(command) => command.run(output),
        Command::Demo(command) => command.run(output),
        Command::Env(command) => command.run(output),
        Command::Doctor(command) => command.run(output),
        Command::Simulate(command) => command.run(output),
        Command::Deploy(command) => wait(command.run(output)),
        Command::Invoke(command) => wait(command.run(output)),
        Command::Logs(command) => wait(command.run(output)),
        Command::Ls(command) => wait(command.run(output)),
        Command::Rm(command) => wait(command.run(output)),
        Command::Cost(command) => wait(command.run(output)),
        Command::Key(command) => wait(command.run(output)),
        Command::Why(command) => wait(command.run(output)),
    }
}

/// Runs a client's command on this thread.
fn wait<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::refused(format!("the event loop does not start: {error}"), "raise the limit of open files (ulimit -n)")
    })?;
    runtime.block_on(work)
}

/// The client that the command line and the environment describe.
fn client(connection: &Connection) -> Result<Client, Failure> {
    Ok(Client::new(Target::find(connection, &environment)?))
}
