//! `lacewing serve`: everything, embedded, until SIGTERM.

use crate::arguments::DataDir;
use crate::client::target::{REGION_FILE, data_dir};
use crate::failure::Failure;
use crate::output::Output;
use clap::{Args, ValueEnum};
use lacewing_model::{AccountId, Region};
use lacewing_node::{Config, NodeOptions, RequireIsolation};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Start the server: API, sandboxes, logs and metering in one process.
///
/// It is ready when it prints `lacewing ready: http://ADDR` on stderr. SIGTERM or Ctrl-C drains: calls in flight end,
/// then it exits with 0. All state is in the data dir; starting again on the same one continues.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lacewing serve                                     http://127.0.0.1:9000, state in the default data dir
  lacewing serve --listen 127.0.0.1:0                a free port; read it from the ready line or `lacewing env`
  lacewing serve --data-dir /tmp/lw --root-key test:test     a fixed key, for tests and CI
  LACEWING_ROOT_KEY=ID:SECRET lacewing serve         the same without showing it in the process list
  lacewing serve --require-isolation full            refuse to run functions behind weaker walls")]
pub struct Serve {
    /// Where the one port listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9000")]
    pub listen: SocketAddr,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub data: DataDir,
    /// A TOML file with more settings ([scaling], [runtimes], [logs]); unknown keys are errors.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The account that root keys belong to: 12 digits.
    #[arg(long, value_name = "ID", default_value = "000000000000")]
    pub account_id: AccountId,
    /// The region shown where a request names none; any other in a request's signature works too.
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    pub region: Region,
    /// A fixed root key; repeatable. Without one, the data dir's own is used, made at the first start.
    #[arg(long, value_name = "ID:SECRET", env = "LACEWING_ROOT_KEY", hide_env_values = true, value_delimiter = ',')]
    pub root_key: Vec<String>,
    /// A certificate chain (PEM): connections may be encrypted then, on the same port.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Refuse requests that are signed for another region.
    #[arg(long)]
    pub strict_region: bool,
    /// How much isolation the host must grant: `full` refuses to start with less.
    #[arg(long, value_name = "LEVEL", default_value = "any")]
    pub require_isolation: Isolation,
    /// How much the server says: error, warn, info, debug, trace, or a filter such as `lacewing_pool=debug`.
    #[arg(long, value_name = "LEVEL", default_value = "info", env = "LACEWING_LOG")]
    pub log_level: String,
}

/// `--require-isolation`.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[allow(missing_docs)]
pub enum Isolation {
    Any,
    Full,
}

impl Serve {
    /// Serves until a signal.
    ///
    /// # Errors
    /// [`Failure`] when something is in the way of starting.
    pub fn run(self, output: Output) -> Result<ExitCode, Failure> {
        log_to_stderr(&self.log_level)?;
        let data_dir = data_dir(&self.data);
        let region = self.region.clone();
        let options = self.options()?;
        lacewing_node::serve(options, |addr| {
            // What `lacewing env` and the commands on this machine take for granted from here on.
            if let Err(error) = std::fs::write(data_dir.join(REGION_FILE), format!("{region}\n")) {
                tracing::warn!(%error, "the region could not be noted in the data dir; clients on this machine assume us-east-1");
            }
            output.say(&format!("lacewing ready: http://{addr}"));
        })
        .map_err(|error| Failure::unreachable(error.to_string(), "mend that and start again; `lacewing doctor` checks the host"))?;
        Ok(ExitCode::SUCCESS)
    }

    fn options(self) -> Result<NodeOptions, Failure> {
        let config = match &self.config {
            Some(path) => Config::read(path).map_err(|why| {
                Failure::usage(why, "mend the file; known sections are [scaling], [runtimes] and [logs]")
            })?,
            None => Config::default(),
        };
        let root_keys = self.root_key.iter().map(|pair| root_key(pair)).collect::<Result<_, _>>()?;
        Ok(NodeOptions {
            listen: self.listen,
            data_dir: data_dir(&self.data),
            account: self.account_id,
            region: self.region,
            strict_region: self.strict_region,
            root_keys,
            tls: self.tls_cert.zip(self.tls_key),
            require_isolation: match self.require_isolation {
                Isolation::Any => RequireIsolation::Any,
                Isolation::Full => RequireIsolation::Full,
            },
            config,
            spawner: spawner(),
        })
    }
}

/// Sends the server's own log to stderr.
///
/// # Errors
/// [`Failure`] when `level` is no filter.
pub fn log_to_stderr(level: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(level).map_err(|error| {
        Failure::usage(format!("log level {level}: {error}"), "use error, warn, info, debug or trace")
    })?;
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    Ok(())
}

/// A node of a command's own, on a free port.
///
/// # Errors
/// A mistake of ours.
pub fn own_node(data_dir: &Path, config: Config) -> Result<NodeOptions, Failure> {
    let wrong =
        |error: &dyn std::fmt::Display| Failure::refused(error.to_string(), "report this as a mistake in lacewing");
    Ok(NodeOptions {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        data_dir: data_dir.to_owned(),
        account: "000000000000".parse().map_err(|error| wrong(&error))?,
        region: "us-east-1".parse().map_err(|error| wrong(&error))?,
        strict_region: false,
        root_keys: Vec::new(),
        tls: None,
        require_isolation: RequireIsolation::Any,
        config,
        spawner: spawner(),
    })
}

/// How the server starts its spawner: this very executable, also when the file was replaced meanwhile.
fn spawner() -> Vec<OsString> {
    vec!["/proc/self/exe".into(), crate::SPAWNER.into()]
}

fn root_key(pair: &str) -> Result<(String, String), Failure> {
    match pair.split_once(':') {
        Some((id, secret)) if !id.is_empty() && !secret.is_empty() => Ok((id.to_owned(), secret.to_owned())),
        _ => Err(Failure::usage(
            "a root key is not of the form ID:SECRET",
            "write --root-key ID:SECRET; the id may not contain ':'",
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_root_key_is_an_id_and_a_secret() {
        assert_eq!(root_key("AK:se:cret").unwrap(), ("AK".to_owned(), "se:cret".to_owned()));
        assert!(root_key("AK").is_err());
        assert!(root_key(":s").is_err());
    }
}
