//! A start: takes the best rung there is, and sees the runtime through INIT.

use crate::control::Control;
use crate::dialer::Dialer;
use crate::driver::LinuxDriver;
use crate::extensions::Running;
use crate::freezer::Freezer;
use crate::interpreters::Interpreter;
use crate::launching::{Launch, Streams};
use crate::logs::Logs;
use crate::making::{Made, Unmade, no_room};
use crate::memory::MemoryWatch;
use crate::meter::Meter;
use crate::net::EgressProxy;
use crate::protocol::Word;
use crate::sandbox::{LinuxSandbox, seal_failed};
use crate::teller::Teller;
use crate::web::Web;
use lacewing_model::{Language, Version, WebSettings};
use lacewing_runtime_api::{Door, DoorOptions, Subject};
use lacewing_sandbox::{Built, InitReport, Missed, Preparation, Rung, StartError, StartPhases, StartSpec, Started};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

/// A sandbox with its runtime begun.
pub(crate) struct Begun {
    pub(crate) sandbox: LinuxSandbox,
    /// When the runtime began, or was told its function.
    pub(crate) at: Instant,
    pub(crate) rung: Rung,
    /// A runtime that waits until all extensions have registered.
    waiting: Option<Streams>,
}

impl LinuxDriver {
    /// Starts a sandbox: from the shelf if it can, else from nothing.
    ///
    /// # Errors
    /// No sandbox could be made.
    pub(crate) async fn start_on_best_rung(&self, spec: StartSpec) -> Result<Started, StartError> {
        self.interpreters.refuse_foreign(&spec.version)?;
        let interpreter = self.interpreters.choose(&spec.version)?;
        let launch = Launch::of(&spec, self.service_urls());
        let web = spec.version.config.web();
        let fresh = match web {
            // Its command starts the interpreter: the best there is for it is a bare sandbox.
            Some(_) => None,
            None => launch.needs_fresh_interpreter(spec.version.config.runtime.language()),
        };
        let mut phases = StartPhases::default();
        let mut missed = None;
        let _underway = self.shelf.start_begins();
        if let Some(template) = self.templates.of(spec.version.generation) {
            match self.restore(&spec, &template).await {
                Ok(started) => return Ok(started),
                Err(reason) => missed = Some(Missed::SnapshotFailed(reason)),
            }
        }
        let begun = self.begin_start(&spec, launch, interpreter, fresh.is_some() || web.is_some(), &mut phases).await?;
        let Begun { mut sandbox, at, rung, waiting } = begun;
        let image = Launch::is_of_image(&spec.version).then_some(Missed::Image);
        let missed = missed.or(image).or(fresh).or((rung == Rung::Full).then_some(Missed::NonePrepared));
        if let Some(stand_in) = interpreter.and_then(|found| stand_in(found, &spec.version)) {
            sandbox.logs.platform(stand_in);
        }
        if let Some(web) = web {
            let (built, init) = self.see_server_up(sandbox, &spec, web, at).await?;
            phases.boot = init.duration;
            return Ok(Started { sandbox: built, init, rung, missed, phases });
        }
        let init = if sandbox.launch.extensions.is_empty() || !sandbox.launch.possible {
            sandbox.see_through_init(None, at, at + spec.init_max).await
        } else {
            sandbox.init_beside_extensions(None, waiting, at, at + spec.init_max).await
        };
        let init = init.map_err(|error| StartError::Broken(error.to_string()))?;
        phases.boot = sandbox.boot_time(at).unwrap_or(init.duration);
        phases.init = init.duration.saturating_sub(phases.boot);
        sandbox.logs.drain();
        Ok(Started { sandbox: Built::Single(Box::new(sandbox)), init, rung, missed, phases })
    }

    async fn see_server_up(
        &self,
        sandbox: LinuxSandbox,
        spec: &StartSpec,
        web: WebSettings<'_>,
        at: Instant,
    ) -> Result<(Built, InitReport), StartError> {
        let cgroup = sandbox.cgroup.clone();
        let web = Web {
            command: web.command,
            port: web.port,
            concurrency: web.concurrency.get() as usize,
            layout: &self.standing.cgroups,
            cgroup: &cgroup,
        };
        let up = sandbox.serve_web(web, at, at + spec.init_max).await;
        let (sandbox, init) = up.map_err(|error| StartError::Broken(error.to_string()))?;
        Ok((Built::Shared(Arc::new(sandbox)), init))
    }

