//! `cargo xtask bench`: builds the server, the guest and the load generator for speed, and runs the
//! measurements. Never part of the tests: a figure needs an idle machine, a test must not.

use crate::steps::show;
use crate::workspace::Workspace;
use std::process::Command;

/// How much to measure.
#[derive(clap::Args)]
pub struct Options {
    /// Fewer functions and shorter loops: shows whether it works, not how fast it is.
    #[arg(long)]
    quick: bool,
}

/// Builds and measures.
///
/// # Errors
/// What could not be built or measured.
pub fn run(options: &Options) -> Result<(), String> {
    let workspace = Workspace::load()?;
    let packages = ["--package", "lacewing", "--package", "lacewing-guest", "--package", "lacewing-bench"];
    let mut build = Command::new("cargo");
    build.args(["build", "--release"]).args(packages).current_dir(workspace.root());
    show(&mut build, |_| {})?;
    let built = workspace.target().join("release");
    let mut bench = Command::new(built.join("lacewing-bench"));
    bench.arg("--server").arg(built.join("lacewing")).arg("--guest").arg(built.join("lacewing-guest"));
    if options.quick {
        bench.arg("--quick");
    }
    show(&mut bench, |_| {})
}
