//! All functions in memory: an immutable table that the writer replaces whole.

use crate::entry::Entry;
use crate::view::Scope;
use hashbrown::HashTable;
use lacewing_model::{AccountId, FunctionName, Region};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// The table. Keys are not kept apart: an entry's version holds them, and a lookup borrows the caller's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    table: HashTable<Arc<Entry>>,
    /// Keyed, because names come from outside.
    hasher: RandomState,
}

impl Registry {
    pub(crate) fn find(&self, owner: &Scope, name: &FunctionName) -> Option<&Arc<Entry>> {
        self.table.find(self.hash(&owner.account, &owner.region, name), |entry| entry.is(owner, name))
    }

    /// Puts `entry` in the place of the one with its name.
    pub(crate) fn put(&mut self, entry: Arc<Entry>) {
        let owner = entry.owner();
        self.remove(&owner, entry.name());
        let hash = self.hash(&owner.account, &owner.region, entry.name());
        let hasher = &self.hasher;
        self.table.insert_unique(hash, entry, |entry| {
            let shown = &*entry.latest.shown;
            hasher.hash_one((&shown.account, &shown.region, &shown.name))
        });
    }

    pub(crate) fn remove(&mut self, owner: &Scope, name: &FunctionName) {
        let hash = self.hash(&owner.account, &owner.region, name);
        if let Ok(place) = self.table.find_entry(hash, |entry| entry.is(owner, name)) {
            place.remove();
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.table.iter()
    }

    /// The entries of one owner.
    pub(crate) fn of<'a>(&'a self, owner: &'a Scope) -> impl Iterator<Item = &'a Arc<Entry>> {
        self.iter().filter(|entry| {
            let shown = &*entry.latest.shown;
            shown.account == owner.account && shown.region == owner.region
        })
    }

    fn hash(&self, account: &AccountId, region: &Region, name: &FunctionName) -> u64 {
        self.hasher.hash_one((account, region, name))
    }
}
