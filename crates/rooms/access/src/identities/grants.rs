//! What users and roles have in common: policies of their own, attached ones, a boundary, tags.

use super::change::Draft;
use super::known::aws_policy;
use super::{IdentityError, rules};
use crate::Access;
use lacewing_model::AccountId;
use lacewing_policy::{Kind, Policy};
use lacewing_store::identities::{Grants, Identity, RoleRecord, UserRecord};
use std::collections::BTreeMap;

/// Whoever holds policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder<'a> {
    /// A user, by name.
    User(&'a str),
    /// A role, by name.
    Role(&'a str),
}

enum Record {
    User(UserRecord),
    Role(RoleRecord),
}

impl Holder<'_> {
    fn inline_max(self) -> usize {
        match self {
            Self::User(_) => rules::USER_INLINE_CHARACTERS_MAX,
            Self::Role(_) => rules::ROLE_INLINE_CHARACTERS_MAX,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Role(_) => "role",
        }
    }

    /// AWS's words for one that is not there.
    pub(crate) fn missing(self) -> IdentityError {
        let (Self::User(name) | Self::Role(name)) = self;
        IdentityError::NotFound(format!("The {} with name {name} cannot be found.", self.word()))
    }

    fn record(self, draft: &Draft<'_>) -> Result<Record, IdentityError> {
        let account = &draft.account;
        match self {
            Self::User(name) => account.users.get(name).map(|user| Record::User(user.record.clone())),
            Self::Role(name) => account.roles.get(name).map(|role| Record::Role(role.record.clone())),
        }
        .ok_or_else(|| self.missing())
    }
}

impl Record {
    fn parts(&mut self) -> (&mut Grants, &mut BTreeMap<String, String>) {
        match self {
            Self::User(user) => (&mut user.grants, &mut user.tags),
            Self::Role(role) => (&mut role.grants, &mut role.tags),
        }
    }
}

impl Access {
    /// Gives `holder` a policy of its own, in place of one of the same name.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], [`IdentityError::Malformed`], [`IdentityError::Limit`], [`IdentityError::Invalid`].
    pub fn put_inline_policy(
        &self,
        account: &AccountId,
        holder: Holder<'_>,
        name: &str,
        document: &str,
    ) -> Result<(), IdentityError> {
        rules::name(name, "policyName", 128)?;
        Policy::parse(document, Kind::Identity)?;
        self.edit(account, holder, |grants, _, _| {
            grants.inline.insert(name.to_owned(), document.to_owned());
            rules::inline_size(grants, holder.inline_max())
        })
    }

    /// Takes a policy of its own from `holder`.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub fn delete_inline_policy(
        &self,
        account: &AccountId,
        holder: Holder<'_>,
        name: &str,
    ) -> Result<(), IdentityError> {
        self.edit(account, holder, |grants, _, _| match grants.inline.remove(name) {
            Some(_) => Ok(()),
            None => Err(no_inline(holder, name)),
        })
    }

    /// What `holder` is allowed by.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub fn grants(&self, account: &AccountId, holder: Holder<'_>) -> Result<Grants, IdentityError> {
        let account = self.account(account);
        match holder {
            Holder::User(name) => account.users.get(name).map(|user| user.record.grants.clone()),
            Holder::Role(name) => account.roles.get(name).map(|role| role.record.grants.clone()),
        }
        .ok_or_else(|| holder.missing())
    }

    /// One policy of `holder`'s own.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub fn inline_policy(&self, account: &AccountId, holder: Holder<'_>, name: &str) -> Result<String, IdentityError> {
        self.grants(account, holder)?.inline.remove(name).ok_or_else(|| no_inline(holder, name))
    }

    /// Gives `holder` a managed policy, if it has it not.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], [`IdentityError::Limit`].
    pub fn attach_policy(&self, account: &AccountId, holder: Holder<'_>, arn: &str) -> Result<(), IdentityError> {
        self.edit(account, holder, |grants, _, draft| {
            check_managed(draft, arn)?;
            if !grants.attached.iter().any(|known| known == arn) {
                grants.attached.push(arn.to_owned());
            }
            rules::at_most(grants.attached.len(), rules::ATTACHED_MAX, "PoliciesPerEntity")
        })
    }

    /// Takes a managed policy from `holder`.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub fn detach_policy(&self, account: &AccountId, holder: Holder<'_>, arn: &str) -> Result<(), IdentityError> {
        self.edit(account, holder, |grants, _, _| {
            let at = grants.attached.iter().position(|known| known == arn);
            let at = at.ok_or_else(|| IdentityError::NotFound(format!("Policy {arn} was not found.")))?;
            grants.attached.remove(at);
            Ok(())
        })
    }

    /// Bounds what `holder`'s policies may allow, or no more.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub fn set_boundary(
        &self,
        account: &AccountId,
        holder: Holder<'_>,
        arn: Option<&str>,
    ) -> Result<(), IdentityError> {
        self.edit(account, holder, |grants, _, draft| {
            if let Some(arn) = arn {
                check_managed(draft, arn)?;
            }
            grants.boundary = arn.map(str::to_owned);
            Ok(())
        })
    }

    /// Changes `holder`'s tags.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], [`IdentityError::Limit`], [`IdentityError::Invalid`].
    pub fn retag(
        &self,
        account: &AccountId,
        holder: Holder<'_>,
        add: BTreeMap<String, String>,
        remove: &[String],
    ) -> Result<(), IdentityError> {
        self.edit(account, holder, |_, tags, _| {
            tags.extend(add);
            tags.retain(|key, _| !remove.contains(key));
            rules::tags(tags)
        })
    }

    fn edit(
        &self,
        account: &AccountId,
        holder: Holder<'_>,
        work: impl FnOnce(&mut Grants, &mut BTreeMap<String, String>, &Draft<'_>) -> Result<(), IdentityError>,
    ) -> Result<(), IdentityError> {
        self.change(account, |draft| {
            let mut record = holder.record(draft)?;
            let (grants, tags) = record.parts();
            work(grants, tags, draft)?;
            draft.put(match record {
                Record::User(user) => Identity::User(user),
                Record::Role(role) => Identity::Role(role),
            })
        })
    }
}

/// Refuses a managed policy that is not there.
pub(crate) fn check_managed(draft: &Draft<'_>, arn: &str) -> Result<(), IdentityError> {
    if aws_policy(arn).is_some() || draft.account.managed(draft.id, arn).is_some() {
        return Ok(());
    }
    Err(IdentityError::NotFound(format!("Policy {arn} does not exist or is not attachable.")))
}

fn no_inline(holder: Holder<'_>, name: &str) -> IdentityError {
    IdentityError::NotFound(format!("The {} policy with name {name} cannot be found.", holder.word()))
}
