//! Brings one subscriber its batches, to a listener inside the sandbox.
//!
//! ```text
//! buffer ─ due ─► batch ─► connect, send, 2xx? ─ yes ─► delivered
//!                   ▲            │ no: again after a pause, some times; then dropped, counted and told
//!                   └─ frozen ───┘ the try is given up; the same batch goes once the sandbox goes on
//! ```
//!
//! At least once, as on Lambda: a batch whose answer was lost comes twice. What the listener answers is untrusted; only
//! its status is looked at.

use super::buffer::{Buffer, Due};
use super::subscription::Destination;
use super::{Dial, LogsDropped};
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};

/// Pauses between tries: a listener may come up after its subscription.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(100), Duration::from_millis(250), Duration::from_millis(500)];
/// How long one try may take.
const TRY_MAX: Duration = Duration::from_secs(5);

/// What waits for one subscriber: filled by whoever has an event, emptied by [`deliver`].
pub(super) struct Queue {
    buffer: Mutex<Buffer>,
    changed: Notify,
    /// True while a batch is on its way.
    sending: watch::Sender<bool>,
}

impl Queue {
    pub(super) fn new(buffer: Buffer) -> Arc<Self> {
        Arc::new(Self { buffer: Mutex::new(buffer), changed: Notify::new(), sending: watch::channel(false).0 })
    }

    pub(super) fn push(&self, event: String) {
        self.lock().push(event, Instant::now());
        self.changed.notify_one();
    }

    pub(super) fn urge(&self) {
        self.lock().urge();
        self.changed.notify_one();
    }

    /// Resolves when nothing waits and nothing is on its way.
    pub(super) async fn idle(&self) {
        let mut sending = self.sending.subscribe();
        while !self.lock().is_empty() || *sending.borrow() {
            if sending.changed().await.is_err() {
                return;
            }
        }
    }

    /// The next batch, once it is due.
    async fn next(&self) -> Vec<String> {
        loop {
            let until = {
                let mut buffer = self.lock();
                match buffer.due(Instant::now()) {
                    Due::Send(batch) => {
                        // Before the lock is let go: nobody may see neither.
                        self.sending.send_replace(true);
                        return batch;
                    }
                    Due::Wait(until) => until,
                }
            };
            match until {
                None => self.changed.notified().await,
                Some(until) => drop(tokio::time::timeout_at(until.into(), self.changed.notified()).await),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Delivers until it is aborted. `frozen` says whether the sandbox stands still.
pub(super) async fn deliver(
    queue: Arc<Queue>,
    destination: Destination,
    dial: Arc<dyn Dial>,
    mut frozen: watch::Receiver<bool>,
    dropped: LogsDropped,
) {
    let mut line = None;
    loop {
        let batch = queue.next().await;
        let mut pauses = PAUSES.into_iter();
        let delivered = loop {
            if frozen.wait_for(|frozen| !frozen).await.is_err() {
                return;
            }
            let tried = tokio::select! {
                tried = tokio::time::timeout(TRY_MAX, send(&destination, &batch, &mut line, &*dial)) => Some(tried),
                _ = frozen.wait_for(|frozen| *frozen) => None,
            };
            match tried {
                // It was frozen meanwhile: no fault of the listener's.
                None => line = None,
                Some(Ok(Ok(()))) => break true,
                Some(failed) => {
                    tracing::debug!(?failed, "a subscriber did not take its telemetry");
                    line = None;
                    let Some(pause) = pauses.next() else { break false };
                    tokio::time::sleep(pause).await;
                }
            }
        };
        if !delivered {
            queue.lock().lost(&batch);
        }
        let lost = queue.lock().take_dropped();
        if let Some(lost) = lost
            && let Some(event) = dropped(lost, delivered)
        {
            queue.lock().push(event, Instant::now());
        }
        queue.sending.send_replace(false);
    }
}

async fn send(
    destination: &Destination,
    batch: &[String],
    line: &mut Option<TcpStream>,
    dial: &dyn Dial,
) -> io::Result<()> {
    match destination {
        Destination::Tcp { port } => {
            let stream = match line {
                Some(stream) => stream,
                None => line.insert(dial.dial(*port).await?),
            };
            let mut text = batch.join("\n");
            text.push('\n');
            stream.write_all(text.as_bytes()).await
        }
        Destination::Http { method, authority, target, port } => {
            let body = Bytes::from(format!("[{}]", batch.join(",")));
            let request = Request::builder()
                .method(method)
                .uri(target)
                .header(header::HOST, authority)
                .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(Full::new(body))
                .map_err(io::Error::other)?;
            post(dial.dial(*port).await?, request).await
        }
    }
}

/// One request on a connection of its own.
async fn post(stream: TcpStream, request: Request<Full<Bytes>>) -> io::Result<()> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The connection is over when the answer is whole, or has failed: the request knows which.
        _ = connection => answer.await,
    };
    let status = answer.map_err(io::Error::other)?.status();
    if status.is_success() { Ok(()) } else { Err(io::Error::other(format!("it answered {status}"))) }
}
