//! Connections from the server into a sandbox: to a function's own server, to an extension that listens.
//!
//! A socket belongs for good to the network namespace that it was made in, and init lives in the sandbox's: it makes
//! sockets and hands them out, and the server connects them. No process of ours ever enters a guest's namespace.

use crate::control::Control;
use crate::protocol::Order;
use crate::watched::watch;
use crate::{packet, sys};
use rustix::net::AddressFamily;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream as StdStream};
use std::os::fd::{AsFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Mutex;

/// The way into one sandbox.
pub(crate) struct Dialer {
    channel: AsyncFd<OwnedFd>,
    /// Sockets that were asked for and have not come: more than none only while one asks, or after one that asked has
    /// given up.
    owed: Mutex<usize>,
}

impl Dialer {
    /// Has init open the way. Must be called inside tokio.
    ///
    /// # Errors
    /// Init is gone, or the machine has no descriptors left.
    pub(crate) async fn open(control: &Control) -> io::Result<Self> {
        let (ours, theirs) = sys::packet_pair()?;
        control.order(&Order::MakeSockets, &[theirs.as_fd()]).await?;
        let channel = watch(ours, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { channel, owed: Mutex::default() })
    }

    /// Connects to what listens on this port of the sandbox's loopback, at `127.0.0.1`. Waits for ever where the
    /// sandbox stands still.
    ///
    /// # Errors
    /// Nobody listens there, or init is gone.
    ///
    /// # Cancel safety
    /// Complete.
    #[allow(dead_code)] // telemetry comes next
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
        let mut owed = self.owed.lock().await;
        if *owed == 0 {
            self.channel.async_io(Interest::WRITABLE, |channel| packet::send(channel.as_fd(), &[0], &[])).await?;
            *owed += 1;
        }
        let mut said = [0; 8];
        let read = |channel: &OwnedFd| packet::receive(channel.as_fd(), &mut said);
        let received = self.channel.async_io(Interest::READABLE, read).await?;
        *owed -= 1;
        let Some((length, fds)) = received else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        fds.into_iter().next().ok_or_else(|| match <[u8; 4]>::try_from(&said[..length]) {
            Ok(errno) => io::Error::from_raw_os_error(i32::from_le_bytes(errno)),
            Err(_) => io::Error::other("init said something that is not agreed"),
        })
    }
}
