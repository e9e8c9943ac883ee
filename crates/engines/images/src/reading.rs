//! Readers that measure, bound and can be stopped.

use futures_util::StreamExt;
use lacewing_model::CodeSha256;
use oci_client::client::SizedStream;
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// When unpacking must be done.
pub(crate) type Deadline = Instant;

/// What came through it: how much, and its hash.
pub(crate) struct Measured<R> {
    inner: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Measured<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    /// How many bytes came, and their hash.
    pub(crate) fn finish(self) -> (u64, CodeSha256) {
        (self.bytes, CodeSha256::of_bytes(&self.hash.finalize().into()))
    }
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// How many bytes may still come, over several readers; what came too much shows as an error.
#[derive(Clone)]
pub(crate) struct Budget(Rc<Cell<Option<u64>>>);

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        Self(Rc::new(Cell::new(Some(bytes))))
    }

    /// True once more came than may.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.0.get().is_none()
    }
}

/// A reader within a budget.
pub(crate) struct Bounded<R> {
    pub(crate) inner: R,
    pub(crate) budget: Budget,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let left = self.budget.0.get().and_then(|left| left.checked_sub(read as u64));
        self.budget.0.set(left);
        if left.is_some() { Ok(read) } else { Err(io::Error::other("it unpacks to more than it may")) }
    }
}

/// A file whose reading ends when the server does.
pub(crate) struct Stoppable<R> {
    pub(crate) inner: R,
    pub(crate) stopped: watch::Receiver<bool>,
}

impl<R: Read> Read for Stoppable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if *self.stopped.borrow() { Err(stopped()) } else { self.inner.read(buffer) }
    }
}

/// A blob as it comes from a registry, for a thread that may wait.
pub(crate) struct Pulled {
    /// `None` at its end: one that is asked again then complains of a wrong digest.
    stream: Option<SizedStream>,
    runtime: Handle,
    stopped: watch::Receiver<bool>,
    deadline: Deadline,
    /// What came and was not taken yet.
    piece: bytes::Bytes,
}

impl Pulled {
    pub(crate) fn new(
        stream: SizedStream,
        runtime: Handle,
        stopped: watch::Receiver<bool>,
        deadline: Deadline,
    ) -> Self {
        Self { stream: Some(stream), runtime, stopped, deadline, piece: bytes::Bytes::new() }
    }
}

impl Read for Pulled {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let Self { stream, runtime, stopped: stop, deadline, .. } = self;
            let Some(coming) = stream else { return Ok(0) };
            let next = runtime.block_on(async {
                tokio::select! {
                    piece = coming.next() => piece.transpose(),
                    _ = stop.wait_for(|stopped| *stopped) => Err(stopped()),
                    () = tokio::time::sleep_until((*deadline).into()) => {
                        Err(io::Error::new(io::ErrorKind::TimedOut, "the whole image took too long"))
                    }
                }
            })?;
            match next {
                Some(piece) => self.piece = piece,
                None => *stream = None,
            }
        }
        let count = self.piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

/// Not `Interrupted`, which every reader above would try again.
fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the server stops")
}
