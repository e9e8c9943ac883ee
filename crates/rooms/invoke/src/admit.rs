//! Admission: the gate that calls pass.
//!
//! The state is pure ([`InFlight`]) and its one lock is held for a few instructions; a [`Permit`] gives itself back.

use crate::error::{InvokeError, RETRY_AFTER};
use crate::in_flight::{Ask, InFlight, ProvisionedShare, Took};
use lacewing_catalog::{Runnable, Scope};
use lacewing_model::{Timestamp, Version};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The gate.
#[derive(Clone, Debug)]
pub(crate) struct Admission(Arc<Mutex<InFlight>>);

impl Admission {
    pub(crate) fn new(state: InFlight) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// Calls admitted and not ended.
    pub(crate) fn in_flight(&self) -> usize {
        self.state().count()
    }

    /// Learns what is set aside now.
    pub(crate) fn set_aside(&self, reserved: &[(Scope, u32)], provisioned: &[ProvisionedShare]) {
        self.state().set_aside(reserved, provisioned);
    }

    pub(crate) fn admit(&self, scope: Arc<Scope>, runnable: &Runnable, now: Timestamp) -> Result<Permit, InvokeError> {
        let version = &runnable.version;
        let claimed = self.state().claim(&ask(&scope, version, runnable.reserved), now);
        match claimed {
            Ok(took) => Ok(Permit { admission: self.clone(), scope, version: Arc::clone(version), took }),
            Err(reason) => Err(InvokeError::Throttled { reason, retry_after: RETRY_AFTER }),
        }
    }

    fn state(&self) -> MutexGuard<'_, InFlight> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ask<'a>(scope: &'a Scope, version: &'a Version, reserved: Option<u32>) -> Ask<'a> {
    Ask { scope, name: &version.name, generation: version.generation, reserved }
}

/// The right to have one call in flight; dropping it gives it back.
#[derive(Debug)]
pub struct Permit {
    admission: Admission,
    scope: Arc<Scope>,
    version: Arc<Version>,
    took: Took,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.state().release(&ask(&self.scope, &self.version, None), self.took);
    }
}
