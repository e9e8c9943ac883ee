//! What an operator sets of this driver.

use lacewing_model::Limits;
use std::ffi::OsString;
use std::path::PathBuf;

/// How the Linux driver is launched.
#[derive(Clone, Debug)]
pub struct LinuxOptions {
    /// The server's data dir; the driver keeps `run/` below it and nothing else.
    pub data_dir: PathBuf,
    /// Program and arguments that run [`spawner_main`](crate::spawner_main).
    pub spawner: Vec<OsString>,
    /// Which interpreters may be used.
    pub interpreters: InterpreterOptions,
    /// The platform's limits.
    pub limits: Limits,
    /// How much isolation is asked for.
    pub require: IsolationRequirement,
    /// True: a function's share of the processors is also its most, as on Lambda. False: it may use idle ones.
    pub hard_cpu_quota: bool,
    /// Where functions find the services of AWS that the platform has not itself, such as `http://127.0.0.1:4566`; AWS
    /// itself where there is none. They reach it on the host's loopback too, which is closed to them otherwise.
    pub services: Option<String>,
}

/// Which interpreters may be used.
#[derive(Clone, Debug)]
pub struct InterpreterOptions {
    /// A runtime whose version is absent is served by the nearest version of the same language.
    pub nearest: bool,
    /// More places to look in, before all others: an executable, its directory or its prefix.
    pub extra: Vec<PathBuf>,
}

impl Default for InterpreterOptions {
    fn default() -> Self {
        Self { nearest: true, extra: Vec::new() }
    }
}

/// How much isolation is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IsolationRequirement {
    /// What the machine gives.
    #[default]
    Any,
    /// All of it, or the driver does not start.
    Full,
}
