//! The present spawner, and the next one should it end.
//!
//! A spawner that ends takes every sandbox with it, but not the server: the next start begins a new one.

use crate::client::Client;
use crate::error::LinuxError;
use crate::protocol::Setup;
use crate::{cgroup, starter, sweep};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

/// Gives the spawner there is.
pub(crate) struct Spawners {
    command: Vec<OsString>,
    setup: Setup,
    present: Mutex<Arc<Client>>,
    /// Held while a new one is started: one for all who wait.
    renewal: tokio::sync::Mutex<()>,
}

impl Spawners {
    /// Begins with the spawner behind `socket`, which has reported itself ready. Must be called inside tokio.
    ///
    /// # Errors
    /// The socket cannot be watched.
    pub(crate) fn attach(command: Vec<OsString>, setup: Setup, socket: OwnedFd) -> io::Result<Self> {
        let present = Mutex::new(Client::attach(socket, 1)?);
        Ok(Self { command, setup, present, renewal: tokio::sync::Mutex::default() })
    }

    /// The spawner, a new one if it has ended.
    ///
    /// # Errors
    /// No new one could be started.
    pub(crate) async fn client(&self) -> Result<Arc<Client>, LinuxError> {
        let present = self.present();
        if !present.is_gone() {
            return Ok(present);
        }
        let _one_at_a_time = self.renewal.lock().await;
        let former = self.present();
        if !former.is_gone() {
            return Ok(former);
        }
        let (command, setup) = (self.command.clone(), self.setup.clone());
        let started = tokio::task::spawn_blocking(move || {
            sweep::sweep(&cgroup::Layout::detect(), &setup.cgroup);
            let socket = starter::begin(&command, &setup)?;
            starter::await_ready(socket.as_fd())?;
            Ok::<_, LinuxError>(socket)
        });
        let socket = started.await.map_err(io::Error::other)??;
        // Ids go on: what the former could not remove must not be taken for ours.
        let fresh = Client::attach(socket, former.next_id())?;
        tracing::warn!("a new spawner is in place");
        *self.present.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fresh);
        Ok(fresh)
    }

    /// The spawner there is or was last.
    pub(crate) fn present(&self) -> Arc<Client> {
        Arc::clone(&self.present.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
