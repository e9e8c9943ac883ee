//! What a sandbox has used, read from its cgroup. What every call asks is kept open, a reading being one `pread`;
//! what is asked in trouble only is opened then.

use crate::cgroup::Layout;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

/// Longest file that is kept open; each holds a number or a few lines.
const READ_BYTES_MAX: usize = 2 * 1024;

/// The readings of one sandbox.
pub(crate) struct Meter {
    peak: Option<File>,
    usage: Option<File>,
    cpu: Option<File>,
    /// The group's directory at the memory controller.
    memory: Option<PathBuf>,
    v2: bool,
}

/// Memory of a sandbox by what it is, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemoryUse {
    /// All that counts against the group.
    pub(crate) all: u64,
    /// Pages of files that can be dropped at any time.
    pub(crate) files: u64,
}

impl Meter {
    /// Opens what there is of the group `name`.
    pub(crate) fn open(layout: &Layout, name: &str) -> Self {
        let v2 = matches!(layout, Layout::V2 { .. });
        let open = |controller: &str, v1_file: &str, v2_file: &str| {
            let group = layout.controller(controller)?.join(name);
            File::open(group.join(if v2 { v2_file } else { v1_file })).ok()
        };
        let peak = layout.controller("memory").and_then(|memory| {
            let file = memory.join(name).join(if v2 { "memory.peak" } else { "memory.max_usage_in_bytes" });
            // To be set back; where that is refused it is still to be read.
            File::options().read(true).write(true).open(&file).or_else(|_| File::open(&file)).ok()
        });
        Self {
            peak,
            usage: open("memory", "memory.usage_in_bytes", "memory.current"),
            cpu: open("cpuacct", "cpuacct.usage", "cpu.stat"),
            memory: layout.controller("memory").map(|directory| directory.join(name)),
            v2,
        }
    }

    /// Most memory held since it was set back, everything included; 0 without a cgroup.
    pub(crate) fn peak_bytes(&self) -> u64 {
        read(self.peak.as_ref()).trim().parse().unwrap_or(0)
    }

    /// Sets the peak back to what is held now. Kernels before 6.12 cannot (v2): then it stays.
    pub(crate) fn reset_peak(&self) {
        if let Some(peak) = &self.peak {
            let _ = peak.write_at(if self.v2 { b"reset" } else { b"0" }, 0);
        }
    }

    /// Processor time used so far.
    pub(crate) fn cpu(&self) -> Duration {
        let text = read(self.cpu.as_ref());
        if self.v2 {
            Duration::from_micros(field(&text, "usage_usec"))
        } else {
            Duration::from_nanos(text.trim().parse().unwrap_or(0))
        }
    }

    /// Processes that the kernel has killed for want of memory in this group.
    pub(crate) fn oom_kills(&self) -> u64 {
        field(&self.memory_file(if self.v2 { "memory.events" } else { "memory.oom_control" }), "oom_kill")
    }

    /// What is held at the moment; `None` without a cgroup.
    pub(crate) fn memory(&self) -> Option<MemoryUse> {
        let all = read(self.usage.as_ref()).trim().parse().ok()?;
        let stat = self.memory_file("memory.stat");
        // `cache` of v1 and `file` of v2 hold shared memory too, which cannot be dropped.
        let (cached, shared) = if self.v2 { ("file", "shmem") } else { ("total_cache", "total_shmem") };
        let files = field(&stat, cached).saturating_sub(field(&stat, shared));
        Some(MemoryUse { all, files })
    }

    /// All that is held at the moment, droppable pages of files included.
    pub(crate) fn usage_bytes(&self) -> Option<u64> {
        read(self.usage.as_ref()).trim().parse().ok()
    }

    /// What a v1 threshold is made of: the group's directory and its open usage file.
    pub(crate) fn threshold_parts(&self) -> Option<(&PathBuf, &File)> {
        if self.v2 { None } else { self.memory.as_ref().zip(self.usage.as_ref()) }
    }

    fn memory_file(&self, name: &str) -> String {
        self.memory.as_ref().and_then(|group| fs::read_to_string(group.join(name)).ok()).unwrap_or_default()
    }
}

fn read(file: Option<&File>) -> String {
    let Some(file) = file else { return String::new() };
    let mut buffer = [0; READ_BYTES_MAX];
    let length = file.read_at(&mut buffer, 0).unwrap_or(0);
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// The number behind `name` in a file of lines `name number`; 0 where it is absent.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(field(text, "oom_kill"), 3);
        assert_eq!(field(text, "oom"), 0);
    }
}
