//! From a request to the spawner to a sandbox that stands: on the path of a call, or ahead of it.
//!
//! ```text
//! make(spec)     Prepare + Assign in one message ─► Made, with its code
//! prepare(kind)  Prepare ─► sealed ─► the runtime booted, if it has one ─► Made, without code, waits on the shelf
//! assign(made)   Assign ─► the same, with its code
//! ```

use crate::client::{Cell, Reported, is_end};
use crate::control::Control;
use crate::driver::{LINKS, LinuxDriver};
use crate::interpreters::Interpreter;
use crate::launching::{Launch, Streams};
use crate::net::EgressFds;
use crate::protocol::{Bounds, MountSpec, Report, Request, Word};
use crate::sandbox::seal_failed;
use lacewing_model::{Egress, EphemeralMib, Version};
use lacewing_sandbox::{Preparation, StartError, StartSpec};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the making of a sandbox may take before the machine counts as broken.
const MAKING_MAX: Duration = Duration::from_secs(30);

/// A sandbox that stands, and the server's ends of it. Dropping it ends it.
pub(crate) struct Made {
    pub(crate) cell: Cell,
    pub(crate) control: Control,
    /// Listens at the address of the guests' door.
    pub(crate) door: OwnedFd,
    pub(crate) egress: Option<EgressFds>,
    pub(crate) cgroup: String,
    pub(crate) tmp: Option<OwnedFd>,
    /// The runtime that waits in it, if one was booted.
    pub(crate) waiting: Option<Streams>,
}

/// Why no sandbox was made.
pub(crate) enum Unmade {
    /// The spawner ended meanwhile. Nothing of the function has run: the next spawner may try.
    SpawnerGone,
    Refused(StartError),
}

impl Made {
    /// False when its init, or the runtime that waits in it, has ended.
    pub(crate) fn lives(&self) -> bool {
        matches!(self.control.word_now(), Ok(None))
    }

    /// What a report of the spawner hands over.
    pub(crate) fn take(cell: Cell, (report, fds): Reported) -> Result<Self, Unmade> {
        let Report::Prepared { cgroup, egress, forked, .. } = report else { return Err(skipped()) };
        let mut fds = fds.into_iter();
        let mut next = || fds.next().ok_or_else(|| io::Error::from_raw_os_error(libc::EMFILE));
        let mut connect = || {
            let (control, door) = (Control::new(next()?)?, next()?);
            let egress = egress
                .then(|| Ok::<_, io::Error>(EgressFds { tcp: next()?, dns: next()?, dns_tcp: next()? }))
                .transpose()?;
            let waiting = forked.then(|| Streams::take([next()?, next()?, next()?, next()?])).transpose()?;
            Ok((control, door, egress, waiting))
        };
        let (control, door, egress, waiting) = connect().map_err(no_room)?;
        Ok(Self { cell, control, door, egress, cgroup, tmp: None, waiting })
    }

    /// Waits until the runtime that was forked into it is up. One that is lost is no reason to fail: another can be
    /// executed in its place.
    pub(crate) async fn forked_is_up(&mut self) {
        let Some(waiting) = &self.waiting else { return };
        let up = tokio::select! {
            sign = waiting.first_sign() => sign.is_ok(),
            _ = self.control.word() => false,
        };
        if !up {
            tracing::warn!("a runtime that was forked ahead is lost");
            self.waiting = None;
        }
    }

    /// Waits until it is sealed.
    async fn sealed(&mut self) -> Result<(), StartError> {
        match self.control.word().await.map_err(no_room)? {
            Some((Word::Sealed, fds)) => self.tmp = fds.into_iter().next(),
            Some((Word::SealFailed { step, errno }, _)) => {
                return Err(StartError::Broken(seal_failed(step, errno).to_string()));
            }
            said => return Err(StartError::Broken(format!("init says {said:?} and was to seal itself"))),
        }
        Ok(())
    }
}

