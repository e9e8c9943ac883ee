//! Keeps the shelf as full as it shall be, in the background: one sandbox at a time, and none while a start is
//! under way that a call waits for, or was a moment ago.

use crate::driver::LinuxDriver;
use crate::prepared::{Shelf, Step};
use lacewing_sandbox::StartError;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// Does so until the shelf is closed. To be spawned once.
pub(crate) async fn keep(driver: Weak<LinuxDriver>, shelf: Arc<Shelf>) {
    loop {
        shelf.quiet().await;
        match shelf.next(Instant::now()) {
            Step::End(one) => drop(one),
            Step::Make(kind) => {
                let Some(driver) = driver.upgrade() else { return };
                let made = driver.prepare(kind).await.map_err(StartError::from);
                if let Err(error) = &made {
                    tracing::warn!(%error, ?kind, "a sandbox could not be prepared; starts go without");
                }
                shelf.made(kind, made.ok(), Instant::now());
            }
            Step::Rest(None) => shelf.changed.notified().await,
            Step::Rest(Some(until)) => drop(tokio::time::timeout_at(until.into(), shelf.changed.notified()).await),
            Step::Close => return,
        }
    }
}
