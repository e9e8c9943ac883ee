//! What each request used of what all of them share.
//!
//! Processor time and the sandbox itself are shared equally among the requests that run at a moment: a clock runs for
//! each, by the whole while one request runs and by a half while two do, and a request used what the clock went on
//! meanwhile. So the shares of all requests add up to what was used while any ran, and no more.

use crate::cgroup::Layout;
use crate::freezer::Freezer;
use crate::logs::Tap;
use crate::memory::MemoryWatch;
use crate::meter::Meter;
use crate::sandbox::LinuxSandbox;
use lacewing_model::RequestId;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The meters of one sandbox.
pub(super) struct Meters {
    state: Mutex<State>,
    /// How many requests run; the guardian looks at it too.
    calls: Arc<AtomicU32>,
    lines: Tap,
}

struct State {
    freezer: Freezer,
    meter: Meter,
    memory: MemoryWatch,
    tmp: Option<OwnedFd>,
    /// The requests that run.
    running: Vec<RequestId>,
    clocks: Clocks,
}

/// The shared clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Clocks {
    /// What the shares of one request would be that ran always.
    time: Duration,
    cpu: Duration,
    /// The real readings behind them.
    read_at: Option<Instant>,
    cpu_read: Duration,
}

impl Clocks {
    /// Lets them go on to a reading, `running` requests having shared what lies between.
    fn go_on(&mut self, running: u32, at: Instant, cpu: Duration) {
        if let Some(before) = self.read_at.filter(|_| running > 0) {
            self.time += at.saturating_duration_since(before) / running;
            self.cpu += cpu.saturating_sub(self.cpu_read) / running;
        }
        (self.read_at, self.cpu_read) = (Some(at), cpu);
    }
}

/// What a request used.
pub(super) struct Used {
    pub(super) time: Duration,
    pub(super) cpu: Duration,
    pub(super) memory_peak_bytes: u64,
}

impl Meters {
    /// Those of the group `name`.
    ///
    /// # Errors
    /// A descriptor cannot be copied.
    pub(super) fn new(sandbox: &LinuxSandbox, (layout, name): (&Layout, &str)) -> io::Result<Self> {
        let state = State {
            freezer: Freezer::of(layout, name),
            meter: Meter::open(layout, name),
            memory: MemoryWatch::new(sandbox.memory_bytes),
            tmp: sandbox.tmp.as_ref().map(OwnedFd::try_clone).transpose()?,
            running: Vec::new(),
            clocks: Clocks::default(),
        };
        Ok(Self { state: Mutex::new(state), calls: Arc::default(), lines: sandbox.logs.tap() })
    }

    /// The count of requests that run.
    pub(super) fn calls(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.calls)
    }

    /// A request begins: what stood still goes on.
    ///
    /// # Errors
    /// The kernel does not let it.
    pub(super) fn enter(&self, id: RequestId) -> io::Result<Visit<'_>> {
        let mut state = self.state();
        state.freezer.thaw()?;
        state.read();
        state.running.push(id);
        self.calls.store(state.running.len() as u32, Ordering::SeqCst);
        self.lines.tag(state.only());
        let clocks = state.clocks;
        Ok(Visit { meters: self, id, clocks, left: false })
    }

    /// Stops all processes where they stand, unless a request runs.
    pub(super) fn freeze(&self) {
        let mut state = self.state();
        if state.running.is_empty() {
            state.freezer.freeze();
        }
    }

    fn leave(&self, id: RequestId) {
        let mut state = self.state();
        self.lines.drain();
        if state.running.len() == 1 {
            self.lines.finish_lines();
        }
        state.read();
        state.running.retain(|running| *running != id);
        self.calls.store(state.running.len() as u32, Ordering::SeqCst);
        self.lines.tag(state.only());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn read(&mut self) {
        let cpu = self.meter.cpu();
        self.clocks.go_on(self.running.len() as u32, Instant::now(), cpu);
    }

    /// The request that a line belongs to: told only where one alone runs.
    fn only(&self) -> Option<RequestId> {
        match self.running[..] {
            [only] => Some(only),
            _ => None,
        }
    }
}

/// One request's stay. Dropping it ends it.
pub(super) struct Visit<'a> {
    meters: &'a Meters,
    id: RequestId,
    clocks: Clocks,
    left: bool,
}

impl Visit<'_> {
    /// A line of the platform's own.
    pub(super) fn say(&self, text: String) {
        self.meters.lines.platform(text);
    }

    /// The request ends: what it used.
    pub(super) fn leave(mut self, out_of_memory: bool) -> Used {
        self.left = true;
        self.meters.leave(self.id);
        let state = &mut *self.meters.state();
        if out_of_memory {
            state.memory.was_exceeded();
        }
        Used {
            time: state.clocks.time - self.clocks.time,
            cpu: state.clocks.cpu - self.clocks.cpu,
            memory_peak_bytes: state.memory.settle_peak(&state.meter, state.tmp.as_ref()),
        }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if !self.left {
            self.meters.leave(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_what_was_used_while_any_request_ran() {
        let (began, ms) = (Instant::now(), Duration::from_millis);
        let mut clocks = Clocks::default();
        let at = |clocks: &mut Clocks, running, after: u64, cpu: u64| {
            clocks.go_on(running, began + ms(after), ms(cpu));
            (clocks.time, clocks.cpu)
        };
        let first_came = at(&mut clocks, 0, 100, 10);
        let second_came = at(&mut clocks, 1, 140, 30);
        let first_went = at(&mut clocks, 2, 200, 70);
        let second_went = at(&mut clocks, 1, 210, 70);
        at(&mut clocks, 0, 900, 75);
        let shares =
            [(first_came, first_went), (second_came, second_went)].map(|(from, to)| (to.0 - from.0, to.1 - from.1));
        assert_eq!(shares, [(ms(70), ms(40)), (ms(40), ms(20))]);
        let all = shares.iter().fold((ms(0), ms(0)), |sum, share| (sum.0 + share.0, sum.1 + share.1));
        assert_eq!(all, (ms(110), ms(60)), "110 ms from the first's coming to the second's going");
    }
}
