//! Control groups: where the kernel's accounting lives, one group per sandbox.
//!
//! v2 where it has the controllers, else one v1 hierarchy per controller. A group is made by the spawner
//! ([`Layout::make`]), gets its limits when a function is assigned ([`Group::bound`], group.rs) and is removed when the
//! sandbox has ended. The server reads it through [`Meter`](crate::meter::Meter).
//!
//! Writing `cgroup.procs` waits 7 to 10 ms on an idle machine (a grace period of the kernel) unless some cgroup
//! hierarchy was mounted `favordynmods`; [`favour_quick_moves`] sees to that.

mod group;

pub(crate) use group::Group;

use crate::protocol::{At, Fault};
use crate::sys;
use serde::{Deserialize, Serialize};
use std::ffi::CString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A processor's worth of `cpu.shares`: 1,024 per processor is the kernel's own default.
const SHARES_PER_CPU: u64 = 1_024;

/// Which hierarchies there are, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Layout {
    /// None that we may use.
    #[default]
    Absent,
    /// One directory per controller; the same one for controllers that are mounted together.
    V1 {
        /// The `memory` controller.
        memory: Option<PathBuf>,
        /// The `cpu` controller.
        cpu: Option<PathBuf>,
        /// The `cpuacct` controller.
        cpuacct: Option<PathBuf>,
        /// The `pids` controller.
        pids: Option<PathBuf>,
        /// The `freezer` controller.
        freezer: Option<PathBuf>,
    },
    /// One directory for all.
    V2 {
        /// The directory below which our groups lie.
        root: PathBuf,
    },
}

impl Layout {
    /// What this process finds mounted and may write to.
    pub(crate) fn detect() -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let found = Self::from_mounts(&mounts);
        match found {
            Self::V2 { root } => Self::usable_v2(root, &own),
            Self::V1 { memory, cpu, cpuacct, pids, freezer } => {
                let keep = |path: Option<PathBuf>| path.filter(|path| is_writable(path));
                let (memory, cpu, cpuacct, pids) = (keep(memory), keep(cpu), keep(cpuacct), keep(pids));
                if memory.is_none() && cpu.is_none() && cpuacct.is_none() && pids.is_none() {
                    Self::Absent
                } else {
                    Self::V1 { memory, cpu, cpuacct, pids, freezer: keep(freezer) }
                }
            }
            Self::Absent => Self::Absent,
        }
    }

    /// Reads a mountinfo table. Source: proc_pid_mountinfo(5).
    fn from_mounts(table: &str) -> Self {
        let mut v1: [Option<PathBuf>; 5] = Default::default();
        for line in table.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let Some(point) = left.split(' ').nth(4).map(PathBuf::from) else { continue };
            let mut right = right.split(' ');
            match right.next() {
                Some("cgroup2") if has_controllers(&point) => return Self::V2 { root: point },
                Some("cgroup") => {
                    let options = right.nth(1).unwrap_or_default();
                    for (at, controller) in ["memory", "cpu", "cpuacct", "pids", "freezer"].into_iter().enumerate() {
                        if options.split(',').any(|option| option == controller) {
                            v1[at] = Some(point.clone());
                        }
                    }
                }
                _ => {}
            }
        }
        let [memory, cpu, cpuacct, pids, freezer] = v1;
        Self::V1 { memory, cpu, cpuacct, pids, freezer }
    }

    /// The root group for root, the own group for a user to whom it was delegated.
    fn usable_v2(root: PathBuf, own: &str) -> Self {
        if is_writable(&root) {
            return Self::V2 { root };
        }
        let below = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
        let delegated = root.join(below);
        if is_writable(&delegated) && is_writable(&delegated.join("cgroup.procs")) {
            Self::V2 { root: delegated }
        } else {
            Self::Absent
        }
    }

    /// Every hierarchy once.
    pub(crate) fn hierarchies(&self) -> Vec<&Path> {
        let mut all: Vec<&Path> = match self {
            Self::Absent => Vec::new(),
            Self::V2 { root } => vec![root],
            Self::V1 { memory, cpu, cpuacct, pids, freezer } => {
                [memory, cpu, cpuacct, pids, freezer].into_iter().flatten().map(PathBuf::as_path).collect()
            }
        };
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Where the named controller's files are.
    pub(crate) fn controller(&self, name: &str) -> Option<&Path> {
        match self {
            Self::Absent => None,
            Self::V2 { root } => Some(root),
            Self::V1 { memory, cpu, cpuacct, pids, freezer } => match name {
                "memory" => memory.as_deref(),
                "cpu" => cpu.as_deref(),
                "cpuacct" => cpuacct.as_deref(),
                "pids" => pids.as_deref(),
                "freezer" => freezer.as_deref(),
                _ => None,
            },
        }
    }

    /// Makes the instance's own group in every hierarchy.
    ///
    /// # Errors
    /// The directory or file that the kernel refused.
    pub(crate) fn make_instance(&self, instance: &str) -> Result<(), Fault> {
        for hierarchy in self.hierarchies() {
            let directory = hierarchy.join(instance);
            make_directory(&directory).at(&format!("make cgroup {}", directory.display()))?;
        }
        // All functions together weigh as much as the machine has processors: the server beside them is not starved
        // by busy functions, nor they by it.
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
        if let (Self::V1 { .. }, Some(hierarchy)) = (self, self.controller("cpu")) {
            let shares = (SHARES_PER_CPU * processors).to_string();
            write(&hierarchy.join(instance).join("cpu.shares"), &shares).at("set the instance's cpu.shares")?;
        }
        if let Self::V2 { root } = self {
            // A group of a user's own session holds the server itself: it moves to a leaf first, because a group
            // with processes cannot hand controllers down. In the root group that rule does not apply.
            if fs::write(root.join("cgroup.subtree_control"), "+memory +cpu +pids").is_err() {
                let leaf = root.join("lacewing-server");
                make_directory(&leaf).at("make cgroup lacewing-server")?;
                for pid in fs::read_to_string(root.join("cgroup.procs")).unwrap_or_default().lines() {
                    let _ = fs::write(leaf.join("cgroup.procs"), pid);
                }
                fs::write(root.join("cgroup.subtree_control"), "+memory +cpu +pids")
                    .at("hand down cgroup controllers")?;
            }
            let control = root.join(instance).join("cgroup.subtree_control");
            fs::write(control, "+memory +cpu +pids").at("hand down cgroup controllers")?;
            let weight = (100 * processors).min(10_000).to_string();
            write(&root.join(instance).join("cpu.weight"), &weight).at("set the instance's cpu.weight")?;
        }
        Ok(())
    }

    /// Makes one sandbox's group.
    ///
    /// The spawner of a server that was killed takes its instance's group away at its end, and that can be from under
    /// the next server of the same data dir: then the instance's group is made again, once for each hierarchy.
    ///
    /// # Errors
    /// The directory that the kernel refused; those made before it are removed.
    pub(crate) fn make(&self, instance: &str, name: &str) -> Result<Group, Fault> {
        let mut made = Group::make(self, instance, name);
        for _ in self.hierarchies() {
            if !made.as_ref().is_err_and(|fault| fault.source.kind() == io::ErrorKind::NotFound) {
                break;
            }
            self.make_instance(instance)?;
            made = Group::make(self, instance, name);
        }
        made
    }
}

