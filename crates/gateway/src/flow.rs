//! The body of a reply that is sent while the function writes it.

use crate::event_stream::message;
use crate::refusals;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use lacewing_invoke::{Answer, Flowing, InvokeError};
use lacewing_lambda_api::Protocol;
use lacewing_sandbox::{Ending, FunctionError};
use serde::Serialize;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body of any reply.
pub(crate) enum ReplyBody {
    /// All there.
    Whole(Bytes),
    /// Still being written.
    Flow(Box<Flow>),
}

/// A reply that broke off: its connection is closed, so that the client sees that it is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the function's answer broke off")]
pub(crate) struct BrokenOff;

/// A flowing answer, in the form in which it is sent.
pub(crate) struct Flow {
    flowing: Flowing,
    form: Form,
    /// Pieces to be sent before the next is asked for.
    ready: VecDeque<Bytes>,
    ended: bool,
}

/// How the pieces of an answer are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Each as a message of an event stream, and the end as one.
    Events,
    /// As they are. An answer that fails in the middle breaks off.
    Bytes,
}

impl Flow {
    pub(crate) fn new(flowing: Flowing, form: Form) -> Self {
        Self { flowing, form, ready: VecDeque::new(), ended: false }
    }

    /// The same behind `begun`.
    pub(crate) fn after(mut self, begun: Bytes) -> Self {
        self.ready.extend(Some(begun).filter(|begun| !begun.is_empty()));
        self
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(piece)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match (self.flowing.poll_next(context), self.form) {
                (Poll::Pending, _) => return Poll::Pending,
                (Poll::Ready(Some(piece)), Form::Events) => self.ready.extend(payload_chunk(piece)),
                (Poll::Ready(Some(piece)), Form::Bytes) => return Poll::Ready(Some(Ok(piece))),
                (Poll::Ready(None), Form::Bytes) => {
                    self.ended = true;
                    return Poll::Ready(match self.flowing.take_answer() {
                        Some(Ok(Answer { ending: Ending::Answer(_), .. })) => None,
                        _ => Some(Err(BrokenOff)),
                    });
                }
                (Poll::Ready(None), Form::Events) => {
                    self.ended = true;
                    if let Some(end) = self.flowing.take_answer() {
                        self.ready.extend(last_event(end));
                    }
                }
            }
        }
    }
}

/// The events of an answer that came whole.
pub(crate) fn events(answer: Answer) -> Bytes {
    let mut all: Vec<Bytes> = Vec::new();
    if let Ending::Answer(bytes) = &answer.ending
        && !bytes.is_empty()
    {
        all.extend(payload_chunk(bytes.clone()));
    }
    all.extend(last_event(Ok(answer)));
    all.concat().into()
}

fn payload_chunk(piece: Bytes) -> [Bytes; 3] {
    let headers =
        [(":event-type", "PayloadChunk"), (":content-type", "application/octet-stream"), (":message-type", "event")];
    message(&headers, piece)
}

/// What an event stream ends in.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InvokeComplete {
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_details: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_result: Option<String>,
}

fn last_event(end: Result<Answer, InvokeError>) -> [Bytes; 3] {
    const JSON: (&str, &str) = (":content-type", "application/json");
    match end {
        Ok(answer) => {
            let error = match answer.ending {
                Ending::Answer(_) => None,
                Ending::Failed(FunctionError { payload, .. }) => Some(String::from_utf8_lossy(&payload).into_owned()),
            };
            let complete = InvokeComplete {
                error_code: error.is_some().then_some("Unhandled"),
                error_details: error,
                log_result: answer.log_tail.map(|tail| STANDARD.encode(tail)),
            };
            // Strings only: writing them cannot fail.
            let payload = serde_json::to_vec(&complete).unwrap_or_default();
            message(&[(":event-type", "InvokeComplete"), JSON, (":message-type", "event")], payload.into())
        }
        Err(error) => {
            let error = refusals::invoke(error);
            let headers = [(":exception-type", error.code.name()), JSON, (":message-type", "exception")];
            message(&headers, error.body(Protocol::RestJson).into())
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Flow(flow) => flow.poll_piece(context).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Flow(_) => SizeHint::default(),
        }
    }
}
