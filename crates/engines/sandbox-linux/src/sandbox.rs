//! One sandbox, as the rooms hold it.
//!
//! ```text
//! start ─ exec ─► runtime alive ─ asks for work ─► Ready ◄────────────────────────────┐
//!                      │ error, exit, too late, out of memory                        │ answered
//!                      ▼                                                              │
//!                   reset: all processes killed, /tmp kept ─► Absent ─ run ─ INIT again, inside the run
//! ```
//!
//! `run` looks at four things at once: the door's answer, init's words, the memory, the clock. Where there are
//! extensions it ends with the answer, and `finish` sees them to theirs (extensions.rs).

use crate::attention::{Event, Watched};
use crate::client::Cell;
use crate::control::Control;
use crate::dialer::Dialer;
use crate::endings::{self, ExitStatus};
use crate::extensions::Running;
use crate::freezer::Freezer;
use crate::launching::{Launch, Streams};
use crate::logs::Logs;
use crate::memory::MemoryWatch;
use crate::meter::Meter;
use crate::net::EgressHandle;
use crate::protocol::{Order, Who, Word};
use crate::teller::{self, RuntimeDone, Teller};
use crate::templates::Template;
use async_trait::async_trait;
use lacewing_model::RequestId;
use lacewing_runtime_api::{Door, Extensions, GuestAnswer, GuestReady, ShutdownReason};
use lacewing_sandbox::{
    Ending, FunctionError, InitEnding, InitReport, LogSource, Outcome, Sandbox, SandboxError, Work,
};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long init may take to kill and reap all processes.
const RESET_MAX: Duration = Duration::from_secs(5);
/// After the runtime has ended: how long its last bytes may take through the door.
pub(crate) const LAST_WORD_MAX: Duration = Duration::from_millis(20);

/// A sandbox of the Linux driver. The fields are dropped in this order: the way out and the logs first.
pub(crate) struct LinuxSandbox {
    pub(crate) control: Arc<Control>,
    pub(crate) door: Door,
    pub(crate) extensions: Extensions,
    /// Held for their drop.
    pub(crate) _egress: Option<EgressHandle>,
    pub(crate) logs: Logs,
    pub(crate) meter: Meter,
    pub(crate) memory: MemoryWatch,
    pub(crate) memory_bytes: u64,
    pub(crate) tmp: Option<OwnedFd>,
    pub(crate) launch: Launch,
    /// True while a runtime process lives that has asked for work.
    pub(crate) alive: bool,
    /// True when init has said of that process that it ended.
    pub(crate) ended: bool,
    pub(crate) running: Running,
    /// What an invocation whose answer has been given has still to come to.
    pub(crate) pending: Option<Pending>,
    /// Its cgroup's name.
    pub(crate) cgroup: String,
    pub(crate) teller: Teller,
    /// The way to what listens inside.
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) oom_kills: u64,
    /// True once its processes, or what they left in memory, could not be ended: it must not be used any more.
    pub(crate) broken: bool,
    pub(crate) freezer: Freezer,
    /// Its drop is the end of the sandbox.
    pub(crate) cell: Cell,
    /// What it was copied from, which must not end before it.
    pub(crate) template: Option<Arc<Template>>,
}

/// What is left of an invocation whose answer has been given.
pub(crate) enum Pending {
    /// Runtime and extensions have yet to ask for their next event.
    Working {
        id: RequestId,
        handed: Instant,
        deadline: Instant,
        /// The invocation's timeout, for the words; an INIT inside it took this long.
        timeout: Duration,
        init: Duration,
        /// Processor time used before it.
        cpu: Duration,
        /// What telemetry is told once the runtime has asked.
        done: Option<Box<RuntimeDone>>,
    },
    /// The extensions have yet to be told that the environment ends.
    Ending(ShutdownReason),
}

/// One try at an invocation.
struct Attempt {
    ending: Ending,
    init: Option<InitReport>,
    duration: Duration,
    /// When the event was handed over.
    handed: Instant,
    out_of_memory: bool,
    /// True when the runtime ended without having seen the event.
    untouched: bool,
}

