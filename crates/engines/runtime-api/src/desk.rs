//! The desk: where the host's side of the door and the guest's connections meet.
//!
//! Owns the runtime's phase, who waits for an event, and the news for the host. Every method is a short
//! step under one lock; nothing waits while it is held.

use crate::answer::{GuestAnswer, GuestError};
use crate::event;
use crate::intake::truncated;
use crate::refusal::Refusal;
use crate::state::Phase;
use crate::wire::Wire;
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use lacewing_model::RequestId;
use lacewing_sandbox::{AnswerSink, Work};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{Notify, oneshot};

/// An event on its way to a TCP connection.
pub(crate) type EventResponse = Response<Full<Bytes>>;

#[derive(Default)]
pub(crate) struct Desk {
    inner: Mutex<Inner>,
    /// Rung once for each piece of news.
    pub(crate) news: Notify,
}

#[derive(Default)]
struct Inner {
    phase: Phase,
    /// Grows with each runtime process: what an earlier one left behind changes nothing.
    generation: u64,
    asker: Asker,
    /// The event that waits for a runtime that has not asked yet.
    event: Option<Work>,
    init_error: Option<GuestError>,
    /// Whether `restore/next` waits, and whether it does at this moment.
    holds_restore: bool,
    restore_asked: bool,
    answer: Option<GuestAnswer>,
    /// When the last answer began to arrive.
    answer_begun: Option<Instant>,
    /// Where the open invocation's answer goes if it is streamed.
    sink: Option<AnswerSink>,
}

/// Who waits for the next event.
#[derive(Default)]
enum Asker {
    #[default]
    Nobody,
    /// Our own bootstrap, on its Unix stream.
    Own,
    /// A TCP connection.
    Tcp(Tcp),
}

/// A TCP connection on which an event is waited for.
struct Tcp {
    waiting: oneshot::Sender<EventResponse>,
    wire: Wire,
}

impl Tcp {
    /// True when nobody waits there any more.
    fn is_gone(&self) -> bool {
        self.waiting.is_closed() || self.wire.is_closed()
    }
}

