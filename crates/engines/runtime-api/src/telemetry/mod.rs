//! Telemetry: what happens in a sandbox, told to the extensions that subscribed.
//!
//! ```text
//! driver ─ events, lines ─► Telemetry ─► for each subscriber: its schema ► buffer ► batches ─► a listener inside
//! guest  ─ PUT /telemetry, /logs ─► subscription, until the end of INIT
//! ```
//!
//! What comes before the first subscription is kept, bounded, until INIT is over. A sandbox without subscribers pays
//! for one look at a flag.

mod buffer;
mod delivery;
mod event;
mod subscription;

pub use event::{EventKind, TelemetryEvent};
pub(crate) use subscription::Api;
pub use subscription::Category;

use crate::extensions::{Extensions, identifier, read};
use crate::refusal::Refusal;
use async_trait::async_trait;
use buffer::{Buffer, Dropped};
use bytes::Bytes;
use delivery::Queue;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use lacewing_model::{Clock, SystemClock};
use serde_json::json;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use subscription::Buffering;
use subscription::Schema;
pub(crate) use subscription::Subscription;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What is kept for those who have yet to subscribe, bytes.
const BACKLOG_BYTES_MAX: usize = 256 * 1024;
/// What an event counts beyond its text: one without any takes room too.
const EVENT_BYTES: usize = 256;

/// The way to listeners inside the sandbox.
#[async_trait]
pub trait Dial: Send + Sync {
    /// Connects to `port` of the sandbox's loopback.
    ///
    /// # Errors
    /// Nobody listens there.
    async fn dial(&self, port: u16) -> io::Result<TcpStream>;
}

/// Makes the event that tells of a loss, for a subscriber that wants to know. `true`: it was too slow; else it did not
/// take its batch.
type LogsDropped = Box<dyn Fn(Dropped, bool) -> Option<String> + Send>;

/// The telemetry of one sandbox: a cheap handle.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

struct Inner {
    /// Whether anybody listens, or may yet.
    open: AtomicBool,
    state: Mutex<State>,
    frozen: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    dial: Option<Arc<dyn Dial>>,
    subscribers: Vec<Subscriber>,
    backlog: Vec<TelemetryEvent>,
    backlog_bytes: usize,
    /// INIT is over.
    closed: bool,
}

/// One subscription. Dropping it ends its delivery.
struct Subscriber {
    extension: String,
    subscription: Subscription,
    queue: Arc<Queue>,
    delivery: JoinHandle<()>,
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.delivery.abort();
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        let state = Mutex::new(State { closed: true, ..State::default() });
        Self(Arc::new(Inner { open: AtomicBool::new(false), state, frozen: watch::channel(false).0 }))
    }
}

impl Telemetry {
    /// Says how listeners inside are reached.
    pub fn reach_by(&self, dial: Arc<dyn Dial>) {
        self.lock().dial = Some(dial);
    }

    /// An INIT begins with `first`; all subscriptions are over. `expected`: there are extensions that may subscribe, so
    /// what happens is kept for them.
    pub fn begin(&self, first: TelemetryEvent, expected: bool) {
        let mut state = self.lock();
        let dial = state.dial.take();
        *state = State { dial, backlog: vec![first], ..State::default() };
        self.0.open.store(expected, Ordering::Release);
    }

    /// INIT is over: nobody subscribes any more.
    pub fn close(&self) {
        let mut state = self.lock();
        (state.closed, state.backlog, state.backlog_bytes) = (true, Vec::new(), 0);
        self.0.open.store(!state.subscribers.is_empty(), Ordering::Release);
    }

    /// All processes have ended: nobody listens any more.
    pub fn end(&self) {
        if self.is_open() {
            self.lock().subscribers.clear();
            self.close();
        }
    }

