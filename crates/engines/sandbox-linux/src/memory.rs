//! The function's own memory, told apart from its `/tmp`.
//!
//! The kernel counts pages of `/tmp` and cached pages of files as memory of the group, Lambda does not. The group's
//! hard limit therefore holds memory and `/tmp` together, and this watch enforces the memory alone: it looks at the
//! group's use, the more often the less room there is; where half the memory is taken it also has the kernel call
//! it (v1) at the least figure at which the function *could* have too much. Functions that allocate faster than
//! that meet the hard limit instead: both ends are out of memory.
//!
//! The kernel's call is asked for on another thread: the asking waits for a grace period, 10 ms on an idle machine.

use crate::meter::Meter;
use crate::watched::watch;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep_until};

/// How fast a function may take memory, bytes per millisecond: page faults allow no more than some GiB/s.
const PACE_BYTES_PER_MS: u64 = 1 << 20;
/// Bounds of the time between looks.
const LOOK_MIN: Duration = Duration::from_millis(5);
const LOOK_MAX: Duration = Duration::from_millis(250);
/// Least distance to the next call: a function at its limit must not cost us all our time.
const STEP_BYTES_MIN: u64 = 1 << 20;

/// Watches one sandbox's memory.
pub(crate) struct MemoryWatch {
    limit_bytes: u64,
    call: Call,
    /// When it looks next. Kept from run to run: a timer set anew for each call costs a wake-up of the thread that
    /// waits for timers.
    look: Option<Pin<Box<Sleep>>>,
    /// Most that the function itself has held, as far as it was seen.
    peak_bytes: u64,
    /// What `/tmp` held at the last settling.
    tmp_before: u64,
    /// The kernel's peak as it was seen after the run that is being settled.
    seen_peak: Option<u64>,
}

/// The kernel's call.
enum Call {
    None,
    /// Being asked for.
    Asked(JoinHandle<io::Result<OwnedFd>>),
    /// Agreed.
    Armed(AsyncFd<OwnedFd>),
    /// Not to be had here.
    Refused,
}

impl MemoryWatch {
    /// A watch over `limit_bytes`.
    pub(crate) fn new(limit_bytes: u64) -> Self {
        Self { limit_bytes, call: Call::None, look: None, peak_bytes: 0, tmp_before: 0, seen_peak: None }
    }

    /// The kernel's peak, to be looked at once after each run.
    pub(crate) fn see_peak(&mut self, meter: &Meter) -> u64 {
        *self.seen_peak.insert(meter.peak_bytes())
    }

    /// Most that the function has held in its life, at most its limit. To be asked after each run: the kernel's
    /// peak holds `/tmp` too, so what `/tmp` held before or holds now is taken off, and it is set back wherever what it
    /// says would mislead later.
    pub(crate) fn settle_peak(&mut self, meter: &Meter, tmp: Option<&OwnedFd>) -> u64 {
        let tmp_now = tmp_bytes(tmp);
        let peak = self.seen_peak.take().unwrap_or_else(|| meter.peak_bytes());
        let mut own = peak.saturating_sub(tmp_now.max(self.tmp_before));
        let misleads = tmp_now > 0 || self.tmp_before > 0 || own > self.limit_bytes / 2;
        if own > self.limit_bytes / 2 {
            // Cached pages of files may be the reason; the closer look costs more than the rest.
            own = own.saturating_sub(meter.memory().unwrap_or_default().files);
        }
        if misleads {
            meter.reset_peak();
        }
        self.tmp_before = tmp_now;
        self.peak_bytes = self.peak_bytes.max(own.min(self.limit_bytes));
        self.peak_bytes
    }

    /// The function was stopped at its limit.
    pub(crate) fn was_exceeded(&mut self) {
        self.peak_bytes = self.limit_bytes;
    }

    /// True when what is held without any process leaves a new one too little.
    pub(crate) fn is_spoiled(&self, meter: &Meter, tmp: Option<&OwnedFd>) -> bool {
        self.room(meter, tmp).is_some_and(|room| room < self.limit_bytes / 2)
    }

