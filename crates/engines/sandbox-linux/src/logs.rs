//! A sandbox's lines on their way to the sink.
//!
//! ```text
//! stdout, stderr ─► lines (bounded) ─┐
//! log frames     ─► frames (bounded) ┴► budget ─► LogSink      over budget: counted, and told once it is over
//! ```
//!
//! A task reads while the function runs; a run that has its answer reads what is left itself, so that the lines
//! written before the answer are in the tail. Whatever the function writes, the server holds at most one line per
//! pipe, and spends a bounded time on it.

mod budget;
mod frames;
mod lines;

use crate::teller::Teller;
use crate::watched::watch;
use budget::Budget;
use frames::Frames;
use lacewing_model::{Clock, LogLevel, RequestId, SystemClock, Timestamp};
use lacewing_sandbox::{LogLine, LogSink, LogSource};
use lines::Lines;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;

/// Bytes per read.
const READ_BYTES: usize = 64 * 1024;
/// Most that a run reads of one pipe after its answer: what a full pipe holds, and some.
const DRAIN_BYTES_MAX: usize = 1024 * 1024;
/// Rest after a read by a function that is over its budget: it may write some 30 MB a second for nothing.
const OVER_BUDGET_REST: Duration = Duration::from_millis(2);

/// What one process writes to. The server's ends.
pub(crate) struct Pipes {
    pub(crate) out: OwnedFd,
    pub(crate) err: OwnedFd,
    /// Log frames; only our own bootstraps have them.
    pub(crate) frames: Option<OwnedFd>,
}

/// The lines of one sandbox. Dropping it ends its tasks.
pub(crate) struct Logs {
    tap: Tap,
    readers: Vec<JoinHandle<()>>,
}

/// The same lines, for whoever reads them beside the owner. Holds the pipes that there were when it was made.
#[derive(Clone)]
pub(crate) struct Tap {
    shared: Arc<Shared>,
    sources: Vec<Arc<Source>>,
}

struct Shared {
    sink: Arc<dyn LogSink>,
    line_bytes_max: usize,
    teller: Teller,
    state: Mutex<State>,
}

struct State {
    request: Option<RequestId>,
    budget: Budget,
}

struct Source {
    pipe: AsyncFd<OwnedFd>,
    parser: Mutex<Parser>,
    /// Who writes.
    writer: LogSource,
}

enum Parser {
    Lines(Lines),
    Frames(Frames),
}

impl Logs {
    /// Lines go to `sink`, and to whoever subscribed to them.
    pub(crate) fn new(sink: Arc<dyn LogSink>, line_bytes_max: usize, teller: Teller) -> Self {
        let state = State { request: None, budget: Budget::new(Instant::now()) };
        let shared = Shared { sink, line_bytes_max, teller, state: Mutex::new(state) };
        Self { tap: Tap { shared: Arc::new(shared), sources: Vec::new() }, readers: Vec::new() }
    }

    /// A new process writes to these: the runtime, or an extension.
    pub(crate) fn follow(&mut self, pipes: Pipes, writer: LogSource) -> io::Result<()> {
        let max = self.tap.shared.line_bytes_max;
        let lines = || Parser::Lines(Lines::new(max));
        let mut all = vec![(pipes.out, lines()), (pipes.err, lines())];
        all.extend(pipes.frames.map(|pipe| (pipe, Parser::Frames(Frames::new(max)))));
        for (pipe, parser) in all {
            let pipe = watch(pipe, Interest::READABLE)?;
            let source = Arc::new(Source { pipe, parser: Mutex::new(parser), writer });
            self.readers.push(tokio::spawn(read_on(Arc::clone(&self.tap.shared), Arc::clone(&source))));
            self.tap.sources.push(source);
        }
        Ok(())
    }

    /// A second reader of the same lines.
    pub(crate) fn tap(&self) -> Tap {
        self.tap.clone()
    }

    /// Passes on the last lines without an end, and forgets the pipes.
    pub(crate) fn let_go(&mut self) {
        for reader in self.readers.drain(..) {
            reader.abort();
        }
        self.finish_lines();
        self.tap.sources.clear();
        self.tap.shared.tell_dropped();
    }
}

