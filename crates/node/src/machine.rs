//! What the machine offers.

use crate::{KeepAlivePolicy, Scaling};
use lacewing_pool::{Cost, HistoryLimits, KeepAlive, PoolOptions, Rate, StockOptions, WaitingLimits};
use std::fs::File;
use std::num::NonZero;
use std::time::Duration;

/// Descriptors of the server that one sandbox takes: sockets, pipes, meters, and some for its way out.
const DESCRIPTORS_PER_SANDBOX: usize = 12;
/// How long an idle sandbox is kept where its cost does not say.
const KEEP_ALIVE: Duration = Duration::from_secs(600);
/// Descriptors that the kernel's table has room for from the start: 256 KiB of its memory, some 2,700 sandboxes.
const DESCRIPTORS_AT_ONCE: usize = 32_768;
/// The time over which the scaling rate counts.
const RATE_SECONDS: u32 = 10;
/// Descriptors kept for everything else: callers, files, the store.
const DESCRIPTORS_KEPT: usize = 256;

/// The machine's memory in MiB; 1 GiB where it does not tell.
pub(crate) fn memory_mib() -> u64 {
    told("MemTotal:").unwrap_or(1_024)
}

/// How much of it could still be had, in MiB.
pub(crate) fn memory_left_mib() -> Option<u64> {
    told("MemAvailable:")
}

fn told(what: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(what))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1_024)
}

/// Processors that this process may use.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// What bounds and steers the pool on this machine.
pub(crate) fn pool_options(scaling: &Scaling) -> PoolOptions {
    let memory = memory_mib();
    let usual = match scaling.keep_alive {
        KeepAlivePolicy::Cost => Cost::MOST,
        KeepAlivePolicy::Fixed | KeepAlivePolicy::Rhythm => KEEP_ALIVE,
    };
    let most = scaling.keep_alive_seconds.map_or(usual, Duration::from_secs);
    PoolOptions {
        memory_mib: scaling.memory_mib.unwrap_or(memory * 3 / 4 * u64::from(scaling.memory_overcommit.max(1))),
        sandboxes_max: descriptor_limit().saturating_sub(DESCRIPTORS_KEPT) / DESCRIPTORS_PER_SANDBOX,
        starts_at_once: scaling.starts_at_once.unwrap_or(processors() * 4).max(1),
        keep_alive: match scaling.keep_alive {
            KeepAlivePolicy::Fixed => KeepAlive::Fixed(most),
            KeepAlivePolicy::Cost => {
                let least = Cost::LEAST.min(most);
                KeepAlive::Cost(Cost { mib_seconds_per_ms: Cost::MIB_SECONDS_PER_MS, least, most })
            }
            KeepAlivePolicy::Rhythm => KeepAlive::Rhythm { otherwise: most },
        },
        freeze_after: (scaling.freeze_after_ms > 0).then(|| Duration::from_millis(scaling.freeze_after_ms)),
        scaling_rate: NonZero::new(scaling.scaling_rate)
            .map(|burst| Rate { burst: burst.get(), per_second: burst.get().div_ceil(RATE_SECONDS) }),
        waiting: WaitingLimits {
            of_a_version: scaling.waiting_max,
            in_all: scaling.waiting_in_all_max,
            longest: Duration::from_secs(scaling.wait_seconds),
        },
        stock: StockOptions { least: scaling.prepared_least, most: scaling.prepared_most, ..StockOptions::default() },
        memory_low_mib: scaling.memory_low_mib.unwrap_or(memory / 20),
        history: HistoryLimits::default(),
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
    // The kernel's table of descriptors doubles when it is full, and makes all threads of a process wait 5 to 10 ms for
    // that. With one thread it is free: so it is made large now, by a descriptor that lies far up.
    let last = descriptor_limit().min(DESCRIPTORS_AT_ONCE).saturating_sub(1);
    if let (Ok(any), Ok(last)) = (File::open("/dev/null"), i32::try_from(last)) {
        let _ = rustix::io::fcntl_dupfd_cloexec(&any, last);
    }
}
