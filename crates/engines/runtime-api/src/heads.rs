//! Counts what unfinished request heads of one sandbox take up in the server's memory.
//!
//! One head may be large (clients send an X-Ray cause of up to 1 MiB in it), but not on every connection at
//! once: whoever sends another large one while too much is held already is cut off.

use crate::wire::Wire;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Every connection may hold this much of a head, whatever the others do.
const HEAD_BYTES_FREE: usize = 16 * 1024;

/// All unfinished heads of a sandbox together.
const HEADS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// All connections of one sandbox.
#[derive(Clone, Default)]
pub(crate) struct Heads(Arc<AtomicUsize>);

impl Heads {
    /// The share of one connection.
    pub(crate) fn connection(&self) -> Arc<HeadShare> {
        Arc::new(HeadShare { all: Arc::clone(&self.0), held: AtomicUsize::new(0), serving: AtomicBool::new(false) })
    }
}

/// What one connection holds. Its bytes come back with it.
pub(crate) struct HeadShare {
    all: Arc<AtomicUsize>,
    held: AtomicUsize,
    serving: AtomicBool,
}

impl HeadShare {
    /// A head is complete: what comes until the guard is dropped is its body, which has its own limit.
    pub(crate) fn serve(&self) -> Serving<'_> {
        self.serving.store(true, Ordering::Relaxed);
        self.let_go();
        Serving(self)
    }

    fn let_go(&self) {
        self.all.fetch_sub(self.held.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }

    fn take(&self, bytes: usize) -> io::Result<()> {
        if self.serving.load(Ordering::Relaxed) {
            return Ok(());
        }
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let all = self.all.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if held > HEAD_BYTES_FREE && all > HEADS_BYTES_MAX {
            return Err(io::Error::other("the sandbox holds too many unfinished request heads"));
        }
        Ok(())
    }
}

impl Drop for HeadShare {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// While a request is being served.
pub(crate) struct Serving<'a>(&'a HeadShare);

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.0.serving.store(false, Ordering::Relaxed);
    }
}

/// A stream whose reads are counted.
pub(crate) struct Counted {
    pub(crate) stream: Wire,
    pub(crate) share: Arc<HeadShare>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        match polled {
            Poll::Ready(Ok(())) => Poll::Ready(self.share.take(buf.filled().len() - before)),
            other => other,
        }
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn many_may_hold_a_little_and_few_may_hold_much() {
        let heads = Heads::default();
        let large: Vec<_> = (0..4).map(|_| heads.connection()).collect();
        assert!(large.iter().all(|share| share.take(1024 * 1024).is_ok()));
        let small = heads.connection();
        assert!(small.take(HEAD_BYTES_FREE).is_ok());
        assert!(small.take(1).is_err());
        drop(small.serve());
        drop(large);
        assert_eq!(heads.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn bodies_are_not_counted() {
        let heads = Heads::default();
        let share = heads.connection();
        share.take(100).unwrap();
        let serving = share.serve();
        assert!(share.take(100 * 1024 * 1024).is_ok());
        drop(serving);
        assert_eq!(heads.0.load(Ordering::Relaxed), 0);
    }
}
