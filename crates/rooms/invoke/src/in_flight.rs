//! Which calls may be in flight: the decision itself, without a lock or a clock.
//!
//! ```text
//! account's concurrency = reserved of some functions + provisioned of the others + what is left for all
//! a call takes:  its version's provisioned share, while it lasts; then
//!                its function's reserved share (less what of it is provisioned), where there is one;
//!                else what is left for all
//! ```
//!
//! Source: Lambda documentation, "Understanding Lambda function scaling".

use crate::error::ThrottleReason;
use foldhash::fast::RandomState;
use lacewing_catalog::Scope;
use lacewing_model::{FunctionName, RevisionId, Timestamp};

/// Quick, as each call pays for its look-ups; seeded, so that names cannot be chosen to collide.
type Map<K, V> = std::collections::HashMap<K, V, RandomState>;

/// Calls in flight, and what is set aside. The server's is behind [`Permit`](crate::Permit)s; `lacewing simulate`
/// drives one of its own.
#[derive(Debug, Default)]
pub struct InFlight {
    max: u32,
    /// Requests a second for each unit of concurrency; `None`: as many as come.
    requests_per_unit: Option<u32>,
    accounts: Map<Scope, Account>,
    provisioned: Map<RevisionId, Share>,
}

#[derive(Debug, Default)]
struct Account {
    /// Calls that took of what is left for all.
    unreserved: u32,
    /// Reserved of some functions, provisioned of the others.
    set_aside: u32,
    /// Functions with a reservation that were called.
    functions: Map<FunctionName, Reserved>,
    requests: Requests,
}

#[derive(Debug, Default)]
struct Reserved {
    /// Calls beyond what is provisioned.
    in_flight: u32,
    /// What of the reservation is provisioned.
    provisioned: u32,
    requests: Requests,
}

#[derive(Clone, Copy, Debug, Default)]
struct Share {
    count: u32,
    in_flight: u32,
}

/// Requests of the present second.
#[derive(Clone, Copy, Debug, Default)]
struct Requests {
    second: u64,
    count: u64,
}

impl Requests {
    /// Counts one more; false when there are too many.
    fn one_more(&mut self, units: u32, per_unit: Option<u32>, now: Timestamp) -> bool {
        let Some(per_unit) = per_unit else { return true };
        let second = now.0 / 1_000;
        if self.second != second {
            *self = Self { second, count: 0 };
        }
        self.count += 1;
        self.count <= u64::from(units) * u64::from(per_unit)
    }
}

/// What a call asks for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Whose function, and where.
    pub scope: &'a Scope,
    /// Its name.
    pub name: &'a FunctionName,
    /// The version's generation.
    pub generation: RevisionId,
    /// The function's reserved concurrency.
    pub reserved: Option<u32>,
}

/// What an admitted call took; it gives back the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Took {
    /// Of its version's provisioned concurrency.
    Provisioned,
    /// Of its function's reserved concurrency.
    Reserved,
    /// Of what is left for all.
    Unreserved,
}

/// Provisioned concurrency of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvisionedShare {
    /// Whose function, and where.
    pub scope: Scope,
    /// Its name.
    pub name: FunctionName,
    /// The version's generation.
    pub generation: RevisionId,
    /// How many sandboxes stand ready.
    pub count: u32,
    /// Whether it is part of the function's reserved concurrency.
    pub of_reserved: bool,
}

impl InFlight {
    /// Nothing in flight; at most `max` calls of each account.
    #[must_use]
    pub fn new(max: u32) -> Self {
        Self { max, ..Self::default() }
    }

    /// Refuses more than this many requests a second for each unit of concurrency. AWS has 10.
    #[must_use]
    pub fn with_requests_per_unit(self, requests_per_unit: Option<u32>) -> Self {
        Self { requests_per_unit, ..self }
    }

    /// Calls admitted and not ended.
    #[must_use]
    pub fn count(&self) -> usize {
        let accounts = self.accounts.values().map(|account| {
            account.unreserved + account.functions.values().map(|function| function.in_flight).sum::<u32>()
        });
        let provisioned = self.provisioned.values().map(|share| share.in_flight);
        accounts.chain(provisioned).map(|count| count as usize).sum()
    }