impl LinuxSandbox {
    /// Starts a runtime process and sees it through INIT until `deadline`. `id` is the invocation in which it
    /// happens, if it does in one.
    ///
    /// # Errors
    /// The sandbox broke.
    pub(crate) async fn init(&mut self, id: Option<RequestId>, deadline: Instant) -> Result<InitReport, SandboxError> {
        let began = Instant::now();
        if self.launch.possible {
            self.door.expect_runtime();
            self.teller.init_start(id, !self.launch.extensions.is_empty());
            if !self.launch.extensions.is_empty() {
                return self.init_beside_extensions(id, None, began, deadline).await;
            }
            let streams = self.launch.exec(&self.control).await.map_err(broke("start the runtime"))?;
            self.follow(streams).map_err(broke("hear the runtime"))?;
        }
        self.see_through_init(id, began, deadline).await
    }

    /// Lets its processes go on where they were stopped.
    ///
    /// # Errors
    /// They stand still.
    fn thaw(&mut self) -> io::Result<()> {
        self.freezer.thaw()?;
        self.teller.telemetry.set_frozen(false);
        Ok(())
    }

    /// Takes up what a runtime process that has just begun was given the other ends of.
    ///
    /// # Errors
    /// They cannot be watched.
    pub(crate) fn follow(&mut self, streams: Streams) -> io::Result<()> {
        self.running.begun(Who::RUNTIME);
        if let Some(door) = streams.door {
            self.door.serve_unix(door);
        }
        self.logs.follow(streams.pipes, LogSource::Function)
    }

    /// Waits for the end of an INIT that began with the process, at `began`.
    ///
    /// # Errors
    /// The sandbox broke.
    pub(crate) async fn see_through_init(
        &mut self,
        id: Option<RequestId>,
        began: Instant,
        deadline: Instant,
    ) -> Result<InitReport, SandboxError> {
        if !self.launch.possible {
            let nothing = if self.launch.argv.is_empty() { endings::no_entry_point } else { endings::no_bootstrap };
            return Ok(failed(began, nothing(id)));
        }
        let teller = self.teller.clone();
        let (door, watched) = self.split();
        let extensions = watched.extensions.clone();
        let mut runtime_done = false;
        let guest = async {
            let said = door.ready().await;
            if said == GuestReady::Asked {
                runtime_done = true;
                teller.init_runtime_done(id, None);
                extensions.ready().await;
            }
            said
        };
        let event = watched.until(guest, id, deadline, true).await?;
        let duration = began.elapsed();
        let ending = match event {
            Event::Guest(GuestReady::Asked) => InitEnding::Ready,
            Event::Guest(GuestReady::InitError(error)) => InitEnding::Failed(endings::reported(error)),
            Event::Gone(error) => InitEnding::Failed(error),
            Event::OutOfMemory => InitEnding::Failed(endings::out_of_memory(id)),
            Event::Late => InitEnding::TimedOut,
        };
        if !runtime_done {
            self.teller.init_runtime_done(id, teller::failure(&ending));
        }
        let report = InitReport { duration, ending };
        self.list_extensions();
        self.teller.init_report(id, &report);
        self.teller.telemetry.close();
        match report.ending {
            InitEnding::Ready => self.alive = true,
            InitEnding::TimedOut => self.end_all(ShutdownReason::Timeout).await,
            InitEnding::Failed(_) => self.end_all(ShutdownReason::Failure).await,
        }
        Ok(report)
    }

    /// Waits for what `guest` waits for while nothing else happens, in INIT.
    ///
    /// # Errors
    /// The sandbox broke.
    pub(crate) async fn watch<T>(
        &mut self,
        guest: impl Future<Output = T>,
        id: Option<RequestId>,
        deadline: Instant,
    ) -> Result<Event<T>, SandboxError> {
        self.split().1.until(guest, id, deadline, true).await
    }

    /// The door, and all that is watched beside it.
    fn split(&mut self) -> (&mut Door, Watched<'_>) {
        let Self { door, control, memory, meter, tmp, launch, extensions, running, oom_kills, .. } = self;
        let watched = Watched { control, memory, meter, tmp, launch, extensions, running, oom_kills: *oom_kills };
        (door, watched)
    }

