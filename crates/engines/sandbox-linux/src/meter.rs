//! What a sandbox has used, read from its cgroup: descriptors are kept open, a reading is one `pread`.

use crate::cgroup::Layout;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

/// Longest file that is read; the longest, `memory.stat`, has some 2 KiB.
const READ_BYTES_MAX: usize = 8 * 1024;

/// The readings of one sandbox.
#[derive(Default)]
pub(crate) struct Meter {
    peak: Option<File>,
    usage: Option<File>,
    cpu: Option<File>,
    stat: Option<File>,
    oom: Option<File>,
    v2: bool,
    memory_directory: Option<PathBuf>,
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
        let file = |controller: &str, file: &str| {
            layout.controller(controller).and_then(|directory| File::open(directory.join(name).join(file)).ok())
        };
        let memory_directory = layout.controller("memory").map(|directory| directory.join(name));
        let v2 = matches!(layout, Layout::V2 { .. });
        if v2 {
            Self {
                peak: file("memory", "memory.peak"),
                usage: file("memory", "memory.current"),
                cpu: file("cpu", "cpu.stat"),
                stat: file("memory", "memory.stat"),
                oom: file("memory", "memory.events"),
                v2,
                memory_directory,
            }
        } else {
            Self {
                peak: file("memory", "memory.max_usage_in_bytes"),
                usage: file("memory", "memory.usage_in_bytes"),
                cpu: file("cpuacct", "cpuacct.usage"),
                stat: file("memory", "memory.stat"),
                oom: file("memory", "memory.oom_control"),
                v2,
                memory_directory,
            }
        }
    }

    /// Most memory ever held, everything included; 0 without a cgroup.
    pub(crate) fn peak_bytes(&self) -> u64 {
        read(self.peak.as_ref()).trim().parse().unwrap_or(0)
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
        field(&read(self.oom.as_ref()), "oom_kill")
    }

    /// What is held at the moment; `None` without a cgroup.
    pub(crate) fn memory(&self) -> Option<MemoryUse> {
        let all = read(self.usage.as_ref()).trim().parse().ok()?;
        let stat = read(self.stat.as_ref());
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
        if self.v2 { None } else { self.memory_directory.as_ref().zip(self.usage.as_ref()) }
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
