//! One sandbox's group, and the limits that are written to its files.

use super::{Layout, SHARES_PER_CPU, make_directory, write};
use crate::freezer;
use crate::protocol::{At, Bounds, Fault};
use std::fs;
use std::io;
use std::path::PathBuf;

/// Period of the hard processor quota, microseconds.
const QUOTA_PERIOD_US: u64 = 100_000;
/// Processes that are ours, not the function's: init.
const OWN_PIDS: u32 = 1;

/// One sandbox's group: a directory per hierarchy.
#[derive(Debug)]
pub(crate) struct Group {
    layout: Layout,
    /// `INSTANCE/NAME`.
    name: String,
    /// v1 only: where processes enter, each hierarchy's own, until all have.
    doors: Vec<fs::File>,
    /// The files of its limits in the order of [`LIMITS`], where they were opened ahead; until they are set.
    opened: [Option<fs::File>; LIMITS.len()],
}

/// A file that a limit is written to.
struct Limit {
    controller: &'static str,
    v1: &'static str,
    v2: &'static str,
}

/// Memory, swap, processor, processes.
const LIMITS: [Limit; 4] = [
    Limit { controller: "memory", v1: "memory.limit_in_bytes", v2: "memory.max" },
    Limit { controller: "memory", v1: "memory.memsw.limit_in_bytes", v2: "memory.swap.max" },
    Limit { controller: "cpu", v1: "cpu.shares", v2: "cpu.weight" },
    Limit { controller: "pids", v1: "pids.max", v2: "pids.max" },
];
/// Where these are among them.
const SWAP: usize = 1;
const CPU: usize = 2;

impl Group {
    /// Makes it in every hierarchy.
    ///
    /// # Errors
    /// The directory that the kernel refused; those made before it are removed.
    pub(super) fn make(layout: &Layout, instance: &str, name: &str) -> Result<Self, Fault> {
        let name = format!("{instance}/{name}");
        let mut group = Self { layout: layout.clone(), name, doors: Vec::new(), opened: Default::default() };
        for directory in group.directories() {
            let made = make_directory(&directory).and_then(|()| {
                let open = |file: &str| fs::OpenOptions::new().write(true).open(directory.join(file));
                if matches!(layout, Layout::V1 { .. }) { open("cgroup.procs").map(Some) } else { Ok(None) }
            });
            match made {
                Ok(door) => group.doors.extend(door),
                Err(error) => {
                    let _ = group.remove();
                    return Err(error).at(&format!("make cgroup {}", directory.display()));
                }
            }
        }
        Ok(group)
    }

    fn directories(&self) -> Vec<PathBuf> {
        self.layout.hierarchies().into_iter().map(|hierarchy| hierarchy.join(&self.name)).collect()
    }

    /// Its name below each hierarchy.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// v2 only: the directory, so that the child is born in it.
    pub(crate) fn birthplace(&self) -> io::Result<Option<fs::File>> {
        match &self.layout {
            Layout::V2 { root } => fs::File::open(root.join(&self.name)).map(Some),
            _ => Ok(None),
        }
    }

    /// v1 only: moves a process in.
    ///
    /// # Errors
    /// The hierarchy that refused it. A real-time process cannot enter a v1 cpu group without a budget of its own.
    pub(crate) fn enter(&self, pid: i32) -> Result<(), Fault> {
        use io::Write;
        let pid = pid.to_string();
        for (at, mut door) in self.doors.iter().enumerate() {
            let hierarchies =
                || self.layout.hierarchies().get(at).map_or(String::new(), |path| path.display().to_string());
            door.write_all(pid.as_bytes())
                .map_err(|source| Fault { step: format!("enter cgroup {}", hierarchies()), source })?;
        }
        Ok(())
    }

    /// The doors that others shall enter by, each by writing `0`; they are closed otherwise.
    ///
    /// # Errors
    /// v2's door could not be opened.
    pub(crate) fn take_doors(&mut self) -> io::Result<Vec<fs::File>> {
        let mut doors = std::mem::take(&mut self.doors);
        if let Layout::V2 { root } = &self.layout {
            doors.push(fs::OpenOptions::new().write(true).open(root.join(&self.name).join("cgroup.procs"))?);
        }
        Ok(doors)
    }

