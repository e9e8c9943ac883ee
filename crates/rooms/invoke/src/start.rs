//! What a start is made from: environment, credentials, log stream.

use crate::report;
use crate::templates::TemplateBook;
use lacewing_catalog::{CodeDir, Runnable};
use lacewing_ledger::{FunctionMetrics, Ledger, LogStream};
use lacewing_model::{Clock, SandboxId, Version};
use lacewing_pool::{Purpose, Recipe};
use lacewing_sandbox::{ApiPassage, Credentials, LogSink, StartSpec, lambda_environment};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

/// Opens a session for a function's role: the credentials, and a guard whose drop ends them.
pub type OpenSession = Arc<dyn Fn(&Version) -> (Credentials, Box<dyn Any + Send + Sync>) + Send + Sync>;

/// What travels with a sandbox until its end.
pub struct Companion {
    /// The sandbox it travels with.
    pub sandbox: SandboxId,
    /// Its log stream.
    pub logs: Arc<LogStream>,
    /// The counters of its version.
    pub metrics: Arc<FunctionMetrics>,
    /// Ends the credentials.
    _session: Box<dyn Any + Send + Sync>,
    /// Keeps the code on the disk.
    _code: CodeDir,
    /// Likewise its layers.
    _layers: Option<CodeDir>,
    /// Where it is to be copied from a template: what that one was given.
    template: Option<Arc<Companion>>,
}

impl Companion {
    /// Whether its sandbox was to be copied from a template.
    pub(crate) fn restores(&self) -> bool {
        self.template.is_some()
    }
}

/// What every start needs, whatever starts.
#[derive(Clone)]
pub(crate) struct Kitchen {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) open_session: OpenSession,
    pub(crate) api: Arc<dyn ApiPassage>,
    pub(crate) init_max: Duration,
    pub(crate) templates: Arc<TemplateBook>,
}

impl Kitchen {
    pub(crate) fn recipe(self: Arc<Self>, runnable: Runnable) -> Recipe<Companion> {
        Arc::new(move |purpose| match purpose {
            Purpose::Call | Purpose::Rhythm => self.start(&runnable, "on-demand", self.init_max, true),
            Purpose::Provisioned => {
                self.start(&runnable, "provisioned-concurrency", unhurried(&runnable.version), true)
            }
        })
    }

    /// What a snapshot is taken of: no call waits for its INIT.
    pub(crate) fn template(&self, runnable: &Runnable) -> (StartSpec, Companion) {
        self.start(runnable, "snap-start", unhurried(&runnable.version), false)
    }

    /// `copies`: from the version's template, if it has one.
    fn start(
        &self,
        runnable: &Runnable,
        initialization: &str,
        init_max: Duration,
        copies: bool,
    ) -> (StartSpec, Companion) {
        let version = &runnable.version;
        let id = SandboxId::random();
        let logs = self.ledger.stream(version, id);
        let template = if copies { self.templates.of(version.generation) } else { None };
        let now = self.clock.now();
        let line = match template {
            Some(_) => report::restore_start(version, now),
            None => report::init_start(version, initialization, now),
        };
        if let Some(line) = line {
            logs.platform(&line);
        }
        let (credentials, session) = (self.open_session)(version);
        let mut environment = lambda_environment(version, id, logs.created(), &credentials);
        for (_, kind) in environment.iter_mut().filter(|(key, _)| key == "AWS_LAMBDA_INITIALIZATION_TYPE") {
            *kind = initialization.to_owned();
        }
        let spec = StartSpec {
            id,
            version: Arc::clone(version),
            code_dir: runnable.code.path().to_path_buf(),
            layers_dir: runnable.layers.as_ref().map(|layers| layers.path().to_path_buf()),
            environment,
            init_max,
            logs: Arc::clone(&logs) as Arc<dyn LogSink>,
            api: Arc::clone(&self.api),
        };
        let metrics = self.ledger.metrics().function(version);
        (
            spec,
            Companion {
                sandbox: id,
                logs,
                metrics,
                _session: session,
                _code: runnable.code.clone(),
                _layers: runnable.layers.clone(),
                template,
            },
        )
    }
}

/// Bounds of how long INIT may take where no call waits for it. Source: Lambda documentation, "Init phase".
const UNHURRIED_LEAST: Duration = Duration::from_secs(130);
const UNHURRIED_MOST: Duration = Duration::from_secs(900);

/// How long INIT may take where no call waits for it: the function's timeout, within bounds.
fn unhurried(version: &Version) -> Duration {
    version.config.timeout.duration().clamp(UNHURRIED_LEAST, UNHURRIED_MOST)
}
