//! Making a sandbox's network namespace.
//!
//! The calling thread goes into the new namespace, builds it, and comes back. Sockets stay in the namespace
//! they were made in, so the server can hold them from outside. A thread that could not come back would make
//! everything after it in the wrong place: it ends the process instead.

use super::netlink::Netlink;
use super::{hosts, routes};
use lacewing_model::Egress;
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, OwnedFd};

/// Where the guests' door listens inside every sandbox; `AWS_LAMBDA_RUNTIME_API` names it.
pub(crate) const DOOR_ADDRESS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9001);
/// Connections to the door that wait to be taken: one runtime, some extensions, some SDK clients.
const DOOR_BACKLOG: i32 = 128;

/// The calling thread's own network namespace.
const OWN_NAMESPACE: &str = "/proc/thread-self/ns/net";

/// A sandbox's network namespace and the server's ends of it.
#[derive(Debug)]
pub(crate) struct NetNs {
    /// The namespace, for `setns`.
    pub(crate) ns: OwnedFd,
    /// Listens at [`DOOR_ADDRESS`]; non-blocking.
    pub(crate) door: OwnedFd,
    /// The way out; `None` when it was not asked for, or this kernel cannot give it.
    pub(crate) egress: Option<EgressFds>,
}

/// What the server needs to carry a sandbox's traffic out; all non-blocking.
#[derive(Debug)]
pub(crate) struct EgressFds {
    /// Takes every TCP connection to the outside.
    pub(crate) tcp: OwnedFd,
    /// Takes DNS questions over UDP.
    pub(crate) dns: OwnedFd,
    /// Takes DNS questions over TCP.
    pub(crate) dns_tcp: OwnedFd,
}

/// A fresh namespace with `lo` up and the door's listener in it, and the way out if `egress` wants one.
///
/// Must be called by a thread that no other code shares while it runs: it is in the new namespace meanwhile.
///
/// # Errors
/// The kernel's refusal: without `CAP_SYS_ADMIN` over the namespace, or out of file descriptors.
pub(crate) fn make_netns(egress: Egress) -> io::Result<NetNs> {
    let away = Away::go()?;
    let made = build();
    away.come_back();
    made
}

fn build() -> io::Result<NetNs> {
    let netlink = Netlink::routing()?;
    routes::set_loopback_up(&netlink)?;
    let door = listen(DOOR_ADDRESS, DOOR_BACKLOG)?;
    Ok(NetNs { ns: own_namespace()?, door, egress: None })
}

fn listen(address: SocketAddrV4, backlog: i32) -> io::Result<OwnedFd> {
    let socket = socket(SocketType::STREAM)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, backlog)?;
    Ok(socket)
}

fn socket(kind: SocketType) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(AddressFamily::INET, kind, flags, None)?)
}

fn own_namespace() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(OWN_NAMESPACE, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// A stay in a new namespace. Dropping it brings the thread home, also when building failed or panicked.
struct Away {
    home: OwnedFd,
}

impl Away {
    fn go() -> io::Result<Self> {
        let home = own_namespace()?;
        // SAFETY: unshare(2) is unsafe only with CLONE_FILES, which would take other threads' descriptors
        // away; CLONE_NEWNET alone changes nothing but where this thread's new sockets are made.
        #[allow(unsafe_code)]
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?;
        Ok(Self { home })
    }

    fn come_back(self) {}
}

impl Drop for Away {
    fn drop(&mut self) {
        let back = rustix::thread::move_into_link_name_space(self.home.as_fd(), Some(LinkNameSpaceType::Network));
        if let Err(error) = back {
            tracing::error!(%error, "cannot return to the host's network namespace; ending rather than going on in a sandbox's");
            std::process::abort();
        }
    }
}
