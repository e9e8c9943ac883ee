//! The newest records' ids.

use super::UsageRecord;
use std::collections::{HashSet, VecDeque};

/// Ids of the newest records, against a second settlement of the same attempt.
#[derive(Default)]
pub(super) struct Recent {
    max: usize,
    known: HashSet<(u128, u32)>,
    order: VecDeque<(u128, u32)>,
}

impl Recent {
    /// Remembers at most `max` of them.
    pub fn new(max: usize) -> Self {
        Self { max, ..Self::default() }
    }

    /// How many are remembered.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        assert_eq!(self.known.len(), self.order.len());
        self.order.len()
    }

    pub fn contains(&self, record: &UsageRecord) -> bool {
        self.known.contains(&(record.request_id.as_u128(), record.attempt))
    }

    pub fn insert(&mut self, record: &UsageRecord) {
        let id = (record.request_id.as_u128(), record.attempt);
        if self.known.insert(id) {
            self.order.push_back(id);
        }
        while self.order.len() > self.max {
            self.order.pop_front().map(|oldest| self.known.remove(&oldest));
        }
    }
}