/// To whom an event went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Handed {
    /// The caller must write it to the Unix stream.
    ToOwn,
    /// It is on its way, or waits.
    Done,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No step can be left half done: a poisoned lock is as good as a whole one.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the former runtime process. Returns the new generation.
    pub(crate) fn reset(&self) -> u64 {
        let mut inner = self.lock();
        let generation = inner.generation + 1;
        *inner = Inner { generation, ..Inner::default() };
        generation
    }

    pub(crate) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// How INIT went, once it is known.
    pub(crate) fn init(&self) -> Option<Result<(), GuestError>> {
        let inner = self.lock();
        match (inner.phase, &inner.init_error) {
            (_, Some(error)) => Some(Err(error.clone())),
            (Phase::Starting, None) => None,
            _ => Some(Ok(())),
        }
    }

    /// Gives an event to whoever asked, or keeps it for who asks next.
    pub(crate) fn hand_over(&self, work: &Work) -> Handed {
        let mut inner = self.lock();
        inner.answer = None;
        inner.event = None;
        inner.sink.clone_from(&work.stream);
        match std::mem::take(&mut inner.asker) {
            Asker::Own => {
                inner.phase = inner.phase.hand_over(work.request_id);
                return Handed::ToOwn;
            }
            Asker::Tcp(tcp) => {
                if !tcp.is_gone() && tcp.waiting.send(event::as_response(work)).is_ok() {
                    inner.phase = inner.phase.hand_over(work.request_id);
                    return Handed::Done;
                }
                // Its connection closed between; it may ask again on another.
                inner.phase = inner.phase.withdraw();
            }
            Asker::Nobody => {}
        }
        inner.event = Some(work.clone());
        Handed::Done
    }

    /// Takes an event back that nobody has been given. False when a runtime has seen it, or there is none.
    pub(crate) fn take_back(&self) -> bool {
        self.lock().event.take().is_some()
    }

    /// What the invocation came to, once it is known.
    pub(crate) fn take_answer(&self) -> Option<GuestAnswer> {
        let mut inner = self.lock();
        match inner.answer.take() {
            Some(answer) => Some(answer),
            None => inner.init_error.take().map(GuestAnswer::Error),
        }
    }

    /// `/next` on our own stream: the event if one waits.
    pub(crate) fn ask_own(&self) -> Result<Option<Work>, Refusal> {
        let mut inner = self.lock();
        inner.phase = inner.phase.ask()?;
        let work = inner.event.take();
        match &work {
            Some(work) => inner.phase = inner.phase.hand_over(work.request_id),
            None => inner.asker = Asker::Own,
        }
        drop(inner);
        self.news.notify_one();
        Ok(work)
    }

    /// Whether our own bootstrap waits for the next event.
    pub(crate) fn own_asks(&self) -> bool {
        matches!(self.lock().asker, Asker::Own)
    }

    /// Whether the runtime waits for the next event, on whichever connection.
    pub(crate) fn asks(&self) -> bool {
        matches!(self.lock().phase, Phase::Asked { .. })
    }

    /// When the last answer began to arrive.
    pub(crate) fn answer_begun(&self) -> Option<Instant> {
        self.lock().answer_begun
    }

    /// Our own stream has ended: it asks no more. `unsent`: the event that it was handed and that did not reach it.
    pub(crate) fn own_left(&self, unsent: Option<&Work>) {
        let mut inner = self.lock();
        if let Some(work) = unsent.filter(|work| inner.phase == Phase::Busy(work.request_id)) {
            inner.phase = inner.phase.give_back(work.request_id);
            inner.event = Some(work.clone());
        }
        if matches!(inner.asker, Asker::Own) {
            inner.asker = Asker::Nobody;
            inner.phase = inner.phase.withdraw();
        }
    }

    /// `/next` on a TCP connection. Dropping the receiver before the event came withdraws the request.
    pub(crate) fn ask_tcp(&self, wire: Wire) -> Result<oneshot::Receiver<EventResponse>, Refusal> {
        let (waiting, event) = oneshot::channel();
        let mut inner = self.lock();
        if matches!(&inner.asker, Asker::Tcp(earlier) if earlier.is_gone()) {
            inner.asker = Asker::Nobody;
            inner.phase = inner.phase.withdraw();
        }
        inner.phase = inner.phase.ask()?;
        match inner.event.take() {
            Some(work) => {
                inner.phase = inner.phase.hand_over(work.request_id);
                // The receiver is alive: it is returned below.
                let _ = waiting.send(event::as_response(&work));
            }
            None => inner.asker = Asker::Tcp(Tcp { waiting, wire }),
        }
        drop(inner);
        self.news.notify_one();
        Ok(event)
    }

    /// An answer begins to arrive. The ticket undoes that unless the answer is settled.
    pub(crate) fn begin_answer(&self, id: Option<RequestId>, to: &str) -> Result<AnswerTicket<'_>, Refusal> {
        let mut inner = self.lock();
        inner.phase = inner.phase.begin_answer(id, to)?;
        inner.answer_begun = Some(Instant::now());
        Ok(AnswerTicket { desk: self, generation: inner.generation, streams: false })
    }

    /// Takes up a ticket that was put away with [`AnswerTicket::put_away`].
    pub(crate) fn take_up(&self, generation: u64) -> AnswerTicket<'_> {
        AnswerTicket { desk: self, generation, streams: true }
    }

    pub(crate) fn fail_init(&self, error: impl FnOnce() -> GuestError) -> Result<(), Refusal> {
        let mut inner = self.lock();
        inner.phase = inner.phase.fail_init()?;
        inner.init_error = Some(error());
        drop(inner);
        self.news.notify_one();
        Ok(())
    }

    /// Whether `/init/error` would be taken now: asked before its body is read.
    pub(crate) fn may_fail_init(&self) -> Result<(), Refusal> {
        self.lock().phase.fail_init().map(|_| ())
    }

    pub(crate) fn restore(&self) -> Result<(), Refusal> {
        self.lock().phase.restore()
    }

    /// `/restore/next` on our own stream. True when it may go on at once.
    pub(crate) fn restore_own(&self) -> Result<bool, Refusal> {
        let mut inner = self.lock();
        inner.phase.restore()?;
        inner.restore_asked = inner.holds_restore;
        let at_once = !inner.holds_restore;
        drop(inner);
        self.news.notify_one();
        Ok(at_once)
    }

    /// From now on, until the next process, `restore/next` on our own stream waits.
    pub(crate) fn hold_restore(&self) {
        self.lock().holds_restore = true;
    }

    /// Whether `restore/next` waits at this moment.
    pub(crate) fn restore_asked(&self) -> bool {
        self.lock().restore_asked
    }

    /// It waits no more. False when it did not.
    pub(crate) fn let_restore(&self) -> bool {
        std::mem::take(&mut self.lock().restore_asked)
    }
}

