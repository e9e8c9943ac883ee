//! What the tests need beyond Rust: Debian packages, a virtual environment with outside clients, and the
//! npm packages of the JavaScript client. Installed when missing, left alone when there.

use crate::steps::show;
use crate::workspace::Workspace;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// A registry is asked this often before a missing package is a failure.
const TRIES: u32 = 4;
/// The pause after the first try; it grows by as much with each.
const TRY_PAUSE: Duration = Duration::from_secs(3);

/// Python packages are built for the interpreter that sandboxes also see, where the host has one.
const SYSTEM_PYTHON: &str = "/usr/bin/python3";

/// The second version of the `aws` command, which alone has `logs tail`; PyPI has the first.
const AWS_COMMAND: &str = "/usr/bin/aws";

/// The oldest Node that the AWS SDK for JavaScript runs on.
const NODE_MAJOR_MIN: u32 = 20;

/// Brings in everything. Safe to repeat: what is there is not touched.
///
/// # Errors
/// What could not be installed, and the command that would.
pub fn install(workspace: &Workspace) -> Result<(), String> {
    debian_packages()?;
    python_clients(workspace)?;
    javascript_client(workspace)
}

/// True when the JavaScript client can run here.
pub fn has_node() -> bool {
    let output = Command::new("node").arg("--version").output();
    let Ok(output) = output else { return false };
    let version = String::from_utf8_lossy(&output.stdout);
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|word| word.parse::<u32>().ok());
    major.is_some_and(|major| major >= NODE_MAJOR_MIN)
}

fn debian_packages() -> Result<(), String> {
    let mut missing = Vec::new();
    for (command, package) in [("cc", "gcc"), ("git", "git"), ("ip", "iproute2"), ("node", "nodejs"), ("npm", "npm")] {
        if !found(command) {
            missing.push(package);
        }
    }
    let can_make_venv = |python: &str| quiet(Command::new(python).args(["-c", "import ensurepip, venv"]));
    if !Path::new(AWS_COMMAND).exists() {
        missing.push("awscli");
    }
    if !Path::new(SYSTEM_PYTHON).exists() {
        missing.push("python3");
    }
    if !can_make_venv(SYSTEM_PYTHON) {
        missing.push("python3-venv");
    }
    if missing.is_empty() {
        return Ok(());
    }
    debian_install(&missing)
}

/// Installs packages of Debian, where this is one and we may.
///
/// # Errors
/// What could not be installed, and the command that would.
pub fn debian_install(missing: &[&str]) -> Result<(), String> {
    let wanted = missing.join(" ");
    if !found("apt-get") {
        return Err(format!("missing: {wanted}. Install these with this system's package manager, then try again"));
    }
    if !is_root() {
        return Err(format!("missing: {wanted}. Install them with: sudo apt-get install -y {wanted}"));
    }
    println!("installing {wanted}");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-qq", "-o", "Dpkg::Use-Pty=0"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    // The list of packages may be old, or not there at all.
    persistently(|| apt(&["update"]))?;
    persistently(|| {
        let mut command = apt(&["install", "-y", "--no-install-recommends"]);
        command.args(missing);
        command
    })
}

fn python_clients(workspace: &Workspace) -> Result<(), String> {
    let venv = workspace.venv();
    let requirements = workspace.root().join("conformance/python/requirements.txt");
    if is_stamped(&venv, &requirements) {
        return Ok(());
    }
    println!("making {}", venv.display());
    if venv.exists() {
        fs::remove_dir_all(&venv).map_err(|error| format!("{}: {error}", venv.display()))?;
    }
    show(Command::new(SYSTEM_PYTHON).args(["-m", "venv"]).arg(&venv), |_| {})?;
    persistently(|| {
        let mut command = Command::new(venv.join("bin/pip"));
        command.args(["install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&requirements);
        command
    })?;
    stamp(&venv, &requirements)
}

fn javascript_client(workspace: &Workspace) -> Result<(), String> {
    if !has_node() {
        println!("Node {NODE_MAJOR_MIN} or newer is not here: the JavaScript client's tests are left out");
        return Ok(());
    }
    let folder = workspace.root().join("conformance/js");
    let (modules, lock) = (folder.join("node_modules"), folder.join("package-lock.json"));
    if is_stamped(&modules, &lock) {
        return Ok(());
    }
    println!("installing the AWS SDK for JavaScript");
    persistently(|| {
        let mut command = Command::new("npm");
        command.args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&folder);
        command
    })?;
    stamp(&modules, &lock)
}

/// Runs a command; tries again after a pause, since registries are sometimes busy.
///
/// # Errors
/// How it failed in the last try.
pub fn persistently(command: impl Fn() -> Command) -> Result<(), String> {
    let mut tried = 1;
    loop {
        match show(&mut command(), |_| {}) {
            Ok(()) => return Ok(()),
            Err(message) if tried == TRIES => return Err(format!("{message} (tried {TRIES} times)")),
            Err(message) => println!("{message}; once more"),
        }
        thread::sleep(TRY_PAUSE * tried);
        tried += 1;
    }
}

/// True for a folder that was made from `source` as it is now: it keeps a copy, and when the two differ it is made anew.
pub fn is_stamped(folder: &Path, source: &Path) -> bool {
    let made_from = fs::read(stamp_of(folder)).ok();
    made_from.is_some() && made_from == fs::read(source).ok()
}

/// Keeps a copy of `source` in `folder`, which was made from it.
///
/// # Errors
/// What could not be written.
pub fn stamp(folder: &Path, source: &Path) -> Result<(), String> {
    let copied = fs::copy(source, stamp_of(folder));
    copied.map(drop).map_err(|error| format!("{}: {error}", folder.display()))
}

fn stamp_of(folder: &Path) -> PathBuf {
    folder.join(".made-from")
}

fn found(command: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(command).is_file())
}

fn quiet(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
