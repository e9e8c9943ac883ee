//! Who gets a place for an attempt. Most of them go to whoever is due first; the last ones only to functions that hold
//! few, so that one whose attempts take long does not keep the others' events from running. Pure.

use lacewing_model::RequestId;
use lacewing_store::FunctionKey;
use std::collections::HashMap;

/// Attempts at once. Each waits in the corridor like any other call.
pub(crate) const RUNNING_MAX: usize = 256;
/// Those that only functions with few get.
const LAST: usize = 64;
/// How many are few.
const FEW: usize = 4;

/// The places that are taken.
#[derive(Default)]
pub(crate) struct Places {
    taken: HashMap<RequestId, FunctionKey>,
    held: HashMap<FunctionKey, usize>,
}

impl Places {
    /// Takes one for an event. False where it has one, or there is none for its function.
    pub(crate) fn take(&mut self, id: RequestId, function: FunctionKey) -> bool {
        let held = self.held.get(&function).copied().unwrap_or_default();
        if self.is_full() || (self.are_scarce() && held >= FEW) || self.taken.contains_key(&id) {
            return false;
        }
        self.held.insert(function.clone(), held + 1);
        self.taken.insert(id, function);
        true
    }

    pub(crate) fn give_back(&mut self, id: RequestId) {
        let Some(function) = self.taken.remove(&id) else { return };
        if let Some(held) = self.held.get_mut(&function) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&function);
            }
        }
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.taken.len() >= RUNNING_MAX
    }

    /// Whether only functions that hold few get one.
    pub(crate) fn are_scarce(&self) -> bool {
        self.taken.len() >= RUNNING_MAX - LAST
    }

    /// The functions that get none while they are scarce.
    pub(crate) fn sated(&self) -> Vec<FunctionKey> {
        let sated = self.held.iter().filter(|(_, held)| **held >= FEW);
        sated.map(|(function, _)| function.clone()).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn function(name: &str) -> FunctionKey {
        FunctionKey {
            account: "000000000000".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            name: name.parse().unwrap(),
        }
    }

    #[test]
    fn one_function_leaves_places_for_others_and_takes_its_own_back() {
        let mut places = Places::default();
        let first = RequestId::random();
        assert!(places.take(first, function("slow")) && !places.take(first, function("slow")), "once");
        while places.take(RequestId::random(), function("slow")) {}
        assert_eq!(places.taken(), RUNNING_MAX - LAST);
        assert_eq!(places.sated(), [function("slow")]);
        for _ in 0..FEW {
            assert!(places.take(RequestId::random(), function("other")));
        }
        assert!(!places.take(RequestId::random(), function("other")), "it has few no more");
        places.give_back(first);
        (0..FEW).for_each(|_| places.give_back(RequestId::random()));
        assert_eq!(places.taken(), RUNNING_MAX - LAST + FEW - 1, "what was not taken is not given back");
    }

    proptest! {
        #[test]
        fn who_holds_nothing_gets_a_place_unless_many_others_hold_some(names in proptest::collection::vec(0..12_u8, 0..2_000)) {
            let mut places = Places::default();
            for name in names {
                places.take(RequestId::random(), function(&format!("f{name}")));
            }
            prop_assert!(places.taken() <= RUNNING_MAX);
            prop_assert!(places.take(RequestId::random(), function("new")));
        }
    }
}
