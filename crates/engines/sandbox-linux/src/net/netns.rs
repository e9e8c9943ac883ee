//! Making a sandbox's network namespace.
//!
//! A thread of its own goes into the new namespace, builds it, and ends there. Sockets stay in the namespace
//! they were made in, so the server can hold them from outside. The caller itself never leaves its namespace:
//! an ordinary user could not come back to the host's, which is not theirs (`setns` gives EPERM), and a
//! privileged process that failed to come back would make everything after it in the wrong place.

use super::netlink::Netlink;
use super::{hosts, nftables, routes};
use lacewing_model::Egress;
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::thread::UnshareFlags;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

/// Where the guests' door listens inside every sandbox; `AWS_LAMBDA_RUNTIME_API` names it.
pub(crate) const DOOR_ADDRESS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9001);
/// Connections to the door that wait to be taken: one runtime, some extensions, some SDK clients.
const DOOR_BACKLOG: i32 = 128;
/// Connections to the outside that wait to be taken: a burst waits here while the proxy is at its bound.
const EGRESS_BACKLOG: i32 = 256;
/// What the kernel holds of each connection on the sandbox's side, each way (it takes the double, for its own
/// books): plenty on loopback, and a function that does not read cannot pile up more.
const EGRESS_BUFFER_BYTES: usize = 128 * 1024;
/// DNS questions over TCP are rare.
const DNS_BACKLOG: i32 = 16;

/// The builder's stack: it reads answers of the kernel on it and calls nothing deep.
const BUILDER_STACK_BYTES: usize = 256 * 1024;

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
/// Where this kernel cannot give the way out, there is none, and a log line says why: a function that needs no
/// network still runs. [`egress_support`] asks beforehand.
///
/// # Errors
/// The kernel's refusal: without `CAP_SYS_ADMIN` over the namespace, or out of file descriptors.
pub(crate) fn make_netns(egress: Egress) -> io::Result<NetNs> {
    let host = match egress {
        Egress::Internet => Some(hosts::addresses()?),
        Egress::None => None,
    };
    let (netns, missing) = in_new_namespace(|| build(host.as_deref()))?;
    if let Some(missing) = missing {
        tracing::warn!("this function gets no network: {missing}");
    }
    Ok(netns)
}

/// The same in the namespace that the caller is in, which nobody else has been in. `host` are the host's own addresses,
/// of [`super::hosts::addresses`], if a way out is wanted.
///
/// # Errors
/// The kernel's refusal.
pub(crate) fn furnish_netns(host: Option<&[Ipv4Addr]>) -> io::Result<NetNs> {
    let (netns, missing) = build(host)?;
    if let Some(missing) = missing {
        tracing::warn!("this function gets no network: {missing}");
    }
    Ok(netns)
}

/// Whether sandboxes can have a way out here; else why not, with what mends it.
///
/// Makes a namespace and leaves nothing.
///
/// # Errors
/// What is missing, in words for the operator.
pub(crate) fn egress_support() -> Result<(), String> {
    let host = hosts::addresses().map_err(|error| format!("the host's addresses cannot be read: {error}"))?;
    let (_, missing) = in_new_namespace(|| build(Some(&host))).map_err(|error| {
        format!("network namespaces cannot be made: {error}; run as root, or allow user namespaces (sysctl -w kernel.unprivileged_userns_clone=1 user.max_net_namespaces=65536)")
    })?;
    missing.map_or(Ok(()), Err)
}

/// Builds the namespace that the thread is in; `host` are the host's own addresses if a way out is wanted.
/// Beside it: why there is no way out though one was wanted.
fn build(host: Option<&[Ipv4Addr]>) -> io::Result<(NetNs, Option<String>)> {
    let netlink = Netlink::routing()?;
    routes::set_loopback_up(&netlink)?;
    let door = listen(DOOR_ADDRESS, DOOR_BACKLOG)?;
    let mut netns = NetNs { ns: own_namespace()?, door, egress: None };
    let Some(host) = host else { return Ok((netns, None)) };
    // The rules first: a kernel without them must not get the routes that lead to nobody.
    if let Err(error) = nftables::turn_traffic_inwards() {
        return Ok((netns, Some(lack_of_rules(&error))));
    }
    routes::route_everything_to_loopback(&netlink, host)?;
    let tcp = listen(local(nftables::EGRESS_PORT), EGRESS_BACKLOG)?;
    // What is accepted inherits these.
    rustix::net::sockopt::set_socket_recv_buffer_size(&tcp, EGRESS_BUFFER_BYTES)?;
    rustix::net::sockopt::set_socket_send_buffer_size(&tcp, EGRESS_BUFFER_BYTES)?;
    netns.egress = Some(EgressFds {
        tcp,
        dns: bound(SocketType::DGRAM, local(nftables::DNS_PORT))?,
        dns_tcp: listen(local(nftables::DNS_PORT), DNS_BACKLOG)?,
    });
    Ok((netns, None))
}

/// Why the kernel refused the rules, and the command that mends it.
fn lack_of_rules(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPROTONOSUPPORT | libc::ENOENT | libc::EOPNOTSUPP | libc::EAGAIN) => format!(
            "this kernel lacks nf_tables with redirection ({error}); modprobe -a nf_tables nft_chain_nat nft_redir nft_ct nft_limit"
        ),
        Some(libc::EPERM | libc::EACCES) => {
            format!("the rules of the network namespace were refused ({error}); run as root, or allow user namespaces")
        }
        _ => format!("the rules of the network namespace were refused ({error}); dmesg may tell more"),
    }
}

fn local(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}

fn listen(address: SocketAddrV4, backlog: i32) -> io::Result<OwnedFd> {
    let socket = bound(SocketType::STREAM, address)?;
    rustix::net::listen(&socket, backlog)?;
    Ok(socket)
}

fn bound(kind: SocketType, address: SocketAddrV4) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::INET, kind, flags, None)?;
    rustix::net::bind(&socket, &address)?;
    Ok(socket)
}

pub(super) fn own_namespace() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(OWN_NAMESPACE, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// What `build` returns when run by a thread in a new namespace. The thread has ended when this returns, so
/// the caller is as single-threaded as before.
///
/// # Errors
/// No thread, no namespace, or `build`'s own.
pub(super) fn in_new_namespace<T: Send>(build: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("netns".into()).stack_size(BUILDER_STACK_BYTES);
        let thread = builder.spawn_scoped(scope, || {
            // SAFETY: unshare(2) is unsafe only with CLONE_FILES, which would take descriptors away from other
            // threads; CLONE_NEWNET alone changes nothing but where this thread's new sockets are made.
            #[allow(unsafe_code)]
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?;
            build()
        })?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("building a network namespace panicked")))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    #[ignore = "a measurement: root, --nocapture, --release"]
    fn cost_of_making() {
        for egress in [Egress::None, Egress::Internet] {
            let mut times: Vec<_> = (0..1_000)
                .map(|_| {
                    let start = Instant::now();
                    let made = make_netns(egress).unwrap();
                    let took = start.elapsed();
                    assert_eq!(made.egress.is_some(), egress == Egress::Internet);
                    took
                })
                .collect();
            times.sort();
            println!("{egress:?}: p50 {:?}, p99 {:?}", times[500], times[990]);
        }
    }
}
