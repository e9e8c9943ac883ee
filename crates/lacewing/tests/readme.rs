//! The README's tour, run as it is printed.
#![allow(clippy::unwrap_used)]

mod support;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{NATIVE, has, text};

const README: &str = include_str!("../../../README.md");
/// The lines of the tour that need more than this test should: a build from scratch, and the usual port.
const REPLACED: [(&str, &str); 3] = [
    ("cargo build --release --manifest-path examples/rust/Cargo.toml\n", ""),
    ("examples/rust/target/release/hello", NATIVE),
    ("lacewing serve &", "lacewing serve --listen 127.0.0.1:0 2>serve.log &"),
];

#[test]
fn every_command_of_the_tour_works_as_printed() {
    if !has("python") || !has("nodejs") || !tools_are_there() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("target/release")).unwrap();
    symlink(root.join("examples"), dir.path().join("examples")).unwrap();
    symlink(env!("CARGO_BIN_EXE_lacewing"), dir.path().join("target/release/lacewing")).unwrap();

    let mut shell = Command::new("bash");
    shell.args(["-e", "-c", &tour()]).current_dir(dir.path()).env("PATH", path()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        shell.env_remove(name);
    }
    let output = shell.output().unwrap();
    let (out, talk) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}\n{talk}");
    for part in ["Hello, you!", "Hello, boto3!", "hello-rust", "= \"loaded\"", "total", "isolation"] {
        assert!(out.contains(part), "{part} in:\n{out}\n{talk}");
    }
    assert!(out.matches("Hello, you!").count() >= 2, "the CLI's and the aws CLI's answer:\n{out}");
}

/// The blocks after "A tour", as one script; it waits for the server that it ends, so that nothing is left.
fn tour() -> String {
    let tour = README.split("## A tour").nth(1).unwrap().split("## What is there").next().unwrap();
    let blocks = tour.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let mut script: String = blocks.collect();
    for (printed, run) in REPLACED {
        assert!(script.contains(printed), "the README no longer says '{printed}'");
        script = script.replace(printed, run);
    }
    format!("trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}\nwait\n")
}

fn path() -> String {
    let usual = std::env::var("PATH").unwrap_or_default();
    match std::env::var("LACEWING_TEST_VENV") {
        Ok(venv) => format!("{}:{usual}", PathBuf::from(venv).join("bin").display()),
        Err(_) => usual,
    }
}

fn tools_are_there() -> bool {
    let quiet = |script: &str| {
        let mut shell = Command::new("bash");
        shell.args(["-c", script]).env("PATH", path()).stdout(Stdio::null()).stderr(Stdio::null());
        shell.status().is_ok_and(|status| status.success())
    };
    let there = quiet("aws --version && python3 -c 'import boto3'");
    if !there {
        eprintln!("skipped: no aws CLI or no boto3; `cargo xtask test` installs them");
    }
    there
}
