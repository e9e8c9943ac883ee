//! The one writer of the events' table: changes that wait for the disk together are made in one transaction.

use lacewing_store::events::EventStep;
use lacewing_store::{Store, StoreError};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Changes that may wait for the disk; whoever comes then waits.
const WAITING_MAX: usize = 1_024;
/// The most changes of one transaction.
const TOGETHER_MAX: usize = 256;

struct Change {
    steps: Vec<EventStep>,
    done: oneshot::Sender<Result<(), String>>,
}

/// A way to the writer.
#[derive(Clone)]
pub(crate) struct Journal {
    inbox: mpsc::Sender<Change>,
}

impl Journal {
    /// Starts the writer; it ends when the last way to it is gone.
    pub(crate) fn open(store: Arc<Store>) -> std::io::Result<Self> {
        let (inbox, changes) = mpsc::channel(WAITING_MAX);
        std::thread::Builder::new().name("events".to_owned()).spawn(move || write(&store, changes))?;
        Ok(Self { inbox })
    }

    /// Makes a change: durable when this returns.
    ///
    /// # Errors
    /// What the disk said; then nothing has changed.
    pub(crate) async fn make(&self, steps: Vec<EventStep>) -> Result<(), String> {
        let (done, answer) = oneshot::channel();
        let gone = |_| "the writer of events has ended".to_owned();
        self.inbox.send(Change { steps, done }).await.map_err(|_| gone(()))?;
        answer.await.map_err(|_| gone(()))?
    }
}

fn write(store: &Store, mut changes: mpsc::Receiver<Change>) {
    while let Some(first) = changes.blocking_recv() {
        let mut together = vec![first];
        while together.len() < TOGETHER_MAX
            && let Ok(next) = changes.try_recv()
        {
            together.push(next);
        }
        let (steps, answers): (Vec<_>, Vec<_>) = together.into_iter().map(|change| (change.steps, change.done)).unzip();
        let made = store.change_events(&steps).map_err(|error: StoreError| error.to_string());
        for answer in answers {
            // Nobody may wait any more.
            let _ = answer.send(made.clone());
        }
    }
}
