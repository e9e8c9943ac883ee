//! `lacewing doctor`: what this host can do, what is weaker, and the command that mends it.

use super::serve::own_node;
use crate::arguments::DataDir;
use crate::client::target::{data_dir, is_root, stored_endpoint};
use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use lacewing_node::{Config, InterpreterInfo, IsolationReport, Strength};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How long the server may take to accept a connection.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// Check this host: isolation in force, interpreters found, what is missing and how to mend it.
///
/// Works without a running server. The exit code is 1 when a wall is missing altogether.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lacewing doctor
  sudo lacewing doctor                what a server run by root would have
  lacewing doctor --json | jq '.walls[] | select(.strength != \"full\")'")]
pub struct Doctor {
    #[allow(missing_docs)]
    #[command(flatten)]
    pub data: DataDir,
    /// The server's config file, for its [runtimes].
    #[arg(long, value_name = "FILE")]
    pub config: Option<std::path::PathBuf>,
}

impl Doctor {
    /// Probes and reports.
    ///
    /// # Errors
    /// [`Failure`] when the config cannot be read.
    pub fn run(self, output: Output) -> Result<ExitCode, Failure> {
        let config = match &self.config {
            Some(path) => Config::read(path).map_err(|why| Failure::usage(why, "mend the config file"))?,
            None => Config::default(),
        };
        let data_dir = data_dir(&self.data);
        let (report, interpreters) = lacewing_node::probe(&own_node(&data_dir, config)?);
        let server = server(&data_dir);
        if output.json {
            output.document(&document(&report, &interpreters, server.as_deref()));
        } else {
            for line in lines(&report, &interpreters, &data_dir, server.as_deref()) {
                output.line(&line);
            }
        }
        let missing = report.walls.iter().any(|wall| wall.strength == Strength::Missing);
        Ok(if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// The address of the data dir's server, if it accepts connections.
fn server(data_dir: &Path) -> Option<String> {
    let endpoint = stored_endpoint(data_dir).ok()?;
    let address: SocketAddr = endpoint.strip_prefix("http://")?.parse().ok()?;
    TcpStream::connect_timeout(&address, CONNECT_MAX).ok().map(|_| endpoint)
}

fn word(strength: Strength) -> &'static str {
    match strength {
        Strength::Full => "full",
        Strength::Weaker => "weaker",
        Strength::Missing => "missing",
    }
}

fn lines(
    report: &IsolationReport,
    interpreters: &[InterpreterInfo],
    data_dir: &Path,
    server: Option<&str>,
) -> Vec<String> {
    let full = report.walls.iter().filter(|wall| wall.strength == Strength::Full).count();
    let user = if is_root() { "as root" } else { "as an ordinary user" };
    let mut out =
        vec![format!("isolation  {full} of {} walls are full, driver {}, {user}", report.walls.len(), report.driver)];
    let width = report.walls.iter().map(|wall| wall.name.len()).max().unwrap_or(0);
    for wall in &report.walls {
        let mark = match wall.strength {
            Strength::Full => "ok",
            Strength::Weaker => "~~",
            Strength::Missing => "!!",
        };
        out.push(format!("  {mark}  {:width$}  {}", wall.name, wall.detail));
    }
    out.push("\ninterpreters".to_owned());
    for language in ["python", "nodejs"] {
        let mut found = interpreters.iter().filter(|interpreter| interpreter.language == language).peekable();
        if found.peek().is_none() {
            let package = if language == "python" { "python3" } else { "nodejs" };
            out.push(format!("  !!  {language:7} none found: install one (for example `apt install {package}`),"));
            out.push("               or name where it is in the config: [runtimes] paths = [\"/opt/...\"]".to_owned());
        }
        for interpreter in found {
            let lacks = language == "python" && interpreter.sdk.is_none();
            let note = if lacks { "  without boto3: `python3 -m pip install boto3` with it" } else { "" };
            out.push(format!("  ok  {language:7} {:9} {}{note}", interpreter.version, interpreter.path.display()));
        }
    }
    out.push("  ok  provided          any executable, no interpreter needed".to_owned());
    out.push(match server {
        Some(endpoint) => format!("\nserver     running at {endpoint} (data dir {})", data_dir.display()),
        None => format!("\nserver     not running; `lacewing serve` starts it (data dir {})", data_dir.display()),
    });
    out
}

fn document(report: &IsolationReport, interpreters: &[InterpreterInfo], server: Option<&str>) -> Value {
    let walls: Vec<Value> = report
        .walls
        .iter()
        .map(|wall| json!({"name": wall.name, "strength": word(wall.strength), "detail": wall.detail}))
        .collect();
    let interpreters: Vec<Value> = interpreters
        .iter()
        .map(|found| json!({"language": found.language, "version": found.version, "path": found.path.display().to_string(), "boto3": found.sdk}))
        .collect();
    json!({
        "driver": report.driver,
        "full": report.is_full(),
        "root": is_root(),
        "walls": walls,
        "interpreters": interpreters,
        "server": server,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lacewing_node::Wall;

    #[test]
    fn every_wall_and_every_language_has_its_line() {
        let wall = |name, strength| Wall { name, strength, detail: "why and what to do".to_owned() };
        let report = IsolationReport {
            driver: "linux",
            walls: vec![wall("seccomp", Strength::Full), wall("memory limit", Strength::Missing)],
        };
        let python = InterpreterInfo {
            language: "python",
            version: "3.11.7".into(),
            path: "/usr/bin/python3".into(),
            sdk: None,
        };
        let shown = lines(&report, &[python], Path::new("/d"), None).join("\n");
        for part in
            ["1 of 2 walls", "ok  seccomp", "!!  memory limit", "python  3.11.7", "nodejs  none found", "not running"]
        {
            assert!(shown.contains(part), "{part} in:\n{shown}");
        }
    }
}
