//! One sandbox's log stream.

use super::budget::Budget;
use super::group::{Group, Mark, lock};
use super::tail::Tail;
use super::writer::Writer;
use super::{level, notice};
use lacewing_model::{LogFormat, LogLevel, LoggingConfig, RequestId, Timestamp};
use lacewing_sandbox::{LogLine, LogSink, LogSource};
use std::sync::{Arc, Mutex};

/// What an event weighs beside its text.
const EVENT_OVERHEAD_BYTES: u64 = 32;

/// How often a stream that is over its budget says so, milliseconds.
const NOTICE_EVERY_MS: u64 = 1_000;

/// Where one sandbox's lines go. Costs nothing on disk until something is written.
pub struct LogStream {
    name: String,
    created: Timestamp,
    format: LogFormat,
    application_level: LogLevel,
    system_level: LogLevel,
    group: Arc<Group>,
    writer: Arc<Writer>,
    state: Mutex<State>,
}

struct State {
    mark: Mark,
    budget: Budget,
    under_way: Vec<UnderWay>,
    dropped: notice::Dropped,
    last_notice: Timestamp,
}

/// An invocation whose lines come.
struct UnderWay {
    request_id: RequestId,
    /// Where it asked for the end of its log.
    tail: Option<Tail>,
}

impl State {
    /// Every tail that is kept: where several invocations run at once, a line may be anyone's.
    fn tails(&mut self) -> impl Iterator<Item = &mut Tail> {
        self.under_way.iter_mut().filter_map(|one| one.tail.as_mut())
    }

    /// The invocation that a line belongs to, where one alone runs.
    fn only(&self) -> Option<RequestId> {
        match &self.under_way[..] {
            [only] => Some(only.request_id),
            _ => None,
        }
    }
}

impl LogStream {
    pub(crate) fn new(
        name: String,
        created: Timestamp,
        logging: &LoggingConfig,
        group: Arc<Group>,
        writer: Arc<Writer>,
    ) -> Self {
        let options = &writer.options().logs;
        let budget = Budget::new(options.stream_bytes_per_second, options.stream_burst_bytes, created);
        let state = State {
            mark: Mark::default(),
            budget,
            under_way: Vec::new(),
            dropped: notice::Dropped::default(),
            last_notice: Timestamp(0),
        };
        Self {
            name,
            created,
            format: logging.format,
            application_level: logging.application_level.unwrap_or(LogLevel::Info),
            system_level: logging.system_level.unwrap_or(LogLevel::Info),
            group,
            writer,
            state: Mutex::new(state),
        }
    }

    /// Its name: `YYYY/MM/DD/[VERSION]SANDBOX`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The moment its name is from: the one to make the sandbox's environment with.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Lines from here to its `end` are this invocation's, or of those that run beside it; their tail is kept if `tail`.
    pub fn begin(&self, request_id: RequestId, tail: bool) {
        let tail = tail.then(|| Tail::new(self.writer.options().limits.log_tail_bytes_max));
        lock(&self.state).under_way.push(UnderWay { request_id, tail });
    }

    /// Writes a line of the platform: START, END, REPORT, or a JSON event. Not counted against the budget.
    pub fn platform(&self, text: &str) {
        let now = self.writer.now();
        self.put_platform(&mut lock(&self.state), text, now);
    }

    /// Ends the invocation: the last 4,096 bytes since `begin`, where it asked for them.
    pub fn end(&self, request_id: RequestId) -> Option<Vec<u8>> {
        let mut state = lock(&self.state);
        self.say_dropped(&mut state, self.writer.now());
        let at = state.under_way.iter().position(|one| one.request_id == request_id)?;
        state.under_way.swap_remove(at).tail.map(Tail::finish)
    }

    fn put_platform(&self, state: &mut State, text: &str, now: Timestamp) {
        let text = text.trim_end_matches('\n');
        state.tails().for_each(|tail| tail.push(text));
        if !self.put(state, text, now, now, true) {
            state.dropped.add(text);
        }
    }

    /// Puts the text into the group, in pieces where it is too long; false when memory is full.
    fn put(&self, state: &mut State, text: &str, now: Timestamp, time: Timestamp, platform: bool) -> bool {
        if !self.writer.has_room(text.len(), platform) {
            return false;
        }
        for piece in pieces(text, self.writer.options().limits.log_line_bytes_max) {
            let pushed = self.group.push(&mut state.mark, (&self.name, self.created), now, time, piece);
            self.writer.pushed(&self.group, pushed);
        }
        true
    }

    fn say_dropped(&self, state: &mut State, now: Timestamp) {
        let Some(dropped) = state.dropped.take() else { return };
        state.last_notice = now;
        self.writer.dropped(dropped.bytes);
        if self.format == LogFormat::Text || self.system_level <= LogLevel::Warn {
            let notice = dropped.notice(self.format, state.only(), now);
            self.put_platform(state, &notice, now);
        }
    }
}

impl LogSink for LogStream {
    fn write(&self, line: LogLine) {
        let own = line.source == LogSource::Function;
        if own && self.format == LogFormat::Json && level::of(&line) < self.application_level {
            return;
        }
        let now = self.writer.now();
        let mut state = lock(&self.state);
        state.tails().for_each(|tail| tail.push(&line.text));
        let platform = line.source == LogSource::Platform;
        let cost = line.text.len() as u64 + EVENT_OVERHEAD_BYTES;
        if !platform && !state.budget.take(cost, now) {
            return state.dropped.add(&line.text);
        }
        if now.0 >= state.last_notice.0.saturating_add(NOTICE_EVERY_MS) {
            self.say_dropped(&mut state, now);
        }
        if !self.put(&mut state, &line.text, now, line.time, platform) {
            state.dropped.add(&line.text);
        }
    }
}

impl Drop for LogStream {
    fn drop(&mut self) {
        let now = self.writer.now();
        self.say_dropped(&mut lock(&self.state), now);
    }
}

/// The text in pieces of at most `bytes_max`, cut between characters.
fn pieces(text: &str, bytes_max: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        // A character has at most four bytes, so a piece never is empty and the loop ends.
        let (piece, after) = text.split_at(text.floor_char_boundary(bytes_max.max(4)));
        rest = (!after.is_empty()).then_some(after);
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_between_characters() {
        assert_eq!(pieces("", 10).collect::<Vec<_>>(), [""]);
        assert_eq!(pieces("abcdefg", 5).collect::<Vec<_>>(), ["abcde", "fg"]);
        assert_eq!(pieces("abcde", 5).collect::<Vec<_>>(), ["abcde"]);
        assert_eq!(pieces("ééé", 5).collect::<Vec<_>>(), ["éé", "é"]);
    }
}
