//! Connections from the server into a sandbox: to a function's own server, to an extension that listens.
//!
//! A socket belongs for good to the network namespace that it was made in, and init lives in the sandbox's: it makes
//! sockets and hands them out, and the server connects them. No process of ours ever enters a guest's namespace.

use crate::control::Control;
use crate::protocol::Order;
use crate::watched::watch;
use crate::{packet, sys};
use async_trait::async_trait;
use lacewing_runtime_api::Dial;
use rustix::net::AddressFamily;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream as StdStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Mutex, OnceCell};

/// The way into one sandbox, opened when it is first used.
pub(crate) struct Dialer {
    control: Arc<Control>,
    channel: OnceCell<AsyncFd<OwnedFd>>,
    /// Sockets that were asked for and have not come: more than none only while one asks, or after one that asked has
    /// given up.
    owed: Mutex<usize>,
}

impl Dialer {
    pub(crate) fn new(control: Arc<Control>) -> Self {
        Self { control, channel: OnceCell::new(), owed: Mutex::default() }
    }

    /// Has init open the way.
    async fn open(&self) -> io::Result<AsyncFd<OwnedFd>> {
        let (ours, theirs) = sys::packet_pair()?;
        self.control.order(&Order::MakeSockets, &[theirs.as_fd()]).await?;
        watch(ours, Interest::READABLE | Interest::WRITABLE)
    }

    /// Connects to what listens on this port of the sandbox's loopback, at `127.0.0.1`. Waits for ever where the
    /// sandbox stands still.
    ///
    /// # Errors
    /// Nobody listens there, or init is gone.
    ///
    /// # Cancel safety
    /// Complete.
    pub(crate) async fn connect(&self, port: u16) -> io::Result<TcpStream> {
        self.connect_to(Ipv4Addr::LOCALHOST.into(), port).await
    }

    /// The same at another address of its loopback.
    ///
    /// # Errors
    /// As [`Dialer::connect`].
    ///
    /// # Cancel safety
    /// Complete.
    pub(crate) async fn connect_to(&self, address: IpAddr, port: u16) -> io::Result<TcpStream> {
        let socket = self.socket().await?;
        let address = match (rustix::net::sockopt::socket_domain(&socket)?, address) {
            (AddressFamily::INET6, IpAddr::V4(four)) => four.to_ipv6_mapped().into(),
            (_, address) => address,
        };
        TcpSocket::from_std_stream(StdStream::from(socket)).connect(SocketAddr::new(address, port)).await
    }

    async fn socket(&self) -> io::Result<OwnedFd> {
        let channel = self.channel.get_or_try_init(|| self.open()).await?;
        let mut owed = self.owed.lock().await;
        if *owed == 0 {
            channel.async_io(Interest::WRITABLE, |channel| packet::send(channel.as_fd(), &[0], &[])).await?;
            *owed += 1;
        }
        let mut said = [0; 8];
        let read = |channel: &OwnedFd| packet::receive(channel.as_fd(), &mut said);
        let received = channel.async_io(Interest::READABLE, read).await?;
        *owed -= 1;
        let Some((length, fds)) = received else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        fds.into_iter().next().ok_or_else(|| match <[u8; 4]>::try_from(&said[..length]) {
            Ok(errno) => io::Error::from_raw_os_error(i32::from_le_bytes(errno)),
            Err(_) => io::Error::other("init said something that is not agreed"),
        })
    }
}

#[async_trait]
impl Dial for Dialer {
    async fn dial(&self, port: u16) -> io::Result<TcpStream> {
        self.connect(port).await
    }
}