impl LinuxDriver {
    /// A new sandbox with the code of a function. Beside it: how long the mounting took. `forks`: its runtime may be
    /// forked from a zygote, and is on its way then. `template`: a snapshot will be taken in it.
    ///
    /// # Errors
    /// [`Unmade`].
    pub(crate) async fn make(
        &self,
        spec: &StartSpec,
        interpreter: Option<&Interpreter>,
        (forks, template): (bool, bool),
    ) -> Result<(Made, Duration), Unmade> {
        let fork = forks && Launch::can_be_forked(spec.version.config.runtime.language());
        let root = Launch::is_of_image(&spec.version).then(|| absolute(&spec.code_dir)).transpose()?;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        if root.is_none() {
            after = of_function(spec, fork.then(|| self.folder.empty()))?;
        }
        if fork {
            before = self.while_waiting(interpreter)?;
        } else {
            after.extend(self.of_interpreter(interpreter)?);
        }
        let bounds = self.bounds(&spec.version);
        let (egress, tmp_bytes) = (spec.version.config.egress == Egress::Internet, bounds.tmp_bytes);
        in_time(async {
            let mut cell = self
                .begin(|id| {
                    let prepare =
                        Request::Prepare { id, egress, tmp_bytes, waits: false, mounts: before, fork, template, root };
                    vec![prepare, Request::Assign { id, mounts: after, bounds }]
                })
                .await?;
            let prepared = next_report(&mut cell).await?;
            let mounting = assigned(&mut cell).await?;
            let mut made = Made::take(cell, prepared)?;
            if made.waiting.is_some() {
                made.sealed().await?;
            }
            Ok((made, mounting))
        })
        .await
    }

    /// A sealed sandbox without a function, and where its kind has a runtime, that one booted and waiting in it.
    ///
    /// # Errors
    /// [`Unmade`].
    pub(crate) async fn prepare(&self, kind: Preparation) -> Result<Made, Unmade> {
        let egress = kind.egress == Egress::Internet;
        let tmp_bytes = EphemeralMib::default().bytes();
        let launch = Launch::waiting(kind);
        let fork = Launch::can_be_forked(kind.language);
        let mounts = match launch {
            Some(_) => self.while_waiting(self.interpreters.of(kind.language))?,
            None => Vec::new(),
        };
        in_time(async {
            let mut cell = self
                .begin(|id| {
                    let (waits, template, root) = (true, false, None);
                    vec![Request::Prepare { id, egress, tmp_bytes, waits, mounts, fork, template, root }]
                })
                .await?;
            let prepared = next_report(&mut cell).await?;
            let mut made = Made::take(cell, prepared)?;
            made.sealed().await?;
            made.forked_is_up().await;
            if let (Some(launch), None) = (launch, &made.waiting) {
                made.waiting = Some(launch.exec(&made.control).await.map_err(no_room)?);
            }
            if let Some(waiting) = &made.waiting {
                tokio::select! {
                    sign = waiting.first_sign() => sign.map_err(no_room)?,
                    word = made.control.word() => {
                        return Err(StartError::Broken(format!("the waiting runtime was lost: {word:?}")).into());
                    }
                }
            }
            Ok(made)
        })
        .await
    }

    /// Puts the code of a function, and its limits, into a sandbox that was prepared. Its runtime learns the
    /// function's environment meanwhile, and goes on once the code is there.
    ///
    /// # Errors
    /// [`Unmade`]; the sandbox cannot be used any more.
    pub(crate) async fn assign(
        &self,
        made: &mut Made,
        spec: &StartSpec,
        launch: &Launch,
        interpreter: Option<&Interpreter>,
    ) -> Result<(), Unmade> {
        let waits = made.waiting.is_some();
        let mut mounts = of_function(spec, waits.then(|| self.folder.empty()))?;
        if !waits {
            mounts.extend(self.of_interpreter(interpreter)?);
        }
        let bounds = self.bounds(&spec.version);
        in_time(async {
            // The runtime first: it takes longer, and the spawner would be woken on this very processor.
            if let Some(waiting) = &mut made.waiting {
                waiting.assign(launch).await.map_err(no_room)?;
            }
            made.cell.assign(mounts, bounds).map_err(gone_or_no_room)?;
            assigned(&mut made.cell).await?;
            // Where there are extensions, they come first.
            if let (Some(waiting), true) = (&mut made.waiting, launch.extensions.is_empty()) {
                waiting.go().await.map_err(no_room)?;
            }
            Ok(())
        })
        .await
    }

