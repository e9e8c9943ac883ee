//! All functions in memory: an immutable table that the writer replaces whole.

use crate::view::{FunctionView, Runnable, Scope};
use hashbrown::HashTable;
use lacewing_artifact::Package;
use lacewing_model::{FunctionName, Lifecycle, Version, VersionNumber};
use lacewing_store::{FunctionKey, Generation, StoredFunction};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// One function, immutable: a change makes a new one.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// What replies show.
    pub(crate) shown: Arc<Version>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) tags: Arc<BTreeMap<String, String>>,
    /// The package of `shown`.
    pub(crate) package: Package,
    /// What calls get: of a former generation while an update is in progress.
    pub(crate) runnable: Option<Runnable>,
}

impl Entry {
    pub(crate) fn view(&self) -> FunctionView {
        FunctionView { version: self.shown.clone(), lifecycle: self.lifecycle.clone(), tags: self.tags.clone() }
    }

    /// True if the entry needs the package on the disk.
    pub(crate) fn needs(&self, package: &Package) -> bool {
        self.shown.code_sha256 == *package.sha256()
            || self.runnable.as_ref().is_some_and(|runnable| runnable.version.code_sha256 == *package.sha256())
    }

    /// The packages that the entry needs.
    pub(crate) fn packages(&self) -> impl Iterator<Item = Package> {
        std::iter::once(self.package.clone()).chain(self.runnable.as_ref().map(|runnable| runnable.code.package()))
    }

    /// As the store keeps it.
    pub(crate) fn stored(&self) -> StoredFunction {
        let shown = &*self.shown;
        StoredFunction {
            key: FunctionKey { account: shown.account.clone(), region: shown.region.clone(), name: shown.name.clone() },
            revision: shown.revision,
            lifecycle: self.lifecycle.clone(),
            tags: self.tags.clone(),
            latest: Arc::new(generation(shown)),
            serving: self.runnable.as_ref().map(|runnable| Arc::new(generation(&runnable.version))),
        }
    }

    fn is(&self, owner: &Scope, name: &FunctionName) -> bool {
        let shown = &*self.shown;
        shown.name == *name && shown.account == owner.account && shown.region == owner.region
    }
}

fn generation(version: &Version) -> Generation {
    Generation {
        id: version.generation,
        config: version.config.clone(),
        code_sha256: version.code_sha256.clone(),
        code_bytes: version.code_bytes,
        modified: version.last_modified,
    }
}

/// A generation of a kept function as its `$LATEST`.
pub(crate) fn version(function: &StoredFunction, generation: &Generation) -> Version {
    Version {
        account: function.key.account.clone(),
        region: function.key.region.clone(),
        name: function.key.name.clone(),
        number: VersionNumber::Latest,
        config: generation.config.clone(),
        code_sha256: generation.code_sha256.clone(),
        code_bytes: generation.code_bytes,
        revision: function.revision,
        generation: generation.id,
        last_modified: generation.modified,
    }
}

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
        let owner = Scope::of(&entry.shown);
        self.remove(&owner, &entry.shown.name);
        let hash = self.hash(&owner.account, &owner.region, &entry.shown.name);
        let hasher = &self.hasher;
        self.table.insert_unique(hash, entry, |entry| {
            let shown = &*entry.shown;
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
        self.iter().filter(|entry| entry.shown.account == owner.account && entry.shown.region == owner.region)
    }

    fn hash(&self, account: &lacewing_model::AccountId, region: &lacewing_model::Region, name: &FunctionName) -> u64 {
        self.hasher.hash_one((account, region, name))
    }
}
