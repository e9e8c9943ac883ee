//! Admission: how many calls an account may have in flight.
//!
//! The state is pure and its one lock is held for a few instructions; a [`Permit`] gives itself back.

use crate::error::{InvokeError, RETRY_AFTER, ThrottleReason};
use foldhash::fast::RandomState;
use lacewing_catalog::Scope;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Calls in flight by account and region: the decision itself, without a lock. The server's is behind
/// [`Permit`]s; `lacewing simulate` drives one of its own.
#[derive(Debug, Default)]
pub struct InFlight {
    max: u32,
    /// By a quick hash, as each call pays for two look-ups; seeded, so that names cannot be chosen to collide.
    calls: HashMap<Scope, u32, RandomState>,
}

impl InFlight {
    /// Nothing in flight; at most `max` calls of each account.
    #[must_use]
    pub fn new(max: u32) -> Self {
        Self { max, calls: HashMap::default() }
    }

    /// Takes one more call of `scope`.
    ///
    /// # Errors
    /// Which limit is in the way.
    pub fn enter(&mut self, scope: &Scope) -> Result<(), ThrottleReason> {
        match self.calls.get_mut(scope) {
            Some(count) if *count >= self.max => Err(ThrottleReason::ConcurrentInvocationLimitExceeded),
            Some(count) => {
                *count += 1;
                Ok(())
            }
            None if self.max == 0 => Err(ThrottleReason::ConcurrentInvocationLimitExceeded),
            None => {
                self.calls.insert(scope.clone(), 1);
                Ok(())
            }
        }
    }

    /// One call of `scope` ended. An account at rest keeps its entry: there are few, and the next call is
    /// spared an allocation.
    pub fn leave(&mut self, scope: &Scope) {
        if let Some(count) = self.calls.get_mut(scope) {
            *count = count.saturating_sub(1);
        }
    }
}

/// The gate that calls pass.
#[derive(Clone, Debug)]
pub(crate) struct Admission(Arc<Mutex<InFlight>>);

impl Admission {
    pub(crate) fn new(max: u32) -> Self {
        Self(Arc::new(Mutex::new(InFlight::new(max))))
    }

    /// Calls admitted and not ended.
    pub(crate) fn in_flight(&self) -> usize {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.calls.values().map(|count| *count as usize).sum()
    }

    pub(crate) fn admit(&self, scope: Arc<Scope>) -> Result<Permit, InvokeError> {
        let entered = self.0.lock().unwrap_or_else(PoisonError::into_inner).enter(&scope);
        match entered {
            Ok(()) => Ok(Permit { admission: self.clone(), scope }),
            Err(reason) => Err(InvokeError::Throttled { reason, retry_after: RETRY_AFTER }),
        }
    }
}

/// The right to have one call in flight; dropping it gives it back.
#[derive(Debug)]
pub struct Permit {
    admission: Admission,
    scope: Arc<Scope>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.0.lock().unwrap_or_else(PoisonError::into_inner).leave(&self.scope);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn scope(account: &str) -> Arc<Scope> {
        Arc::new(Scope { account: account.parse().unwrap(), region: "us-east-1".parse().unwrap() })
    }

    #[test]
    fn an_account_has_its_limit_and_no_other_is_touched_by_it() {
        let admission = Admission::new(2);
        let (ours, theirs) = (scope("000000000000"), scope("111111111111"));
        let first = admission.admit(Arc::clone(&ours)).unwrap();
        let _second = admission.admit(Arc::clone(&ours)).unwrap();
        assert!(matches!(admission.admit(Arc::clone(&ours)), Err(InvokeError::Throttled { .. })));
        assert!(admission.admit(theirs).is_ok());
        assert_eq!(admission.in_flight(), 2);
        drop(first);
        assert!(admission.admit(ours).is_ok());
    }

    #[test]
    fn a_limit_of_zero_admits_nothing() {
        assert!(Admission::new(0).admit(scope("000000000000")).is_err());
    }
}
