//! What a start is made from: environment, credentials, log stream.

use crate::report;
use lacewing_catalog::{CodeDir, Runnable};
use lacewing_ledger::{FunctionMetrics, Ledger, LogStream};
use lacewing_model::{Clock, SandboxId, Version};
use lacewing_pool::Recipe;
use lacewing_sandbox::{ApiPassage, Credentials, LogSink, StartSpec, lambda_environment};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

/// Opens a session for a function's role: the credentials, and a guard whose drop ends them.
pub type OpenSession = Arc<dyn Fn(&Version) -> (Credentials, Box<dyn Any + Send>) + Send + Sync>;

/// What travels with a sandbox until its end.
pub struct Companion {
    /// Its log stream.
    pub logs: Arc<LogStream>,
    /// The counters of its version.
    pub metrics: Arc<FunctionMetrics>,
    /// Ends the credentials.
    _session: Box<dyn Any + Send>,
    /// Keeps the code on the disk.
    _code: CodeDir,
}

/// What every start needs, whatever starts.
#[derive(Clone)]
pub(crate) struct Kitchen {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) open_session: OpenSession,
    pub(crate) api: Arc<dyn ApiPassage>,
    pub(crate) init_max: Duration,
}

impl Kitchen {
    pub(crate) fn recipe(self: Arc<Self>, runnable: Runnable) -> Recipe<Companion> {
        Arc::new(move || {
            let version = &runnable.version;
            let id = SandboxId::random();
            let logs = self.ledger.stream(version, id);
            if let Some(line) = report::init_start(version, self.clock.now()) {
                logs.platform(&line);
            }
            let (credentials, session) = (self.open_session)(version);
            let spec = StartSpec {
                id,
                version: Arc::clone(version),
                code_dir: runnable.code.path().to_path_buf(),
                layers_dir: None,
                environment: lambda_environment(version, id, logs.created(), &credentials),
                init_max: self.init_max,
                logs: Arc::clone(&logs) as Arc<dyn LogSink>,
                api: Arc::clone(&self.api),
            };
            let metrics = self.ledger.metrics().function(version);
            (spec, Companion { logs, metrics, _session: session, _code: runnable.code.clone() })
        })
    }
}
