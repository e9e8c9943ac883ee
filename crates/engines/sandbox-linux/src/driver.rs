//! The driver: launched before the server's threads, attached inside tokio, asked for sandboxes ever after.

use crate::error::LinuxError;
use crate::interpreters::Interpreters;
use crate::meter::Meter;
use crate::net::{EgressOptions, EgressPolicy, ServiceUrls, Services};
use crate::options::{IsolationRequirement, LinuxOptions};
use crate::prepared::Shelf;
use crate::protocol::{Setup, Standing};
use crate::runtime_files::{Compiling, RuntimeFiles};
use crate::spawners::Spawners;
use crate::sweep::{self, RunFolder};
use crate::templates::{self, Templates};
use crate::{cgroup, keeper, report, starter};
use async_trait::async_trait;
use lacewing_model::{RevisionId, Version};
use lacewing_sandbox::{
    InterpreterInfo, IsolationReport, Preparation, SandboxDriver, SnapshotRefused, SnapshotReport, StartError,
    StartSpec, Started,
};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// Network namespaces and cgroups in stock: as many starts at once are spared the making, which costs as much as the
/// rest of a sandbox. Some 150 KiB of the kernel's memory each.
const SPARE: usize = 32;
/// First host uid of all instances; each has a block of its own above it.
const UID_BASE: u32 = 1_000_000;
/// Uids of one block, and blocks.
const UID_BLOCK: u32 = 65_536;
const UID_BLOCKS: u32 = 16_000;
/// Where `/var/lang` of the host's own interpreters lies, below the run folder.
pub(crate) const LINKS: &str = "lang";

/// Makes sandboxes with the kernel's own means.
pub struct LinuxDriver {
    pub(crate) spawners: Spawners,
    pub(crate) options: LinuxOptions,
    pub(crate) standing: Standing,
    pub(crate) interpreters: Arc<Interpreters>,
    pub(crate) runtime_files: RuntimeFiles,
    /// Held for its drop.
    _compiling: Compiling,
    pub(crate) egress: EgressPolicy,
    services: Option<Services>,
    pub(crate) folder: RunFolder,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) templates: Arc<Templates>,
}

/// A driver whose spawner runs; it needs tokio to be used.
pub struct PendingDriver {
    socket: OwnedFd,
    setup: Setup,
    options: LinuxOptions,
    standing: Standing,
    interpreters: Interpreters,
    runtime_files: RuntimeFiles,
    folder: RunFolder,
}

impl LinuxDriver {
    /// Removes what a killed instance left, and starts the spawner. To be called before there are threads.
    ///
    /// # Errors
    /// [`LinuxError`] with what to do.
    pub fn launch(options: LinuxOptions) -> Result<PendingDriver, LinuxError> {
        let folder = RunFolder::take(&options.data_dir)?;
        sweep::sweep(&cgroup::Layout::detect(), &folder.instance());
        let setup = Setup {
            scratch: folder.scratch()?,
            cgroup: folder.instance(),
            uid_base: UID_BASE + folder.number() % UID_BLOCKS * UID_BLOCK,
            spare: SPARE,
            services: options.services.as_deref().map(|endpoint| Services::at(endpoint).urls),
        };
        let socket = starter::begin(&options.spawner, &setup)?;
        // The spawner takes its stand meanwhile.
        let interpreters = Interpreters::discover(&options.interpreters, &folder.path.join("interpreters.json"));
        let runtime_files = RuntimeFiles::write(&folder.path)
            .map_err(|source| LinuxError::DataDir { path: folder.path.clone(), source })?;
        let links = folder.path.join(LINKS);
        for interpreter in interpreters.iter() {
            // Made now, by one thread; starts only look whether they are right.
            interpreter.language_root(&links).map_err(|source| LinuxError::DataDir { path: links.clone(), source })?;
        }
        let standing = starter::await_ready(socket.as_fd())?;
        let pending = PendingDriver { socket, setup, options, standing, interpreters, runtime_files, folder };
        let isolation = report::isolation(&pending.standing, &pending.options);
        if pending.options.require == IsolationRequirement::Full && !isolation.is_full() {
            return Err(LinuxError::Weak(report::weaknesses(&isolation)));
        }
        Ok(pending)
    }

