//! Temporary credentials of running functions.

use crate::keys::{Key, random_id, random_text};
use crate::{Access, Principal};
use lacewing_model::{AccountId, FunctionName, Region, RoleArn};
use lacewing_sandbox::Credentials;
use std::sync::Arc;

/// Temporary credentials, good for as long as this value lives: dropping it revokes them.
pub struct Session {
    /// What the function gets.
    pub credentials: Credentials,
    access: Access,
    id: Arc<str>,
}

impl Access {
    /// Makes credentials for one sandbox of `function`, which runs under `role`.
    #[must_use]
    pub fn open_session(&self, account: &AccountId, home: &Region, role: &RoleArn, function: &FunctionName) -> Session {
        let id: Arc<str> = random_id("ASIA").into();
        let (secret, token) = (random_text(), random_text() + &random_text());
        let principal = Principal::Function { role: role.clone(), function: function.clone(), home: home.clone() };
        let key = Key::new(secret.as_str().into(), Some(token.as_str().into()), account.clone(), principal);
        self.inner.keys.add(id.clone(), key);
        let credentials =
            Credentials { access_key_id: id.to_string(), secret_access_key: secret, session_token: token };
        Session { credentials, access: self.clone(), id }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.access.inner.keys.end(&self.id);
    }
}
