//! A node's life: start, serve, drain, stop.
//!
//! ```text
//! lock data dir ─► spawner ─► tokio ─► wire ─► listen ─► ready ─► serve ─► (SIGTERM) drain ─► flush ─► end
//! ```

use crate::wiring::{self, Parts, Secrets};
use crate::{NodeError, NodeOptions, keys, machine, pulse};
use lacewing_sandbox::SandboxDriver;
use lacewing_sandbox_linux::{LinuxDriver, PendingDriver};
use std::fs::{self, File};
use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long what still works on blocking threads may take when all else has ended.
const LAST_TASKS_MAX: Duration = Duration::from_secs(5);

/// What is ready when a node says so.
pub(crate) struct Ready {
    pub(crate) addr: SocketAddr,
    pub(crate) root_key: (String, String),
}

/// Serves until `stop` resolves; blocks. The spawner is started before any thread of this node.
pub(crate) fn run<S: Future<Output = ()> + Send + 'static>(
    options: NodeOptions,
    on_ready: impl FnOnce(Ready),
    stop: impl FnOnce() -> S,
) -> Result<(), NodeError> {
    machine::raise_descriptor_limit();
    let _lock = claim(&options.data_dir)?;
    let secrets = Secrets { root_key: keys::root_key(&options.data_dir)?, metrics_token: metrics_token(&options)? };
    let pending = LinuxDriver::launch(wiring::linux_options(&options)).map_err(|error| NodeError(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(machine::processors().max(2))
        .thread_name("lacewing")
        .enable_all()
        .build()
        .map_err(|error| NodeError(format!("no threads: {error}; raise the limit on processes (ulimit -u)")))?;
    let result = runtime.block_on(live(&options, secrets, pending, on_ready, stop));
    runtime.shutdown_timeout(LAST_TASKS_MAX);
    result
}

async fn live<S: Future<Output = ()> + Send + 'static>(
    options: &NodeOptions,
    secrets: Secrets,
    pending: PendingDriver,
    on_ready: impl FnOnce(Ready),
    stop: impl FnOnce() -> S,
) -> Result<(), NodeError> {
    let driver = pending.attach().map_err(|error| NodeError(error.to_string()))?;
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| NodeError(format!("{}: {error}; choose another address with --listen", options.listen)))?;
    let addr = listener.local_addr().map_err(|error| NodeError(error.to_string()))?;
    let parts = wiring::wire(options, secrets.clone(), Arc::clone(&driver) as Arc<dyn SandboxDriver>).await?;
    publish(&options.data_dir, addr)?;
    let house = tokio::spawn({
        let invoke = parts.invoke.clone();
        async move { invoke.keep_house().await }
    });
    let pulse = tokio::spawn(pulse::run(parts.ledger.clone()));
    let stop = stop();
    on_ready(Ready { addr, root_key: secrets.root_key });
    let drained = drain(&parts, listener, stop, Duration::from_secs(options.config.scaling.drain_seconds)).await;
    house.abort();
    pulse.abort();
    parts.ledger.flush();
    drop(parts);
    driver.close().await;
    drained
}

/// Serves until `stop`, then takes nothing new and waits for what runs, at most `patience`.
async fn drain(
    parts: &Parts,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
    patience: Duration,
) -> Result<(), NodeError> {
    let (told, stopping) = tokio::sync::oneshot::channel();
    let (invoke, events) = (parts.invoke.clone(), parts.events.clone());
    let queue = events.clone();
    let stop = async move {
        stop.await;
        queue.drain();
        let _ = told.send(());
    };
    let late = async {
        let _ = stopping.await;
        tracing::info!("stopping: waiting for running calls");
        tokio::time::sleep(patience).await;
    };
    // As a task: what the main thread accepts would reach a worker by two more wake-ups of threads.
    let gateway = parts.gateway.clone();
    let mut serving = tokio::spawn(async move { gateway.serve(listener, stop).await });
    let all = async {
        let _ = (&mut serving).await;
        events.drained().await;
    };
    tokio::select! {
        () = all => {}
        () = late => {
            tracing::warn!(?patience, "calls were still running when patience ended");
            serving.abort();
        }
    }
    invoke.drain();
    Ok(())
}

/// The token of the configuration, or the data dir's own.
fn metrics_token(options: &NodeOptions) -> Result<String, NodeError> {
    match &options.config.metrics.token {
        Some(token) => Ok(token.as_str().to_owned()),
        None => keys::metrics_token(&options.data_dir),
    }
}

/// Makes the data dir and takes it for this process alone.
fn claim(data_dir: &Path) -> Result<File, NodeError> {
    let failed = |error: std::io::Error| {
        NodeError(format!("{}: {error}; name a folder of yours with --data-dir", data_dir.display()))
    };
    fs::create_dir_all(data_dir).map_err(failed)?;
    // Others may pass through to the code of sandboxes, but list nothing.
    fs::set_permissions(data_dir, fs::Permissions::from_mode(0o711)).map_err(failed)?;
    let lock = File::create(data_dir.join("lock")).map_err(failed)?;
    lock.try_lock().map_err(|_| {
        NodeError(format!(
            "{} is in use by another lacewing; stop it, or name another folder with --data-dir",
            data_dir.display()
        ))
    })?;
    Ok(lock)
}

/// Tells `lacewing env` and the other commands where this node listens.
fn publish(data_dir: &Path, addr: SocketAddr) -> Result<(), NodeError> {
    let path = data_dir.join("endpoint");
    let aside = data_dir.join("endpoint.new");
    fs::write(&aside, format!("http://{addr}\n"))
        .and_then(|()| fs::rename(&aside, &path))
        .map_err(|error| NodeError(format!("{}: {error}; is the disk full?", path.display())))
}