    async fn begin(&self, requests: impl FnOnce(u64) -> Vec<Request>) -> Result<Cell, Unmade> {
        let client = self.spawners.client().await.map_err(|error| StartError::Broken(error.to_string()))?;
        client.begin(requests).map_err(gone_or_no_room)
    }

    pub(crate) fn bounds(&self, version: &Version) -> Bounds {
        Bounds {
            memory_bytes: version.config.memory.bytes(),
            tmp_bytes: version.config.ephemeral.bytes(),
            cpu_milli: (version.config.memory.vcpus() * 1_000.0) as u32,
            cpu_hard: self.options.hard_cpu_quota,
            pids_max: self.options.limits.sandbox_pids_max,
        }
    }

    /// What a runtime sees that has no function yet.
    fn while_waiting(&self, interpreter: Option<&Interpreter>) -> Result<Vec<MountSpec>, StartError> {
        let mut mounts = self.of_interpreter(interpreter)?;
        // The loader remembers which directories there are.
        let blank = self.folder.blank();
        mounts.extend([mount(&blank, "/var/task")?, mount(&blank, "/opt")?]);
        Ok(mounts)
    }

    pub(crate) fn of_interpreter(&self, interpreter: Option<&Interpreter>) -> Result<Vec<MountSpec>, StartError> {
        let Some(interpreter) = interpreter else { return Ok(Vec::new()) };
        let root = interpreter.language_root(&self.folder.path.join(LINKS));
        let root = root.map_err(|error| StartError::Broken(format!("cannot link the interpreter: {error}")))?;
        let mut mounts = vec![mount(&root, "/var/lang")?, mount(self.runtime_files.path(), "/var/runtime")?];
        if let Some(packages) = self.interpreters.borrowed_sdk(interpreter) {
            mounts.push(mount(packages, "/var/packages")?);
        }
        Ok(mounts)
    }
}

/// What is the function's own: its code, and its layers if it has any; else `instead`, where a blank one has been seen.
pub(crate) fn of_function(spec: &StartSpec, instead: Option<PathBuf>) -> Result<Vec<MountSpec>, StartError> {
    let mut mounts = vec![mount(&spec.code_dir, "/var/task")?];
    if let Some(layers) = spec.layers_dir.as_ref().or(instead.as_ref()) {
        mounts.push(mount(layers, "/opt")?);
    }
    Ok(mounts)
}

fn mount(source: &Path, target: &str) -> Result<MountSpec, StartError> {
    Ok(MountSpec { source: absolute(source)?, target: target.to_owned() })
}

fn absolute(path: &Path) -> Result<PathBuf, StartError> {
    std::path::absolute(path).map_err(|error| StartError::Broken(format!("{}: {error}", path.display())))
}

/// Bounds the time that a step may take.
pub(crate) async fn in_time<T>(step: impl Future<Output = Result<T, Unmade>>) -> Result<T, Unmade> {
    let late = |_| StartError::Broken(format!("no sandbox within {} s", MAKING_MAX.as_secs()));
    tokio::time::timeout(MAKING_MAX, step).await.map_err(late)?
}

/// Waits until code and limits are in place: how long the spawner took for it.
async fn assigned(cell: &mut Cell) -> Result<Duration, Unmade> {
    match next_report(cell).await? {
        (Report::Assigned { micros, .. }, _) => Ok(Duration::from_micros(micros)),
        _ => Err(skipped()),
    }
}

pub(crate) async fn next_report(cell: &mut Cell) -> Result<Reported, Unmade> {
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

fn skipped() -> Unmade {
    StartError::Broken("the spawner skipped a step".to_owned()).into()
}

pub(crate) fn gone_or_no_room(error: io::Error) -> Unmade {
    if is_end(&error) { Unmade::SpawnerGone } else { no_room(error).into() }
}

/// What an error of the machine's means for a start.
pub(crate) fn no_room(error: io::Error) -> StartError {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => {
            StartError::NoRoom(format!("{error}; raise the limit of open files (ulimit -n)"))
        }
        _ => StartError::Broken(error.to_string()),
    }
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
