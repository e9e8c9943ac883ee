//! Shapes of our own endpoint for access keys.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `POST /_lacewing/keys`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateKeyRequest {
    /// Whose key: 12 digits.
    pub account: String,
    /// The user that gets it, made where it is not there. `None` with a policy: a user of its own; without: a root key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A policy document: what the user may do, in place of what the last call said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Value>,
}

/// An access key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyReply {
    /// `AKIA...`.
    pub access_key_id: String,
    /// Told once, when the key is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<String>,
    /// Whose it is.
    pub account: String,
    /// Which user's; absent of a root key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether it may sign.
    pub active: bool,
    /// When it was made: RFC 3339.
    pub created: String,
}

/// `GET /_lacewing/keys`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysReply {
    /// By account and age.
    pub keys: Vec<KeyReply>,
}
