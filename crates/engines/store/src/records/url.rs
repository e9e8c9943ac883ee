//! A function's own HTTP address.

use serde::{Deserialize, Serialize};

/// The URL configuration of a function or an alias.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UrlConfig {
    /// The host's first label: 32 of `[a-z0-9]`, the same for as long as the function has its name.
    pub id: String,
    /// True: callers sign (`AWS_IAM`). False: anybody may call (`NONE`).
    pub signed: bool,
    /// True: `RESPONSE_STREAM`. False: `BUFFERED`.
    pub streams: bool,
    /// Who may call from a page of another origin.
    pub cors: Option<Cors>,
    /// When it was made, milliseconds since the epoch.
    pub created_ms: u64,
    /// When it was last changed, milliseconds since the epoch.
    pub modified_ms: u64,
}

/// Cross-origin settings: what was given, `None` for what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Cors {
    pub allow_credentials: Option<bool>,
    pub allow_headers: Option<Vec<String>>,
    pub allow_methods: Option<Vec<String>>,
    pub allow_origins: Option<Vec<String>>,
    pub expose_headers: Option<Vec<String>>,
    /// Seconds, at most 86,400.
    pub max_age: Option<u32>,
}