    /// Where functions find the services of AWS that the platform has not.
    pub(crate) fn service_urls(&self) -> Option<&ServiceUrls> {
        self.services.as_ref().map(|services| &services.urls)
    }

    /// Resolves when every sandbox that was dropped has ended completely.
    pub async fn all_ended(&self) {
        self.spawners.present().all_ended(|| self.shelf.held() + self.templates.held()).await;
    }

    /// The last thing before the driver is dropped: waits for every sandbox to end, and removes what a spawner that
    /// was killed could not. No sandbox can be started after it.
    pub async fn close(&self) {
        self.shelf.close();
        self.templates.close();
        self.all_ended().await;
        let instance = self.folder.instance();
        let swept = tokio::task::spawn_blocking(move || sweep::sweep(&cgroup::Layout::detect(), &instance)).await;
        if let Err(error) = swept {
            tracing::warn!(%error, "cgroups may be left; the next start removes them");
        }
    }
}

impl Drop for LinuxDriver {
    fn drop(&mut self) {
        // Ends its keeper too.
        self.shelf.close();
        self.templates.close();
    }
}

impl PendingDriver {
    /// The driver, ready for use. Must be called inside tokio.
    ///
    /// # Errors
    /// [`LinuxError::Talk`] when the spawner's socket cannot be watched.
    pub fn attach(self) -> Result<Arc<LinuxDriver>, LinuxError> {
        let spawners = Spawners::attach(self.options.spawner.clone(), self.setup, self.socket)?;
        let interpreters = Arc::new(self.interpreters);
        let compiling = self.runtime_files.compile_ahead(&interpreters);
        let shelf = Arc::new(Shelf::new());
        let templates = Arc::new(Templates::default());
        let services = self.options.services.as_deref().map(Services::at);
        let driver = Arc::new(LinuxDriver {
            spawners,
            options: self.options,
            standing: self.standing,
            interpreters,
            runtime_files: self.runtime_files,
            _compiling: compiling,
            egress: EgressPolicy::new(EgressOptions { services: services.clone(), ..Default::default() }),
            services,
            folder: self.folder,
            shelf: Arc::clone(&shelf),
            templates: Arc::clone(&templates),
        });
        // Ends when the shelf is closed, at the latest with the driver.
        tokio::spawn(keeper::keep(Arc::downgrade(&driver), shelf));
        // Likewise.
        tokio::spawn(templates::renew(Arc::downgrade(&driver), templates));
        Ok(driver)
    }
}

#[async_trait]
impl SandboxDriver for LinuxDriver {
    async fn start(&self, spec: StartSpec) -> Result<Started, StartError> {
        self.start_on_best_rung(spec).await
    }

    fn isolation(&self) -> IsolationReport {
        report::isolation(&self.standing, &self.options)
    }

    fn interpreters(&self) -> Vec<InterpreterInfo> {
        self.interpreters.list()
    }

    fn can_run(&self, version: &Version) -> Result<(), StartError> {
        self.interpreters.choose(version).map(drop)
    }

    fn memory_used_bytes(&self) -> Option<u64> {
        Meter::open(&self.standing.cgroups, &self.folder.instance()).usage_bytes()
    }

    async fn snapshot(&self, spec: StartSpec) -> Result<SnapshotReport, SnapshotRefused> {
        self.take_template(spec).await
    }

    fn forget_snapshot(&self, generation: RevisionId) {
        self.templates.forget(generation);
    }

    async fn snapshot_given_up(&self) -> (RevisionId, String) {
        self.templates.next_given_up().await
    }

    fn has_snapshot(&self, generation: RevisionId) -> bool {
        self.templates.of(generation).is_some()
    }

    fn keep_prepared(&self, kind: Preparation, count: usize) {
        self.shelf.keep(kind, count);
    }

    fn prepared(&self) -> Vec<(Preparation, usize)> {
        self.shelf.count()
    }
}
