//! The host's side of the door: one per sandbox.

use crate::answer::{GuestAnswer, GuestReady};
use crate::desk::{Desk, Handed};
use crate::extensions::Extensions;
use crate::own::Own;
use crate::tcp::{self, Shared};
use crate::telemetry::Telemetry;
use lacewing_sandbox::{ApiPassage, Work};
use std::num::NonZero;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;

/// Limits on what comes from the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorOptions {
    /// An answer, bytes. Over it the caller gets `Function.ResponseSizeTooLarge`.
    pub response_bytes_max: u64,
    /// A streamed answer whose caller takes it as it comes, bytes.
    pub stream_bytes_max: u64,
    /// How fast a streamed answer goes on to its caller, bytes a second; `None`: as fast as the caller takes it.
    pub stream_bytes_per_second: Option<NonZero<u64>>,
    /// The head of a request, bytes. Clients send an X-Ray cause of up to 1 MiB in it.
    pub request_header_bytes_max: usize,
    /// The body of a call to the platform's API, bytes.
    pub api_body_bytes_max: u64,
    /// TCP connections at once; more wait to be accepted.
    pub connections_max: usize,
}

impl Default for DoorOptions {
    /// AWS's limits.
    fn default() -> Self {
        Self {
            response_bytes_max: 6_291_556,
            stream_bytes_max: 200 * 1024 * 1024,
            stream_bytes_per_second: None,
            request_header_bytes_max: 1024 * 1024 + 16 * 1024,
            api_body_bytes_max: 6 * 1024 * 1024 + 64 * 1024,
            connections_max: 64,
        }
    }
}

/// One sandbox's Runtime API. Dropping it ends its tasks and closes its connections.
pub struct Door {
    shared: Arc<Shared>,
    own: Option<Own>,
    /// The generation of the runtime process. Tasks end when its sender does.
    process: watch::Sender<u64>,
    first_sign: Option<Instant>,
}

impl Door {
    /// A door that nobody has come to yet. Calls to the platform's own API go through `api`.
    #[must_use]
    pub fn new(options: DoorOptions, api: Arc<dyn ApiPassage>) -> Self {
        let shared = Arc::new(Shared::new(Arc::new(Desk::default()), options, api));
        Self { shared, own: None, process: watch::channel(0).0, first_sign: None }
    }

    /// Accepts on `listener` from now on. Must be called within a tokio runtime.
    pub fn serve_tcp(&self, listener: TcpListener) {
        tokio::spawn(tcp::accept(listener, Arc::clone(&self.shared), self.process.subscribe()));
    }

    /// Speaks with our own bootstrap over `stream`, in place of any earlier one. It is read and written only
    /// while [`Door::ready`] or [`Door::invoke`] is awaited, by the task that awaits: no hop between tasks.
    pub fn serve_unix(&mut self, stream: UnixStream) {
        self.own = Some(Own::new(stream));
    }

    /// A runtime process is about to start (again): all state and every connection of the former one is
    /// forgotten. A stream that was handed in for the new one and has not been heard yet stays.
    pub fn expect_runtime(&mut self) {
        let generation = self.shared.desk.reset();
        self.shared.extensions.expect(&[]);
        self.process.send_replace(generation);
        self.first_sign = None;
        if self.own.as_ref().is_some_and(|own| own.first_sign.is_some()) {
            self.own = None;
        }
    }

    /// The extensions beside the runtime.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.shared.extensions
    }

    /// What happens in the sandbox, for who subscribed.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.shared.telemetry
    }

    /// When the last answer's first byte came.
    #[must_use]
    pub fn answer_begun(&self) -> Option<Instant> {
        self.shared.desk.answer_begun()
    }

    /// Resolves when the runtime has answered and asked for its next event.
    ///
    /// # Cancel safety
    /// Complete.
    pub async fn asked_again(&mut self) {
        while !self.shared.desk.asks() {
            self.turn(None).await;
        }
    }

    /// Whether the runtime waits for its next event.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.shared.desk.asks()
    }

    /// When our own bootstrap first said something, before it loaded the function's code. `None` for other
    /// runtimes, which are silent until they ask for work.
    #[must_use]
    pub fn first_sign(&self) -> Option<Instant> {
        self.first_sign
    }

    /// From now on our own bootstrap's `restore/next` waits for [`Door::restored`], and counts as the end of its INIT.
    pub fn hold_restore(&self) {
        self.shared.desk.hold_restore();
    }

    /// Whether it waits for that.
    #[must_use]
    pub fn waits_for_restore(&self) -> bool {
        self.shared.desk.restore_asked()
    }

    /// Answers a `restore/next` that waits.
    pub fn restored(&mut self) {
        if let (true, Some(own)) = (self.shared.desk.let_restore(), &mut self.own) {
            own.send_restored();
            own.flush_now();
        }
    }

    /// Resolves when the runtime asks for its first event, or reports that its INIT failed. Never resolves
    /// for a runtime that does neither: the caller watches the clock and the process.
    ///
    /// # Cancel safety
    /// Complete.
    pub async fn ready(&mut self) -> GuestReady {
        loop {
            match self.shared.desk.init() {
                Some(Ok(())) => {
                    self.shared.extensions.close();
                    return GuestReady::Asked;
                }
                Some(Err(error)) => {
                    self.flush_now();
                    return GuestReady::InitError(error);
                }
                None if self.shared.desk.restore_asked() => return GuestReady::Asked,
                None => self.turn(None).await,
            }
        }
    }

    /// Hands `work` to the runtime that waits for it, or to the one that will ask, and resolves with its
    /// answer. Where INIT runs inside the invocation and fails, that is the answer.
    ///
    /// # Cancel safety
    /// Dropping it leaves the runtime with the event: end its process, then call [`Door::expect_runtime`].
    pub async fn invoke(&mut self, work: &Work) -> GuestAnswer {
        self.shared.extensions.invoke(work);
        if self.shared.desk.hand_over(work) == Handed::ToOwn
            && let Some(own) = &mut self.own
        {
            own.send_event(work);
        }
        loop {
            if let Some(answer) = self.shared.desk.take_answer() {
                if !self.shared.desk.own_asks() {
                    self.flush_now();
                }
                return answer;
            }
            self.turn(Some(work)).await;
        }
    }

    /// Takes back the event of an invocation that was given up. True when no runtime has seen it: another one may
    /// run it.
    pub fn take_back(&mut self) -> bool {
        self.shared.desk.take_back()
    }

    /// Waits for the guest's next word, on whichever side. `work` is the invocation that is open.
    async fn turn(&mut self, work: Option<&Work>) {
        let desk = &self.shared.desk;
        let Some(own) = &mut self.own else {
            return desk.news.notified().await;
        };
        tokio::select! {
            biased;
            turned = own.turn(desk, &self.shared.options) => {
                self.first_sign = self.first_sign.or(own.first_sign);
                if turned.is_err() {
                    // The process ended or closed it. It may still come over TCP.
                    desk.own_left(work.filter(|_| own.owes_event()));
                    self.own = None;
                }
            }
            () = desk.news.notified() => {}
        }
    }

    fn flush_now(&mut self) {
        if let Some(own) = &mut self.own {
            own.flush_now();
        }
    }
}