    /// Takes what a call needs.
    ///
    /// # Errors
    /// Which limit is in the way.
    pub fn claim(&mut self, ask: &Ask<'_>, now: Timestamp) -> Result<Took, ThrottleReason> {
        // Nothing is provisioned as a rule: then this costs no look-up.
        if !self.provisioned.is_empty()
            && let Some(share) = self.provisioned.get_mut(&ask.generation)
            && share.in_flight < share.count
        {
            share.in_flight += 1;
            return Ok(Took::Provisioned);
        }
        match ask.reserved {
            None => self.enter_at(ask.scope, now).map(|()| Took::Unreserved),
            Some(reserved) => self.enter_reserved(ask, reserved, now).map(|()| Took::Reserved),
        }
    }

    /// Gives back what a call took.
    pub fn release(&mut self, ask: &Ask<'_>, took: Took) {
        let count = match took {
            Took::Provisioned => self.provisioned.get_mut(&ask.generation).map(|share| &mut share.in_flight),
            Took::Unreserved => self.accounts.get_mut(ask.scope).map(|account| &mut account.unreserved),
            Took::Reserved => {
                let account = self.accounts.get_mut(ask.scope);
                account.and_then(|account| account.functions.get_mut(ask.name)).map(|function| &mut function.in_flight)
            }
        };
        // An account at rest keeps its entry: there are few, and the next call is spared an allocation.
        if let Some(count) = count {
            *count = count.saturating_sub(1);
        }
    }

    /// Takes one more call of a function without a reservation.
    ///
    /// # Errors
    /// Which limit is in the way.
    pub fn enter(&mut self, scope: &Scope) -> Result<(), ThrottleReason> {
        self.enter_at(scope, Timestamp::default())
    }

    /// A call that entered so has ended.
    pub fn leave(&mut self, scope: &Scope) {
        if let Some(account) = self.accounts.get_mut(scope) {
            account.unreserved = account.unreserved.saturating_sub(1);
        }
    }

    fn enter_at(&mut self, scope: &Scope, now: Timestamp) -> Result<(), ThrottleReason> {
        let (max, per_unit) = (self.max, self.requests_per_unit);
        let account = known(&mut self.accounts, scope);
        let left = max.saturating_sub(account.set_aside);
        if !account.requests.one_more(left, per_unit, now) {
            return Err(ThrottleReason::FunctionInvocationRateLimitExceeded);
        }
        if account.unreserved >= left {
            return Err(ThrottleReason::ConcurrentInvocationLimitExceeded);
        }
        account.unreserved += 1;
        Ok(())
    }

    fn enter_reserved(&mut self, ask: &Ask<'_>, reserved: u32, now: Timestamp) -> Result<(), ThrottleReason> {
        let per_unit = self.requests_per_unit;
        let functions = &mut known(&mut self.accounts, ask.scope).functions;
        let function = known(functions, ask.name);
        if reserved > 0 && !function.requests.one_more(reserved, per_unit, now) {
            return Err(ThrottleReason::ReservedFunctionInvocationRateLimitExceeded);
        }
        // Where all that is reserved is provisioned, other versions get nothing.
        if function.in_flight >= reserved.saturating_sub(function.provisioned) {
            return Err(ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded);
        }
        function.in_flight += 1;
        Ok(())
    }

    /// Learns what is set aside now: what each account has reserved, and what is provisioned.
    pub fn set_aside(&mut self, reserved: &[(Scope, u32)], provisioned: &[ProvisionedShare]) {
        for account in self.accounts.values_mut() {
            account.set_aside = 0;
            account.functions.retain(|_, function| {
                function.provisioned = 0;
                function.in_flight > 0
            });
        }
        for (scope, count) in reserved {
            known(&mut self.accounts, scope).set_aside += count;
        }
        let before = std::mem::take(&mut self.provisioned);
        for share in provisioned {
            let in_flight = before.get(&share.generation).map_or(0, |before| before.in_flight);
            self.provisioned.insert(share.generation, Share { count: share.count, in_flight });
            let account = known(&mut self.accounts, &share.scope);
            if share.of_reserved {
                account.functions.entry(share.name.clone()).or_default().provisioned += share.count;
            } else {
                account.set_aside += share.count;
            }
        }
        // Calls in flight on what is no longer provisioned still give back.
        let gone = before.into_iter().filter(|(_, share)| share.in_flight > 0);
        for (generation, share) in gone {
            self.provisioned.entry(generation).or_insert(Share { count: 0, ..share });
        }
    }
}

