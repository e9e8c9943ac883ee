//! Secrets that are derived instead of kept: the secret of an access key is a hash of its id under the data dir's
//! seed, so that there is nothing to steal from the database and nothing to show a second time.

use crate::keys::{HmacSha256, random_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::{KeyInit, Mac};
use subtle::ConstantTimeEq;

/// Characters of a secret, as AWS's have: 240 bits.
const SECRET_CHARACTERS: usize = 40;
/// The longest session token that is looked at: a session policy, and some names.
pub(crate) const TOKEN_BYTES_MAX: usize = 8_192;

/// 32 bytes that never leave the server. Whoever has them can sign as anyone.
#[derive(Clone)]
pub struct Seed([u8; 32]);

impl Seed {
    /// The seed of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// One that is forgotten with the process.
    #[must_use]
    pub fn random() -> Self {
        Self(random_bytes())
    }

    /// The secret of the access key with this id.
    pub(crate) fn secret_of(&self, id: &str) -> String {
        let mut secret = STANDARD_NO_PAD.encode(self.hash("access key", id.as_bytes()));
        secret.truncate(SECRET_CHARACTERS);
        secret
    }

    /// Makes a text that only [`Seed::unseal`] of the same seed takes. It can be read by anyone.
    pub(crate) fn seal(&self, text: &[u8]) -> String {
        let tag = self.hash("session token", text);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(text), URL_SAFE_NO_PAD.encode(tag))
    }

    /// What was sealed, if it was sealed with this seed.
    pub(crate) fn unseal(&self, sealed: &str) -> Option<Vec<u8>> {
        let (text, tag) = sealed.split_once('.').filter(|_| sealed.len() <= TOKEN_BYTES_MAX)?;
        let (text, tag) = (URL_SAFE_NO_PAD.decode(text).ok()?, URL_SAFE_NO_PAD.decode(tag).ok()?);
        bool::from(self.hash("session token", &text).ct_eq(&tag)).then_some(text)
    }

    /// A hash for one purpose tells nothing of those for others.
    fn hash(&self, purpose: &str, text: &[u8]) -> [u8; 32] {
        let mut mac = match HmacSha256::new_from_slice(&self.0) {
            Ok(mac) => mac,
            Err(_) => unreachable!("HMAC takes keys of any length"),
        };
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(text);
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_of_their_key_and_their_seed() {
        let (one, other) = (Seed::new([1; 32]), Seed::new([2; 32]));
        assert_eq!(one.secret_of("A"), one.secret_of("A"));
        assert_ne!(one.secret_of("A"), one.secret_of("B"));
        assert_ne!(one.secret_of("A"), other.secret_of("A"));
        assert_eq!(one.secret_of("A").len(), SECRET_CHARACTERS);
        assert!(!format!("{one:?}").contains('1'));
    }

    #[test]
    fn what_is_sealed_cannot_be_changed_or_made_by_others() {
        let seed = Seed::new([1; 32]);
        let sealed = seed.seal(b"role r");
        assert_eq!(seed.unseal(&sealed).as_deref(), Some(&b"role r"[..]));
        assert_eq!(Seed::new([2; 32]).unseal(&sealed), None);
        let forged = sealed.replacen(&URL_SAFE_NO_PAD.encode("role r"), &URL_SAFE_NO_PAD.encode("role x"), 1);
        assert_ne!(forged, sealed);
        for wrong in ["", ".", "x", &forged, &sealed[1..], &format!("{sealed}A")] {
            assert_eq!(seed.unseal(wrong), None, "{wrong}");
        }
    }
}
