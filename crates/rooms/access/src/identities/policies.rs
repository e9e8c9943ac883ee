//! Managed policies and their versions.

use super::change::Draft;
use super::directory::{Account, Managed};
use super::known::{AWS_POLICIES, aws_document};
use super::{IdentityError, path_arn, rules};
use crate::Access;
use crate::keys::random_id;
use lacewing_model::{AccountId, Timestamp};
use lacewing_policy::{Kind, Policy};
use lacewing_store::identities::{Identity, IdentityKind, PolicyRecord, PolicyVersion};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a managed policy is made from.
#[derive(Clone, Debug, Default)]
pub struct NewPolicy {
    /// 1 to 128 of `[A-Za-z0-9+=,.@_-]`.
    pub name: String,
    /// `/` where none is given.
    pub path: Option<String>,
    /// The document.
    pub document: String,
    /// What it is for.
    pub description: Option<String>,
    /// The account's own words.
    pub tags: BTreeMap<String, String>,
}

/// A managed policy as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyView {
    /// Its ARN.
    pub arn: String,
    /// What is kept of it.
    pub record: PolicyRecord,
    /// Users and roles that it is attached to.
    pub attached: usize,
    /// Users and roles that it bounds.
    pub bounding: usize,
}

impl Access {
    /// Makes a managed policy.
    ///
    /// # Errors
    /// [`IdentityError::Exists`], [`IdentityError::Malformed`], [`IdentityError::Invalid`], [`IdentityError::Limit`].
    pub fn create_policy(
        &self,
        account: &AccountId,
        new: NewPolicy,
        now: Timestamp,
    ) -> Result<PolicyView, IdentityError> {
        let NewPolicy { name, path, document, description, tags } = new;
        let path = path.unwrap_or_else(|| "/".to_owned());
        rules::name(&name, "policyName", 128)?;
        rules::path(&path)?;
        rules::description(description.as_deref())?;
        rules::tags(&tags)?;
        check(&document)?;
        self.change(account, |draft| {
            if draft.account.policies.contains_key(&name) {
                let text = format!("A policy called {name} already exists. Duplicate names are not allowed.");
                return Err(IdentityError::Exists(text));
            }
            rules::at_most(draft.account.policies.len() + 1, rules::POLICIES_MAX, "PoliciesPerAccount")?;
            let version = PolicyVersion { document, created_ms: now.0 };
            let record = PolicyRecord {
                name,
                id: random_id("ANPA"),
                path,
                created_ms: now.0,
                updated_ms: now.0,
                tags,
                description,
                versions: BTreeMap::from([(1, version)]),
                default: 1,
                newest: 1,
            };
            draft.put(Identity::Policy(record.clone()))?;
            Ok(view(account, &draft.account, record))
        })
    }

