//! The one writer of the events' table: changes that wait for the disk together are made in one transaction.

use crate::backlog::Backlog;
use lacewing_store::Store;
use lacewing_store::events::EventStep;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Changes that may wait for the disk; whoever comes then waits.
const WAITING_MAX: usize = 1_024;
/// The most changes of one transaction.
const TOGETHER_MAX: usize = 256;

struct Change {
    steps: Arc<[EventStep]>,
    done: oneshot::Sender<Result<(), String>>,
}

/// A way to the writer.
#[derive(Clone)]
pub(crate) struct Journal {
    inbox: mpsc::Sender<Change>,
}

impl Journal {
    /// Starts the writer; it ends when the last way to it is gone.
    pub(crate) fn open(store: Arc<Store>, backlog: Arc<Backlog>) -> std::io::Result<Self> {
        let (inbox, changes) = mpsc::channel(WAITING_MAX);
        std::thread::Builder::new().name("events".to_owned()).spawn(move || write(&store, &backlog, changes))?;
        Ok(Self { inbox })
    }

    /// Makes a change: durable when this returns.
    ///
    /// # Errors
    /// What the disk said; then nothing has changed.
    ///
    /// # Cancel safety
    /// Dropping it undoes nothing: a change that was sent is made.
    pub(crate) async fn make(&self, steps: Arc<[EventStep]>) -> Result<(), String> {
        let (done, answer) = oneshot::channel();
        let gone = |_| "the writer of events has ended".to_owned();
        self.inbox.send(Change { steps, done }).await.map_err(|_| gone(()))?;
        answer.await.map_err(|_| gone(()))?
    }
}

fn write(store: &Store, backlog: &Backlog, mut changes: mpsc::Receiver<Change>) {
    while let Some(first) = changes.blocking_recv() {
        let mut together = vec![first];
        while together.len() < TOGETHER_MAX
            && let Ok(next) = changes.try_recv()
        {
            together.push(next);
        }
        let made = store.change_events(together.iter().flat_map(|change| change.steps.iter()));
        let answer = made.map(|changed| backlog.change(changed)).map_err(|error| error.to_string());
        for change in together {
            // Nobody may wait any more.
            let _ = change.done.send(answer.clone());
        }
    }
}
