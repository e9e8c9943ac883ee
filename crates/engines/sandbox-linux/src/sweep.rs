//! What a killed instance left behind is removed before a new one begins.
//!
//! Its processes died with their spawner; its mounts and namespaces were nobody else's and went with them. What
//! stays is cgroups, and processes in them only if a kill was lost.

use crate::cgroup::Layout;
use crate::error::LinuxError;
use crate::freezer;
use crate::runtime_files::show_to_all;
use rustix::fs::FlockOperation;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest wait for killed processes to be gone.
const DYING_MAX: Duration = Duration::from_secs(2);
/// Until it is looked again whether they have ended.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// The instance's folder, held by this process alone as long as it lives.
pub(crate) struct RunFolder {
    pub(crate) path: PathBuf,
    _lock: File,
}

impl RunFolder {
    /// Makes or takes over `run/` below the data dir.
    ///
    /// # Errors
    /// [`LinuxError::InUse`] while another server has it, [`LinuxError::DataDir`] when it cannot be used.
    pub(crate) fn take(data_dir: &Path) -> Result<Self, LinuxError> {
        let bad = |path: &Path| {
            let path = path.to_path_buf();
            move |source: io::Error| LinuxError::DataDir { path, source }
        };
        let path = data_dir.join("run");
        fs::create_dir_all(&path).map_err(bad(&path))?;
        let path = path.canonicalize().map_err(bad(&path))?;
        let lock_path = path.join("lock");
        let lock = File::options().create(true).append(true).open(&lock_path).map_err(bad(&lock_path))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(LinuxError::InUse(data_dir.to_path_buf())),
            other => other.map_err(|error| bad(&lock_path)(error.into()))?,
        }
        let folder = Self { path, _lock: lock };
        for directory in [folder.blank().join("lib"), folder.empty()] {
            fs::create_dir_all(&directory).and_then(|()| show_to_all(&directory)).map_err(bad(&directory))?;
        }
        show_to_all(&folder.blank()).map_err(bad(&folder.path))?;
        // For people and tests that look for what belongs to it.
        let name = folder.path.join("cgroup");
        fs::write(&name, folder.instance()).map_err(bad(&name))?;
        Ok(folder)
    }

    /// An empty directory for the spawner.
    pub(crate) fn scratch(&self) -> Result<PathBuf, LinuxError> {
        let scratch = self.path.join("scratch");
        fs::create_dir_all(&scratch).map_err(|source| LinuxError::DataDir { path: scratch.clone(), source })?;
        Ok(scratch)
    }

    /// A directory to be seen where a function's code is not yet: empty, but for the names that the loader looks for.
    pub(crate) fn blank(&self) -> PathBuf {
        self.path.join("blank")
    }

    /// A directory to be seen where a function has nothing.
    pub(crate) fn empty(&self) -> PathBuf {
        self.path.join("empty")
    }

    /// The name that is this data dir's and no other's: part of cgroup names, so that two servers on one
    /// machine do not sweep each other.
    pub(crate) fn instance(&self) -> String {
        format!("lacewing-{:08x}", self.number())
    }

    /// A number made from the path. FNV-1a: all that is asked of it is to differ.
    pub(crate) fn number(&self) -> u32 {
        let bytes = self.path.as_os_str().as_encoded_bytes();
        bytes.iter().fold(0x811C_9DC5, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
    }
}

/// Removes the instance's cgroups and whoever is still in them.
pub(crate) fn sweep(layout: &Layout, instance: &str) {
    if let (Layout::V1 { .. }, Some(hierarchy)) = (layout, layout.controller("freezer")) {
        for group in groups_in(&hierarchy.join(instance)) {
            kill_all(&group);
            freezer::let_die(&group);
        }
    }
    for hierarchy in layout.hierarchies() {
        let root = hierarchy.join(instance);
        let groups = groups_in(&root);
        let since = Instant::now();
        for group in &groups {
            kill_all(group);
            // Removal fails as long as the dying are in it.
            while fs::remove_dir(group).is_err_and(|error| error.kind() == io::ErrorKind::ResourceBusy) {
                if since.elapsed() > DYING_MAX {
                    tracing::warn!(group = %group.display(), "a cgroup of a former run cannot be removed yet");
                    break;
                }
                std::thread::sleep(LOOK_AGAIN);
            }
        }
        let _ = fs::remove_dir(&root);
    }
}

fn groups_in(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

fn kill_all(group: &Path) {
    for pid in fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default().lines() {
        if let Some(pid) = pid.parse().ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}
