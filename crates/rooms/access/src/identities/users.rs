//! Users.

use super::grants::check_managed;
use super::{Holder, IdentityError, rules};
use crate::Access;
use crate::keys::random_id;
use lacewing_model::{AccountId, Timestamp};
use lacewing_store::identities::{Grants, Identity, IdentityKind, UserRecord};
use std::collections::BTreeMap;

/// What a user is made from.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// 1 to 64 of `[A-Za-z0-9+=,.@_-]`.
    pub name: String,
    /// `/` where none is given.
    pub path: Option<String>,
    /// The account's own words.
    pub tags: BTreeMap<String, String>,
    /// The managed policy that bounds it.
    pub boundary: Option<String>,
}

impl Access {
    /// Makes a user that may do nothing yet.
    ///
    /// # Errors
    /// [`IdentityError::Exists`], [`IdentityError::Invalid`], [`IdentityError::Limit`], [`IdentityError::NotFound`].
    pub fn create_user(&self, account: &AccountId, new: NewUser, now: Timestamp) -> Result<UserRecord, IdentityError> {
        let NewUser { name, path, tags, boundary } = new;
        let path = path.unwrap_or_else(|| "/".to_owned());
        rules::name(&name, "userName", 64)?;
        rules::path(&path)?;
        rules::tags(&tags)?;
        self.change(account, |draft| {
            if draft.account.users.contains_key(&name) {
                return Err(IdentityError::Exists(format!("User with name {name} already exists.")));
            }
            rules::at_most(draft.account.users.len() + 1, rules::USERS_MAX, "UsersPerAccount")?;
            if let Some(arn) = &boundary {
                check_managed(draft, arn)?;
            }
            let grants = Grants { boundary, ..Grants::default() };
            let user = UserRecord { name, id: random_id("AIDA"), path, created_ms: now.0, tags, grants };
            draft.put(Identity::User(user.clone()))?;
            Ok(user)
        })
    }

    /// A user.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub fn user(&self, account: &AccountId, name: &str) -> Result<UserRecord, IdentityError> {
        let account = self.account(account);
        account.users.get(name).map(|user| user.record.clone()).ok_or_else(|| Holder::User(name).missing())
    }

    /// All users, by name.
    #[must_use]
    pub fn users(&self, account: &AccountId) -> Vec<UserRecord> {
        self.account(account).users.values().map(|user| user.record.clone()).collect()
    }

    /// Removes a user that has neither keys nor policies.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], [`IdentityError::InUse`].
    pub fn delete_user(&self, account: &AccountId, name: &str) -> Result<(), IdentityError> {
        self.change(account, |draft| {
            let user = draft.account.users.get(name).ok_or_else(|| Holder::User(name).missing())?;
            check_unused(&user.record.grants)?;
            if draft.account.keys.values().any(|key| key.user.as_deref() == Some(name)) {
                return Err(IdentityError::InUse("Cannot delete entity, must delete access keys first.".to_owned()));
            }
            draft.remove(IdentityKind::User, name);
            Ok(())
        })
    }
}

/// Refuses to let go of a holder of policies.
pub(crate) fn check_unused(grants: &Grants) -> Result<(), IdentityError> {
    if !grants.attached.is_empty() {
        return Err(IdentityError::InUse("Cannot delete entity, must detach all policies first.".to_owned()));
    }
    if !grants.inline.is_empty() {
        return Err(IdentityError::InUse("Cannot delete entity, must delete policies first.".to_owned()));
    }
    Ok(())
}