    async fn begin_start(
        &self,
        spec: &StartSpec,
        launch: Launch,
        interpreter: Option<&Interpreter>,
        needs_fresh: bool,
        phases: &mut StartPhases,
    ) -> Result<Begun, StartError> {
        let began = Instant::now();
        let own = Preparation::of(&spec.version);
        let kind = if needs_fresh { Preparation { language: Language::Provided, memory: None, ..own } } else { own };
        // None that was made before has the root of an image.
        let can_take = !Launch::is_of_image(&spec.version);
        while let Some(mut made) = can_take.then(|| self.shelf.take(kind)).flatten() {
            let mounting = Instant::now();
            // One that was lost between is no reason to fail: nothing of the function has run in it.
            if self.assign(&mut made, spec, &launch, interpreter).await.is_ok() {
                (phases.sandbox, phases.mount) = (mounting - began, mounting.elapsed());
                return self.furnish(spec, launch, made, (Instant::now(), Rung::Prepared)).await;
            }
        }
        let (mut made, mounting) = match self.make(spec, interpreter, (!needs_fresh, false)).await {
            Err(Unmade::SpawnerGone) => self.make(spec, interpreter, (!needs_fresh, false)).await?,
            made => made?,
        };
        phases.mount = mounting;
        phases.sandbox = began.elapsed().saturating_sub(mounting);
        let at = Instant::now();
        made.forked_is_up().await;
        if let Some(waiting) = &mut made.waiting {
            waiting.assign(&launch).await.map_err(no_room)?;
            if launch.extensions.is_empty() {
                waiting.go().await.map_err(no_room)?;
            }
        }
        self.furnish(spec, launch, made, (at, Rung::Full)).await
    }

    /// Begins the runtime, if it does not wait there already, and hangs up what it needs of us.
    pub(crate) async fn furnish(
        &self,
        spec: &StartSpec,
        launch: Launch,
        made: Made,
        (at, rung): (Instant, Rung),
    ) -> Result<Begun, StartError> {
        let Made { cell, control, door, egress, cgroup, tmp, waiting } = made;
        // First of all: the rest happens while it starts.
        let extended = !launch.extensions.is_empty();
        let (streams, waiting) = match waiting {
            Some(waiting) if extended => (None, Some(waiting)),
            Some(waiting) => (Some(waiting), None),
            None if launch.possible && !extended => {
                (Some(launch.exec(&control).await.map_err(|error| not_begun(&control, error))?), None)
            }
            None => (None, None),
        };
        let door = self.hang_door(spec, door).map_err(no_room)?;
        let egress = egress.map(|fds| EgressProxy::serve(fds, self.egress.clone()));
        let memory_bytes = spec.version.config.memory.bytes();
        let extensions = door.extensions().clone();
        let version = &spec.version;
        extensions.describe(Subject {
            function_name: version.name.to_string(),
            function_version: version.number.to_string(),
            handler: version.config.handler.to_string(),
            account: version.account.to_string(),
        });
        let (control, teller) = (Arc::new(control), Teller::new(spec, door.telemetry().clone()));
        let dialer = Arc::new(Dialer::new(Arc::clone(&control)));
        door.telemetry().reach_by(Arc::clone(&dialer) as _);
        if launch.possible {
            teller.init_start(None, extended);
        }
        let logs = Logs::new(Arc::clone(&spec.logs), self.options.limits.log_line_bytes_max, teller.clone());
        let mut sandbox = LinuxSandbox {
            control,
            door,
            extensions,
            _egress: egress.transpose().map_err(no_room)?,
            logs,
            meter: Meter::open(&self.standing.cgroups, &cgroup),
            freezer: Freezer::of(&self.standing.cgroups, &cgroup),
            memory: MemoryWatch::new(memory_bytes),
            memory_bytes,
            tmp,
            launch,
            alive: false,
            ended: false,
            running: Running::default(),
            pending: None,
            cgroup,
            teller,
            dialer,
            oom_kills: 0,
            broken: false,
            cell,
            template: None,
        };
        if let Some(streams) = streams {
            sandbox.follow(streams).map_err(no_room)?;
        }
        Ok(Begun { sandbox, at, rung, waiting })
    }

    /// The guests' door, on a listener that the kernel has taken connections for since it was made.
    fn hang_door(&self, spec: &StartSpec, listener: OwnedFd) -> io::Result<Door> {
        let limits = &self.options.limits;
        let options = DoorOptions {
            response_bytes_max: limits.response_bytes_max,
            stream_bytes_per_second: limits.stream_bytes_per_second,
            ..DoorOptions::default()
        };
        let mut door = Door::new(options, Arc::clone(&spec.api));
        door.expect_runtime();
        let listener = std::net::TcpListener::from(listener);
        listener.set_nonblocking(true)?;
        door.serve_tcp(tokio::net::TcpListener::from_std(listener)?);
        Ok(door)
    }
}

/// What an interpreter says of itself where it is not the one asked for.
fn stand_in(found: &Interpreter, version: &Version) -> Option<String> {
    let runtime = &version.config.runtime;
    let exact = match runtime.language() {
        Language::Python(minor) => found.version.1 == minor,
        Language::Node(major) => found.version.0 == major,
        Language::Provided | Language::Foreign | Language::Image => true,
    };
    (!exact).then(|| format!("lacewing: {runtime} is not installed on this host; {} runs in its place", found.title()))
}

/// Why init took no order: its own last word says more than the closed socket.
fn not_begun(control: &Control, error: io::Error) -> StartError {
    match control.word_now() {
        Ok(Some((Word::SealFailed { step, errno }, _))) => StartError::Broken(seal_failed(step, errno).to_string()),
        _ => no_room(error),
    }
}
