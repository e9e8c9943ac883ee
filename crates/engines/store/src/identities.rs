//! Identities: who may sign, and what they may do. One table, one JSON document for each.
//!
//! Secrets are not among them (`docs/decisions/0013-policies-and-derived-secrets.md`). A new field of a document gets
//! `#[serde(default)]`; an unknown one is refused, since reading on would lose it at the next write.

use crate::column::parse;
use crate::{Store, StoreError};
use lacewing_model::AccountId;
use rusqlite::params;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a user or a role is allowed by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// Policies of its own: name to document.
    pub inline: BTreeMap<String, String>,
    /// ARNs of managed policies, in the order in which they were attached.
    pub attached: Vec<String>,
    /// The ARN of the managed policy that bounds what the others may allow.
    pub boundary: Option<String>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserRecord {
    /// Unique in its account.
    pub name: String,
    /// Unique for ever: `AIDA...`.
    pub id: String,
    /// `/`, or a path that begins and ends with it.
    pub path: String,
    /// When it was made, milliseconds since 1970.
    pub created_ms: u64,
    /// The account's own words about it.
    pub tags: BTreeMap<String, String>,
    /// What it may do.
    pub grants: Grants,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleRecord {
    /// Unique in its account.
    pub name: String,
    /// Unique for ever: `AROA...`.
    pub id: String,
    /// `/`, or a path that begins and ends with it.
    pub path: String,
    /// When it was made, milliseconds since 1970.
    pub created_ms: u64,
    /// The account's own words about it.
    pub tags: BTreeMap<String, String>,
    /// What its sessions may do.
    pub grants: Grants,
    /// Who may assume it: a document.
    pub trust: String,
    /// What it is for.
    pub description: Option<String>,
    /// The longest that a session may live, seconds.
    pub session_seconds_max: u32,
}

/// A managed policy with its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRecord {
    /// Unique in its account.
    pub name: String,
    /// Unique for ever: `ANPA...`.
    pub id: String,
    /// `/`, or a path that begins and ends with it.
    pub path: String,
    /// When it was made, milliseconds since 1970.
    pub created_ms: u64,
    /// When its newest version or its default changed.
    pub updated_ms: u64,
    /// The account's own words about it.
    pub tags: BTreeMap<String, String>,
    /// What it is for.
    pub description: Option<String>,
    /// Number to version.
    pub versions: BTreeMap<u32, PolicyVersion>,
    /// The version in force.
    pub default: u32,
    /// The newest number ever given: numbers are not used again.
    pub newest: u32,
}

/// One version of a managed policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyVersion {
    /// The document.
    pub document: String,
    /// When it was made, milliseconds since 1970.
    pub created_ms: u64,
}

/// An access key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// `AKIA...`.
    pub id: String,
    /// Whose it is; `None`: a root key of the account.
    pub user: Option<String>,
    /// Whether it may sign.
    pub active: bool,
    /// When it was made, milliseconds since 1970.
    pub created_ms: u64,
}

/// Anything of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A user.
    User(UserRecord),
    /// A role.
    Role(RoleRecord),
    /// A managed policy.
    Policy(PolicyRecord),
    /// An access key.
    Key(KeyRecord),
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityKind {
    /// A user.
    User,
    /// A role.
    Role,
    /// A managed policy.
    Policy,
    /// An access key.
    Key,
}

/// One step of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityChange {
    /// Adds or replaces.
    Put(Box<Identity>),
    /// Removes, by kind and name (or id, of a key).
    Remove(IdentityKind, String),
}

impl IdentityKind {
    const ALL: [(Self, &'static str); 4] =
        [(Self::User, "user"), (Self::Role, "role"), (Self::Policy, "policy"), (Self::Key, "key")];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }

    fn read(self, json: &str) -> serde_json::Result<Identity> {
        Ok(match self {
            Self::User => Identity::User(serde_json::from_str(json)?),
            Self::Role => Identity::Role(serde_json::from_str(json)?),
            Self::Policy => Identity::Policy(serde_json::from_str(json)?),
            Self::Key => Identity::Key(serde_json::from_str(json)?),
        })
    }
}

impl Identity {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> IdentityKind {
        match self {
            Self::User(_) => IdentityKind::User,
            Self::Role(_) => IdentityKind::Role,
            Self::Policy(_) => IdentityKind::Policy,
            Self::Key(_) => IdentityKind::Key,
        }
    }

    /// Its name in its account; a key's id.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::User(user) => &user.name,
            Self::Role(role) => &role.name,
            Self::Policy(policy) => &policy.name,
            Self::Key(key) => &key.id,
        }
    }

    fn write(&self) -> Result<String, StoreError> {
        let written = match self {
            Self::User(user) => serde_json::to_string(user),
            Self::Role(role) => serde_json::to_string(role),
            Self::Policy(policy) => serde_json::to_string(policy),
            Self::Key(key) => serde_json::to_string(key),
        };
        written.map_err(bad)
    }
}

impl Store {
    /// All identities of all accounts.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`], [`StoreError::Database`].
    pub fn identities(&self) -> Result<Vec<(AccountId, Identity)>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("SELECT account, kind, document FROM identities")?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let word = row.get_ref(1)?.as_str().map_err(bad)?;
            let kind = IdentityKind::ALL.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind);
            let kind = kind.ok_or_else(|| bad(format!("'{word}'")))?;
            let identity = kind.read(row.get_ref(2)?.as_str().map_err(bad)?).map_err(bad)?;
            found.push((parse(row, 0)?, identity));
        }
        Ok(found)
    }

    /// Makes all changes to an account's identities, or none.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn change_identities(&self, account: &AccountId, changes: &[IdentityChange]) -> Result<(), StoreError> {
        self.write(|connection| {
            for change in changes {
                match change {
                    IdentityChange::Put(identity) => connection
                        .prepare_cached(
                            "INSERT INTO identities (account, kind, name, document) VALUES (?1, ?2, ?3, ?4) \
                             ON CONFLICT (account, kind, name) DO UPDATE SET document = ?4",
                        )?
                        .execute(params![
                            account.as_str(),
                            identity.kind().word(),
                            identity.name(),
                            identity.write()?
                        ])?,
                    IdentityChange::Remove(kind, name) => connection
                        .prepare_cached("DELETE FROM identities WHERE account = ?1 AND kind = ?2 AND name = ?3")?
                        .execute(params![account.as_str(), kind.word(), name])?,
                };
            }
            Ok(())
        })
    }
}

fn bad(error: impl std::fmt::Display) -> StoreError {
    StoreError::unreadable("identities", error)
}