    /// A managed policy, of the account or of AWS.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub fn policy(&self, id: &AccountId, arn: &str) -> Result<PolicyView, IdentityError> {
        let account = self.account(id);
        if let Some(managed) = account.managed(id, arn) {
            return Ok(view(id, &account, managed.record.clone()));
        }
        of_aws(&account, arn).ok_or_else(|| missing(arn))
    }

    /// The account's managed policies by name, then AWS's where `of_aws_too`.
    #[must_use]
    pub fn policies(&self, id: &AccountId, own: bool, of_aws_too: bool) -> Vec<PolicyView> {
        let account = self.account(id);
        let own = account.policies.values().filter(|_| own);
        let own = own.map(|managed| view(id, &account, managed.record.clone()));
        let aws = AWS_POLICIES.iter().filter(|_| of_aws_too).filter_map(|(arn, _)| of_aws(&account, arn));
        own.chain(aws).collect()
    }

    /// Removes a policy of one version that nobody has.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], [`IdentityError::InUse`].
    pub fn delete_policy(&self, account: &AccountId, arn: &str) -> Result<(), IdentityError> {
        self.change(account, |draft| {
            let managed = own(draft, arn)?;
            if draft.account.uses(arn) != (0, 0) {
                return Err(IdentityError::InUse("Cannot delete a policy attached to entities.".to_owned()));
            }
            if managed.record.versions.len() > 1 {
                let text = "This policy has more than one version. Before you delete a policy, you must delete the \
                            policy's versions. The default version is deleted with the policy.";
                return Err(IdentityError::InUse(text.to_owned()));
            }
            draft.remove(IdentityKind::Policy, &managed.record.name);
            Ok(())
        })
    }

    /// Adds a version, and puts it in force where `default`. Returns its number.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], [`IdentityError::Malformed`], [`IdentityError::Limit`].
    pub fn create_policy_version(
        &self,
        account: &AccountId,
        arn: &str,
        document: String,
        default: bool,
        now: Timestamp,
    ) -> Result<u32, IdentityError> {
        check(&document)?;
        self.edit_policy(account, arn, |policy| {
            if policy.versions.len() >= rules::VERSIONS_MAX {
                let max = rules::VERSIONS_MAX;
                return Err(IdentityError::Limit(format!(
                    "A managed policy can have up to {max} versions. Before you create a new version, you must delete \
                     an existing version."
                )));
            }
            policy.newest += 1;
            policy.updated_ms = now.0;
            policy.versions.insert(policy.newest, PolicyVersion { document, created_ms: now.0 });
            if default {
                policy.default = policy.newest;
            }
            Ok(policy.newest)
        })
    }

    /// Puts a version in force.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub fn set_default_version(
        &self,
        account: &AccountId,
        arn: &str,
        number: u32,
        now: Timestamp,
    ) -> Result<(), IdentityError> {
        self.edit_policy(account, arn, |policy| {
            if !policy.versions.contains_key(&number) {
                return Err(no_version(arn, number));
            }
            policy.default = number;
            policy.updated_ms = now.0;
            Ok(())
        })
    }

    /// Removes a version that is not in force.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], [`IdentityError::InUse`].
    pub fn delete_policy_version(&self, account: &AccountId, arn: &str, number: u32) -> Result<(), IdentityError> {
        self.edit_policy(account, arn, |policy| {
            if policy.default == number {
                return Err(IdentityError::InUse("Cannot delete the default version of a policy.".to_owned()));
            }
            policy.versions.remove(&number).map(drop).ok_or_else(|| no_version(arn, number))
        })
    }

    /// Changes a policy's tags.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], [`IdentityError::Limit`], [`IdentityError::Invalid`].
    pub fn retag_policy(
        &self,
        account: &AccountId,
        arn: &str,
        add: BTreeMap<String, String>,
        remove: &[String],
    ) -> Result<(), IdentityError> {
        self.edit_policy(account, arn, |policy| {
            policy.tags.extend(add);
            policy.tags.retain(|key, _| !remove.contains(key));
            rules::tags(&policy.tags)
        })
    }

    fn edit_policy<T>(
        &self,
        account: &AccountId,
        arn: &str,
        work: impl FnOnce(&mut PolicyRecord) -> Result<T, IdentityError>,
    ) -> Result<T, IdentityError> {
        self.change(account, |draft| {
            let mut policy = own(draft, arn)?.record.clone();
            let done = work(&mut policy)?;
            draft.put(Identity::Policy(policy))?;
            Ok(done)
        })
    }
}

fn check(document: &str) -> Result<(), IdentityError> {
    Policy::parse(document, Kind::Identity)?;
    rules::at_most(rules::characters(document), rules::MANAGED_CHARACTERS_MAX, "PolicySize")
}

fn own(draft: &Draft<'_>, arn: &str) -> Result<Arc<Managed>, IdentityError> {
    draft.account.managed(draft.id, arn).cloned().ok_or_else(|| missing(arn))
}

fn missing(arn: &str) -> IdentityError {
    IdentityError::NotFound(format!("Policy {arn} was not found."))
}

fn no_version(arn: &str, number: u32) -> IdentityError {
    IdentityError::NotFound(format!("Policy {arn} version v{number} does not exist or is not attachable."))
}

fn view(id: &AccountId, account: &Account, record: PolicyRecord) -> PolicyView {
    let arn = path_arn(id, "policy", &record.path, &record.name);
    let (attached, bounding) = account.uses(&arn);
    PolicyView { arn, record, attached, bounding }
}

/// One of AWS's as if it were kept: without a date, of one version.
fn of_aws(account: &Account, arn: &str) -> Option<PolicyView> {
    let document = aws_document(arn)?;
    let (path, name) = arn.strip_prefix("arn:aws:iam::aws:policy")?.rsplit_once('/')?;
    let version = PolicyVersion { document: document.to_owned(), created_ms: 0 };
    let record = PolicyRecord {
        name: name.to_owned(),
        id: format!(
            "ANPA{:A<17}",
            name.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "").get(..17).unwrap_or("")
        ),
        path: format!("{path}/"),
        created_ms: 0,
        updated_ms: 0,
        tags: BTreeMap::new(),
        description: None,
        versions: BTreeMap::from([(1, version)]),
        default: 1,
        newest: 1,
    };
    let (attached, bounding) = account.uses(arn);
    Some(PolicyView { arn: arn.to_owned(), record, attached, bounding })
}
