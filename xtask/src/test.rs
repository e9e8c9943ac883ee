//! `cargo xtask test`: everything that must hold, in the order in which it is quickest to learn that it
//! does not. A failing step stops only what stands on it, so that one run tells all there is to mend.

use crate::steps::Steps;
use crate::tidy;
use crate::tools;
use crate::workspace::Workspace;
use std::process::Command;

/// What to run; everything when nothing is named.
#[derive(clap::Args)]
pub struct Options {
    /// Only these parts.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Passed to pytest, for example `-- -k timeout -x`.
    #[arg(last = true)]
    pytest: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Format, lints, arrows and documentation.
    Lint,
    /// Unit and contract tests of every crate.
    Unit,
    /// boto3, the AWS CLI and hostile functions against a running server.
    Python,
    /// The AWS SDK for JavaScript against a running server.
    Js,
}

/// Runs the parts.
///
/// # Errors
/// The steps that failed.
pub fn run(options: &Options) -> Result<(), String> {
    let workspace = Workspace::load()?;
    let wants = |part: Part| options.only.is_empty() || options.only.contains(&part);
    let mut steps = Steps::default();
    if !steps.step("tools", |_| tools::install(&workspace)) {
        return steps.finish();
    }
    let cargo = || {
        let mut command = Command::new("cargo");
        command.current_dir(workspace.root()).env("LACEWING_TEST_VENV", workspace.venv());
        command
    };
    if wants(Part::Lint) {
        steps.command("format", cargo().args(["fmt", "--all", "--check"]));
        let clippy = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
        steps.command("clippy", cargo().args(clippy));
        steps.step("tidy", |_| tidy::run());
        let doc = ["doc", "--quiet", "--workspace", "--no-deps"];
        steps.command("rustdoc", cargo().args(doc).env("RUSTDOCFLAGS", "-D warnings"));
    }
    if wants(Part::Unit) {
        let nextest = Command::new("cargo-nextest").args(["nextest", "--version"]).output();
        let runner: &[&str] = match nextest {
            Ok(output) if output.status.success() => &["nextest", "run", "--no-fail-fast", "--status-level", "slow"],
            _ => &["test", "--quiet", "--lib", "--bins", "--tests", "--no-fail-fast"],
        };
        steps.command("unit tests", cargo().args(runner).arg("--workspace").env("NEXTEST_FINAL_STATUS_LEVEL", "fail"));
        steps.command("doc tests", cargo().args(["test", "--quiet", "--doc", "--workspace"]));
    }
    if wants(Part::Python) || wants(Part::Js) {
        let build = ["build", "--quiet", "--package", "lacewing", "--package", "lacewing-guest"];
        if steps.command("build", cargo().args(build)) {
            end_to_end(&workspace, options, wants(Part::Python), wants(Part::Js), &mut steps);
        }
    }
    steps.finish()
}

/// Outside clients against the real binary.
fn end_to_end(workspace: &Workspace, options: &Options, python: bool, js: bool, steps: &mut Steps) {
    let built = workspace.target().join("debug");
    let with_paths = |command: &mut Command| {
        command.env("LACEWING_BIN", built.join("lacewing")).env("LACEWING_GUEST", built.join("lacewing-guest"));
        command.env("LACEWING_TEST_VENV", workspace.venv());
    };
    if python {
        let mut command = Command::new(workspace.venv().join("bin/python"));
        command.args(["-m", "pytest", "-q", "--durations=10"]).args(&options.pytest);
        command.current_dir(workspace.root().join("conformance/python"));
        with_paths(&mut command);
        steps.command("python clients", &mut command);
    }
    if js && tools::has_node() {
        let mut command = Command::new("node");
        command.arg("--test").current_dir(workspace.root().join("conformance/js"));
        with_paths(&mut command);
        steps.command("javascript client", &mut command);
    }
}
