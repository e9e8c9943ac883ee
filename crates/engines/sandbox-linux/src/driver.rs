//! The driver: launched before the server's threads, attached inside tokio, asked for sandboxes ever after.

use crate::client::{Cell, Reported, is_end};
use crate::control::Control;
use crate::error::LinuxError;
use crate::interpreters::{Interpreter, Interpreters};
use crate::logs::Logs;
use crate::memory::MemoryWatch;
use crate::meter::Meter;
use crate::net::{EgressFds, EgressOptions, EgressPolicy, EgressProxy};
use crate::options::{IsolationRequirement, LinuxOptions};
use crate::protocol::{Bounds, MountSpec, Report, Setup, Standing, Word};
use crate::runtime_files::RuntimeFiles;
use crate::sandbox::{Launch, LinuxSandbox, seal_failed};
use crate::spawners::Spawners;
use crate::sweep::{self, RunFolder};
use crate::{cgroup, report, starter};
use async_trait::async_trait;
use lacewing_model::{Egress, Language, Version};
use lacewing_runtime_api::{Door, DoorOptions, launch};
use lacewing_sandbox::{
    InterpreterInfo, IsolationReport, Missed, Rung, SandboxDriver, StartError, StartPhases, StartSpec, Started,
};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Network namespaces and cgroups in stock: as many starts at once are spared the making.
const SPARE: usize = 8;
/// First host uid of all instances; each has a block of its own above it.
const UID_BASE: u32 = 1_000_000;
/// Uids of one block, and blocks.
const UID_BLOCK: u32 = 65_536;
const UID_BLOCKS: u32 = 16_000;
/// Where `/var/lang` of the host's own interpreters lies, below the run folder.
const LINKS: &str = "lang";
/// How long the making of a sandbox may take before the machine counts as broken.
const MAKING_MAX: Duration = Duration::from_secs(30);

/// Makes sandboxes with the kernel's own means.
pub struct LinuxDriver {
    spawners: Spawners,
    options: LinuxOptions,
    standing: Standing,
    interpreters: Arc<Interpreters>,
    runtime_files: RuntimeFiles,
    egress: EgressPolicy,
    folder: RunFolder,
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

    /// Resolves when every sandbox that was dropped has ended completely.
    pub async fn all_ended(&self) {
        self.spawners.present().all_ended().await;
    }

    /// The last thing before the driver is dropped: waits for every sandbox to end, and removes what a spawner that
    /// was killed could not. No sandbox can be started after it.
    pub async fn close(&self) {
        self.all_ended().await;
        let instance = self.folder.instance();
        let swept = tokio::task::spawn_blocking(move || sweep::sweep(&cgroup::Layout::detect(), &instance)).await;
        if let Err(error) = swept {
            tracing::warn!(%error, "cgroups may be left; the next start removes them");
        }
    }

    fn bounds(&self, version: &Version) -> Bounds {
        Bounds {
            memory_bytes: version.config.memory.bytes(),
            tmp_bytes: version.config.ephemeral.bytes(),
            cpu_milli: (version.config.memory.vcpus() * 1_000.0) as u32,
            cpu_hard: self.options.hard_cpu_quota,
            pids_max: self.options.limits.sandbox_pids_max,
        }
    }

    fn mounts(&self, spec: &StartSpec, interpreter: Option<&Interpreter>) -> Result<Vec<MountSpec>, StartError> {
        let mut mounts = vec![MountSpec { source: absolute(&spec.code_dir)?, target: "/var/task".to_owned() }];
        if let Some(interpreter) = interpreter {
            let root = interpreter.language_root(&self.folder.path.join(LINKS));
            let source = root.map_err(|error| StartError::Broken(format!("cannot link the interpreter: {error}")))?;
            mounts.push(MountSpec { source, target: "/var/lang".to_owned() });
            mounts.push(MountSpec { source: self.runtime_files.path().to_owned(), target: "/var/runtime".to_owned() });
        }
        Ok(mounts)
    }

    /// A new sandbox with its runtime begun. Beside it: when.
    async fn make(
        &self,
        spec: &StartSpec,
        interpreter: Option<&Interpreter>,
        phases: &mut StartPhases,
    ) -> Result<(LinuxSandbox, Instant), Unmade> {
        let mounts = self.mounts(spec, interpreter)?;
        let egress = spec.version.config.egress == Egress::Internet;
        let client = self.spawners.client().await.map_err(|error| StartError::Broken(error.to_string()))?;
        // From here, not from after the sending: the spawner may run first on this very processor.
        let began = Instant::now();
        let cell = client.begin(egress, mounts, self.bounds(&spec.version)).map_err(|error| match error {
            error if is_end(&error) => Unmade::SpawnerGone,
            error => no_room(error).into(),
        })?;
        tokio::time::timeout(MAKING_MAX, self.connect(spec, cell, began, phases))
            .await
            .map_err(|_| StartError::Broken(format!("no sandbox within {} s", MAKING_MAX.as_secs())))?
    }

