//! A request to a web function: the corridor with a server at its end.

use crate::corridor::{Answer, Attempt, Call, Freight, Inner, Invoke};
use crate::detach::Detached;
use crate::error::InvokeError;
use crate::flowing::{Flowing, Rest, RunHead};
use bytes::{Bytes, BytesMut};
use lacewing_catalog::Runnable;
use lacewing_model::RequestId;
use lacewing_sandbox::{
    AnswerPieces, Ending, EventTranslator, FunctionError, TranslatedEvent, WebRequest, answer_stream,
};
use serde_json::json;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::Poll;
use tokio::sync::oneshot;

/// A request on its way.
pub struct Exchange<H> {
    /// Its id, which the server is told too.
    pub request_id: RequestId,
    /// The version that answers it: a web function.
    pub runnable: Runnable,
    /// The request.
    pub request: WebRequest,
    /// The other ends of what `request` holds.
    pub head: oneshot::Receiver<H>,
    #[allow(missing_docs)]
    pub pieces: AnswerPieces,
}

/// What a request came to, or is coming to.
pub enum Exchanged<H> {
    /// The server answers: the head of its answer, and the body as it comes.
    Answers(H, Flowing),
    /// It did not.
    Failed(Answer),
}

impl Invoke {
    /// The version that a call would run in, for whoever must know what it is before.
    ///
    /// # Errors
    /// As [`Invoke::call`].
    pub fn resolve(&self, call: &Call) -> Result<Runnable, InvokeError> {
        let resolved = self.0.catalog.resolve(&call.scope, &call.name, call.qualifier.as_ref());
        resolved.map_err(InvokeError::from).inspect_err(|error| self.0.count_failure(error))
    }

    /// Passes a request on to a web function's server, until the head of its answer.
    ///
    /// # Errors
    /// As [`Invoke::call`].
    ///
    /// # Cancel safety
    /// Dropping the future tells the server that its client is gone; the corridor goes on to its end by itself.
    pub async fn exchange<H>(&self, call: Call, exchange: Exchange<H>) -> Result<Exchanged<H>, InvokeError> {
        let Exchange { request_id, runnable, request, mut head, pieces } = exchange;
        let call = Call { resolved: None, ..call };
        let run_head = RunHead {
            request_id,
            executed_version: runnable.version.number,
            trace_id: call.trace_id.clone().unwrap_or_default(),
        };
        let inner = Arc::clone(&self.0);
        let walk = Detached::new(async move {
            let attempt = Attempt { request_id, number: 1 };
            let walked = inner.walk_on(call, runnable, attempt, Freight::Request(Box::new(request))).await;
            walked.inspect_err(|error| inner.count_failure(error))
        });
        let mut rest = Rest::Running(Box::pin(walk));
        let head = poll_fn(|context| {
            rest.poll_walk(context);
            // Without its sender it is not to be asked again: then the walk's end tells more.
            let told = if head.is_terminated() { Poll::Pending } else { Pin::new(&mut head).poll(context) };
            match (told, &rest) {
                (Poll::Ready(Ok(head)), _) => Poll::Ready(Some(head)),
                (_, Rest::Ended(_)) => Poll::Ready(None),
                (_, Rest::Running(_)) => Poll::Pending,
            }
        })
        .await;
        match (head, rest) {
            (Some(head), rest) => Ok(Exchanged::Answers(head, Flowing::of(run_head, pieces, rest))),
            (None, Rest::Ended(Some(answer))) => answer.map(Exchanged::Failed),
            (None, _) => Err(InvokeError::Internal("a request ended without an end".to_owned())),
        }
    }
}

impl Invoke {
    /// Tells how events become requests, for web functions. The first telling counts.
    pub fn translate_by(&self, translator: Arc<dyn EventTranslator>) {
        let _ = self.0.translator.set(translator);
    }
}

impl Inner {
    /// The corridor of an event that comes for a web function: a request made of it, a payload made of the answer.
    pub(crate) async fn walk_translated(
        self: &Arc<Self>,
        call: Call,
        runnable: Runnable,
        attempt: Attempt,
        event: Bytes,
    ) -> Result<Answer, InvokeError> {
        let Some(translator) = self.translator.get() else {
            return Err(InvokeError::Internal("nobody said how an event becomes a request".to_owned()));
        };
        let TranslatedEvent { request, answer: payload_of } = translator.translate(&event, attempt.request_id);
        let ((sink, mut pieces), (head, told)) = (answer_stream(), oneshot::channel());
        let received = Arc::new(AtomicU64::new(event.len() as u64));
        let request = WebRequest { request, received, head, answer: sink, upgraded: None };
        let max = self.limits.response_bytes_max;
        let collect = async {
            let (mut body, mut bytes) = (BytesMut::new(), 0);
            while let Some(piece) = poll_fn(|context| pieces.poll_next(context)).await {
                bytes += piece.len() as u64;
                // The rest is taken and forgotten, so that the call ends as it would.
                if bytes <= max {
                    body.extend_from_slice(&piece);
                }
            }
            (body.freeze(), bytes > max)
        };
        let freight = Freight::Request(Box::new(request));
        let (walked, (body, too_large)) = tokio::join!(self.walk_on(call, runnable, attempt, freight), collect);
        let mut answer = walked?;
        answer.ending = match (answer.ending, told.await) {
            (Ending::Answer(_), _) if too_large => response_too_large(max),
            (Ending::Answer(_), Ok(head)) => match payload_of(head, body) {
                // Bytes that are no text have grown in it.
                Ending::Answer(payload) if payload.len() as u64 > max => response_too_large(max),
                ending => ending,
            },
            (ending, _) => ending,
        };
        Ok(answer)
    }
}

/// Source: recorded from Lambda, as of a handler's.
fn response_too_large(max: u64) -> Ending {
    let kind = "Function.ResponseSizeTooLarge";
    let text = format!("Response payload size exceeded maximum allowed payload size ({max} bytes).");
    let payload = json!({"errorMessage": text, "errorType": kind}).to_string().into();
    Ending::Failed(FunctionError { kind: kind.to_owned(), payload, by_platform: false, timed_out: false })
}
