//! All identities, in memory.

use super::IdentityError;
use super::known::aws_policy;
use super::rights::Rights;
use lacewing_model::AccountId;
use lacewing_policy::{Kind, Policy};
use lacewing_store::identities::{Identity, IdentityKind, KeyRecord, PolicyRecord, RoleRecord, UserRecord};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Every account that has an identity.
#[derive(Clone, Default)]
pub(crate) struct Directory(pub(crate) HashMap<AccountId, Arc<Account>>);

/// One account's identities.
#[derive(Clone, Default)]
pub(crate) struct Account {
    pub(crate) users: BTreeMap<String, Arc<User>>,
    pub(crate) roles: BTreeMap<String, Arc<Role>>,
    pub(crate) policies: BTreeMap<String, Arc<Managed>>,
    pub(crate) keys: BTreeMap<String, Arc<KeyRecord>>,
}

/// A user, and what it may do.
pub(crate) struct User {
    pub(crate) record: UserRecord,
    pub(crate) rights: Rights,
}

/// A role, what it may do and who may assume it.
pub(crate) struct Role {
    pub(crate) record: RoleRecord,
    pub(crate) rights: Rights,
    pub(crate) trust: Policy,
}

/// A managed policy, its version in force compiled.
pub(crate) struct Managed {
    pub(crate) record: PolicyRecord,
    pub(crate) in_force: Arc<Policy>,
}

impl Directory {
    /// Puts what the store holds together.
    pub(crate) fn of(all: Vec<(AccountId, Identity)>) -> Result<Self, IdentityError> {
        let mut accounts: HashMap<AccountId, Account> = HashMap::new();
        let mut holders = Vec::new();
        // Policies first: users and roles are compiled with them.
        for (account, identity) in all {
            match identity {
                Identity::User(_) | Identity::Role(_) => holders.push((account, identity)),
                Identity::Policy(_) | Identity::Key(_) => {
                    accounts.entry(account.clone()).or_default().put(&account, identity)?
                }
            }
        }
        for (account, identity) in holders {
            accounts.entry(account.clone()).or_default().put(&account, identity)?;
        }
        Ok(Self(accounts.into_iter().map(|(id, account)| (id, Arc::new(account))).collect()))
    }

    pub(crate) fn user(&self, account: &AccountId, name: &str) -> Option<&Arc<User>> {
        self.0.get(account)?.users.get(name)
    }

    /// A managed policy of the account or of AWS, the version in force.
    pub(crate) fn managed(&self, account: &AccountId, arn: &str) -> Option<Arc<Policy>> {
        let own = || Some(self.0.get(account)?.managed(account, arn)?.in_force.clone());
        aws_policy(arn).or_else(own)
    }

    pub(crate) fn role(&self, account: &AccountId, name: &str) -> Option<&Arc<Role>> {
        self.0.get(account)?.roles.get(name)
    }
}

impl Account {
    /// Adds or replaces, compiling what has to be.
    pub(crate) fn put(&mut self, id: &AccountId, identity: Identity) -> Result<(), IdentityError> {
        match identity {
            Identity::User(record) => {
                let rights = Rights::of(&record.grants, id, self)?;
                self.users.insert(record.name.clone(), Arc::new(User { record, rights }));
            }
            Identity::Role(record) => {
                let rights = Rights::of(&record.grants, id, self)?;
                let trust = Policy::parse(&record.trust, Kind::Trust)?;
                self.roles.insert(record.name.clone(), Arc::new(Role { record, rights, trust }));
            }
            Identity::Policy(record) => {
                let text = record.versions.get(&record.default).map_or("", |version| &version.document);
                let in_force = Arc::new(Policy::parse(text, Kind::Identity)?);
                let arn = super::path_arn(id, "policy", &record.path, &record.name);
                self.policies.insert(record.name.clone(), Arc::new(Managed { record, in_force }));
                self.compile_holders_of(id, &arn)?;
            }
            Identity::Key(record) => {
                self.keys.insert(record.id.clone(), Arc::new(record));
            }
        }
        Ok(())
    }

    pub(crate) fn remove(&mut self, kind: IdentityKind, name: &str) {
        match kind {
            IdentityKind::User => drop(self.users.remove(name)),
            IdentityKind::Role => drop(self.roles.remove(name)),
            IdentityKind::Policy => drop(self.policies.remove(name)),
            IdentityKind::Key => drop(self.keys.remove(name)),
        }
    }

    /// A policy changed: whoever has it gets it anew.
    fn compile_holders_of(&mut self, id: &AccountId, arn: &str) -> Result<(), IdentityError> {
        let users: Vec<_> = self.users.values().filter(|user| user.record.grants.names(arn)).cloned().collect();
        let roles: Vec<_> = self.roles.values().filter(|role| role.record.grants.names(arn)).cloned().collect();
        for user in users {
            self.put(id, Identity::User(user.record.clone()))?;
        }
        for role in roles {
            self.put(id, Identity::Role(role.record.clone()))?;
        }
        Ok(())
    }

    /// How many users and roles have the policy attached, and how many are bounded by it.
    pub(crate) fn uses(&self, arn: &str) -> (usize, usize) {
        let users = self.users.values().map(|user| &user.record.grants);
        users.chain(self.roles.values().map(|role| &role.record.grants)).fold((0, 0), |(attached, bounding), grants| {
            (
                attached + usize::from(grants.attached.iter().any(|known| known == arn)),
                bounding + usize::from(grants.boundary.as_deref() == Some(arn)),
            )
        })
    }

    /// A managed policy of this account, by its ARN.
    pub(crate) fn managed(&self, id: &AccountId, arn: &str) -> Option<&Arc<Managed>> {
        let found = self.policies.get(arn.rsplit('/').next()?)?;
        (super::path_arn(id, "policy", &found.record.path, &found.record.name) == arn).then_some(found)
    }
}

/// Asks grants.
trait Names {
    fn names(&self, arn: &str) -> bool;
}

impl Names for lacewing_store::identities::Grants {
    fn names(&self, arn: &str) -> bool {
        self.boundary.as_deref() == Some(arn) || self.attached.iter().any(|known| known == arn)
    }
}
