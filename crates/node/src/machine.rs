//! What the machine offers.

use crate::Scaling;

/// Descriptors of the server that one sandbox takes: sockets, pipes, meters, and some for its way out.
const DESCRIPTORS_PER_SANDBOX: usize = 12;
/// Descriptors kept for everything else: callers, files, the store.
const DESCRIPTORS_KEPT: usize = 256;

/// The machine's memory in MiB; 1 GiB where it does not tell.
pub(crate) fn memory_mib() -> u64 {
    let told = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    told.map_or(1_024, |kib| kib / 1_024)
}

/// Processors that this process may use.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The pool's bounds on this machine.
pub(crate) fn pool_limits(scaling: &Scaling) -> lacewing_pool::PoolLimits {
    let share = memory_mib() * 3 / 4 * u64::from(scaling.memory_overcommit.max(1));
    lacewing_pool::PoolLimits {
        sandboxes_max: descriptor_limit().saturating_sub(DESCRIPTORS_KEPT) / DESCRIPTORS_PER_SANDBOX,
        memory_mib: scaling.memory_mib.unwrap_or(share),
        starts_at_once: scaling.starts_at_once.unwrap_or(processors() * 4).max(1),
        keep_alive: std::time::Duration::from_secs(scaling.keep_alive_seconds),
    }
}

fn descriptor_limit() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Lets this process have as many descriptors as the system grants: each sandbox takes about ten.
pub(crate) fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit on open files stays; raise it with ulimit -n");
    }
}
