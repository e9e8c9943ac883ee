//! A server of its own on a free loopback port, stopped at the end.

use crate::connection::Connection;
use crate::processes::{self, Tree};
use crate::signing::KEY;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take to end after something went wrong.
const STOP_MAX: Duration = Duration::from_secs(10);
/// Until it is looked again whether it has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A running server.
pub struct Server {
    /// `host:port`.
    pub address: String,
    /// From the start of its process until it said that it is ready.
    pub ready_after: Duration,
    child: Child,
    folder: PathBuf,
    data: Option<TempDir>,
}

impl Server {
    /// Starts one with a data dir of its own and this configuration file.
    pub fn start(binary: &Path, config: &str) -> Result<Self, String> {
        let data = tempfile::Builder::new().prefix("lacewing-bench-").tempdir();
        let data = data.map_err(|error| format!("no temporary folder: {error}"))?;
        let file = data.path().join("lacewing.toml");
        std::fs::write(&file, config).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut server = Self::start_with(binary, &data.path().join("data"), Some(&file))?;
        server.data = Some(data);
        Ok(server)
    }

    /// Starts one on `folder`, which stays.
    pub fn start_on(binary: &Path, folder: &Path) -> Result<Self, String> {
        Self::start_with(binary, folder, None)
    }

    fn start_with(binary: &Path, folder: &Path, config: Option<&Path>) -> Result<Self, String> {
        let begin = Instant::now();
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--root-key", &format!("{}:{}", KEY.0, KEY.1)]);
        command.arg("--data-dir").arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", binary.display()))?;
        let mut talk = BufReader::new(child.stderr.take().ok_or("no stderr")?);
        let mut said = String::new();
        loop {
            let from = said.len();
            match talk.read_line(&mut said) {
                Ok(0) | Err(_) => {
                    let status = child.wait().map_err(|error| error.to_string())?;
                    return Err(format!("the server ended with {status}; it said: {}", said.trim()));
                }
                Ok(_) => {}
            }
            if let Some((_, address)) = said[from..].split_once("lacewing ready: http://") {
                let ready_after = begin.elapsed();
                let address = address.trim().to_owned();
                thread::spawn(move || for _ in talk.lines() {}); // so that its pipe never fills
                return Ok(Self { address, ready_after, child, folder: folder.to_owned(), data: None });
            }
        }
    }

    /// The server's process and all below it.
    pub fn tree(&self) -> Tree {
        Tree::of(self.child.id())
    }

    /// Resident memory of the server and of its spawner together, bytes; shared pages count to each.
    pub fn resident_bytes(&self) -> u64 {
        let tree = self.tree();
        tree.pids.iter().map(|pid| processes::status_kib(*pid, "VmRSS:") * 1024).sum()
    }

    /// Memory that is this process's own, bytes: what grows with the functions it knows.
    pub fn own_bytes(&self) -> u64 {
        processes::rollup_kib(self.child.id(), &["Private_Clean:", "Private_Dirty:"]) * 1024
    }

    /// How many sandboxes were started, by rung.
    pub fn starts(&self) -> Result<Vec<(String, u64)>, String> {
        let path = self.folder.join("metrics-token");
        let token = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let request = format!(
            "GET /_lacewing/metrics HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
            self.address,
            token.trim()
        );
        let answer = Connection::open(&self.address)?.ask(request.as_bytes())?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let lines = text.lines().filter(|line| line.starts_with("lacewing_starts_total{"));
        let read = |line: &str| {
            let rung = line.split_once("rung=\"")?.1.split('"').next()?.to_owned();
            Some((rung, line.rsplit(' ').next()?.parse().ok()?))
        };
        let mut sums: Vec<(String, u64)> = Vec::new();
        for (rung, count) in lines.filter_map(read) {
            match sums.iter_mut().find(|(known, _)| *known == rung) {
                Some((_, sum)) => *sum += count,
                None => sums.push((rung, count)),
            }
        }
        Ok(sums)
    }

    fn ask_to_stop(&self) -> std::io::Result<()> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().map(drop)
    }

    /// Stops it as a service manager would.
    pub fn stop(mut self) -> Result<(), String> {
        self.ask_to_stop().map_err(|error| format!("kill: {error}"))?;
        let status = self.child.wait().map_err(|error| error.to_string())?;
        drop(self.data.take());
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}")) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` there is nothing left to end; after an error it is asked first, so that it leaves nothing.
        if matches!(self.child.try_wait(), Ok(None)) && self.ask_to_stop().is_ok() {
            let begin = Instant::now();
            while matches!(self.child.try_wait(), Ok(None)) && begin.elapsed() < STOP_MAX {
                thread::sleep(LOOK_AGAIN);
            }
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