    /// True when the function holds more than its memory at this moment.
    pub(crate) fn is_exceeded(&self, meter: &Meter, tmp: Option<&OwnedFd>) -> bool {
        self.room(meter, tmp) == Some(0)
    }

    /// Resolves when the function holds more than its memory; never where nothing can be measured.
    ///
    /// # Cancel safety
    /// Complete.
    pub(crate) async fn exceeded(&mut self, meter: &Meter, tmp: Option<&OwnedFd>) {
        loop {
            let Some(room) = self.room(meter, tmp) else { return std::future::pending().await };
            if room == 0 {
                return;
            }
            if room < self.limit_bytes / 2 && matches!(self.call, Call::None) {
                let at = meter.usage_bytes().unwrap_or(0) + room.max(STEP_BYTES_MIN);
                self.call = ask(meter, at);
            }
            let pause = Duration::from_millis(room / PACE_BYTES_PER_MS).clamp(LOOK_MIN, LOOK_MAX);
            let look = look_within(&mut self.look, pause);
            tokio::select! {
                () = look => {}
                () = self.call.came() => {}
            }
        }
    }

    /// What the function may still take; `None` where nothing can be measured.
    fn room(&self, meter: &Meter, tmp: Option<&OwnedFd>) -> Option<u64> {
        // The cheap figure first: it is an upper bound of what the function holds.
        let all = meter.usage_bytes()?;
        if all <= self.limit_bytes {
            return Some((self.limit_bytes - all).max(1));
        }
        let held = meter.memory()?;
        let own = held.all.saturating_sub(held.files).saturating_sub(tmp_bytes(tmp));
        Some(self.limit_bytes.saturating_sub(own))
    }
}

impl Call {
    /// Resolves when the kernel calls. It calls once for each asking.
    async fn came(&mut self) {
        loop {
            match self {
                Self::None | Self::Refused => return std::future::pending().await,
                Self::Asked(asked) => {
                    let made = asked.await.map_err(io::Error::other).and_then(|made| made);
                    *self = match made.and_then(|event| watch(event, Interest::READABLE)) {
                        Ok(event) => Self::Armed(event),
                        Err(_) => Self::Refused,
                    };
                }
                Self::Armed(event) => {
                    let _ = event.async_io(Interest::READABLE, |event| Ok(rustix::io::read(event, &mut [0; 8])?)).await;
                    *self = Self::None;
                    return;
                }
            }
        }
    }
}

/// The timer of the next look, `pause` from now at the latest; one that is still to come is left as it is.
fn look_within(look: &mut Option<Pin<Box<Sleep>>>, pause: Duration) -> Pin<&mut Sleep> {
    let at = Instant::now() + pause;
    let mut look = look.get_or_insert_with(|| Box::pin(sleep_until(at))).as_mut();
    if look.is_elapsed() || look.deadline() > at {
        look.as_mut().reset(at);
    }
    look
}

/// Asks the kernel to call when the group's use crosses `bytes`. Only v1 can.
fn ask(meter: &Meter, bytes: u64) -> Call {
    let Some((directory, usage)) = meter.threshold_parts() else { return Call::Refused };
    let (directory, Ok(usage)) = (directory.clone(), usage.try_clone()) else { return Call::Refused };
    Call::Asked(tokio::task::spawn_blocking(move || register(&directory, &usage, bytes)))
}

/// v1's thresholds. Source: the kernel's `cgroup-v1/memory.rst`, section 9.
fn register(directory: &Path, usage: &File, bytes: u64) -> io::Result<OwnedFd> {
    use rustix::event::{EventfdFlags, eventfd};
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let line = format!("{} {} {bytes}", event.as_raw_fd(), usage.as_raw_fd());
    OpenOptions::new().write(true).open(directory.join("cgroup.event_control"))?.write_all(line.as_bytes())?;
    Ok(event)
}

/// What `/tmp` holds.
pub(crate) fn tmp_bytes(tmp: Option<&OwnedFd>) -> u64 {
    let Some(Ok(about)) = tmp.map(|tmp| rustix::fs::fstatfs(tmp.as_fd())) else { return 0 };
    let block = u64::try_from(about.f_bsize).unwrap_or(0);
    about.f_blocks.saturating_sub(about.f_bfree).saturating_mul(block)
}
