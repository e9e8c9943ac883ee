//! The names of tenants behind the numbers that the decisions know: callers choose the names, so that only a map with a
//! seed of its own may hold them.

use crate::decide::TenantNumber;
use lacewing_model::{RevisionId, TenantId};
use std::collections::HashMap;
use std::num::NonZeroU64;

/// Tenants of whom something is left: a sandbox, or a call in line.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    numbers: HashMap<RevisionId, HashMap<TenantId, TenantNumber>>,
    names: HashMap<TenantNumber, TenantId>,
    last: u64,
}

impl Tenants {
    /// The number of a version's tenant: a new one where it is not known. Numbers are never given twice.
    pub(super) fn number(&mut self, generation: RevisionId, tenant: &TenantId) -> TenantNumber {
        if let Some(&known) = self.numbers.get(&generation).and_then(|known| known.get(tenant)) {
            return known;
        }
        self.last += 1;
        let number = TenantNumber(NonZeroU64::MIN.saturating_add(self.last - 1));
        self.numbers.entry(generation).or_default().insert(tenant.clone(), number);
        self.names.insert(number, tenant.clone());
        number
    }

    /// How many are known.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.names.len()
    }

    /// Nothing of it is left.
    pub(super) fn forget(&mut self, generation: RevisionId, number: TenantNumber) {
        let Some(name) = self.names.remove(&number) else { return };
        if let Some(known) = self.numbers.get_mut(&generation) {
            known.remove(&name);
            if known.is_empty() {
                self.numbers.remove(&generation);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_until_it_is_forgotten_and_no_number_comes_back() {
        let mut tenants = Tenants::default();
        let (one, two) = (RevisionId::from_u128(1), RevisionId::from_u128(2));
        let (a, b): (TenantId, TenantId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let first = tenants.number(one, &a);
        assert_eq!(tenants.number(one, &a), first);
        let others = [tenants.number(one, &b), tenants.number(two, &a)];
        assert!(!others.contains(&first) && others[0] != others[1], "neither of another name nor of another version");
        tenants.forget(one, first);
        let again = tenants.number(one, &a);
        assert!(again != first && !others.contains(&again));
        for (generation, number) in [(one, again), (one, others[0]), (two, others[1])] {
            tenants.forget(generation, number);
        }
        assert!(tenants.numbers.is_empty() && tenants.names.is_empty(), "nothing is remembered for ever");
    }
}
