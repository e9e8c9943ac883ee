//! The function's own memory, told apart from its `/tmp`.
//!
//! The kernel counts pages of `/tmp` and cached pages of files as memory of the group, Lambda does not. The group's
//! hard limit therefore holds memory and `/tmp` together, and this watch enforces the memory alone: it wakes when
//! the group's use crosses the least figure at which the function *could* have too much, looks closely, and sets
//! itself a new figure if it has not.
//!
//! Functions that allocate faster than we look are stopped by the hard limit instead: both ends are out of memory.

use crate::meter::Meter;
use crate::watched::watch;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Least distance to the next look: a function at its limit must not cost us all our time.
const STEP_BYTES_MIN: u64 = 1 << 20;
/// How often to look where the kernel does not call (v2 has no thresholds), and beside thresholds, which are
/// checked by the kernel only now and then.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Watches one sandbox's memory.
pub(crate) struct MemoryWatch {
    limit_bytes: u64,
    threshold: Option<(AsyncFd<OwnedFd>, u64)>,
}

impl MemoryWatch {
    /// A watch over `limit_bytes`.
    pub(crate) fn new(limit_bytes: u64) -> Self {
        Self { limit_bytes, threshold: None }
    }

    /// Resolves when the function holds more than its memory; never where nothing can be measured.
    ///
    /// # Cancel safety
    /// Complete.
    pub(crate) async fn exceeded(&mut self, meter: &Meter, tmp: Option<&OwnedFd>) {
        loop {
            let Some(all) = meter.usage_bytes() else { return std::future::pending().await };
            // The cheap figure first: it is only an upper bound of what the function holds.
            let mut next = self.limit_bytes;
            if all > self.limit_bytes {
                let Some(held) = meter.memory() else { return std::future::pending().await };
                let own = held.all.saturating_sub(held.files).saturating_sub(tmp_bytes(tmp));
                if own > self.limit_bytes {
                    return;
                }
                next = held.all + (self.limit_bytes - own).max(STEP_BYTES_MIN);
            }
            self.arm(meter, next);
            let called = async {
                match &self.threshold {
                    Some((event, _)) => {
                        let _ =
                            event.async_io(Interest::READABLE, |event| Ok(rustix::io::read(event, &mut [0; 8])?)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            let _ = tokio::time::timeout(LOOK_EVERY, called).await;
        }
    }

    /// Has the kernel call when the group's use crosses `bytes`. Failing, we look from time to time.
    fn arm(&mut self, meter: &Meter, bytes: u64) {
        if self.threshold.as_ref().is_some_and(|(_, armed)| *armed == bytes) {
            return;
        }
        self.threshold = register(meter, bytes).ok().map(|event| (event, bytes));
    }
}

/// v1's thresholds. Source: the kernel's `cgroup-v1/memory.rst`, section 9.
fn register(meter: &Meter, bytes: u64) -> io::Result<AsyncFd<OwnedFd>> {
    use rustix::event::{EventfdFlags, eventfd};
    let (directory, usage) = meter.threshold_parts().ok_or(io::ErrorKind::Unsupported)?;
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let line = format!("{} {} {bytes}", event.as_raw_fd(), usage.as_raw_fd());
    OpenOptions::new().write(true).open(directory.join("cgroup.event_control"))?.write_all(line.as_bytes())?;
    watch(event, Interest::READABLE)
}

/// What `/tmp` holds.
pub(crate) fn tmp_bytes(tmp: Option<&OwnedFd>) -> u64 {
    let Some(Ok(about)) = tmp.map(|tmp| rustix::fs::fstatfs(tmp.as_fd())) else { return 0 };
    let block = u64::try_from(about.f_bsize).unwrap_or(0);
    about.f_blocks.saturating_sub(about.f_bfree).saturating_mul(block)
}
