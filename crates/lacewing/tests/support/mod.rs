//! A real server by the real binary: on a free port, with a data dir of its own, gone with the value.

// Each test file uses its own part of this.
#![allow(dead_code, clippy::unwrap_used)]

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long anything may take before a test fails instead of hanging.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// A program of the Runtime API: the demo's native function.
pub const NATIVE: &str = concat!(env!("OUT_DIR"), "/demo-native");

/// A running server.
pub struct Server {
    child: Child,
    dir: tempfile::TempDir,
}

impl Server {
    /// Starts one and waits until it is ready.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = command(dir.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--log-level", "warn"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines_of(child.stderr.take().unwrap());
        let mut said = Vec::new();
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) if line.starts_with("lacewing ready: http://127.0.0.1:") => break,
                Ok(line) => said.push(line),
                Err(_) => panic!("the server did not become ready:\n{}", said.join("\n")),
            }
        }
        // What it says later belongs into the test's output.
        std::thread::spawn(move || lines.iter().for_each(|line| eprintln!("server: {line}")));
        Self { child, dir }
    }

    /// Runs a command against it.
    pub fn run(&self, arguments: &[&str]) -> Output {
        command(self.dir.path()).args(arguments).output().unwrap()
    }

    /// The data of a command that must succeed.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A command against it, to be started by the caller.
    pub fn command(&self) -> Command {
        command(self.dir.path())
    }

    /// Asks it to end; its exit code.
    pub fn stop(mut self) -> Option<i32> {
        terminate(&self.child);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            terminate(&self.child);
            let _ = self.child.wait();
        }
    }
}

fn terminate(child: &Child) {
    let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
}

/// The binary, with nothing of this shell's AWS settings.
pub fn command(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lacewing"));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("AWS_")) {
            command.env_remove(name);
        }
    }
    command.env("LACEWING_DATA_DIR", data_dir).stdin(Stdio::null());
    command
}

/// Lines as they come.
pub fn lines_of(stream: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// True where the host has an interpreter; says so where it has not.
pub fn has(language: &str) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path()).args(["doctor", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = report["interpreters"].as_array().unwrap().iter().any(|found| found["language"] == language);
    if !found {
        eprintln!("skipped: this host has no {language}");
    }
    found
}

/// A file of its own folder, for `deploy`.
pub fn file(dir: &tempfile::TempDir, name: &str, content: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// Output as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
