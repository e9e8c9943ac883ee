//! Event source mappings: which source feeds which function.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An event source mapping. It does not go with its function: AWS keeps it, and so do we.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The function's ARN, with what the user wrote behind its name.
    pub function_arn: String,
    /// The source's ARN; `None` for a source that the user manages.
    pub source_arn: Option<String>,
    /// Whether it is to be read.
    pub enabled: bool,
    /// All other settings as the API names them, defaults filled in, checked when they came.
    pub settings: serde_json::Value,
    /// When it was last changed, milliseconds since the epoch.
    pub modified_ms: u64,
    /// The user's tags.
    pub tags: BTreeMap<String, String>,
}
