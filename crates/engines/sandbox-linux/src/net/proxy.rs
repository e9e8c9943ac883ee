//! The server's side of a sandbox's way out.
//!
//! ```text
//! accept ► where to? (SO_ORIGINAL_DST) ► policy ► connect from the host ► carry both ways ► both ends closed
//!                        └───────────────┴─────────────────┴──► the sandbox's connection is reset
//! ```
//!
//! One task per sandbox accepts and owns the tasks of its connections; dropping the handle ends them all.

use super::carry::{both_ways, reset};
use super::dns;
use super::netns::EgressFds;
use super::pace::Pace;
use super::policy::{EgressPolicy, Refusal};
use std::io;
use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::SemaphorePermit;
use tokio::task::{JoinHandle, JoinSet};

/// Connections of one sandbox at once; more wait in the listener's backlog until one ends.
const CONNECTIONS_MAX: usize = 256;
/// Connections of one sandbox per second that are taken at all. The kernel's rule holds back what goes outside
/// (nftables.rs); this, what a function aims at our listeners themselves.
const CONNECTIONS_PER_SECOND_MAX: u32 = 1_000;
/// Bytes that the other side may have sent and the sandbox not yet taken, as the kernel tells it. Left alone it
/// would grow to 6 MiB, for each of all connections. A 10th of a second away it still gives 10 MB/s.
const WINDOW_BYTES_MAX: libc::c_int = 1024 * 1024;
/// How long the other side may take to accept.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long a connection may lie still in both directions. As NAT gateways have it, so pools of SDKs cope.
/// Source: AWS "NAT gateway basics".
const IDLE_MAX: Duration = Duration::from_secs(350);
/// Rest after `accept` failed, which it does again at once while the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Carries what sandboxes send to the outside.
pub(crate) struct EgressProxy;

/// A sandbox's way out. Dropping it closes the way and every connection on it.
#[derive(Debug)]
pub(crate) struct EgressHandle(JoinHandle<()>);

impl Drop for EgressHandle {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl EgressProxy {
    /// Serves one sandbox until the handle is dropped. Must be called inside tokio.
    ///
    /// # Errors
    /// The descriptors cannot be watched; the sandbox then has no way out.
    pub(crate) fn serve(fds: EgressFds, policy: EgressPolicy) -> io::Result<EgressHandle> {
        let tcp = listener(fds.tcp)?;
        let dns_tcp = listener(fds.dns_tcp)?;
        let dns = std::net::UdpSocket::from(fds.dns);
        dns.set_nonblocking(true)?; // it is, but tokio would block the whole server if it were not
        let dns = UdpSocket::from_std(dns)?;
        Ok(EgressHandle(tokio::spawn(async move {
            tokio::join!(
                serve_each(tcp, CONNECTIONS_MAX, |inside| connection(inside, policy.clone())),
                dns::answer_datagrams(dns, &policy),
                serve_each(dns_tcp, dns::CONNECTIONS_MAX, |asker| dns::answer_stream(asker, policy.clone())),
            );
        })))
    }
}

fn listener(fd: OwnedFd) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::from(fd);
    listener.set_nonblocking(true)?; // as above
    TcpListener::from_std(listener)
}

/// Accepts for ever, up to `at_once` connections at a time, and owns the tasks that serve them.
async fn serve_each<F>(listener: TcpListener, at_once: usize, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut served = JoinSet::new();
    let mut pace = Pace::new(CONNECTIONS_PER_SECOND_MAX);
    loop {
        let next = async {
            pace.ready().await;
            listener.accept().await
        };
        tokio::select! {
            Some(_) = served.join_next() => {}
            accepted = next, if served.len() < at_once => match accepted {
                Ok((stream, _)) => {
                    pace.take();
                    served.spawn(serve(stream));
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a sandbox's connection; raise the limit of open files (ulimit -n) if it is that");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// Carries one connection from its first byte to its end.
async fn connection(inside: TcpStream, policy: EgressPolicy) {
    let destination = match rustix::net::sockopt::ip_original_dst(&inside) {
        Ok(destination) => destination,
        // Nobody turned it here: it came to our own address on loopback, which is nobody's business.
        Err(_) => return reset(inside),
    };
    match connect(destination, &policy).await {
        Ok((outside, _place)) => both_ways(inside, outside, IDLE_MAX).await,
        Err(failure) => {
            tracing::debug!(%destination, %failure, "a sandbox's connection does not leave");
            reset(inside);
        }
    }
}

/// Why a connection has no other side.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the other side took longer than {CONNECT_MAX:?}")]
    TimedOut(#[from] tokio::time::error::Elapsed),
    #[error("the other side cannot be reached: {0}")]
    Unreachable(#[from] io::Error),
}

async fn connect(
    destination: SocketAddrV4,
    policy: &EgressPolicy,
) -> Result<(TcpStream, SemaphorePermit<'_>), Failure> {
    let (there, place) = policy.way(destination)?;
    let outside = if there.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    bound_window(&outside)?;
    let outside = tokio::time::timeout(CONNECT_MAX, outside.connect(there)).await??;
    Ok((outside, place))
}

/// Bounds what the kernel holds for us of bytes that we have not read yet.
fn bound_window(socket: &TcpSocket) -> io::Result<()> {
    let bytes = WINDOW_BYTES_MAX;
    let length = size_of_val(&bytes) as libc::socklen_t;
    // SAFETY: the descriptor is open as long as `socket` lives, and the pointer and length are those of a
    // local of the type that TCP_WINDOW_CLAMP reads; the kernel copies it and keeps nothing.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_WINDOW_CLAMP,
            (&raw const bytes).cast(),
            length,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
