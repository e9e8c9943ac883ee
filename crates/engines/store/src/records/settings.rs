//! Settings of one word or two, each with operations of its own.

use serde::{Deserialize, Serialize};

/// What happens to calls that go in circles; without a record they are ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recursion {
    /// True: they go on (`Allow`). False: they are ended (`Terminate`).
    pub allowed: bool,
}

/// When a runtime's patches are taken; without a record, `Auto`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeManagement {
    /// `Auto`, `FunctionUpdate` or `Manual`.
    pub update_on: String,
    /// The build that is asked for; with `Manual` only.
    pub runtime_version_arn: Option<String>,
}

/// How many execution environments a function on a capacity provider has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionScaling {
    /// At least.
    pub min: Option<u32>,
    /// At most.
    pub max: Option<u32>,
}
