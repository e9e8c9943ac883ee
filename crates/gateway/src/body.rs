//! Reading bodies within limits: of one body, of the time it may take, and of all large bodies together.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// How long any body may take, and how many bytes buy it a second more: a body that trickles holds room that
/// others wait for.
const READ_MAX: Duration = Duration::from_secs(30);
const BYTES_PER_SECOND: u64 = 64 << 10;
/// How long a large body waits for room.
const ROOM_MAX: Duration = Duration::from_secs(30);
/// Bodies up to this size are not counted: the cap on connections bounds them.
const FREE_BYTES: u64 = 256 << 10;
/// What large bodies may hold together.
const BUDGET_BYTES: u64 = 512 << 20;
const UNIT_BYTES: u64 = 64 << 10;
/// How much of a refused body is still taken, and for how long, so that its sender gets to read the refusal:
/// a connection closed with unread bytes is reset, and a reset loses what was sent.
const LINGER_BYTES_MAX: u64 = 80 << 20;
const LINGER_MAX: Duration = Duration::from_secs(10);

/// A body, from the network or from a sandbox.
pub(crate) enum Payload {
    /// Not read yet.
    Stream(Incoming),
    /// All there.
    Whole(Bytes),
}

/// Why a body could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFault {
    /// It is larger than it may be: so many bytes, as far as known.
    TooLarge(u64),
    /// It took too long or broke off.
    Lost,
    /// Too many large bodies are under way.
    Crowded,
}

/// The room that all large bodies share.
pub(crate) struct BodyBudget(Semaphore);

impl Default for BodyBudget {
    fn default() -> Self {
        Self(Semaphore::new(usize::try_from(BUDGET_BYTES / UNIT_BYTES).unwrap_or(usize::MAX)))
    }
}

impl BodyBudget {
    /// Waits for room for a body of up to `bytes`; keep the permit for as long as the body lives.
    pub(crate) async fn room(&self, bytes: u64) -> Result<Option<SemaphorePermit<'_>>, BodyFault> {
        if bytes <= FREE_BYTES {
            return Ok(None);
        }
        let units = u32::try_from(bytes.min(BUDGET_BYTES).div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        match timeout(ROOM_MAX, self.0.acquire_many(units)).await {
            Ok(Ok(permit)) => Ok(Some(permit)),
            Ok(Err(_)) | Err(_) => Err(BodyFault::Crowded),
        }
    }
}

impl Payload {
    /// The most that may come: what the head declares, or `max` where it declares nothing.
    pub(crate) fn declared(&self, max: u64) -> Result<u64, BodyFault> {
        let exact = match self {
            Self::Stream(body) => body.size_hint().exact(),
            Self::Whole(bytes) => Some(bytes.len() as u64),
        };
        match exact {
            Some(bytes) if bytes > max => Err(BodyFault::TooLarge(bytes)),
            Some(bytes) => Ok(bytes),
            None => Ok(max),
        }
    }

    /// Reads it all: at most `max` bytes, `declared` of them at the pace that is asked for. A body that comes in
    /// one piece is not copied.
    pub(crate) async fn read(&mut self, declared: u64, max: u64) -> Result<Bytes, BodyFault> {
        let patience = READ_MAX + Duration::from_secs(declared / BYTES_PER_SECOND);
        match timeout(patience, self.collect(max)).await {
            Ok(result) => result,
            Err(_) => Err(BodyFault::Lost),
        }
    }

    async fn collect(&mut self, max: u64) -> Result<Bytes, BodyFault> {
        let body = match self {
            Self::Whole(bytes) => return Ok(bytes.clone()),
            Self::Stream(body) => body,
        };
        let Some(first) = next(body).await? else { return Ok(Bytes::new()) };
        if first.len() as u64 > max {
            return Err(BodyFault::TooLarge(first.len() as u64));
        }
        if body.is_end_stream() {
            return Ok(first);
        }
        let expected = body.size_hint().lower().min(max);
        let mut all = BytesMut::with_capacity(first.len() + usize::try_from(expected).unwrap_or_default());
        all.extend_from_slice(&first);
        while let Some(more) = next(body).await? {
            let length = all.len() as u64 + more.len() as u64;
            if length > max {
                return Err(BodyFault::TooLarge(length));
            }
            all.extend_from_slice(&more);
        }
        Ok(all.freeze())
    }

    /// Takes and forgets what is still coming, in a task of its own and within bounds.
    pub(crate) fn linger(self) {
        let Self::Stream(mut body) = self else { return };
        if body.is_end_stream() {
            return;
        }
        drop(tokio::spawn(timeout(LINGER_MAX, async move {
            let mut left = LINGER_BYTES_MAX;
            while let Ok(Some(piece)) = next(&mut body).await {
                left = left.saturating_sub(piece.len() as u64);
                if left == 0 {
                    break;
                }
            }
        })));
    }
}

/// The next piece of data; trailers are passed over.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, BodyFault> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(_)) => return Err(BodyFault::Lost),
        }
    }
}
