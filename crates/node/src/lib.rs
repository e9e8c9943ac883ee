//! Wires engines into rooms; starts, drains and stops them. The only reader of configuration.

mod images;
mod keys;
mod machine;
mod options;
mod pulse;
mod run;
mod scaling;
mod wiring;

pub use images::{ImagesConfig, RegistryConfig};
pub use keys::read_root_key;
pub use lacewing_sandbox::{InterpreterInfo, IsolationReport, Strength, Wall};
pub use lacewing_sandbox_linux::spawner_main;
pub use options::{
    AccessConfig, Config, LimitsConfig, LimitsMode, Logs, NodeOptions, RequireIsolation, Runtimes, Streaming,
    UrlDomain, Urls, default_data_dir,
};
pub use scaling::{Cpu, KeepAlivePolicy, Scaling};

use run::Ready;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::thread::JoinHandle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// Why a node could not start or ended badly. Every text ends in what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NodeError(pub String);

/// Serves until SIGTERM or SIGINT, then drains. `on_ready` is called with the bound address.
///
/// # Errors
/// [`NodeError`] when something is in the way of starting.
pub fn serve(options: NodeOptions, on_ready: impl FnOnce(SocketAddr)) -> Result<(), NodeError> {
    run::run(options, |ready| on_ready(ready.addr), asked_to_stop)
}

/// Resolves when the process is asked to stop. The signals are taken over at once, not at the first poll: one may
/// come right after the node says that it is ready.
fn asked_to_stop() -> impl Future<Output = ()> {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        let (Ok(mut term), Ok(mut int)) = signals else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    }
}

/// A node embedded in another program, on threads of its own. Dropping it drains and stops it.
pub struct RunningNode {
    /// Where it listens.
    pub addr: SocketAddr,
    /// A root key: `(id, secret)`.
    pub root_key: (String, String),
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), NodeError>>>,
}

impl RunningNode {
    /// Drains and stops it.
    ///
    /// # Errors
    /// [`NodeError`] when it ended badly.
    pub fn stop(mut self) -> Result<(), NodeError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), NodeError> {
        drop(self.stop.take());
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(NodeError("the node panicked; its last words are above".into())),
            None => Ok(()),
        }
    }
}

impl Drop for RunningNode {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(%error, "an embedded node ended badly");
        }
    }
}

/// Starts an embedded node and waits until it is ready.
///
/// # Errors
/// As [`serve`].
pub fn spawn(options: NodeOptions) -> Result<RunningNode, NodeError> {
    let (ready, is_ready) = std::sync::mpsc::channel::<Ready>();
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let until_dropped = || async move {
            let _ = stopped.await;
        };
        run::run(options, move |it| drop(ready.send(it)), until_dropped)
    });
    match is_ready.recv() {
        Ok(Ready { addr, root_key }) => Ok(RunningNode { addr, root_key, stop: Some(stop), thread: Some(thread) }),
        Err(_) => match thread.join() {
            Ok(Err(error)) => Err(error),
            _ => Err(NodeError("the node ended before it was ready; its last words are above".into())),
        },
    }
}

/// What isolation this host grants and which interpreters it has; for `lacewing doctor`.
#[must_use]
pub fn probe(options: &NodeOptions) -> (IsolationReport, Vec<InterpreterInfo>) {
    lacewing_sandbox_linux::probe(&wiring::linux_options(options))
}

/// The address that the newest server on `data_dir` listens or listened on, such as `http://127.0.0.1:9000`.
///
/// # Errors
/// [`NodeError`] where no server has ever started there.
pub fn read_endpoint(data_dir: &Path) -> Result<String, NodeError> {
    let path = data_dir.join("endpoint");
    let text = std::fs::read_to_string(&path).map_err(|error| {
        NodeError(format!(
            "{}: {error}; start `lacewing serve` first, or name its data dir with --data-dir",
            path.display()
        ))
    })?;
    Ok(text.trim_end().to_owned())
}
