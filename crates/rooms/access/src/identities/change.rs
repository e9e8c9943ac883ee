//! Changing the identities of one account: rules on a draft, then the store, then memory.

use super::IdentityError;
use super::directory::{Account, Directory};
use crate::Access;
use lacewing_model::AccountId;
use lacewing_store::Store;
use lacewing_store::identities::{Identity, IdentityChange, IdentityKind};
use std::sync::{Arc, PoisonError};

/// The one writer: whoever holds it changes identities.
pub(crate) struct Writer {
    pub(crate) store: Store,
}

/// An account's identities as they will be, and the steps that lead there.
pub(crate) struct Draft<'a> {
    pub(crate) id: &'a AccountId,
    pub(crate) account: Account,
    steps: Vec<IdentityChange>,
}

impl Draft<'_> {
    /// Adds or replaces.
    pub(crate) fn put(&mut self, identity: Identity) -> Result<(), IdentityError> {
        self.steps.push(IdentityChange::Put(Box::new(identity.clone())));
        self.account.put(self.id, identity)
    }

    pub(crate) fn remove(&mut self, kind: IdentityKind, name: &str) {
        self.steps.push(IdentityChange::Remove(kind, name.to_owned()));
        self.account.remove(kind, name);
    }
}

impl Access {
    /// Makes a change, on the disk when this returns. Blocks.
    pub(crate) fn change<T>(
        &self,
        id: &AccountId,
        work: impl FnOnce(&mut Draft<'_>) -> Result<T, IdentityError>,
    ) -> Result<T, IdentityError> {
        let writer = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.inner.directory.load_full();
        let account = before.0.get(id).map(|account| Account::clone(account)).unwrap_or_default();
        let mut draft = Draft { id, account, steps: Vec::new() };
        let done = work(&mut draft)?;
        let Draft { account, steps, .. } = draft;
        writer.store.change_identities(id, &steps)?;
        let mut after = Directory::clone(&before);
        after.0.insert(id.clone(), Arc::new(account));
        self.inner.directory.store(Arc::new(after));
        for step in &steps {
            self.follow(id, step);
        }
        Ok(done)
    }

    /// Lets a key sign, or no more.
    fn follow(&self, id: &AccountId, step: &IdentityChange) {
        match step {
            IdentityChange::Put(identity) => match &**identity {
                Identity::Key(key) if key.active => self.admit_key(id, key),
                Identity::Key(key) => self.inner.keys.remove(&key.id),
                Identity::User(_) | Identity::Role(_) | Identity::Policy(_) => {}
            },
            IdentityChange::Remove(IdentityKind::Key, key) => self.inner.keys.remove(key),
            IdentityChange::Remove(..) => {}
        }
    }

    /// An account as it is now.
    pub(crate) fn account(&self, id: &AccountId) -> Arc<Account> {
        self.inner.directory.load().0.get(id).cloned().unwrap_or_default()
    }
}