    /// The file that names the processes in it.
    ///
    /// # Errors
    /// There is none, or it cannot be opened.
    pub(crate) fn processes(&self) -> io::Result<fs::File> {
        let directory = self.directories().into_iter().next().ok_or(io::ErrorKind::NotFound)?;
        fs::File::open(directory.join("cgroup.procs"))
    }

    /// Until it is bound: what runs in it gives way to everything else. Nobody waits for it yet, so the files of the
    /// limits are opened too: finding them takes most of the time of setting them.
    ///
    /// # Errors
    /// The file that refused its value.
    pub(crate) fn give_way(&mut self) -> Result<(), Fault> {
        // One that cannot be opened now is tried again when it is needed.
        self.opened = LIMITS.each_ref().map(|limit| self.open_limit(limit)?.ok());
        self.set(CPU, if self.is_v2() { "1" } else { "2" })
    }

    /// Sets the limits.
    ///
    /// # Errors
    /// The file that refused its value.
    pub(crate) fn bound(&mut self, bounds: &Bounds) -> Result<(), Fault> {
        // Pages of /tmp count as memory of the group, so the kernel's hard limit holds both. The function's own
        // share is watched by the server, which knows how much /tmp holds: see memory.rs.
        let hard = (bounds.memory_bytes + bounds.tmp_bytes).to_string();
        let (v2, milli) = (self.is_v2(), u64::from(bounds.cpu_milli));
        let weight = if v2 { (milli * 100 / 1_000).clamp(1, 10_000) } else { (milli * SHARES_PER_CPU / 1_000).max(2) };
        // v1: memory and swap together no more than memory alone.
        let swap = if v2 { "0" } else { &hard };
        let values = [&hard, swap, &weight.to_string(), &(bounds.pids_max + OWN_PIDS).to_string()];
        values.into_iter().enumerate().try_for_each(|(at, value)| self.set(at, value))?;
        self.opened = Default::default();
        if let (true, Some(directory)) = (bounds.cpu_hard, self.directory("cpu")) {
            let quota = milli.max(10) * QUOTA_PERIOD_US / 1_000;
            let (file, value) = if v2 {
                ("cpu.max", format!("{quota} {QUOTA_PERIOD_US}"))
            } else {
                ("cpu.cfs_quota_us", quota.to_string())
            };
            write(&directory.join(file), &value).at(&format!("set {file}"))?;
        }
        Ok(())
    }

    fn is_v2(&self) -> bool {
        matches!(self.layout, Layout::V2 { .. })
    }

    /// `None` without its controller.
    fn open_limit(&self, limit: &Limit) -> Option<io::Result<fs::File>> {
        let file = if self.is_v2() { limit.v2 } else { limit.v1 };
        Some(fs::OpenOptions::new().write(true).open(self.directory(limit.controller)?.join(file)))
    }

    /// Sets one of [`LIMITS`].
    fn set(&self, at: usize, value: &str) -> Result<(), Fault> {
        use std::os::unix::fs::FileExt;
        let write = |file: &fs::File| file.write_all_at(value.as_bytes(), 0);
        let limit = &LIMITS[at];
        let written = match &self.opened[at] {
            Some(file) => write(file),
            None => self.open_limit(limit).map_or(Ok(()), |opened| write(&opened?)),
        };
        match written {
            // Kernels without swap accounting lack the file.
            Err(error) if error.kind() == io::ErrorKind::NotFound && at == SWAP => Ok(()),
            other => other.at(&format!("set {}", if self.is_v2() { limit.v2 } else { limit.v1 })),
        }
    }

    fn directory(&self, controller: &str) -> Option<PathBuf> {
        self.layout.controller(controller).map(|hierarchy| hierarchy.join(&self.name))
    }

    /// After a kill: has it heeded also by what stands still.
    pub(crate) fn let_die(&self) {
        if let (Layout::V1 { .. }, Some(directory)) = (&self.layout, self.directory("freezer")) {
            freezer::let_die(&directory);
        }
    }

    /// Removes it; nothing may live in it any more.
    ///
    /// # Errors
    /// The first directory that could not be removed; the others are tried all the same.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let mut result = Ok(());
        for directory in self.directories() {
            match fs::remove_dir(&directory) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => result = Err(error),
                _ => {}
            }
        }
        result
    }
}