/// Makes moves between groups quick on an idle machine. A flag of the whole machine: it makes forks of
/// threads a little dearer, which is why it is not the kernel's default.
///
/// `scratch` is an empty directory in a private mount namespace. The mount itself is not kept: the flag stays.
pub(crate) fn favour_quick_moves(scratch: &Path) -> io::Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    // The flags of the v2 hierarchy are set as a whole: those in force must be named again.
    let mut options: Vec<&str> = table
        .lines()
        .filter_map(|line| line.split_once(" - "))
        .find(|(_, right)| right.starts_with("cgroup2 "))
        .and_then(|(_, right)| right.split(' ').nth(2))
        .map(|options| options.split(',').filter(|option| !matches!(*option, "rw" | "ro")).collect())
        .unwrap_or_default();
    if options.contains(&"favordynmods") {
        return Ok(());
    }
    options.push("favordynmods");
    let target = CString::new(scratch.as_os_str().as_encoded_bytes())?;
    let options = CString::new(options.join(","))?;
    sys::mount(c"cgroup2", &target, Some(c"cgroup2"), libc::MS_NOSUID | libc::MS_NODEV, Some(&options))?;
    rustix::mount::unmount(scratch, rustix::mount::UnmountFlags::DETACH)?;
    Ok(())
}

fn has_controllers(point: &Path) -> bool {
    let list = fs::read_to_string(point.join("cgroup.controllers")).unwrap_or_default();
    list.split_whitespace().any(|controller| controller == "memory")
}

fn is_writable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// One `write(2)` into an existing file: cgroup files take a value whole, and cannot be created.
fn write(path: &Path, value: &str) -> io::Result<()> {
    use io::Write;
    fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn v1_hierarchies_are_found_once_each() {
        let table = "30 20 0:26 / /c/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
                     31 20 0:27 / /c/memory rw - cgroup cgroup rw,memory\n\
                     32 20 0:28 / /c/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let layout = Layout::from_mounts(table);
        assert_eq!(layout.controller("cpu"), Some(Path::new("/c/cpu,cpuacct")));
        assert_eq!(layout.controller("pids"), None);
        assert_eq!(layout.hierarchies(), [Path::new("/c/cpu,cpuacct"), Path::new("/c/memory")]);
    }

    #[test]
    fn an_instance_that_was_taken_away_is_made_again() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root makes groups anywhere");
            return;
        }
        let layout = Layout::detect();
        let instance = format!("lacewing-test-{}", std::process::id());
        let take_away = || {
            for hierarchy in layout.hierarchies() {
                let _ = fs::remove_dir(hierarchy.join(&instance));
            }
        };
        layout.make_instance(&instance).unwrap();
        take_away();
        let group = layout.make(&instance, "1").unwrap();
        group.remove().unwrap();
        take_away();
        assert!(layout.hierarchies().iter().all(|hierarchy| !hierarchy.join(&instance).exists()));
    }
}
