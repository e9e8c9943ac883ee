//! Access keys, by the platform's own endpoint.

use super::connection::Ask;
use super::platform::read;
use super::{ApiFailure, Client};
use bytes::Bytes;
use http::Method;
use lacewing_lambda_api::{CreateKeyRequest, KeyReply, KeysReply};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

const KEYS: &str = "/_lacewing/keys";

impl Client {
    /// Makes a key; the reply holds its secret.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or a refusal.
    pub async fn create_key(&mut self, ask: &CreateKeyRequest) -> Result<KeyReply, ApiFailure> {
        // Strings and a document only: writing them cannot fail.
        let body = Bytes::from(serde_json::to_vec(ask).unwrap_or_default());
        let headers = [("content-type", "application/json")];
        let ask = Ask { method: Method::POST, path: KEYS, service: "lambda", headers: &headers, body };
        Ok(read(&self.done(ask).await?.body)?)
    }

    /// The keys that the caller may see.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or a refusal.
    pub async fn keys(&mut self) -> Result<KeysReply, ApiFailure> {
        Ok(read(&self.get(KEYS).await?.body)?)
    }

    /// Removes a key.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or a refusal.
    pub async fn delete_key(&mut self, id: &str) -> Result<(), ApiFailure> {
        let path = format!("{KEYS}/{}", utf8_percent_encode(id, NON_ALPHANUMERIC));
        let ask = Ask { method: Method::DELETE, path: &path, service: "lambda", headers: &[], body: Bytes::new() };
        self.done(ask).await.map(drop)
    }
}
