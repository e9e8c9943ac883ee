//! The prepared sandboxes of one node: as many as its pool asks for, made one after another.

use lacewing_sandbox::Preparation;
use std::collections::BTreeMap;

/// The stock.
#[derive(Debug, Default)]
pub struct Stock {
    kinds: BTreeMap<Preparation, Kind>,
    /// The one that is being made.
    making: Option<Preparation>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    wanted: usize,
    ready: usize,
}

impl Stock {
    /// So many are wanted from now on; those too many end.
    pub fn want(&mut self, kind: Preparation, count: usize) {
        let stock = self.kinds.entry(kind).or_default();
        stock.wanted = count;
        stock.ready = stock.ready.min(count);
    }

    /// Takes one for a start. Says whether there was one.
    pub fn take(&mut self, kind: Preparation) -> bool {
        let ready = self.kinds.get_mut(&kind).map(|stock| &mut stock.ready).filter(|ready| **ready > 0);
        ready.map(|ready| *ready -= 1).is_some()
    }

    /// Which kind to make next, when none is being made: the one that misses most.
    pub fn make(&mut self) -> Option<Preparation> {
        if self.making.is_some() {
            return None;
        }
        let missing = |(_, stock): &(&Preparation, &Kind)| stock.wanted.saturating_sub(stock.ready);
        let most = self.kinds.iter().max_by_key(missing).filter(|most| missing(most) > 0);
        self.making = most.map(|(&kind, _)| kind);
        self.making
    }

    /// The one that was being made is ready.
    pub fn made(&mut self) {
        if let Some(stock) = self.making.take().and_then(|kind| self.kinds.get_mut(&kind)) {
            stock.ready = stock.wanted.min(stock.ready + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lacewing_model::{Egress, Language};

    #[test]
    fn one_is_made_at_a_time_and_taken_once() {
        let kind = |language| Preparation { language, egress: Egress::Internet, memory: None };
        let (python, node) = (kind(Language::Python(13)), kind(Language::Node(22)));
        let mut stock = Stock::default();
        stock.want(python, 1);
        stock.want(node, 2);
        assert_eq!((stock.make(), stock.make()), (Some(node), None));
        assert!(!stock.take(node));
        stock.made();
        assert!(stock.take(node) && !stock.take(node));
        assert_eq!(stock.make(), Some(node));
        stock.want(node, 0);
        stock.made();
        assert_eq!((stock.take(node), stock.make()), (false, Some(python)));
    }
}
