//! A server of its own on a free loopback port, stopped at the end.

use crate::signing::KEY;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A running server.
pub struct Server {
    /// `host:port`.
    pub address: String,
    /// From the start of its process until it said that it is ready.
    pub ready_after: Duration,
    child: Child,
    data: Option<TempDir>,
}

impl Server {
    /// Starts one with a data dir of its own.
    pub fn start(binary: &Path) -> Result<Self, String> {
        let data = tempfile::Builder::new().prefix("lacewing-bench-").tempdir();
        let data = data.map_err(|error| format!("no temporary folder: {error}"))?;
        let mut server = Self::start_on(binary, data.path())?;
        server.data = Some(data);
        Ok(server)
    }

    /// Starts one on `data`, which stays.
    pub fn start_on(binary: &Path, data: &Path) -> Result<Self, String> {
        let begin = Instant::now();
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--root-key", &format!("{}:{}", KEY.0, KEY.1)]);
        command.arg("--data-dir").arg(data).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", binary.display()))?;
        let mut talk = BufReader::new(child.stderr.take().ok_or("no stderr")?);
        let mut said = String::new();
        loop {
            let from = said.len();
            match talk.read_line(&mut said) {
                Ok(0) | Err(_) => return Err(format!("the server ended; it said:\n{said}")),
                Ok(_) => {}
            }
            if let Some((_, address)) = said[from..].split_once("lacewing ready: http://") {
                let ready_after = begin.elapsed();
                let address = address.trim().to_owned();
                thread::spawn(move || for _ in talk.lines() {}); // so that its pipe never fills
                return Ok(Self { address, ready_after, child, data: None });
            }
        }
    }

    /// Resident memory of the server and of its spawner together, bytes; shared pages count to each.
    pub fn resident_bytes(&self) -> u64 {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let spawners = std::fs::read_to_string(children).unwrap_or_default();
        let pids = spawners.split_whitespace().map(str::to_owned);
        pids.chain([self.child.id().to_string()]).map(|pid| status_kib(&pid, "VmRSS:") * 1024).sum()
    }

    /// Memory that is this process's own, bytes: what grows with the functions it knows.
    pub fn own_bytes(&self) -> u64 {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).unwrap_or_default();
        let field = |name: &str| kib(&rollup, name);
        (field("Private_Clean:") + field("Private_Dirty:")) * 1024
    }

    /// Stops it as a service manager would.
    pub fn stop(mut self) -> Result<(), String> {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        told.map_err(|error| format!("kill: {error}"))?;
        let status = self.child.wait().map_err(|error| error.to_string())?;
        drop(self.data.take());
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}")) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` there is nothing left to end, and these say so; after an error they end it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn status_kib(pid: &str, name: &str) -> u64 {
    kib(&std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default(), name)
}

fn kib(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}
