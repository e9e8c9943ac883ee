//! Descriptors that tokio watches.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Has tokio watch `fd`, which becomes non-blocking. Must be called inside tokio.
pub(crate) fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    rustix::io::ioctl_fionbio(&fd, true)?;
    // SAFETY: an OwnedFd keeps its number, and stays open as long as the AsyncFd that owns it.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}
