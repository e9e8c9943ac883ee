//! What processes hold and have used, read from `/proc`.

use std::fs;
use std::time::Duration;

/// Source: `sysconf(_SC_CLK_TCK)`, which is 100 on every Linux of today.
const TICKS_PER_SECOND: u64 = 100;

/// A process and all that came from it.
pub struct Tree {
    /// All of them, the root first.
    pub pids: Vec<u32>,
}

impl Tree {
    /// The tree below `root`, as far as it can be read.
    pub fn of(root: u32) -> Self {
        let mut pids = vec![root];
        let mut next = 0;
        while let Some(pid) = pids.get(next).copied() {
            next += 1;
            let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            for thread in threads {
                let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
                pids.extend(children.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
            }
        }
        Self { pids }
    }

    /// Memory of all, each shared page counted in parts to those that share it, bytes.
    pub fn pss_bytes(&self) -> u64 {
        self.pids.iter().map(|pid| rollup_kib(*pid, &["Pss:"]) * 1024).sum()
    }

    /// Processor time of all that live.
    pub fn cpu(&self) -> Duration {
        let ticks: u64 = self.pids.iter().map(|pid| ticks(*pid).unwrap_or(0)).sum();
        Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
    }
}

/// Source: proc_pid_stat(5), fields 14 and 15; the name before them may hold anything, so it is cut at its end.
fn ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// Memory of the kernel itself: all of the machine's, so that only a difference says something. Bytes.
pub fn kernel_bytes() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    // Of the slab what cannot be given back: the rest is caches of files.
    ["SUnreclaim:", "KernelStack:", "PageTables:", "Percpu:"].iter().map(|name| kib(&text, name) * 1024).sum()
}

/// A field of `/proc/PID/status`.
pub fn status_kib(pid: u32, name: &str) -> u64 {
    kib(&fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default(), name)
}

/// The sum of fields of `/proc/PID/smaps_rollup`.
pub fn rollup_kib(pid: u32, names: &[&str]) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    names.iter().map(|name| kib(&text, name)).sum()
}

fn kib(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}
