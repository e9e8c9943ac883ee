//! One connection to the server, driven by whoever holds it.

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use lacewing_sandbox::WebBody;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::net::TcpStream;

/// Headers of one answer.
const HEADERS_MAX: usize = 256;
/// The head of an answer, and what is read of a body at a time, bytes.
const BUFFER_BYTES_MAX: usize = 256 << 10;

/// A connection.
pub(crate) struct Line {
    pub(crate) sender: SendRequest<WebBody>,
    /// `None` once it has ended.
    driver: Option<Driver>,
}

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

impl Line {
    /// Speaks HTTP over `stream`.
    ///
    /// # Errors
    /// Never in practice: nothing is sent yet.
    pub(crate) async fn over(stream: TcpStream) -> io::Result<Self> {
        let mut builder = Builder::new();
        builder.max_headers(HEADERS_MAX).max_buf_size(BUFFER_BYTES_MAX);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        Ok(Self { sender, driver: Some(Box::pin(connection.with_upgrades())) })
    }

    /// Resolves with `future`, and moves the connection on meanwhile.
    ///
    /// # Cancel safety
    /// That of `future`.
    pub(crate) async fn while_driven<T>(&mut self, future: impl Future<Output = T>) -> T {
        drive(&mut self.driver, future).await
    }

    /// Has the request sent. Resolves with the head of the answer.
    pub(crate) async fn send(
        &mut self,
        request: http::Request<WebBody>,
    ) -> Result<http::Response<hyper::body::Incoming>, hyper::client::conn::TrySendError<http::Request<WebBody>>> {
        let Self { sender, driver } = self;
        drive(driver, sender.try_send_request(request)).await
    }

    /// False when the server has closed it meanwhile.
    pub(crate) fn stands(&mut self) -> bool {
        self.look();
        self.driver.is_some() && !self.sender.is_closed()
    }

    /// True when it can take another request at once.
    pub(crate) fn is_free(&mut self) -> bool {
        self.look();
        let ready = self.sender.poll_ready(&mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && matches!(ready, Poll::Ready(Ok(())))
    }

    /// Moves it on as far as it goes now.
    fn look(&mut self) {
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
        {
            self.driver = None;
        }
    }
}

async fn drive<T>(driver: &mut Option<Driver>, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|context| {
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(value);
        }
        let Some(connection) = driver else { return Poll::Pending };
        if connection.as_mut().poll(context).is_ready() {
            *driver = None;
        }
        // What the connection brought is there now: no need to be woken for it.
        future.as_mut().poll(context)
    })
    .await
}