/// The right to answer the open invocation: at most one at a time.
pub(crate) struct AnswerTicket<'a> {
    desk: &'a Desk,
    generation: u64,
    /// The answer may have reached the caller in part: it cannot be begun again.
    streams: bool,
}

impl AnswerTicket<'_> {
    /// The answer is a stream. Returns where it goes, unless the caller wants it whole.
    pub(crate) fn stream(&mut self) -> Option<AnswerSink> {
        self.streams = true;
        let mut inner = self.desk.lock();
        if inner.generation == self.generation { inner.sink.take() } else { None }
    }

    /// Leaves the invocation as it is, being answered, for whoever takes the ticket up by what this returns.
    pub(crate) fn put_away(self) -> u64 {
        let generation = self.generation;
        std::mem::forget(self);
        generation
    }

    /// The answer is complete.
    pub(crate) fn settle(self, answer: GuestAnswer) {
        let mut inner = self.desk.lock();
        if inner.generation == self.generation {
            inner.phase = inner.phase.end_answer();
            inner.answer = Some(answer);
        }
        drop(inner);
        self.desk.news.notify_one();
    }
}

impl Drop for AnswerTicket<'_> {
    /// An answer that was cut short reopens the invocation, or when it was a stream is the answer; after `settle`
    /// there is nothing to undo.
    fn drop(&mut self) {
        let mut inner = self.desk.lock();
        if inner.generation != self.generation || !inner.phase.is_answering() {
            return;
        }
        if self.streams {
            inner.phase = inner.phase.end_answer();
            inner.answer = Some(GuestAnswer::Truncated(truncated()));
            drop(inner);
            self.desk.news.notify_one();
        } else {
            inner.phase = inner.phase.drop_answer();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::event::tests::work;
    use crate::wire::tests::pair;

    #[tokio::test]
    async fn an_event_waits_for_the_runtime_that_asks_later() {
        let (desk, (wire, _guest)) = (Desk::default(), pair().await);
        let work = work(b"1");
        assert_eq!(desk.hand_over(&work), Handed::Done);
        let mut event = desk.ask_tcp(wire).unwrap();
        assert!(event.try_recv().is_ok());
        desk.begin_answer(Some(work.request_id), "x").unwrap().settle(GuestAnswer::Response(Bytes::new()));
        assert!(desk.take_answer().is_some());
    }

    #[tokio::test]
    async fn a_connection_that_left_while_it_waited_does_not_swallow_the_event() {
        let (desk, (wire, _guest)) = (Desk::default(), pair().await);
        drop(desk.ask_tcp(wire.clone()).unwrap());
        let work = work(b"1");
        desk.hand_over(&work);
        assert!(desk.ask_tcp(wire).unwrap().try_recv().is_ok());
    }

    #[tokio::test]
    async fn an_answer_of_a_former_process_changes_nothing() {
        let (desk, (wire, _guest)) = (Desk::default(), pair().await);
        let work = work(b"1");
        desk.hand_over(&work);
        let _event = desk.ask_tcp(wire).unwrap();
        let ticket = desk.begin_answer(Some(work.request_id), "x").unwrap();
        desk.reset();
        ticket.settle(GuestAnswer::TooLarge { bytes_max: 1 });
        assert!(desk.take_answer().is_none());
        assert!(desk.init().is_none());
    }

    #[test]
    fn an_answer_cut_short_may_be_sent_again() {
        let desk = Desk::default();
        let work = work(b"1");
        desk.hand_over(&work);
        let _event = desk.ask_own().unwrap();
        drop(desk.begin_answer(Some(work.request_id), "x").unwrap());
        assert!(desk.begin_answer(Some(work.request_id), "x").is_ok());
    }

    #[test]
    fn a_stream_cut_short_is_the_answer() {
        let desk = Desk::default();
        let work = work(b"1");
        desk.hand_over(&work);
        let _event = desk.ask_own().unwrap();
        let mut ticket = desk.begin_answer(Some(work.request_id), "x").unwrap();
        assert!(ticket.stream().is_none());
        drop(desk.take_up(ticket.put_away()));
        assert!(matches!(desk.take_answer(), Some(GuestAnswer::Truncated(_))));
        assert!(desk.begin_answer(Some(work.request_id), "x").is_err());
    }
}