impl Deref for Logs {
    type Target = Tap;

    fn deref(&self) -> &Tap {
        &self.tap
    }
}

impl Tap {
    /// From now on lines belong to this invocation, or to none.
    pub(crate) fn tag(&self, request: Option<RequestId>) {
        self.shared.state().request = request;
    }

    /// Reads what has been written so far.
    pub(crate) fn drain(&self) {
        for source in &self.sources {
            let mut left = DRAIN_BYTES_MAX;
            while left > 0 {
                match source.read(&self.shared) {
                    Ok(length) if length > 0 => left = left.saturating_sub(length),
                    _ => break,
                }
            }
        }
    }

    /// Passes on lines without an end: nothing of one invocation waits for the next.
    pub(crate) fn finish_lines(&self) {
        for source in &self.sources {
            let line = &mut |text, time, level| self.shared.pass(source.writer, text, time, level);
            source.parser().finish(line);
        }
    }

    /// A line of the platform's own.
    pub(crate) fn platform(&self, text: String) {
        self.shared.sink.write(LogLine {
            time: SystemClock.now(),
            source: LogSource::Platform,
            request_id: None,
            level: None,
            text,
        });
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, source: LogSource, text: String, time: Option<Timestamp>, level: Option<LogLevel>) {
        let mut state = self.state();
        if !state.budget.take(text.len(), Instant::now()) {
            return;
        }
        let request_id = state.request;
        drop(state);
        let time = time.unwrap_or_else(|| SystemClock.now());
        self.teller.line(source, time, &text);
        self.sink.write(LogLine { time, source, request_id, level, text });
    }

    fn tell_dropped(&self) {
        let mut state = self.state();
        let dropped = state.budget.take_dropped();
        let request_id = state.request;
        drop(state);
        if let Some((records, bytes)) = dropped {
            self.teller.logs_dropped(records, bytes);
            let text = format!(
                "LOGS_DROPPED Records: {records}\tBytes: {bytes}\tReason: more output than this sandbox's budget"
            );
            self.sink.write(LogLine {
                time: SystemClock.now(),
                source: LogSource::Platform,
                request_id,
                level: None,
                text,
            });
        }
    }
}

impl Source {
    fn parser(&self) -> MutexGuard<'_, Parser> {
        self.parser.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One read and what it holds; 0 at the end. The lock is taken first: lines keep their order whoever reads.
    fn read(&self, shared: &Shared) -> io::Result<usize> {
        let mut parser = self.parser();
        // Not filled with zeros first: most reads find nothing, on the path of every call.
        let mut buffer = [MaybeUninit::<u8>::uninit(); READ_BYTES];
        let (read, _) = rustix::io::read(self.pipe.get_ref().as_fd(), &mut buffer)?;
        parser.feed(read, &mut |text, time, level| shared.pass(self.writer, text, time, level));
        Ok(read.len())
    }
}

impl Parser {
    fn feed(&mut self, bytes: &[u8], take: &mut dyn FnMut(String, Option<Timestamp>, Option<LogLevel>)) {
        match self {
            Self::Lines(lines) => lines.feed(bytes, &mut |text| take(text, None, None)),
            Self::Frames(frames) => frames.feed(bytes, take),
        }
    }

    fn finish(&mut self, take: &mut dyn FnMut(String, Option<Timestamp>, Option<LogLevel>)) {
        if let Self::Lines(lines) = self {
            lines.finish(&mut |text| take(text, None, None));
        }
    }
}

async fn read_on(shared: Arc<Shared>, source: Arc<Source>) {
    loop {
        match source.pipe.async_io(Interest::READABLE, |_| source.read(&shared)).await {
            Ok(length) if length > 0 => {}
            _ => return,
        }
        let over = shared.state().budget.is_over();
        if over {
            // The pipe fills meanwhile and the function waits: both sides' cost is bounded.
            tokio::time::sleep(OVER_BUDGET_REST).await;
        } else {
            shared.tell_dropped();
            tokio::task::yield_now().await;
        }
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({})", self.pipe.as_raw_fd())
    }
}
