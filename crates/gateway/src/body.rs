//! Reading bodies within limits: of one body, of the time it may take, and of all large bodies together.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};

/// How long a body may take, and how many bytes that have come buy it a second more: one that trickles or stalls
/// holds room that others wait for.
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

/// What one body holds of the room; dropping it gives it back. It grows with the bytes that have come, never with
/// those that were only announced.
pub(crate) struct Room<'a> {
    budget: &'a BodyBudget,
    permit: Option<SemaphorePermit<'a>>,
}

impl<'a> Room<'a> {
    fn none(budget: &'a BodyBudget) -> Self {
        Self { budget, permit: None }
    }

    /// Waits until there is room for `bytes` in all.
    async fn grow(&mut self, bytes: u64) -> Result<(), BodyFault> {
        let held = self.permit.as_ref().map_or(0, |permit| permit.num_permits() as u64 * UNIT_BYTES + FREE_BYTES);
        if bytes <= held.max(FREE_BYTES) {
            return Ok(());
        }
        let units = u32::try_from((bytes - held).div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        match timeout(ROOM_MAX, self.budget.0.acquire_many(units)).await {
            Ok(Ok(more)) => match &mut self.permit {
                Some(permit) => permit.merge(more),
                None => self.permit = Some(more),
            },
            Ok(Err(_)) | Err(_) => return Err(BodyFault::Crowded),
        }
        Ok(())
    }
}

impl Payload {
    /// Refuses a body whose head announces more than `max`.
    pub(crate) fn check_announced(&self, max: u64) -> Result<(), BodyFault> {
        let exact = match self {
            Self::Stream(body) => body.size_hint().exact(),
            Self::Whole(bytes) => Some(bytes.len() as u64),
        };
        match exact {
            Some(bytes) if bytes > max => Err(BodyFault::TooLarge(bytes)),
            _ => Ok(()),
        }
    }

    /// Reads it all: at most `max` bytes, at the pace that is asked for. A body that comes in one piece is not
    /// copied. Keep the room for as long as the body lives.
    pub(crate) async fn read<'a>(&mut self, max: u64, budget: &'a BodyBudget) -> Result<(Bytes, Room<'a>), BodyFault> {
        let mut room = Room::none(budget);
        let body = match self {
            Self::Whole(bytes) => return Ok((bytes.clone(), room)),
            Self::Stream(body) => body,
        };
        let began = Instant::now();
        let Some(first) = next(body, began + READ_MAX).await? else { return Ok((Bytes::new(), room)) };
        if first.len() as u64 > max {
            return Err(BodyFault::TooLarge(first.len() as u64));
        }
        if body.is_end_stream() {
            return Ok((first, room));
        }
        let expected = body.size_hint().lower().min(max);
        // Memory that is asked for and not written to costs nothing.
        let mut all = BytesMut::with_capacity(first.len() + usize::try_from(expected).unwrap_or_default());
        all.extend_from_slice(&first);
        let patience = |length: usize| began + READ_MAX + Duration::from_secs(length as u64 / BYTES_PER_SECOND);
        while let Some(more) = next(body, patience(all.len())).await? {
            let length = all.len() as u64 + more.len() as u64;
            if length > max {
                return Err(BodyFault::TooLarge(length));
            }
            room.grow(length).await?;
            all.extend_from_slice(&more);
        }
        Ok((all.freeze(), room))
    }

    /// Takes and forgets what is still coming, in a task of its own and within bounds.
    pub(crate) fn linger(self) {
        let Self::Stream(mut body) = self else { return };
        if body.is_end_stream() {
            return;
        }
        drop(tokio::spawn(timeout(LINGER_MAX, async move {
            let mut left = LINGER_BYTES_MAX;
            while let Ok(Some(piece)) = next(&mut body, Instant::now() + LINGER_MAX).await {
                left = left.saturating_sub(piece.len() as u64);
                if left == 0 {
                    break;
                }
            }
        })));
    }
}

/// The next piece of data; trailers are passed over.
async fn next(body: &mut Incoming, deadline: Instant) -> Result<Option<Bytes>, BodyFault> {
    loop {
        match timeout_at(deadline, body.frame()).await {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Ok(Some(Err(_))) | Err(_) => return Err(BodyFault::Lost),
        }
    }
}