/// The value of `key`, made where there is none: only then is the key cloned.
fn known<'a, K: Clone + Eq + std::hash::Hash, V: Default>(map: &'a mut Map<K, V>, key: &K) -> &'a mut V {
    if !map.contains_key(key) {
        map.insert(key.clone(), V::default());
    }
    map.get_mut(key).unwrap_or_else(|| unreachable!("it was just put there"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ThrottleReason::{
        ConcurrentInvocationLimitExceeded as Account, FunctionInvocationRateLimitExceeded as Rate,
        ReservedFunctionConcurrentInvocationLimitExceeded as Function,
    };

    fn scope() -> Scope {
        Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() }
    }

    /// Calls of one version, all admitted that can be; says how many were and what stood in the way of the next.
    fn fill(state: &mut InFlight, name: &str, generation: u128, reserved: Option<u32>) -> (u32, ThrottleReason) {
        let (scope, name) = (scope(), name.parse().unwrap());
        let ask = Ask { scope: &scope, name: &name, generation: RevisionId::from_u128(generation), reserved };
        for count in 0.. {
            if let Err(reason) = state.claim(&ask, Timestamp(0)) {
                return (count, reason);
            }
        }
        unreachable!()
    }

    fn share(name: &str, generation: u128, count: u32, of_reserved: bool) -> ProvisionedShare {
        let generation = RevisionId::from_u128(generation);
        ProvisionedShare { scope: scope(), name: name.parse().unwrap(), generation, count, of_reserved }
    }

    #[test]
    fn what_is_reserved_is_kept_for_its_function_and_is_its_cap() {
        let mut state = InFlight::new(10);
        state.set_aside(&[(scope(), 3)], &[]);
        assert_eq!(fill(&mut state, "free", 1, None), (7, Account));
        assert_eq!(fill(&mut state, "reserved", 2, Some(3)), (3, Function));
        assert_eq!(fill(&mut state, "off", 3, Some(0)), (0, Function));
        assert_eq!(state.count(), 10);
    }

    #[test]
    fn provisioned_shares_are_used_first_and_calls_spill_over() {
        let mut state = InFlight::new(10);
        state.set_aside(&[], &[share("f", 1, 2, false)]);
        assert_eq!(fill(&mut state, "f", 1, None), (10, Account), "two provisioned, eight of what is left");
        let (scope, name) = (scope(), "f".parse().unwrap());
        let ask = Ask { scope: &scope, name: &name, generation: RevisionId::from_u128(1), reserved: None };
        state.release(&ask, Took::Provisioned);
        assert_eq!(state.claim(&ask, Timestamp(0)), Ok(Took::Provisioned));
        state.set_aside(&[], &[]);
        state.release(&ask, Took::Provisioned);
        assert_eq!(state.count(), 9);
    }

    #[test]
    fn where_all_that_is_reserved_is_provisioned_other_versions_get_nothing() {
        let mut state = InFlight::new(10);
        state.set_aside(&[(scope(), 4)], &[share("f", 1, 4, true)]);
        assert_eq!(fill(&mut state, "f", 2, Some(4)), (0, Function));
        assert_eq!(fill(&mut state, "f", 1, Some(4)), (4, Function));
        assert_eq!(fill(&mut state, "g", 3, None), (6, Account));
    }

    #[test]
    fn requests_a_second_are_bounded_where_asked() {
        let mut state = InFlight::new(2).with_requests_per_unit(Some(10));
        let (scope, name) = (scope(), "f".parse().unwrap());
        let ask = Ask { scope: &scope, name: &name, generation: RevisionId::from_u128(1), reserved: None };
        let mut second = |at: u64| {
            let admitted = (0..30).filter(|_| {
                let took = state.claim(&ask, Timestamp(at));
                took.map(|took| state.release(&ask, took)).map_err(|reason| assert_eq!(reason, Rate)).is_ok()
            });
            admitted.count()
        };
        assert_eq!((second(5_000), second(5_900), second(6_000)), (20, 0, 20));
    }
}