    /// Whether an event would reach anybody, now or later.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.open.load(Ordering::Acquire)
    }

    /// Tells of an event, which is made only where it reaches anybody.
    pub fn tell(&self, event: impl FnOnce() -> TelemetryEvent) {
        if !self.is_open() {
            return;
        }
        let event = event();
        let mut state = self.lock();
        state.subscribers.iter().for_each(|subscriber| subscriber.offer(&event));
        if !state.closed && state.backlog_bytes < BACKLOG_BYTES_MAX {
            state.backlog_bytes += EVENT_BYTES + event.record.as_str().map_or(0, str::len);
            state.backlog.push(event);
        }
    }

    /// The sandbox stands still, or goes on.
    pub fn set_frozen(&self, frozen: bool) {
        if self.is_open() {
            self.0.frozen.send_replace(frozen);
        }
    }

    /// From now on nothing waits for company in its batch.
    pub fn urge(&self) {
        self.lock().subscribers.iter().for_each(|subscriber| subscriber.queue.urge());
    }

    /// Resolves when everything has been delivered, or given up.
    ///
    /// # Cancel safety
    /// Complete.
    pub async fn delivered(&self) {
        let queues: Vec<_> = self.lock().subscribers.iter().map(|subscriber| Arc::clone(&subscriber.queue)).collect();
        for queue in queues {
            queue.idle().await;
        }
    }

    /// Subscribes an extension, in place of what it subscribed before.
    fn subscribe(&self, extension: &str, api: Api, body: &[u8]) -> Result<(), Refusal> {
        let subscription = Subscription::parse(api, body);
        let mut state = self.lock();
        if state.closed {
            return Err(api.closed());
        }
        let subscription = subscription?;
        let earlier = state.subscribers.iter().position(|subscriber| subscriber.extension == extension);
        if let Some(at) = earlier {
            if state.subscribers[at].subscription.schema.api() != api {
                return Err(Refusal::invalid("This extension has subscribed by the other API; use one of the two"));
            }
            if state.subscribers[at].subscription == subscription {
                return Ok(());
            }
            state.subscribers.remove(at);
        }
        let dial = state.dial.clone().ok_or_else(|| Refusal::invalid("Nothing can be delivered here"))?;
        let types: Vec<_> = subscription.categories.iter().map(|category| category.as_str()).collect();
        let record = json!({"name": extension, "state": "Subscribed", "types": types});
        let subscriber = Subscriber::begin(extension, subscription, dial, self.0.frozen.subscribe());
        state.backlog.iter().for_each(|event| subscriber.offer(event));
        state.subscribers.push(subscriber);
        self.0.open.store(true, Ordering::Release);
        drop(state);
        self.tell(|| TelemetryEvent { time: SystemClock.now(), kind: EventKind::Subscription, record });
        Ok(())
    }

    /// Those who have subscribed: name, whether by the Logs API, and what to. For the platform's log.
    #[must_use]
    pub fn list(&self) -> Vec<(String, bool, Vec<Category>)> {
        let describe = |subscriber: &Subscriber| {
            let Subscription { schema, categories, .. } = &subscriber.subscription;
            (subscriber.extension.clone(), schema.api() == Api::Logs, categories.clone())
        };
        self.lock().subscribers.iter().map(describe).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No step can be left half done.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber {
    fn begin(extension: &str, subscription: Subscription, dial: Arc<dyn Dial>, frozen: watch::Receiver<bool>) -> Self {
        let queue = Queue::new(Buffer::new(subscription.buffering));
        let (schema, wants) = (subscription.schema, subscription.wants(Category::Platform));
        let dropped: LogsDropped =
            Box::new(move |lost, slow| if wants { logs_dropped(lost, slow, schema) } else { None });
        let destination = subscription.destination.clone();
        let delivery = delivery::deliver(Arc::clone(&queue), destination, dial, frozen, dropped);
        let delivery = tokio::spawn(delivery);
        Self { extension: extension.to_owned(), subscription, queue, delivery }
    }

    fn offer(&self, event: &TelemetryEvent) {
        if self.subscription.wants(event.kind.category())
            && let Some(text) = event.render(self.subscription.schema)
        {
            self.queue.push(text);
        }
    }
}

fn logs_dropped(lost: Dropped, slow: bool, schema: Schema) -> Option<String> {
    let reason = if slow {
        "Some logs were dropped because the downstream consumer is slower than the logs production rate"
    } else {
        "Some logs were dropped because the downstream consumer did not take them"
    };
    let record = json!({"reason": reason, "droppedRecords": lost.records, "droppedBytes": lost.bytes});
    TelemetryEvent { time: SystemClock.now(), kind: EventKind::LogsDropped, record }.render(schema)
}

/// Answers a request to subscribe.
pub(crate) async fn answer(
    api: Api,
    request: Request<Incoming>,
    extensions: &Extensions,
    telemetry: &Telemetry,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let (head, body) = request.into_parts();
    let name = extensions.name_of(identifier(&head.headers)?)?;
    telemetry.subscribe(&name, api, &read(body).await?)?;
    let mut response = Response::new(Full::new(Bytes::from_static(b"\"OK\"")));
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

#[cfg(test)]
mod tests;
