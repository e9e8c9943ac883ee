//! Roles: what functions, services and sessions act as.

use super::grants::check_managed;
use super::users::check_unused;
use super::{Holder, IdentityError, rules};
use crate::Access;
use crate::keys::random_id;
use lacewing_model::{AccountId, Timestamp};
use lacewing_policy::{Kind, Policy};
use lacewing_store::identities::{Grants, Identity, IdentityKind, RoleRecord};
use std::collections::BTreeMap;

/// A session's longest life where the role says nothing, seconds. Source: IAM API, `CreateRole`.
const SESSION_SECONDS: u32 = 3_600;

/// What a role is made from.
#[derive(Clone, Debug, Default)]
pub struct NewRole {
    /// 1 to 64 of `[A-Za-z0-9+=,.@_-]`.
    pub name: String,
    /// `/` where none is given.
    pub path: Option<String>,
    /// Who may assume it: a document.
    pub trust: String,
    /// What it is for.
    pub description: Option<String>,
    /// The longest that a session may live: 3,600 to 43,200 seconds.
    pub session_seconds_max: Option<u32>,
    /// The account's own words.
    pub tags: BTreeMap<String, String>,
    /// The managed policy that bounds it.
    pub boundary: Option<String>,
}

impl Access {
    /// Makes a role that may do nothing yet.
    ///
    /// # Errors
    /// [`IdentityError::Exists`], [`IdentityError::Invalid`], [`IdentityError::Malformed`], [`IdentityError::Limit`].
    pub fn create_role(&self, account: &AccountId, new: NewRole, now: Timestamp) -> Result<RoleRecord, IdentityError> {
        let NewRole { name, path, trust, description, session_seconds_max, tags, boundary } = new;
        let path = path.unwrap_or_else(|| "/".to_owned());
        let session_seconds_max = session_seconds_max.unwrap_or(SESSION_SECONDS);
        rules::name(&name, "roleName", 64)?;
        rules::path(&path)?;
        rules::description(description.as_deref())?;
        rules::session_seconds(session_seconds_max)?;
        rules::tags(&tags)?;
        check_trust(&trust)?;
        self.change(account, |draft| {
            if draft.account.roles.contains_key(&name) {
                return Err(IdentityError::Exists(format!("Role with name {name} already exists.")));
            }
            rules::at_most(draft.account.roles.len() + 1, rules::ROLES_MAX, "RolesPerAccount")?;
            if let Some(arn) = &boundary {
                check_managed(draft, arn)?;
            }
            let grants = Grants { boundary, ..Grants::default() };
            let (id, created_ms) = (random_id("AROA"), now.0);
            let role = RoleRecord { name, id, path, created_ms, tags, grants, trust, description, session_seconds_max };
            draft.put(Identity::Role(role.clone()))?;
            Ok(role)
        })
    }

    /// A role.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub fn role(&self, account: &AccountId, name: &str) -> Result<RoleRecord, IdentityError> {
        let account = self.account(account);
        account.roles.get(name).map(|role| role.record.clone()).ok_or_else(|| Holder::Role(name).missing())
    }

    /// All roles, by name.
    #[must_use]
    pub fn roles(&self, account: &AccountId) -> Vec<RoleRecord> {
        self.account(account).roles.values().map(|role| role.record.clone()).collect()
    }

    /// Changes what is said of a role; `None` leaves a value as it is.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], [`IdentityError::Invalid`].
    pub fn update_role(
        &self,
        account: &AccountId,
        name: &str,
        description: Option<String>,
        session_seconds_max: Option<u32>,
    ) -> Result<RoleRecord, IdentityError> {
        rules::description(description.as_deref())?;
        session_seconds_max.map_or(Ok(()), rules::session_seconds)?;
        self.edit_role(account, name, |role| {
            role.description = description.or(role.description.take());
            role.session_seconds_max = session_seconds_max.unwrap_or(role.session_seconds_max);
        })
    }

    /// Changes who may assume a role.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], [`IdentityError::Malformed`], [`IdentityError::Limit`].
    pub fn update_trust(&self, account: &AccountId, name: &str, trust: String) -> Result<(), IdentityError> {
        check_trust(&trust)?;
        self.edit_role(account, name, |role| role.trust = trust).map(drop)
    }

    fn edit_role(
        &self,
        account: &AccountId,
        name: &str,
        work: impl FnOnce(&mut RoleRecord),
    ) -> Result<RoleRecord, IdentityError> {
        self.change(account, |draft| {
            let role = draft.account.roles.get(name).ok_or_else(|| Holder::Role(name).missing())?;
            let mut role = role.record.clone();
            work(&mut role);
            draft.put(Identity::Role(role.clone()))?;
            Ok(role)
        })
    }

    /// Removes a role that has no policies. Its sessions can do nothing from then on.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], [`IdentityError::InUse`].
    pub fn delete_role(&self, account: &AccountId, name: &str) -> Result<(), IdentityError> {
        self.change(account, |draft| {
            let role = draft.account.roles.get(name).ok_or_else(|| Holder::Role(name).missing())?;
            check_unused(&role.record.grants)?;
            draft.remove(IdentityKind::Role, name);
            Ok(())
        })
    }
}

fn check_trust(document: &str) -> Result<(), IdentityError> {
    Policy::parse(document, Kind::Trust)?;
    rules::at_most(rules::characters(document), rules::TRUST_CHARACTERS_MAX, "ACLSizePerRole")
}
