//! Who calls, and what they may do.
//!
//! ```text
//! request head ─► check_head ─► Claim ─► verify(hash of the body) ─► Caller ─► allows(action, resource)
//!                     │ unsigned, unknown key, wrong scope, out of time,
//!                     └ wrong signature where the head alone tells: refused before the body is read
//! ```
//!
//! The room owns the root keys, the temporary credentials of running functions and the signing keys
//! derived from both. It knows Signature Version 4 as a rule over texts; it opens no connection and sets
//! no status. Why it canonicalises by itself: `docs/decisions/0004-own-sigv4-verifier.md`.

mod authorization;
mod caller;
mod canonical;
mod error;
mod keys;
mod links;
mod metrics;
mod permission;
mod request;
mod sessions;
mod stamp;
mod verify;

pub use caller::{Caller, Principal};
pub use error::AccessError;
pub use request::{BodyHash, RequestHead};
pub use sessions::Session;
pub use verify::Claim;

use keys::KeyRing;
use lacewing_model::{AccountId, Region};
use std::sync::Arc;

/// A fixed pair that may do everything in the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootKey {
    /// The access key id: 1 to 128 of `[A-Za-z0-9_-]`.
    pub id: String,
    /// The secret access key.
    pub secret: String,
}

/// What the room is set up with.
#[derive(Clone, Debug)]
pub struct AccessOptions {
    /// The account that the root keys belong to.
    pub account: AccountId,
    /// Where set, the only region that a credential scope may name.
    pub strict_region: Option<Region>,
    /// The fixed pairs.
    pub root_keys: Vec<RootKey>,
    /// What a scraper shows to read the node's figures; without it only signed calls may.
    pub metrics_token: Option<String>,
}

/// Verifies signatures and permissions. Cheap to clone: clones share one key ring.
#[derive(Clone)]
pub struct Access {
    inner: Arc<Inner>,
}

struct Inner {
    strict_region: Option<Region>,
    keys: KeyRing,
    link_key: Arc<str>,
    metrics_token: Option<String>,
}

impl Access {
    /// A room with the given keys, and one random key of its own for links.
    #[must_use]
    pub fn new(options: AccessOptions) -> Self {
        let AccessOptions { account, strict_region, root_keys, metrics_token } = options;
        let keys = KeyRing::default();
        for key in root_keys {
            keys.add_root(&account, key);
        }
        let link_key = keys.add_link(&account);
        Self { inner: Arc::new(Inner { strict_region, keys, link_key, metrics_token }) }
    }
}
