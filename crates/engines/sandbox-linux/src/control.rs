//! The server's end of a sandbox's control socket: orders to init, words from it.

use crate::packet;
use crate::protocol::{Order, Word};
use crate::watched::watch;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Longest word, bytes; init says nothing longer.
const WORD_BYTES_MAX: usize = 16;

/// The private socket to one init.
pub(crate) struct Control(AsyncFd<OwnedFd>);

impl Control {
    /// Takes over a socket. Must be called inside tokio.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        watch(socket, Interest::READABLE | Interest::WRITABLE).map(Self)
    }

    /// Gives an order.
    pub(crate) async fn order(&self, order: &Order, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = order.encode();
        if bytes.len() > packet::PACKET_BYTES_MAX {
            return Err(io::Error::other("the environment is too long"));
        }
        self.0.async_io(Interest::WRITABLE, |socket| packet::send(socket.as_fd(), &bytes, fds)).await
    }

    /// The next word; `None` when init is gone.
    ///
    /// # Cancel safety
    /// Complete: a word is read whole or not at all.
    pub(crate) async fn word(&self) -> io::Result<Option<(Word, Vec<OwnedFd>)>> {
        self.0.async_io(Interest::READABLE, |socket| read(socket.as_fd())).await
    }

    /// Resolves when there may be a word to read; reads nothing.
    ///
    /// # Cancel safety
    /// Complete.
    pub(crate) async fn heard(&self) {
        let _ = self.0.ready(Interest::READABLE).await;
    }

    /// A word that is there already.
    pub(crate) fn word_now(&self) -> io::Result<Option<(Word, Vec<OwnedFd>)>> {
        match read(self.0.get_ref().as_fd()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Ok(None) => Err(io::ErrorKind::UnexpectedEof.into()),
            other => other,
        }
    }
}

fn read(socket: BorrowedFd<'_>) -> io::Result<Option<(Word, Vec<OwnedFd>)>> {
    let mut buffer = [0; WORD_BYTES_MAX];
    let Some((length, fds)) = packet::receive_what_fits(socket, &mut buffer)? else { return Ok(None) };
    let word =
        Word::decode(&buffer[..length]).ok_or_else(|| io::Error::other("init said something that is not agreed"))?;
    Ok(Some((word, fds)))
}
