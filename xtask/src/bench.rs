//! `cargo xtask bench`: builds the server, the guest and the load generator for speed, and runs the
//! measurements. Never part of the tests: a figure needs an idle machine, a test must not.

use crate::steps::show;
use crate::tools;
use crate::workspace::Workspace;
use std::path::PathBuf;
use std::process::Command;

/// Large modules, for the function that loads them in its INIT.
const PACKAGES: [&str; 2] = ["numpy", "boto3"];

/// How much to measure.
#[derive(clap::Args)]
pub struct Options {
    /// Fewer functions and shorter loops: shows whether it works, not how fast it is.
    #[arg(long)]
    quick: bool,
    /// Only these suites, separated by commas: server, cold, unprepared, snapshot, burst, churn, warm, load, zipf,
    /// overload, web, memory, idle.
    #[arg(long)]
    only: Option<String>,
    /// Only these languages, separated by commas: native, python, node.
    #[arg(long)]
    language: Option<String>,
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
    bench.arg("--runtimes").arg(workspace.root().join("runtimes"));
    match large_modules(&workspace) {
        Ok(packages) => drop(bench.arg("--packages").arg(packages)),
        Err(message) => println!("{message}: the suite `snapshot` is left out"),
    }
    if let Some(suites) = &options.only {
        bench.arg("--only").arg(suites);
    }
    if let Some(languages) = &options.language {
        bench.arg("--language").arg(languages);
    }
    if options.quick {
        bench.arg("--quick");
    }
    show(&mut bench, |_| {})
}

/// The folder of large modules, filled where it is not.
fn large_modules(workspace: &Workspace) -> Result<PathBuf, String> {
    let folder = workspace.target().join("bench-packages");
    if !folder.join("numpy").is_dir() || !folder.join("boto3").is_dir() {
        tools::install(workspace)?;
        let mut pip = Command::new(workspace.venv().join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--target"]).arg(&folder).args(PACKAGES);
        show(&mut pip, |_| {})?;
    }
    Ok(folder)
}
