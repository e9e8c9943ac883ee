//! A call whose answer may reach its caller while the function still writes it.

use crate::corridor::Answer;
use crate::detach::Detached;
use crate::error::InvokeError;
use bytes::Bytes;
use lacewing_model::{RequestId, VersionNumber};
use lacewing_sandbox::{AnswerPieces, AnswerSink, answer_stream};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::oneshot;

/// What a call came to, or is coming to.
#[derive(Debug)]
pub enum Streamed {
    /// The function did not stream, or failed before it began to.
    Whole(Answer),
    /// Its first bytes are there.
    Flowing(Flowing),
}

/// What is known of a call once it runs.
#[derive(Clone, Debug)]
pub struct RunHead {
    /// The invocation's id.
    pub request_id: RequestId,
    /// The version that runs.
    pub executed_version: VersionNumber,
    /// What it is traced as.
    pub trace_id: String,
}

/// A flowing answer. Whoever holds it drives the call by asking for pieces; dropping it stops no function.
pub struct Flowing {
    /// What is known of the call.
    pub head: RunHead,
    first: Option<Bytes>,
    pieces: AnswerPieces,
    rest: Rest,
}

pub(crate) type Walk = Pin<Box<dyn Future<Output = Result<Answer, InvokeError>> + Send>>;

pub(crate) enum Rest {
    Running(Walk),
    Ended(Option<Result<Answer, InvokeError>>),
}

/// The corridor's end of a flowing answer.
pub(crate) struct Outlet {
    pub(crate) sink: AnswerSink,
    pub(crate) tell: oneshot::Sender<RunHead>,
}

/// Runs `walk` until its first bytes or its end.
///
/// # Errors
/// As the walk.
pub(crate) async fn begin<F>(walk: impl FnOnce(Outlet) -> F) -> Result<Streamed, InvokeError>
where
    F: Future<Output = Result<Answer, InvokeError>> + Send + 'static,
{
    let (sink, mut pieces) = answer_stream();
    let (tell, mut told) = oneshot::channel();
    let walk: Walk = Box::pin(Detached::new(walk(Outlet { sink, tell })));
    let mut rest = Rest::Running(walk);
    let first = poll_fn(|context| rest.poll_piece(&mut pieces, context)).await;
    match (told.try_recv(), rest) {
        (Ok(head), rest) if pieces.content_type().is_some() => {
            Ok(Streamed::Flowing(Flowing { head, first, pieces, rest }))
        }
        (_, Rest::Ended(Some(answer))) => answer.map(Streamed::Whole),
        _ => Err(InvokeError::Internal("an answer flows that nobody began".to_owned())),
    }
}

impl Flowing {
    pub(crate) fn of(head: RunHead, pieces: AnswerPieces, rest: Rest) -> Self {
        Self { head, first: None, pieces, rest }
    }

    /// What the function says that it streams: untrusted.
    #[must_use]
    pub fn content_type(&self) -> &str {
        self.pieces.content_type().unwrap_or_default()
    }

    /// The next piece; `None` once all have been given and the call has been settled.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => self.rest.poll_piece(&mut self.pieces, context),
        }
    }

    /// What the call came to, once there are no more pieces; then `None`.
    pub fn take_answer(&mut self) -> Option<Result<Answer, InvokeError>> {
        match &mut self.rest {
            Rest::Running(_) => None,
            Rest::Ended(answer) => answer.take(),
        }
    }
}

impl std::fmt::Debug for Flowing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flowing").field("head", &self.head).finish_non_exhaustive()
    }
}

impl Rest {
    /// Moves the walk on.
    pub(crate) fn poll_walk(&mut self, context: &mut Context<'_>) {
        if let Self::Running(walk) = self
            && let Poll::Ready(answer) = walk.as_mut().poll(context)
        {
            *self = Self::Ended(Some(answer));
        }
    }

    fn poll_piece(&mut self, pieces: &mut AnswerPieces, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Poll::Ready(Some(piece)) = pieces.poll_next(context) {
            return Poll::Ready(Some(piece));
        }
        self.poll_walk(context);
        // The walk itself may have brought some.
        match (pieces.poll_next(context), self) {
            (Poll::Ready(Some(piece)), _) => Poll::Ready(Some(piece)),
            // The runtime may have cut the look short, so that other tasks get their turn: what is there is not lost.
            (_, Self::Ended(_)) => Poll::Ready(pieces.take_now()),
            (_, Self::Running(_)) => Poll::Pending,
        }
    }
}
