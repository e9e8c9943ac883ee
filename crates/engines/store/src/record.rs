//! What is kept of a function.

use lacewing_model::{AccountId, CodeSha256, FunctionConfig, FunctionName, Lifecycle, Region, RevisionId, Timestamp};
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
    pub config: FunctionConfig,
    /// The package's hash.
    pub code_sha256: CodeSha256,
    /// The package's size in bytes.
    pub code_bytes: u64,
    /// When the user asked for it.
    pub modified: Timestamp,
}

/// A function as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFunction {
    /// Which one.
    pub key: FunctionKey,
    /// Changes with every write.
    pub revision: RevisionId,
    /// Where it stands.
    pub lifecycle: Lifecycle,
    /// The user's tags.
    pub tags: Arc<BTreeMap<String, String>>,
    /// The newest generation, which replies show.
    pub latest: Arc<Generation>,
    /// The one that calls get; absent until the first one lies ready.
    pub serving: Option<Arc<Generation>>,
}
