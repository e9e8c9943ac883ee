//! The server's side of the spawner: requests out, reports in, each handed to the start that waits for it.

use crate::packet;
use crate::protocol::{Bounds, MountSpec, Report, Request};
use crate::watched::watch;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};

/// A report with its descriptors.
pub(crate) type Reported = (Report, Vec<OwnedFd>);

/// The way to the spawner.
pub(crate) struct Client {
    socket: AsyncFd<OwnedFd>,
    state: Mutex<State>,
    next: AtomicU64,
    /// Sandboxes that are not known to have ended.
    live: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    /// Requests that the socket had no room for. Bounded by the sandboxes there are: two for each.
    outbox: VecDeque<Vec<u8>>,
    waiting: HashMap<u64, mpsc::UnboundedSender<Reported>>,
    gone: bool,
}

/// One sandbox at the spawner. Dropping it ends it: nothing has to be awaited.
pub(crate) struct Cell {
    client: Arc<Client>,
    id: u64,
    reports: mpsc::UnboundedReceiver<Reported>,
}

impl Client {
    /// Takes over a connection on which the spawner has reported itself ready; sandboxes are numbered from
    /// `first_id`. Must be called inside tokio.
    pub(crate) fn attach(socket: OwnedFd, first_id: u64) -> io::Result<Arc<Self>> {
        let socket = watch(socket, Interest::READABLE | Interest::WRITABLE)?;
        let client = Arc::new(Self {
            socket,
            state: Mutex::default(),
            next: AtomicU64::new(first_id),
            live: watch::channel(0).0,
        });
        tokio::spawn(read_reports(Arc::clone(&client)));
        Ok(client)
    }

    /// Asks for a new sandbox, with what is to be done to it at once: one batch, one message.
    pub(crate) fn begin(self: &Arc<Self>, requests: impl FnOnce(u64) -> Vec<Request>) -> io::Result<Cell> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, reports) = mpsc::unbounded_channel();
        {
            let mut state = self.state();
            if state.gone {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            state.waiting.insert(id, sender);
        }
        self.live.send_modify(|live| *live += 1);
        let cell = Cell { client: Arc::clone(self), id, reports };
        self.send(&requests(id)).map(|()| cell)
    }

    /// Resolves when every sandbox has ended completely, but for as many as `held` says.
    pub(crate) async fn all_ended(&self, held: impl Fn() -> usize) {
        let _ = self.live.subscribe().wait_for(|live| *live <= held()).await;
    }

    /// True when the spawner has ended.
    pub(crate) fn is_gone(&self) -> bool {
        self.state().gone
    }

    /// The number that the next sandbox would get.
    pub(crate) fn next_id(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    fn send(self: &Arc<Self>, batch: &[Request]) -> io::Result<()> {
        let sent = self.try_to_send(batch);
        if sent.as_ref().is_err_and(is_end) {
            // Known here before the reader has read the end: the next start must not meet it again.
            self.lose();
        }
        sent
    }

    fn try_to_send(self: &Arc<Self>, batch: &[Request]) -> io::Result<()> {
        let bytes = serde_json::to_vec(batch)?;
        let mut state = self.state();
        if !state.outbox.is_empty() {
            state.outbox.push_back(bytes);
            return Ok(());
        }
        match packet::send(self.socket.get_ref().as_fd(), &bytes, &[]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                state.outbox.push_back(bytes);
                drop(state);
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(empty_outbox(Arc::clone(self)));
                }
                Ok(())
            }
            other => other,
        }
    }

    fn deliver(&self, report: Report, fds: Vec<OwnedFd>) {
        let (id, last) = match &report {
            Report::Prepared { id, .. }
            | Report::Assigned { id, .. }
            | Report::Attached { id }
            | Report::Held { id }
            | Report::NotHeld { id, .. } => (*id, false),
            Report::Failed { id, .. } | Report::Ended { id } => (*id, true),
            Report::Ready(_) => return,
        };
        let mut state = self.state();
        if last {
            // A failed one may be asked to end all the same, and answers that too: it is counted once.
            if let Some(sender) = state.waiting.remove(&id) {
                self.live.send_modify(|live| *live = live.saturating_sub(1));
                let _ = sender.send((report, fds));
            }
        } else if let Some(sender) = state.waiting.get(&id) {
            let _ = sender.send((report, fds));
        }
    }

    fn lose(&self) {
        let mut state = self.state();
        let known = std::mem::replace(&mut state.gone, true);
        state.waiting.clear();
        state.outbox.clear();
        drop(state);
        self.live.send_replace(0);
        if known {
            return;
        }
        tracing::error!("the spawner is gone, and every sandbox with it; the next start begins a new one");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cell {
    /// Has code and limits put on it.
    pub(crate) fn assign(&self, mounts: Vec<MountSpec>, bounds: Bounds) -> io::Result<()> {
        self.client.send(&[Request::Assign { id: self.id, mounts, bounds }])
    }

    /// Has the runtime in it taken for a template, whose copies see `mounts`.
    pub(crate) fn attach(&self, mounts: Vec<MountSpec>) -> io::Result<()> {
        self.client.send(&[Request::Attach { id: self.id, mounts }])
    }

    /// Has a sandbox made with a copy of this one's template.
    pub(crate) fn restore(&self, egress: bool, bounds: Bounds) -> io::Result<Self> {
        self.client.begin(|id| vec![Request::Restore { id, template: self.id, egress, bounds }])
    }

    /// Has its template ended, but not the sandbox.
    pub(crate) fn forget(&self) {
        // A spawner that is gone has ended it.
        let _ = self.client.send(&[Request::Forget { id: self.id }]);
    }

    /// The next report about it; `None` when the spawner is gone.
    pub(crate) async fn report(&mut self) -> Option<Reported> {
        self.reports.recv().await
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        // A spawner that is gone has taken the sandbox with it.
        let _ = self.client.send(&[Request::End { id: self.id }]);
    }
}

/// True for the errors of a socket whose other end is closed.
pub(crate) fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected)
}

async fn read_reports(client: Arc<Client>) {
    let mut buffer = vec![0; packet::PACKET_BYTES_MAX];
    loop {
        let received = client
            .socket
            .async_io(Interest::READABLE, |socket| packet::receive_what_fits(socket.as_fd(), &mut buffer))
            .await;
        let Ok(Some((length, fds))) = received else { return client.lose() };
        match serde_json::from_slice::<Vec<Report>>(&buffer[..length]) {
            Ok(reports) => {
                // All descriptors of a batch are of its first report: no batch makes two sandboxes.
                let mut fds = Some(fds);
                for report in reports {
                    client.deliver(report, fds.take().unwrap_or_default());
                }
            }
            Err(error) => tracing::error!(%error, "the spawner said something that is not agreed"),
        }
    }
}

async fn empty_outbox(client: Arc<Client>) {
    loop {
        let Ok(mut guard) = client.socket.writable().await else { return };
        let mut state = client.state();
        let Some(first) = state.outbox.front() else { return };
        match packet::send(client.socket.get_ref().as_fd(), first, &[]) {
            Ok(()) => {
                state.outbox.pop_front();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
            Err(_) => return,
        }
    }
}
