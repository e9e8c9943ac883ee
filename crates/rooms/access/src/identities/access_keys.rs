//! Access keys: root keys of accounts, and keys of users. Their secrets are derived, never kept.

use super::change::Draft;
use super::directory::Account;
use super::{Holder, IdentityError, path_arn, rules};
use crate::keys::{Key, random_id};
use crate::{Access, Principal};
use lacewing_model::{AccountId, Timestamp};
use lacewing_store::identities::{Grants, Identity, IdentityKind, KeyRecord, UserRecord};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where users live that were made for one key.
const OWN_PATH: &str = "/lacewing/";
/// The name of the policy that a key is issued with.
const ISSUED_POLICY: &str = "issued-with-key";

impl Access {
    /// Makes a key of a user, or a root key of the account. The second value is the secret, told this once.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], [`IdentityError::Limit`].
    pub fn create_key(
        &self,
        account: &AccountId,
        user: Option<&str>,
        now: Timestamp,
    ) -> Result<(KeyRecord, String), IdentityError> {
        self.change(account, |draft| self.add_key(draft, user, now))
    }

    /// Makes a key in one step with its user: where `user` is not there it is made, `policy` is all that it may do by
    /// this way. With a policy alone the key gets a user of its own, that goes with it.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`], [`IdentityError::Invalid`], [`IdentityError::Limit`].
    pub fn issue_key(
        &self,
        account: &AccountId,
        user: Option<&str>,
        policy: Option<&str>,
        now: Timestamp,
    ) -> Result<(KeyRecord, String), IdentityError> {
        let own = random_id("key-").to_ascii_lowercase();
        let (name, path) = match (user, policy) {
            (None, None) => return self.create_key(account, None, now),
            (Some(name), _) => (name, "/"),
            (None, Some(_)) => (own.as_str(), OWN_PATH),
        };
        rules::name(name, "userName", 64)?;
        self.change(account, |draft| {
            let known = draft.account.users.get(name).map(|user| user.record.clone());
            let mut record = known.unwrap_or_else(|| UserRecord {
                name: name.to_owned(),
                id: random_id("AIDA"),
                path: path.to_owned(),
                created_ms: now.0,
                tags: BTreeMap::new(),
                grants: Grants::default(),
            });
            if let Some(policy) = policy {
                record.grants.inline.insert(ISSUED_POLICY.to_owned(), policy.to_owned());
                rules::inline_size(&record.grants, rules::USER_INLINE_CHARACTERS_MAX)?;
            }
            draft.put(Identity::User(record))?;
            rules::at_most(draft.account.users.len(), rules::USERS_MAX, "UsersPerAccount")?;
            self.add_key(draft, Some(name), now)
        })
    }

    /// Removes a key, and its user where that was made for this key alone.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub fn revoke_key(&self, account: &AccountId, id: &str) -> Result<(), IdentityError> {
        self.change(account, |draft| {
            let user = found(draft.account.keys.get(id).map(|key| &**key), None, id)?.user.clone();
            draft.remove(IdentityKind::Key, id);
            let own = |name: &String| draft.account.users.get(name).is_some_and(|user| user.record.path == OWN_PATH);
            if let Some(name) = user.filter(own) {
                draft.remove(IdentityKind::User, &name);
            }
            Ok(())
        })
    }

    fn add_key(
        &self,
        draft: &mut Draft<'_>,
        user: Option<&str>,
        now: Timestamp,
    ) -> Result<(KeyRecord, String), IdentityError> {
        if let Some(name) = user.filter(|name| !draft.account.users.contains_key(*name)) {
            return Err(Holder::User(name).missing());
        }
        let of_same = draft.account.keys.values().filter(|key| key.user.as_deref() == user).count();
        match user {
            Some(_) => rules::at_most(of_same + 1, rules::USER_KEYS_MAX, "AccessKeysPerUser")?,
            None => rules::at_most(of_same + 1, rules::ROOT_KEYS_MAX, "AccessKeysPerAccount")?,
        }
        let id = random_id("AKIA");
        let secret = self.inner.seed.secret_of(&id);
        let key = KeyRecord { id, user: user.map(str::to_owned), active: true, created_ms: now.0 };
        draft.put(Identity::Key(key.clone()))?;
        Ok((key, secret))
    }

    /// The keys of one user, or all of an account's.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub fn keys(&self, account: &AccountId, user: Option<&str>) -> Result<Vec<KeyRecord>, IdentityError> {
        let account = self.account(account);
        if let Some(name) = user.filter(|name| !account.users.contains_key(*name)) {
            return Err(Holder::User(name).missing());
        }
        let wanted = |key: &&Arc<KeyRecord>| user.is_none() || key.user.as_deref() == user;
        Ok(account.keys.values().filter(wanted).map(|key| KeyRecord::clone(key)).collect())
    }

    /// Every account that has keys, with them.
    #[must_use]
    pub fn all_keys(&self) -> Vec<(AccountId, KeyRecord)> {
        let directory = self.inner.directory.load();
        let of = |(id, account): (&AccountId, &Arc<Account>)| {
            account.keys.values().map(|key| (id.clone(), KeyRecord::clone(key))).collect::<Vec<_>>()
        };
        let mut keys: Vec<_> = directory.0.iter().flat_map(of).collect();
        keys.sort_by(|(one, key), (other, next)| {
            (one, key.created_ms, &key.id).cmp(&(other, next.created_ms, &next.id))
        });
        keys
    }

    /// The account of a key, whoever's it is. Source: STS API, `GetAccessKeyInfo`.
    #[must_use]
    pub fn account_of_key(&self, id: &str) -> Option<AccountId> {
        let kept = || self.all_keys().into_iter().find(|(_, key)| key.id == id).map(|(account, _)| account);
        self.inner.keys.account_of(id).or_else(kept)
    }

    /// Lets a key sign, or stops it.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub fn set_key_active(
        &self,
        account: &AccountId,
        user: Option<&str>,
        id: &str,
        active: bool,
    ) -> Result<(), IdentityError> {
        self.change(account, |draft| {
            let key = found(draft.account.keys.get(id).map(|key| &**key), user, id)?;
            draft.put(Identity::Key(KeyRecord { active, ..key.clone() }))
        })
    }

    /// Removes a key. `user`, where given, has to be its bearer.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub fn delete_key(&self, account: &AccountId, user: Option<&str>, id: &str) -> Result<(), IdentityError> {
        self.change(account, |draft| {
            found(draft.account.keys.get(id).map(|key| &**key), user, id)?;
            draft.remove(IdentityKind::Key, id);
            Ok(())
        })
    }

    /// Lets a stored key sign.
    pub(crate) fn admit_key(&self, account: &AccountId, key: &KeyRecord) {
        let principal = match &key.user {
            None => Principal::Root,
            Some(name) => {
                let directory = self.inner.directory.load();
                let Some(user) = directory.user(account, name) else { return };
                let arn = path_arn(account, "user", &user.record.path, name);
                Principal::User { name: name.as_str().into(), id: user.record.id.as_str().into(), arn: arn.into() }
            }
        };
        let secret = self.inner.seed.secret_of(&key.id);
        self.inner.keys.add(key.id.as_str().into(), Key::new(secret.into(), None, account.clone(), principal));
    }
}

fn found<'a>(key: Option<&'a KeyRecord>, user: Option<&str>, id: &str) -> Result<&'a KeyRecord, IdentityError> {
    key.filter(|key| user.is_none() || key.user.as_deref() == user)
        .ok_or_else(|| IdentityError::NotFound(format!("The Access Key with id {id} cannot be found.")))
}