    /// Tells the extensions that their environment ends, then ends every process.
    pub(crate) async fn end_all(&mut self, reason: ShutdownReason) {
        self.shut_down(reason).await;
        self.reset().await;
    }

    /// The first sign of life of our own bootstrap, since `began`.
    pub(crate) fn boot_time(&self, began: Instant) -> Option<Duration> {
        self.door.first_sign().map(|sign| sign.saturating_duration_since(began))
    }

    /// Ends every process of the function; the sandbox and its `/tmp` stay. Failing that, it is broken.
    pub(crate) async fn reset(&mut self) {
        (self.alive, self.ended, self.running) = (false, false, Running::default());
        let ended = tokio::time::timeout(RESET_MAX, self.end_processes()).await;
        self.broken |= !matches!(ended, Ok(Ok(()))) || self.memory.is_spoiled(&self.meter, self.tmp.as_ref());
        self.logs.drain();
        self.logs.let_go();
        self.teller.telemetry.end();
        self.oom_kills = self.meter.oom_kills();
    }

    async fn end_processes(&mut self) -> io::Result<()> {
        self.control.order(&Order::Reset, &[]).await?;
        loop {
            match self.control.word().await? {
                Some((Word::IsReset, _)) => return Ok(()),
                Some((Word::Sealed, fds)) => self.tmp = fds.into_iter().next(),
                Some(_) => {}
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Hands the event to the runtime, after an INIT where there is none, and sees it to its end.
    async fn attempt(&mut self, work: &Work, deadline: Instant) -> Result<Attempt, SandboxError> {
        let id = Some(work.request_id);
        let mut init = None;
        if !self.alive {
            let report = self.init(id, deadline).await?;
            let failed = match &report.ending {
                InitEnding::Ready => None,
                InitEnding::Failed(error) => Some(error.clone()),
                InitEnding::TimedOut => Some(endings::timed_out(id, work.timeout)),
            };
            init = Some(report);
            if let Some(error) = failed {
                let ending = Ending::Failed(error);
                let (duration, handed) = (Duration::ZERO, Instant::now());
                return Ok(Attempt { ending, init, duration, handed, out_of_memory: false, untouched: false });
            }
        }
        self.teller.start(work);
        let handed = Instant::now();
        let (door, watched) = self.split();
        let guest = async { door.invoke(work).await };
        let hears = watched.extensions.any();
        let mut event = watched.until(guest, id, deadline, hears).await?;
        let duration = handed.elapsed();
        let broke_off = matches!(event, Event::Guest(GuestAnswer::Truncated(_)));
        if broke_off {
            event = self.why_truncated(id).await.map_or(event, Event::Gone);
        }
        // One that took too much and answered before anybody looked. The peak is the cheaper figure.
        if (broke_off || matches!(event, Event::Guest(_)))
            && self.memory.see_peak(&self.meter) > self.memory_bytes
            && self.memory.is_exceeded(&self.meter, self.tmp.as_ref())
        {
            event = Event::OutOfMemory;
        }
        let out_of_memory = matches!(event, Event::OutOfMemory);
        let untouched = matches!(event, Event::Gone(_)) && init.is_none() && self.door.take_back();
        let late = matches!(event, Event::Late);
        let (ending, goes_on) = match event {
            Event::Guest(GuestAnswer::Response(bytes)) => (Ending::Answer(bytes), true),
            Event::Guest(GuestAnswer::TooLarge { bytes_max }) => (Ending::Failed(endings::too_large(bytes_max)), true),
            Event::Guest(GuestAnswer::Error(error)) => (Ending::Failed(endings::reported(error)), true),
            Event::Guest(GuestAnswer::Truncated(error)) => (Ending::Failed(endings::reported(error)), false),
            Event::Gone(error) => (Ending::Failed(error), false),
            Event::OutOfMemory => (Ending::Failed(endings::out_of_memory(id)), false),
            Event::Late => (Ending::Failed(endings::timed_out(id, work.timeout)), false),
        };
        if !goes_on && self.extensions.any_external() && !untouched {
            self.pending = Some(Pending::Ending(if late { ShutdownReason::Timeout } else { ShutdownReason::Failure }));
        } else if !goes_on {
            self.reset().await;
        }
        Ok(Attempt { ending, init, duration, handed, out_of_memory, untouched })
    }

    /// A stream broke off: mostly because its process ended, which init is about to say.
    async fn why_truncated(&mut self, id: Option<RequestId>) -> Option<FunctionError> {
        match tokio::time::timeout(LAST_WORD_MAX, self.control.word()).await {
            Ok(Ok(Some((Word::Ended { who: Who::RUNTIME, status }, _)))) => {
                Some(endings::exited(id, ExitStatus(status)))
            }
            _ => None,
        }
    }

    /// Sees an invocation to its end after its answer was given. Returns how long it took in all, and what went wrong
    /// after the answer; nothing where the duration stood already.
    async fn come_to_an_end(
        &mut self,
        pending: Pending,
    ) -> Result<Option<(Option<FunctionError>, Duration)>, SandboxError> {
        let (id, handed, deadline, timeout, init, done) = match pending {
            Pending::Ending(reason) => {
                self.end_all(reason).await;
                return Ok(None);
            }
            Pending::Working { id, handed, deadline, timeout, init, done, .. } => {
                (id, handed, deadline, timeout, init, done)
            }
        };
        let teller = self.teller.clone();
        let (door, watched) = self.split();
        let extensions = watched.extensions.clone();
        let guest = async {
            door.asked_again().await;
            if let Some(done) = done {
                teller.runtime_done(&done);
            }
            extensions.ready().await;
        };
        let event = watched.until(guest, Some(id), deadline, true).await?;
        let mut duration = handed.elapsed();
        let error = match event {
            Event::Guest(()) => return Ok(Some((None, duration))),
            Event::Gone(error) => error,
            Event::OutOfMemory => {
                self.memory.was_exceeded();
                endings::out_of_memory(Some(id))
            }
            Event::Late => {
                duration = timeout.saturating_sub(init);
                endings::timed_out(Some(id), timeout)
            }
        };
        self.end_all(if error.timed_out { ShutdownReason::Timeout } else { ShutdownReason::Failure }).await;
        Ok(Some((Some(error), duration)))
    }

    /// Brings in what was written and used so far.
    fn close(&mut self, outcome: &mut Outcome, cpu_before: Duration) {
        self.logs.drain();
        self.logs.finish_lines();
        outcome.memory_peak_bytes =
            outcome.memory_peak_bytes.max(self.memory.settle_peak(&self.meter, self.tmp.as_ref()));
        outcome.cpu = self.meter.cpu().saturating_sub(cpu_before);
        if !outcome.unfinished {
            self.logs.tag(None);
        }
    }

    /// True when the runtime that had asked for work, or an extension beside it, has ended since.
    fn has_ended_meanwhile(&mut self) -> Result<bool, SandboxError> {
        let mut ended = false;
        while let Some((word, fds)) = self.control.word_now().map_err(broke("hear init"))? {
            match word {
                Word::Ended { who, .. } => {
                    self.running.ended(who);
                    ended = true;
                }
                // It can come late on a busy machine, when the runtime has asked for work already.
                Word::Sealed => self.tmp = fds.into_iter().next(),
                _ => {}
            }
        }
        Ok(ended)
    }
}

#[async_trait]
impl Sandbox for LinuxSandbox {
    async fn run(&mut self, work: Work, deadline: Instant) -> Result<Outcome, SandboxError> {
        self.thaw().map_err(broke("let its processes go on"))?;
        if let Some(pending) = self.pending.take() {
            // Its caller went away before the end.
            self.come_to_an_end(pending).await?;
        }
        let cpu = self.meter.cpu();
        self.logs.tag(Some(work.request_id));
        if self.alive && (self.has_ended_meanwhile()? || self.ended) {
            self.end_all(ShutdownReason::Failure).await;
        }
        if self.broken {
            return Err(SandboxError("its processes do not die".to_owned()));
        }
        let mut attempt = self.attempt(&work, deadline).await?;
        if attempt.untouched {
            // The process ended for something that came before this call: another one gets the event.
            attempt = self.attempt(&work, deadline).await?;
        }
        let Attempt { ending, init, mut duration, handed, out_of_memory, .. } = attempt;
        let before = init.as_ref().map_or(Duration::ZERO, |init| init.duration);
        if matches!(&ending, Ending::Failed(error) if error.timed_out) {
            // What is told and billed is the limit, not how long the stopping took.
            duration = work.timeout.saturating_sub(before);
        }
        if out_of_memory {
            self.memory.was_exceeded();
        }
        let mut done = self.teller.note(&work, &ending, (handed, self.door.answer_begun()), duration);
        if let Some(done) = done.take_if(|_| !self.alive || self.pending.is_some() || self.door.asks()) {
            self.logs.drain();
            self.teller.runtime_done(&done);
        }
        let goes_on = self.alive && self.pending.is_none() && self.extensions.any();
        if goes_on && !(self.door.asks() && self.extensions.are_ready()) {
            let (id, timeout) = (work.request_id, work.timeout);
            self.pending = Some(Pending::Working { id, handed, deadline, timeout, init: before, cpu, done });
        }
        let mut outcome = Outcome {
            ending,
            duration,
            init,
            memory_peak_bytes: 0,
            cpu: Duration::ZERO,
            after_runtime: Duration::ZERO,
            share: None,
            usable: !self.broken,
            unfinished: self.pending.is_some(),
        };
        self.close(&mut outcome, cpu);
        Ok(outcome)
    }

    async fn finish(&mut self, outcome: &mut Outcome) -> Result<(), SandboxError> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let (runtime_done, runtime_cpu) = (outcome.duration, outcome.cpu);
        let cpu = if let Pending::Working { cpu, .. } = &pending { Some(*cpu) } else { None };
        if let Some((ending, duration)) = self.come_to_an_end(pending).await? {
            outcome.duration = duration;
            outcome.after_runtime = duration.saturating_sub(runtime_done);
            if let Some(failed) = ending {
                outcome.ending = Ending::Failed(failed);
            }
        }
        (outcome.usable, outcome.unfinished) = (!self.broken, false);
        self.close(outcome, cpu.unwrap_or_default());
        if cpu.is_none() {
            // What the stopping took is nobody's.
            outcome.cpu = runtime_cpu;
        }
        Ok(())
    }

    fn report(&self, id: RequestId, after_runtime: Duration, record: &dyn Fn() -> serde_json::Value) {
        self.teller.report(id, after_runtime, record);
    }

    fn winds_down(&self) -> bool {
        self.owes_a_word()
    }

    async fn wind_down(&mut self) {
        if self.thaw().is_ok() && matches!(self.has_ended_meanwhile(), Ok(false)) {
            self.shut_down(ShutdownReason::Spindown).await;
        }
    }

    fn is_alive(&mut self) -> bool {
        match self.has_ended_meanwhile() {
            Ok(ended) => {
                self.ended |= ended;
                !self.broken
            }
            Err(_) => false,
        }
    }

    fn freeze(&mut self) {
        self.freezer.freeze();
        self.teller.telemetry.set_frozen(self.freezer.is_frozen());
    }
}

fn failed(began: Instant, error: FunctionError) -> InitReport {
    InitReport { duration: began.elapsed(), ending: InitEnding::Failed(error) }
}

pub(crate) fn broke(step: &'static str) -> impl Fn(io::Error) -> SandboxError {
    move |error| SandboxError(format!("cannot {step}: {error}"))
}

/// Sealing stopped at a step.
pub(crate) fn seal_failed(step: u8, errno: i32) -> SandboxError {
    let name = crate::init::STEPS.get(usize::from(step)).copied().unwrap_or("an unknown step");
    SandboxError(format!("init cannot {name}: {}", io::Error::from_raw_os_error(errno)))
}