    /// The sandbox of a cell that the spawner is making, with its runtime begun. Beside it: when.
    async fn connect(
        &self,
        spec: &StartSpec,
        mut cell: Cell,
        began: Instant,
        phases: &mut StartPhases,
    ) -> Result<(LinuxSandbox, Instant), Unmade> {
        let (prepared, fds) = next_report(&mut cell).await?;
        let (assigned, _) = next_report(&mut cell).await?;
        let (Report::Prepared { cgroup, egress, .. }, Report::Assigned { micros, .. }) = (prepared, assigned) else {
            return Err(StartError::Broken("the spawner skipped a step".to_owned()).into());
        };
        phases.mount = Duration::from_micros(micros);
        phases.sandbox = began.elapsed().saturating_sub(phases.mount);
        let begun = Instant::now();
        let connection = Connection::take(fds, egress).map_err(no_room)?;
        let control = Control::new(connection.control).map_err(no_room)?;
        let launch = launch_of(spec);
        // First of all: what it needs of us is hung up while it starts.
        let streams = match launch.possible {
            true => Some(launch.exec(&control).await.map_err(|error| not_begun(&control, error))?),
            false => None,
        };
        let door = self.hang_door(spec, connection.door).map_err(no_room)?;
        let egress = connection.egress.map(|fds| EgressProxy::serve(fds, self.egress.clone()));
        let memory_bytes = spec.version.config.memory.bytes();
        let mut sandbox = LinuxSandbox {
            control,
            door,
            _egress: egress.transpose().map_err(no_room)?,
            logs: Logs::new(Arc::clone(&spec.logs), self.options.limits.log_line_bytes_max),
            meter: Meter::open(&self.standing.cgroups, &cgroup),
            memory: MemoryWatch::new(memory_bytes),
            memory_bytes,
            response_bytes_max: self.options.limits.response_bytes_max,
            tmp: None,
            launch,
            alive: false,
            ended: false,
            oom_kills: 0,
            broken: false,
            _cell: cell,
        };
        if let Some(streams) = streams {
            sandbox.follow(streams).map_err(no_room)?;
        }
        Ok((sandbox, begun))
    }

    /// The guests' door, on a listener that the kernel has taken connections for since it was made.
    fn hang_door(&self, spec: &StartSpec, listener: OwnedFd) -> io::Result<Door> {
        let options =
            DoorOptions { response_bytes_max: self.options.limits.response_bytes_max, ..DoorOptions::default() };
        let mut door = Door::new(options, Arc::clone(&spec.api));
        door.expect_runtime();
        let listener = std::net::TcpListener::from(listener);
        listener.set_nonblocking(true)?;
        door.serve_tcp(tokio::net::TcpListener::from_std(listener)?);
        Ok(door)
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
        self.runtime_files.compile_ahead(&interpreters);
        Ok(Arc::new(LinuxDriver {
            spawners,
            options: self.options,
            standing: self.standing,
            interpreters,
            runtime_files: self.runtime_files,
            egress: EgressPolicy::new(EgressOptions::default()),
            folder: self.folder,
        }))
    }
}

