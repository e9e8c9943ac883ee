//! Whole messages with file descriptors over a SEQPACKET socket: the one way spawner, init and server talk.

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Most bytes of one message. A start's environment is the largest part: Lambda allows 4 KiB of the user's.
pub(crate) const PACKET_BYTES_MAX: usize = 64 * 1024;
/// Most descriptors of one message: a sandbox with a way out and a runtime in it has nine ends, a runtime to be forked
/// needs five and a door for each hierarchy of cgroups.
pub(crate) const PACKET_FDS_MAX: usize = 12;

/// Sends one message. `WouldBlock` when the socket is non-blocking and full.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PACKET_FDS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many descriptors for one message"));
    }
    loop {
        match rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
            Ok(sent) if sent == bytes.len() => return Ok(()),
            Ok(_) => return Err(io::Error::other("a message was sent in part")),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Receives one message into `buffer`; `None` when the other side is gone.
///
/// # Errors
/// Among others `EMFILE` for one whose descriptors found no room in this process.
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<(usize, Vec<OwnedFd>)>> {
    match take(socket, buffer)? {
        Some((_, _, false)) => Err(io::Error::from_raw_os_error(libc::EMFILE)),
        taken => Ok(taken.map(|(bytes, fds, _)| (bytes, fds))),
    }
}

/// The same, but such a message comes without any descriptor: who sent it is not to blame, and goes on.
pub(crate) fn receive_what_fits(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> io::Result<Option<(usize, Vec<OwnedFd>)>> {
    Ok(take(socket, buffer)?.map(|(bytes, fds, all)| (bytes, if all { fds } else { Vec::new() })))
}

/// A message's bytes and descriptors, and whether those are all.
fn take(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<(usize, Vec<OwnedFd>, bool)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PACKET_FDS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = loop {
        match rustix::net::recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    let mut fds = Vec::new();
    for received in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = received {
            fds.extend(rights);
        }
    }
    if message.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::other("a message was longer than agreed"));
    }
    let all = !message.flags.contains(ReturnFlags::CTRUNC);
    Ok((message.bytes > 0).then_some((message.bytes, fds, all)))
}
