//! Capacity providers: machines that functions can be bound to.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A capacity provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapacityProvider {
    /// Its settings as the API names them, checked when they came. Nothing here acts on them.
    pub settings: serde_json::Value,
    /// When it was last changed, milliseconds since the epoch.
    pub modified_ms: u64,
    /// The user's tags.
    pub tags: BTreeMap<String, String>,
}
