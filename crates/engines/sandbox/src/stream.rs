//! A streamed answer: bytes on their way to the caller while the function still writes them.
//!
//! ```text
//! function ─► driver ─► AnswerSink ══ few pieces, then the writer waits ══► AnswerPieces ─► caller
//! ```
//!
//! A call whose answer may stream carries a sink; one that wants it whole carries none and pays for none. A caller
//! that went away stops no function: what is written then is counted and thrown away.

use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Pieces that wait for the caller; then the function waits. A piece is what a driver reads at a time: at most 1 MiB.
const PIECES_WAITING_MAX: usize = 2;

/// What both ends see.
#[derive(Debug, Default)]
struct Shared {
    content_type: OnceLock<Box<str>>,
    bytes: AtomicU64,
}

/// Opens a way for one streamed answer.
#[must_use]
pub fn answer_stream() -> (AnswerSink, AnswerPieces) {
    let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
    let shared = Arc::new(Shared::default());
    (AnswerSink { pieces: sender, shared: Arc::clone(&shared) }, AnswerPieces { pieces: receiver, shared })
}

/// The driver's end.
#[derive(Clone, Debug)]
pub struct AnswerSink {
    pieces: mpsc::Sender<Bytes>,
    shared: Arc<Shared>,
}

impl AnswerSink {
    /// The function begins to stream, and says what. Its word is untrusted. The first one counts.
    pub fn begin(&self, content_type: &str) {
        let _ = self.shared.content_type.set(content_type.into());
    }

    /// Waits until the caller has room for a piece.
    ///
    /// # Cancel safety
    /// Complete.
    pub async fn room(&self) -> Room<'_> {
        Room { permit: self.pieces.reserve().await.ok(), shared: &self.shared }
    }

    /// Resolves when nobody listens any more.
    ///
    /// # Cancel safety
    /// Complete.
    pub async fn closed(&self) {
        self.pieces.closed().await;
    }

    /// How many bytes were put into it, also after the caller went away.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// The count alone: who holds it keeps no answer open.
    #[must_use]
    pub fn count(&self) -> StreamedBytes {
        StreamedBytes(Arc::clone(&self.shared))
    }
}

/// How many bytes were put into a sink.
#[derive(Clone, Debug)]
pub struct StreamedBytes(Arc<Shared>);

impl StreamedBytes {
    /// So many by now, also after the caller went away.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }
}

/// Room for one piece.
#[derive(Debug)]
pub struct Room<'a> {
    /// `None` when nobody listens any more.
    permit: Option<mpsc::Permit<'a, Bytes>>,
    shared: &'a Shared,
}

impl Room<'_> {
    /// False when nobody listens any more.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.permit.is_some()
    }

    /// Sends `piece` on.
    pub fn put(self, piece: Bytes) {
        self.shared.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
        if let Some(permit) = self.permit {
            permit.send(piece);
        }
    }
}

/// The caller's end.
#[derive(Debug)]
pub struct AnswerPieces {
    pieces: mpsc::Receiver<Bytes>,
    shared: Arc<Shared>,
}

impl AnswerPieces {
    /// The next piece; `None` when every sink is gone.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.pieces.poll_recv(context)
    }

    /// A piece that is there already. Unlike [`AnswerPieces::poll_next`] it never says "not yet" for the sake of other
    /// tasks: who knows that no more will come is told the truth.
    pub fn take_now(&mut self) -> Option<Bytes> {
        self.pieces.try_recv().ok()
    }

    /// What the function said that it streams; `None` while it has not begun.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.shared.content_type.get().map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{Future, poll_fn};
    use std::pin::pin;

    #[tokio::test]
    async fn the_writer_waits_for_a_slow_caller() {
        let (sink, mut pieces) = answer_stream();
        for _ in 0..PIECES_WAITING_MAX {
            sink.room().await.put(Bytes::from_static(b"12"));
        }
        let mut third = pin!(sink.room());
        assert!(poll_fn(|cx| Poll::Ready(third.as_mut().poll(cx).is_pending())).await);
        assert_eq!(poll_fn(|cx| pieces.poll_next(cx)).await.as_deref(), Some(&b"12"[..]));
        third.await.put(Bytes::from_static(b"3"));
        assert_eq!(sink.bytes(), 2 * PIECES_WAITING_MAX as u64 + 1);
    }

    #[tokio::test]
    async fn without_a_caller_bytes_are_counted_and_thrown_away() {
        let (sink, pieces) = answer_stream();
        drop(pieces);
        for _ in 0..2 * PIECES_WAITING_MAX {
            sink.room().await.put(Bytes::from_static(b"12"));
        }
        assert_eq!(sink.bytes(), 4 * PIECES_WAITING_MAX as u64);
    }

    #[test]
    fn the_first_content_type_counts() {
        let (sink, pieces) = answer_stream();
        assert_eq!(pieces.content_type(), None);
        sink.begin("a/b");
        sink.begin("c/d");
        assert_eq!(pieces.content_type(), Some("a/b"));
    }
}
