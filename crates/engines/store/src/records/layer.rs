//! Layers: packages that functions share.

use crate::document::ObjectDocument;
use crate::records::Policy;
use lacewing_model::CodeSha256;
use serde::{Deserialize, Serialize};

/// A layer with all its versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// The number that was given last: numbers are never given again.
    pub last: u64,
    /// The versions that are there, by rising number.
    pub versions: Vec<LayerVersion>,
}

/// One version of a layer: never changed but for its policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerVersion {
    /// Its number, from 1.
    pub number: u64,
    /// The user's words.
    pub description: String,
    /// When it was published, milliseconds since the epoch.
    pub created_ms: u64,
    /// The package's hash, as the API shows it.
    pub code_sha256: String,
    /// The package's size in bytes.
    pub code_bytes: u64,
    /// What it is said to fit; the platform asks for neither.
    pub architectures: Option<Vec<String>>,
    /// What it is said to fit; the platform asks for neither.
    pub runtimes: Option<Vec<String>>,
    /// The user's words on its licence.
    pub license: Option<String>,
    /// Who else may use it.
    pub policy: Option<Policy>,
    /// Where the package stays, if that is not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectDocument>,
}

impl Layer {
    /// The version of that number.
    #[must_use]
    pub fn version(&self, number: u64) -> Option<&LayerVersion> {
        self.versions.iter().find(|version| version.number == number)
    }
}

impl LayerVersion {
    /// The package's hash; `None` for a record that something else wrote.
    #[must_use]
    pub fn sha256(&self) -> Option<CodeSha256> {
        self.code_sha256.parse().ok()
    }
}
