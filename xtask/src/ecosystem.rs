//! `cargo xtask ecosystem`: tools and frameworks of Lambda's world against the real server. Too heavy for each run of
//! the tests: what they need is installed below `target/ecosystem`, the tests lie in `conformance/python/ecosystem`.

use crate::steps::{Steps, show};
use crate::tools;
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What to try; everything when nothing is named.
#[derive(clap::Args)]
pub struct Options {
    /// Only these files of `conformance/python/ecosystem`, such as `tools`.
    #[arg(long)]
    only: Vec<String>,
    /// Passed to pytest, for example `-- -k cargo -x`.
    #[arg(last = true)]
    pytest: Vec<String>,
}

/// Packages of PyPI: tools, and libraries that functions are packed with.
const PYTHON_PACKAGES: [&str; 7] = [
    "ansible==12.3.0",
    "aws-lambda-powertools[tracer]==3.37.0",
    "aws-sam-cli==1.170.0",
    "cargo-lambda",
    "chalice==1.34.0",
    "opentelemetry-distro==0.66b1",
    "opentelemetry-instrumentation-aws-lambda==0.66b1",
];

/// Installs what is missing, builds, and runs the tests.
///
/// # Errors
/// The steps that failed.
pub fn run(options: &Options) -> Result<(), String> {
    let workspace = Workspace::load()?;
    let place = workspace.target().join("ecosystem");
    let mut steps = Steps::default();
    let ready = steps.step("tools", |_| tools::install(&workspace))
        && steps.step("python packages", |_| python_packages(&workspace, &place))
        && steps.step("npm packages", |_| npm_packages(&workspace, &place))
        && steps.step("browser", |_| browser())
        && steps.command("rust sdk", &mut rust_sdk(&workspace, &place));
    let build = ["build", "--quiet", "--package", "lacewing", "--package", "lacewing-guest"];
    if ready && steps.command("build", Command::new("cargo").args(build).current_dir(workspace.root())) {
        let built = workspace.target().join("debug");
        let files: Vec<String> = match options.only.as_slice() {
            [] => vec!["ecosystem".to_owned()],
            only => only.iter().map(|name| format!("ecosystem/test_{name}.py")).collect(),
        };
        let mut command = Command::new(workspace.venv().join("bin/python"));
        command.args(["-m", "pytest", "-v", "--durations=5", "-o", "timeout=600"]).args(&files).args(&options.pytest);
        command.current_dir(workspace.root().join("conformance/python"));
        command.env("LACEWING_BIN", built.join("lacewing")).env("LACEWING_GUEST", built.join("lacewing-guest"));
        command.env("LACEWING_TEST_VENV", workspace.venv()).env("LACEWING_ECOSYSTEM", &place);
        steps.command("ecosystem", &mut command);
    }
    steps.finish()
}

fn python_packages(workspace: &Workspace, place: &Path) -> Result<(), String> {
    let venv = place.join("py");
    let stamp = venv.join(".installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|there| there == PYTHON_PACKAGES.join(" ")) {
        return Ok(());
    }
    show(Command::new(workspace.venv().join("bin/python")).args(["-m", "venv"]).arg(&venv), |_| {})?;
    tools::persistently(|| {
        let mut command = Command::new(venv.join("bin/pip"));
        command.args(["install", "--quiet", "--disable-pip-version-check"]).args(PYTHON_PACKAGES);
        command
    })?;
    std::fs::write(&stamp, PYTHON_PACKAGES.join(" ")).map_err(|error| format!("{}: {error}", stamp.display()))
}

/// What `conformance/ecosystem/node/package.json` names, beside a copy of it.
fn npm_packages(workspace: &Workspace, place: &Path) -> Result<(), String> {
    if !tools::has_node() {
        println!("a newer Node is not here: its tools are left out");
        return Ok(());
    }
    let wanted = workspace.root().join("conformance/ecosystem/node/package.json");
    let folder = place.join("node");
    let modules = folder.join("node_modules");
    if tools::is_stamped(&modules, &wanted) {
        return Ok(());
    }
    let copied = std::fs::create_dir_all(&folder).and_then(|()| std::fs::copy(&wanted, folder.join("package.json")));
    copied.map_err(|error| format!("{}: {error}", folder.display()))?;
    tools::persistently(|| {
        let mut command = Command::new("npm");
        command.args(["install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]).current_dir(&folder);
        command
    })?;
    tools::stamp(&modules, &wanted)
}

/// Chromium, for pages that only a browser can judge. Where it cannot be installed their test says so.
fn browser() -> Result<(), String> {
    let there = ["chromium", "chromium-browser", "google-chrome"];
    let found = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|said| said.status.success());
    if there.iter().any(found) {
        return Ok(());
    }
    if let Err(why) = tools::debian_install(&["chromium"]) {
        println!("no browser: {why}");
    }
    Ok(())
}

fn rust_sdk(workspace: &Workspace, place: &Path) -> Command {
    let manifest: PathBuf = workspace.root().join("conformance/ecosystem/rust-sdk/Cargo.toml");
    let mut command = Command::new("cargo");
    command.args(["build", "--quiet", "--manifest-path"]).arg(manifest).env("CARGO_TARGET_DIR", place.join("rust"));
    command
}
