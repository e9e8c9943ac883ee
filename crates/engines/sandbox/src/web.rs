//! Web functions at the seam: a server of the function's own, to which requests are passed on, several at a time.
//!
//! ```text
//! client ─ request ─► gateway ─ WebRequest ─► SharedSandbox::exchange ─► the server inside
//!        ◄─ answer ──         ◄─ head, then pieces (AnswerSink) ────────┘
//! ```
//!
//! Rooms carry a [`WebRequest`] unread: only gateway and drivers know what is in it.

use crate::{AnswerSink, Ending, Outcome, SandboxError, Work};
use async_trait::async_trait;
use bytes::Bytes;
use http_body::Body;
use lacewing_model::RequestId;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

/// One isolated place in which a server of one version answers requests. Dropping it kills its processes and frees
/// its cgroup, mounts, network and disk: nothing outlives the last of its owners.
#[async_trait]
pub trait SharedSandbox: Send + Sync {
    /// Passes a request to the server, and its answer back, until that is whole, the client is gone or `deadline`
    /// passes. `work.payload` is not looked at. Log lines written meanwhile have reached the sink when it resolves.
    ///
    /// # Errors
    /// The *sandbox* broke. A server that crashes or runs out of time is `Ok`: a result, not a fault.
    ///
    /// # Cancel safety
    /// Dropping it gives up this request and disturbs no other.
    async fn exchange(&self, work: Work, request: WebRequest, deadline: Instant) -> Result<Outcome, SandboxError>;

    /// As [`Sandbox::is_alive`](crate::Sandbox::is_alive).
    fn is_alive(&self) -> bool;

    /// As [`Sandbox::freeze`](crate::Sandbox::freeze); does nothing while a request runs.
    fn freeze(&self);
}

/// A request to a web function, and where its answer goes.
pub struct WebRequest {
    /// The request as the server is to get it, its target in origin form.
    pub request: http::Request<WebBody>,
    /// Counts the bytes of its body as they come.
    pub received: Arc<AtomicU64>,
    /// Told once: status and headers of the answer, untrusted.
    pub head: oneshot::Sender<http::response::Parts>,
    /// Where the answer's body goes, piece by piece. Nobody listens any more: the client is gone.
    pub answer: AnswerSink,
    /// The client's connection, once the head of an answer with status 101 has been sent on it; `None` where the client
    /// asked for no other protocol.
    pub upgraded: Option<Upgraded>,
}

/// Makes requests of the events that come for web functions. The gateway has it: rooms know no HTTP.
pub trait EventTranslator: Send + Sync {
    /// The request that an event becomes, for the invocation of this id.
    fn translate(&self, event: &Bytes, id: RequestId) -> TranslatedEvent;
}

/// An event as a request, and what makes a payload of the answer.
pub struct TranslatedEvent {
    #[allow(missing_docs)]
    pub request: http::Request<WebBody>,
    /// What the caller gets for this head and body.
    pub answer: Box<dyn FnOnce(http::response::Parts, Bytes) -> Ending + Send>,
}

/// The body of a request, as it comes.
pub type WebBody = Pin<Box<dyn Body<Data = Bytes, Error = BodyLost> + Send>>;

/// A connection on which client and server speak a protocol of their own. `None`: the client is gone.
pub type Upgraded = Pin<Box<dyn Future<Output = Option<Box<dyn Duplex>>> + Send>>;

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// The rest of a request's body does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request's body broke off")]
pub struct BodyLost;

impl std::fmt::Debug for WebRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebRequest").field("method", self.request.method()).finish_non_exhaustive()
    }
}
