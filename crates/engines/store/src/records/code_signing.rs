//! Code signing: whose packages a function takes.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A code signing configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeSigning {
    /// The user's words.
    pub description: Option<String>,
    /// ARNs of the signing profiles that are trusted.
    pub publishers: Vec<String>,
    /// True: what is not trusted is refused (`Enforce`). False: it is only noted (`Warn`).
    pub enforce: bool,
    /// When it was last changed, milliseconds since the epoch.
    pub modified_ms: u64,
    /// The user's tags.
    pub tags: BTreeMap<String, String>,
}

/// Which code signing configuration a function has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionSigning {
    /// The configuration's ARN.
    pub config_arn: String,
}
