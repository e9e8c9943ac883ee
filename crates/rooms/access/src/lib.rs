//! Who calls, and what they may do.
//!
//! ```text
//! request head ─► check_head ─► Claim ─► verify(hash of the body) ─► Caller ─► allows(action, resource)
//!                     │ unsigned, unknown key, wrong scope, out of time,
//!                     └ wrong signature where the head alone tells: refused before the body is read
//! ```
//!
//! The room owns the keys, the temporary credentials of running functions, the signing keys derived from both, and the
//! identities of each account: users, roles and their policies. It knows Signature Version 4 as a rule over texts; it opens no connection and sets
//! no status. Why it canonicalises by itself: `docs/decisions/0004-own-sigv4-verifier.md`.

mod assume;
mod authorization;
mod caller;
mod canonical;
mod error;
mod facts;
mod identities;
mod keys;
mod links;
mod metrics;
mod permission;
mod request;
mod seed;
mod sessions;
mod stamp;
mod verify;

pub use assume::{AssumeError, AssumeRole, Assumed};
pub use caller::{Caller, Principal};
pub use error::{AccessError, DenialReason};
pub use facts::CallerFacts;
pub use identities::{AWS_POLICIES, Holder, IdentityError, NewPolicy, NewRole, NewUser, PolicyView};
pub use lacewing_policy::{DOCUMENT_BYTES_MAX, Fact, Facts, Kind, Malformed, Policy, tag};
pub use lacewing_store::Store;
pub use lacewing_store::identities::{Grants, KeyRecord, PolicyRecord, PolicyVersion, RoleRecord, UserRecord};
pub use permission::Wish;
pub use request::{BodyHash, RequestHead};
pub use seed::Seed;
pub use sessions::Session;
pub use verify::Claim;

use arc_swap::ArcSwap;
use identities::{Directory, Writer};
use keys::KeyRing;
use lacewing_model::{AccountId, Region};
use std::sync::{Arc, Mutex};

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

/// Where identities are kept, and how.
pub struct IdentityOptions {
    /// The database.
    pub store: Store,
    /// What secrets are derived from.
    pub seed: Seed,
    /// True: a function whose role nobody has made may do nothing.
    pub strict_roles: bool,
}

/// Verifies signatures and permissions. Cheap to clone: clones share one key ring.
#[derive(Clone)]
pub struct Access {
    inner: Arc<Inner>,
}

struct Inner {
    strict_region: Option<Region>,
    strict_roles: bool,
    keys: KeyRing,
    link_key: Arc<str>,
    metrics_token: Option<String>,
    seed: Seed,
    /// Swapped whole by the writer.
    directory: ArcSwap<Directory>,
    writer: Mutex<Writer>,
}

impl Access {
    /// A room with the given root keys, one random key of its own for links, and the identities of the store.
    ///
    /// # Errors
    /// [`IdentityError`] when the store cannot be read, or holds what this release does not take.
    pub fn open(options: AccessOptions, identities: IdentityOptions) -> Result<Self, IdentityError> {
        let AccessOptions { account, strict_region, root_keys, metrics_token } = options;
        let IdentityOptions { store, seed, strict_roles } = identities;
        let keys = KeyRing::default();
        for key in root_keys {
            keys.add_root(&account, key);
        }
        let link_key = keys.add_link(&account);
        let directory = ArcSwap::from_pointee(Directory::of(store.identities()?)?);
        let writer = Mutex::new(Writer { store });
        let inner = Inner { strict_region, strict_roles, keys, link_key, metrics_token, seed, directory, writer };
        let access = Self { inner: Arc::new(inner) };
        for (account, key) in access.all_keys().into_iter().filter(|(_, key)| key.active) {
            access.admit_key(&account, &key);
        }
        Ok(access)
    }
}
