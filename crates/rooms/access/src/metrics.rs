//! The one thing that may be read without a signature: the node's figures, by whoever has their token.
//!
//! Scrapers cannot sign. A token that opens a single page can be handed to one, which a root key must not be.

use crate::Access;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

impl Access {
    /// Says whether an `Authorization` header bears the metrics token. Takes as long for a wrong one.
    #[must_use]
    pub fn opens_metrics(&self, authorization: &[u8]) -> bool {
        let Some(said) = authorization.strip_prefix(b"Bearer ") else { return false };
        // Over hashes, so that not even the token's length shows.
        let digest = |token: &[u8]| Sha256::digest(token);
        let wanted = self.inner.metrics_token.as_ref().map(|token| digest(token.as_bytes()));
        wanted.is_some_and(|wanted| bool::from(wanted.as_slice().ct_eq(digest(said).as_slice())))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::{Access, AccessOptions, IdentityOptions, Seed, Store};

    fn access(token: Option<&str>) -> Access {
        let metrics_token = token.map(str::to_owned);
        let account = "000000000000".parse().unwrap();
        let options = AccessOptions { account, strict_region: None, root_keys: Vec::new(), metrics_token };
        let store = Store::in_memory().unwrap();
        Access::open(options, IdentityOptions { store, seed: Seed::random(), strict_roles: false }).unwrap()
    }

    #[test]
    fn only_the_whole_token_opens_metrics() {
        let with = access(Some("a-token-of-the-tests"));
        for (said, opens) in [
            ("Bearer a-token-of-the-tests", true),
            ("Bearer a-token-of-the-test", false),
            ("bearer a-token-of-the-tests", false),
            ("a-token-of-the-tests", false),
            ("Bearer ", false),
        ] {
            assert_eq!(with.opens_metrics(said.as_bytes()), opens, "{said}");
        }
        assert!(!access(None).opens_metrics(b"Bearer "));
    }
}
