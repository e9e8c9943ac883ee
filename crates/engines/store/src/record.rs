//! What is kept of a function.

use lacewing_model::{
    AccountId, Alias, CodeSha256, FunctionConfig, FunctionName, Lifecycle, Provisioned, Region, RevisionId, Timestamp,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which function.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionKey {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// Its name.
    pub name: FunctionName,
}

/// Code and configuration, frozen together. Never changed once it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Its id; sandboxes are kept by it.
    pub id: RevisionId,
    /// The configuration.
    pub config: Arc<FunctionConfig>,
    /// The package's hash.
    pub code_sha256: CodeSha256,
    /// The package's size in bytes.
    pub code_bytes: u64,
    /// When the user asked for it.
    pub modified: Timestamp,
}

/// A function as it is kept, with all that lives and dies with it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredFunction {
    /// Which one.
    pub key: FunctionKey,
    /// Changes with every write of the function itself: not with those of its versions and aliases.
    pub revision: RevisionId,
    /// Where it stands.
    pub lifecycle: Lifecycle,
    /// The user's tags.
    pub tags: Arc<BTreeMap<String, String>>,
    /// The newest generation, which replies show.
    pub latest: Arc<Generation>,
    /// The one that calls get; absent until the first one lies ready.
    pub serving: Option<Arc<Generation>>,
    /// The newest number that a version was ever given; 0 before the first.
    pub published: u64,
    /// Reserved concurrency.
    pub reserved: Option<u32>,
    /// Its published versions, by number.
    pub versions: Vec<StoredVersion>,
    /// Its aliases, by name.
    pub aliases: Vec<Alias>,
}

/// A published version as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVersion {
    /// Its number, from 1.
    pub number: u64,
    /// What its sandboxes are kept by.
    pub id: RevisionId,
    /// What it froze. Its description is that of the version only where it was not given another.
    pub generation: Arc<Generation>,
    /// Changes with every write of the version.
    pub revision: RevisionId,
    /// Where it stands.
    pub lifecycle: Lifecycle,
    /// The version's own description.
    pub description: String,
    /// When it was published.
    pub modified: Timestamp,
    /// Sandboxes to be kept ready.
    pub provisioned: Option<Provisioned>,
}

impl StoredFunction {
    /// The names under which its versions and aliases are called.
    pub(crate) fn qualifiers(&self) -> impl Iterator<Item = String> {
        let versions = self.versions.iter().map(|version| version.number.to_string());
        versions.chain(self.aliases.iter().map(|alias| alias.name.to_string()))
    }
}