#[async_trait]
impl SandboxDriver for LinuxDriver {
    async fn start(&self, spec: StartSpec) -> Result<Started, StartError> {
        let interpreter = self.interpreters.choose(&spec.version)?;
        let mut phases = StartPhases::default();
        let (mut sandbox, begun) = match self.make(&spec, interpreter, &mut phases).await {
            Err(Unmade::SpawnerGone) => self.make(&spec, interpreter, &mut phases).await?,
            made => made?,
        };
        if let Some(stand_in) = interpreter.and_then(|found| stand_in(found, &spec.version)) {
            sandbox.logs.platform(stand_in);
        }
        let init = sandbox.see_through_init(None, begun, begun + spec.init_max).await;
        let init = init.map_err(|error| StartError::Broken(error.to_string()))?;
        phases.boot = sandbox.boot_time(begun).unwrap_or(init.duration);
        phases.init = init.duration.saturating_sub(phases.boot);
        sandbox.logs.drain();
        Ok(Started { sandbox: Box::new(sandbox), init, rung: Rung::Full, missed: Some(Missed::NonePrepared), phases })
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
}

/// What an interpreter says of itself where it is not the one asked for.
fn stand_in(found: &Interpreter, version: &Version) -> Option<String> {
    let runtime = &version.config.runtime;
    let exact = match runtime.language() {
        Language::Python(minor) => found.version.1 == minor,
        Language::Node(major) => found.version.0 == major,
        Language::Provided => true,
    };
    (!exact).then(|| format!("lacewing: {runtime} is not installed on this host; {} runs in its place", found.title()))
}

/// The descriptors that come with a prepared sandbox.
struct Connection {
    control: OwnedFd,
    door: OwnedFd,
    egress: Option<EgressFds>,
}

impl Connection {
    fn take(fds: Vec<OwnedFd>, egress: bool) -> io::Result<Self> {
        let mut fds = fds.into_iter();
        let mut next = || fds.next().ok_or_else(|| io::Error::other("the spawner sent too few descriptors"));
        let (control, door) = (next()?, next()?);
        let egress = egress
            .then(|| Ok::<_, io::Error>(EgressFds { tcp: next()?, dns: next()?, dns_tcp: next()? }))
            .transpose()?;
        Ok(Self { control, door, egress })
    }
}

/// Why no sandbox was made.
enum Unmade {
    /// The spawner ended meanwhile. Nothing of the function has run: the next spawner may try.
    SpawnerGone,
    Refused(StartError),
}

impl From<StartError> for Unmade {
    fn from(error: StartError) -> Self {
        Self::Refused(error)
    }
}

impl From<Unmade> for StartError {
    fn from(unmade: Unmade) -> Self {
        match unmade {
            Unmade::SpawnerGone => Self::Broken("the spawner ended twice; see the server's log".to_owned()),
            Unmade::Refused(error) => error,
        }
    }
}

async fn next_report(cell: &mut Cell) -> Result<Reported, Unmade> {
    match cell.report().await {
        None => Err(Unmade::SpawnerGone),
        Some((Report::Failed { step, errno, .. }, _)) => {
            let error = io::Error::from_raw_os_error(errno);
            let text = format!("cannot {step}: {error}");
            let full = matches!(
                errno,
                libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::ENOSPC | libc::EUSERS
            );
            Err(if full { StartError::NoRoom(text) } else { StartError::Broken(text) }.into())
        }
        Some(reported) => Ok(reported),
    }
}

/// Why init took no order: its own last word says more than the closed socket.
fn not_begun(control: &Control, error: io::Error) -> StartError {
    match control.word_now() {
        Ok(Some((Word::SealFailed { step, errno }, _))) => StartError::Broken(seal_failed(step, errno).to_string()),
        _ => no_room(error),
    }
}

fn no_room(error: io::Error) -> StartError {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => {
            StartError::NoRoom(format!("{error}; raise the limit of open files (ulimit -n)"))
        }
        _ => StartError::Broken(error.to_string()),
    }
}

fn absolute(path: &Path) -> Result<PathBuf, StartError> {
    std::path::absolute(path).map_err(|error| StartError::Broken(format!("{}: {error}", path.display())))
}

/// The command and environment of the runtime process.
fn launch_of(spec: &StartSpec) -> Launch {
    let language = spec.version.config.runtime.language();
    let own_door = launch::command(language).needs_own_door;
    let mut argv = launch::argv(language, spec.version.config.memory);
    let wrapper = spec.environment.iter().find(|(key, _)| key == "AWS_LAMBDA_EXEC_WRAPPER");
    let (mut possible, mut wrapped) = (true, false);
    match wrapper {
        Some((_, wrapper)) if language != Language::Provided && !wrapper.is_empty() => {
            argv.insert(0, wrapper.clone());
            wrapped = true;
        }
        _ if language == Language::Provided => possible = is_executable(&spec.code_dir.join("bootstrap")),
        _ => {}
    }
    let mut env = spec.environment.clone();
    let door = crate::net::DOOR_ADDRESS;
    let mut set = |key: &str, value: String| {
        env.retain(|(known, _)| known != key);
        env.push((key.to_owned(), value));
    };
    set("AWS_LAMBDA_RUNTIME_API", door.to_string());
    set("AWS_ENDPOINT_URL_LAMBDA", format!("http://{door}"));
    // Python's clients name the service in another way than the design does.
    set("AWS_ENDPOINT_URL_LOGS", format!("http://{door}"));
    set("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", format!("http://{door}"));
    if own_door {
        set("LACEWING_DOOR_FD", "3".to_owned());
        set("_LAMBDA_TELEMETRY_LOG_FD", "4".to_owned());
    }
    Launch { argv, env, own_door, possible, wrapped }
}

/// Judged on the host, where the same file lies; following links as the sandbox would is left to exec.
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.symlink_metadata()
        .is_ok_and(|about| about.is_symlink() || (about.is_file() && about.permissions().mode() & 0o111 != 0))
}
