//! A version as a test wants it.

use lacewing_model::{FunctionConfig, RevisionId, Timestamp, Version, VersionNumber};
use std::sync::Arc;

/// A native function version with every default, called `name`.
///
/// # Panics
/// When `name` is no function name.
#[must_use]
#[allow(clippy::unwrap_used)]
pub fn version_named(name: &str) -> Version {
    Version {
        account: "000000000000".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
        name: name.parse().unwrap(),
        number: VersionNumber::Latest,
        config: Arc::new(FunctionConfig::new(
            &name.parse().unwrap(),
            "provided.al2023".parse().unwrap(),
            "bootstrap".parse().unwrap(),
            "arn:aws:iam::000000000000:role/test".parse().unwrap(),
        )),
        code_sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse().unwrap(),
        code_bytes: 1,
        revision: RevisionId::random(),
        generation: RevisionId::random(),
        last_modified: Timestamp(0),
    }
}
