//! The way to a web function's server: where in the sandbox it listens.

use crate::dialer::Dialer;
use async_trait::async_trait;
use lacewing_web::Dial;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a server may take to take a connection: its queue may be full.
const TAKEN_MAX: Duration = Duration::from_secs(10);

/// The way to one server.
pub(crate) struct Way {
    dialer: Arc<Dialer>,
    port: u16,
    /// True where it was found at `::1` and not at `127.0.0.1`.
    six: AtomicBool,
}

impl Way {
    pub(crate) fn new(dialer: Arc<Dialer>, port: u16) -> Self {
        Self { dialer, port, six: AtomicBool::new(false) }
    }

    /// Where the server is to listen.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Connects to the server, at the address where it was found last, else at the other.
    ///
    /// # Errors
    /// Nobody listens there.
    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        let six = self.six.load(Ordering::Relaxed);
        match self.at(six, self.port).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            other => return other,
        }
        let stream = self.at(!six, self.port).await?;
        self.six.store(!six, Ordering::Relaxed);
        Ok(stream)
    }

    /// Connects to another port.
    ///
    /// # Errors
    /// Nobody listens there.
    pub(crate) async fn connect_to(&self, port: u16) -> io::Result<TcpStream> {
        self.at(false, port).await
    }

    async fn at(&self, six: bool, port: u16) -> io::Result<TcpStream> {
        let address = if six { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let connected = timeout(TAKEN_MAX, self.dialer.connect_to(address, port)).await;
        let stream = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

#[async_trait]
impl Dial for Way {
    async fn dial(&self) -> io::Result<TcpStream> {
        self.connect().await
    }
}
