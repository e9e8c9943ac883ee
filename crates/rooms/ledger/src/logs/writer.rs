//! The thread that brings lines to disk, and the memory they may take until then.
//!
//! ```text
//! idle ─ a batch's first line ─► gathering ─ a second passed, or much gathered, or stop ─► writing ─► idle
//! ```

use super::group::{Group, Pushed, lock};
use super::retention;
use crate::LedgerOptions;
use crate::metrics::Volumes;
use lacewing_model::Timestamp;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What the platform's own lines may take beyond the bound: START, END and REPORT outlast a flood.
const PLATFORM_ROOM_BYTES: usize = 4 << 20;

/// How often what is too old is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// A start is no time to look through all folders: the first sweep follows the first lines.
const FIRST_SWEEP_AFTER: Duration = Duration::from_secs(60);

/// The stack of the thread.
const STACK_BYTES: usize = 256 << 10;

/// Shared by all streams and the thread.
pub(crate) struct Writer {
    options: LedgerOptions,
    logs: PathBuf,
    volumes: Volumes,
    /// Signed: a batch may be written before the stream that began it has counted its line.
    buffered_bytes: AtomicI64,
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Default)]
struct Waiting {
    groups: Vec<Arc<Group>>,
    since: Option<Instant>,
    urgent: bool,
    stop: bool,
}

impl Writer {
    pub fn new(options: LedgerOptions, volumes: Volumes) -> Self {
        let logs = options.dir.join("logs");
        Self {
            options,
            logs,
            volumes,
            buffered_bytes: AtomicI64::new(0),
            waiting: Mutex::default(),
            wake: Condvar::new(),
        }
    }

    pub fn options(&self) -> &LedgerOptions {
        &self.options
    }

    /// The folder of all logs.
    pub fn dir(&self) -> &std::path::Path {
        &self.logs
    }

    pub fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    /// True when memory has room for as many bytes more.
    pub fn has_room(&self, bytes: usize, platform: bool) -> bool {
        let extra = if platform { PLATFORM_ROOM_BYTES } else { 0 };
        let held = usize::try_from(self.buffered_bytes.load(Ordering::Relaxed)).unwrap_or_default();
        held + bytes <= self.options.logs.buffer_bytes_max + extra
    }

    /// Hears of a line; wakes the thread for a batch's first one, and when a batch is large.
    pub fn pushed(&self, group: &Arc<Group>, pushed: Pushed) {
        self.buffered_bytes.fetch_add(pushed.bytes as i64, Ordering::Relaxed);
        self.volumes.logs.inc_by(pushed.bytes as u64);
        let large = pushed.batch_bytes >= self.options.logs.group_buffer_bytes;
        if !pushed.first && !large {
            return;
        }
        let mut waiting = lock(&self.waiting);
        let mut news = large && !waiting.urgent;
        if pushed.first {
            waiting.groups.push(Arc::clone(group));
            // It knows when to write already, if it was told of another batch before.
            news |= waiting.since.is_none();
            waiting.since.get_or_insert_with(Instant::now);
        }
        waiting.urgent |= large;
        // Woken under the lock it would only wait for it.
        drop(waiting);
        if news {
            self.wake.notify_one();
        }
    }

    /// Counts the bytes of lines that were dropped.
    pub fn dropped(&self, bytes: u64) {
        self.volumes.logs_dropped.inc_by(bytes);
    }

    /// Writes one group's lines now; returns the bytes that disk took.
    pub fn flush(&self, group: &Group) -> u64 {
        let (freed, written) = group.flush(&self.options.logs);
        self.buffered_bytes.fetch_sub(freed as i64, Ordering::Relaxed);
        written
    }

    /// Starts the thread.
    pub fn start(self: &Arc<Self>) -> std::io::Result<JoinHandle<()>> {
        let writer = Arc::clone(self);
        std::thread::Builder::new().name("lacewing-logs".into()).stack_size(STACK_BYTES).spawn(move || writer.run())
    }

    /// Lets the thread write what there is and end.
    pub fn stop(&self) {
        lock(&self.waiting).stop = true;
        self.wake.notify_one();
    }

    fn run(&self) {
        let mut sweep_at = Instant::now() + FIRST_SWEEP_AFTER;
        let mut written = 0;
        loop {
            let (groups, stop) = self.wait(sweep_at);
            for group in &groups {
                written += self.flush(group);
            }
            if stop {
                return;
            }
            if Instant::now() >= sweep_at || written > self.options.logs.total_bytes_max / 16 {
                if let Err(error) = retention::sweep(&self.logs, &self.options.logs, self.now()) {
                    tracing::warn!(%error, "old logs could not be removed; check the data dir's permissions");
                }
                sweep_at = Instant::now() + SWEEP_EVERY;
                written = 0;
            }
        }
    }

    /// Waits for groups to write, for the end, or for the time to sweep.
    fn wait(&self, sweep_at: Instant) -> (Vec<Arc<Group>>, bool) {
        let mut waiting = lock(&self.waiting);
        loop {
            let until = waiting.since.map_or(sweep_at, |since| since + self.options.logs.flush_every);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || waiting.urgent || waiting.stop {
                (waiting.since, waiting.urgent) = (None, false);
                return (std::mem::take(&mut waiting.groups), waiting.stop);
            }
            waiting = self.wake.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
