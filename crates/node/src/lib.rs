//! Wires engines into rooms; starts, drains and stops them. The only reader of configuration.

mod options;

pub use lacewing_sandbox::{InterpreterInfo, IsolationReport, Strength, Wall};
pub use options::{Config, Cpu, Logs, NodeOptions, RequireIsolation, Runtimes, Scaling, default_data_dir};
use std::net::SocketAddr;

/// Why a node could not start or ended badly. Every text ends in what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NodeError(pub String);

/// Serves until SIGTERM or SIGINT, then drains. `on_ready` is called with the bound address.
///
/// # Errors
/// [`NodeError`] when something is in the way of starting.
pub fn serve(_options: NodeOptions, _on_ready: impl FnOnce(SocketAddr)) -> Result<(), NodeError> {
    Err(NodeError("not wired yet".into()))
}

/// A node embedded in another program, on threads of its own. Dropping it drains and stops it.
pub struct RunningNode {
    /// Where it listens.
    pub addr: SocketAddr,
    /// A root key: `(id, secret)`.
    pub root_key: (String, String),
}

/// Starts an embedded node and waits until it is ready.
///
/// # Errors
/// As [`serve`].
pub fn spawn(_options: NodeOptions) -> Result<RunningNode, NodeError> {
    Err(NodeError("not wired yet".into()))
}

/// What isolation this host grants and which interpreters it has; for `lacewing doctor`.
#[must_use]
pub fn probe(_options: &NodeOptions) -> (IsolationReport, Vec<InterpreterInfo>) {
    (IsolationReport::default(), Vec::new())
}

/// What the hidden subcommand runs instead of everything else: the sandbox spawner.
#[must_use]
pub fn spawner_main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
