//! The client of a web function's own server: requests in, answers out, bytes as they come.
//!
//! ```text
//! WebRequest ─► a kept line, else a new one (Dial) ─► head ─► pieces (AnswerSink) ─► the line is kept
//!                                                      └ 101 ─► bytes both ways until one side ends
//! ```
//!
//! The server is the function's, so every byte of it is untrusted: hyper parses it, within limits on its head. What is
//! not here: how a connection comes into the sandbox (the driver's), and what clock and crashes do to an exchange (the
//! driver drops it).
//!
//! A line is driven by the exchange that holds it, not by a task of its own: no hop between threads on the way.

mod exchange;
mod line;
mod watched;

pub use exchange::{Exchanged, NoAnswer};

use async_trait::async_trait;
use line::Line;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How long a line may wait for its next request. Servers close what lies still, and one that does so in the moment in
/// which a request comes loses it; a frozen one does it as soon as it thaws. Shorter than the common servers' patience:
/// gunicorn has 2 seconds, uvicorn and Node have 5.
const KEPT_MAX: Duration = Duration::from_secs(1);

/// Makes connections to the server.
#[async_trait]
pub trait Dial: Send + Sync {
    /// A new one.
    ///
    /// # Errors
    /// The server does not take it.
    async fn dial(&self) -> io::Result<TcpStream>;
}

#[async_trait]
impl<D: Dial> Dial for Arc<D> {
    async fn dial(&self) -> io::Result<TcpStream> {
        (**self).dial().await
    }
}

/// The server of one sandbox.
pub struct Server<D> {
    dial: D,
    /// Lines that wait for the next request; the newest is taken first.
    kept: Mutex<Vec<(Instant, Line)>>,
    kept_max: usize,
}

impl<D: Dial> Server<D> {
    /// One that is reached through `dial`; keeps up to `kept_max` connections open.
    pub fn new(dial: D, kept_max: usize) -> Self {
        Self { dial, kept: Mutex::default(), kept_max }
    }

    /// Keeps a connection that was made before.
    pub async fn adopt(&self, stream: TcpStream) {
        if let Ok(line) = Line::over(stream).await {
            self.keep(line);
        }
    }

    /// A kept line that still stands.
    fn take_kept(&self) -> Option<Line> {
        loop {
            let (since, mut line) = self.kept().pop()?;
            if since.elapsed() > KEPT_MAX {
                // Those below it wait even longer.
                self.kept().clear();
                return None;
            }
            if line.stands() {
                return Some(line);
            }
        }
    }

    fn keep(&self, mut line: Line) {
        if line.is_free() {
            let mut kept = self.kept();
            if kept.len() < self.kept_max {
                kept.push((Instant::now(), line));
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<(Instant, Line)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
