//! The key ring: every key that may sign, and the signing keys derived from it.
//!
//! Deriving costs four HMACs, so what was derived for one credential scope is kept with its key: the warm
//! path is one lookup of the key and one of the scope, without an allocation.

use crate::{Caller, Principal, RootKey};
use hmac::{Hmac, KeyInit, Mac};
use lacewing_model::{AccountId, Region, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Scopes kept per key: two days, some regions, each service. The oldest leaves first.
const SCOPES_MAX: usize = 32;
/// Sessions of assumed roles whose keys are kept; one that fell out is read from its token again.
const SESSIONS_MAX: usize = 4_096;
/// Ended sessions that are remembered, so that their late calls hear "expired".
const ENDED_MAX: usize = 4_096;

pub(crate) type HmacSha256 = Hmac<Sha256>;

/// Every key that may sign.
#[derive(Default)]
pub(crate) struct KeyRing {
    keys: RwLock<HashMap<Arc<str>, Arc<Key>>>,
    /// Ids of the sessions that came with a token, the oldest first.
    sessions: Mutex<VecDeque<Arc<str>>>,
    ended: Mutex<VecDeque<Arc<str>>>,
}

/// One key.
pub(crate) struct Key {
    pub(crate) secret: Box<str>,
    /// The session token that has to come with it.
    pub(crate) token: Option<Box<str>>,
    pub(crate) account: AccountId,
    pub(crate) principal: Principal,
    /// When it ends by itself.
    pub(crate) expires: Option<Timestamp>,
    scopes: RwLock<VecDeque<(Box<str>, Arc<Scope>)>>,
}

/// One credential scope of one key, once seen in a right signature.
pub(crate) struct Scope {
    /// Keyed and ready: cloned for each request.
    pub(crate) signing: HmacSha256,
    pub(crate) caller: Arc<Caller>,
}

impl KeyRing {
    pub(crate) fn add_root(&self, account: &AccountId, key: RootKey) {
        self.add(key.id.into(), Key::new(key.secret.into(), None, account.clone(), Principal::Root));
    }

    /// Makes the key that signs this server's own links, and returns its id.
    pub(crate) fn add_link(&self, account: &AccountId) -> Arc<str> {
        let id: Arc<str> = random_id("LWLK").into();
        self.add(id.clone(), Key::new(random_text().into(), None, account.clone(), Principal::Link));
        id
    }

    pub(crate) fn add(&self, id: Arc<str>, key: Key) {
        self.keys.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(key));
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<Key>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Keeps the key of a session that can be had from its token again.
    pub(crate) fn keep_session(&self, id: Arc<str>, key: &Arc<Key>) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if self.keys.write().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), key.clone()).is_some() {
            return;
        }
        sessions.push_back(id);
        if sessions.len() > SESSIONS_MAX
            && let Some(oldest) = sessions.pop_front()
        {
            self.remove(&oldest);
        }
    }

    /// Forgets a key.
    pub(crate) fn remove(&self, id: &str) {
        self.keys.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Forgets a running function's key, and remembers that it was one.
    pub(crate) fn end(&self, id: &Arc<str>) {
        self.remove(id);
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.len() == ENDED_MAX {
            ended.pop_front();
        }
        ended.push_back(id.clone());
    }

    /// The account of a key that may sign.
    pub(crate) fn account_of(&self, id: &str) -> Option<AccountId> {
        self.find(id).map(|key| key.account.clone())
    }

    pub(crate) fn has_ended(&self, id: &str) -> bool {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|ended| &**ended == id)
    }
}

impl Key {
    pub(crate) fn new(secret: Box<str>, token: Option<Box<str>>, account: AccountId, principal: Principal) -> Self {
        Self { secret, token, account, principal, expires: None, scopes: RwLock::default() }
    }

    /// The same key, good until then.
    pub(crate) fn until(self, expires: Timestamp) -> Self {
        Self { expires: Some(expires), ..self }
    }

    /// What was kept for `scope`, the part of the credential behind the key id.
    pub(crate) fn known_scope(&self, scope: &str) -> Option<Arc<Scope>> {
        let scopes = self.scopes.read().unwrap_or_else(PoisonError::into_inner);
        scopes.iter().find(|(known, _)| **known == *scope).map(|(_, found)| found.clone())
    }

    /// Derives the signing key of a scope. Source: "Create a signed AWS API request", step 4.
    pub(crate) fn derive(&self, date: &str, region: &Region, service: &'static str) -> Scope {
        let mut secret = Vec::with_capacity(4 + self.secret.len());
        secret.extend_from_slice(b"AWS4");
        secret.extend_from_slice(self.secret.as_bytes());
        let mut signing = keyed(&secret);
        for part in [date, region.as_str(), service, "aws4_request"] {
            signing.update(part.as_bytes());
            let next: [u8; 32] = signing.finalize().into_bytes().into();
            signing = keyed(&next);
        }
        let caller = Caller::new(self.account.clone(), region.clone(), self.principal.clone(), service);
        Scope { signing, caller: Arc::new(caller) }
    }

    /// Keeps a scope. Only for one that a right signature has named: nobody else may fill the memory.
    pub(crate) fn keep(&self, name: &str, scope: &Arc<Scope>) {
        let mut scopes = self.scopes.write().unwrap_or_else(PoisonError::into_inner);
        if scopes.iter().any(|(known, _)| **known == *name) {
            return;
        }
        if scopes.len() == SCOPES_MAX {
            scopes.pop_front();
        }
        scopes.push_back((name.into(), scope.clone()));
    }
}

fn keyed(key: &[u8]) -> HmacSha256 {
    match HmacSha256::new_from_slice(key) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes keys of any length"),
    }
}

/// 256 bits that nobody can guess: two random UUIDs hold 244, hashing spreads them.
pub(crate) fn random_bytes() -> [u8; 32] {
    let (one, two) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    Sha256::new().chain_update(one.as_bytes()).chain_update(two.as_bytes()).finalize().into()
}

/// A secret as text.
pub(crate) fn random_text() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(random_bytes())
}

/// An access key id: the prefix and 16 of `[A-Z2-7]`, as AWS's look.
pub(crate) fn random_id(prefix: &str) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let tail = random_bytes();
    prefix.chars().chain(tail[..16].iter().map(|b| char::from(LETTERS[usize::from(b & 31)]))).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_a_key_are_bounded() {
        let account: AccountId = "000000000000".parse().unwrap();
        let key = Key::new("s".into(), None, account, Principal::Root);
        let region = "us-east-1".parse().unwrap();
        let scope = Arc::new(key.derive("20150830", &region, "lambda"));
        for n in 0..SCOPES_MAX + 3 {
            key.keep(&n.to_string(), &scope);
        }
        assert!(key.known_scope("2").is_none() && key.known_scope("3").is_some());
        assert_eq!(key.scopes.read().unwrap().len(), SCOPES_MAX);
    }

    #[test]
    fn made_ids_look_like_access_keys() {
        let id = random_id("ASIA");
        assert_eq!(id.len(), 20);
        assert!(id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
        assert_ne!(random_text(), random_text());
    }
}
