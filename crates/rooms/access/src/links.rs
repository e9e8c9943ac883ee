//! Links that this server signs itself, so that whoever holds one may follow it for a while.

use crate::request::hex;
use crate::verify::sign;
use crate::{Access, BodyHash, RequestHead, stamp};
use lacewing_model::{Region, Timestamp};
use std::time::Duration;

impl Access {
    /// Signs `GET path` at `host` for the time `valid`: the path with its signed query. The key lives as
    /// long as this process; its caller is [`Principal::Link`](crate::Principal::Link).
    #[must_use]
    pub fn link(&self, host: &str, path: &str, region: &Region, valid: Duration, now: Timestamp) -> String {
        let Some(key) = self.inner.keys.find(&self.inner.link_key) else {
            unreachable!("the link key is made with the room and never ends")
        };
        let stamp = stamp::format(now);
        let day = stamp.get(..8).unwrap_or_default();
        let scope_name = format!("{day}/{region}/lambda/aws4_request");
        let scope = key.derive(day, region, "lambda");
        let query = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}%2F{}&X-Amz-Date={stamp}&X-Amz-Expires={}&\
             X-Amz-SignedHeaders=host",
            self.inner.link_key,
            scope_name.replace('/', "%2F"),
            valid.as_secs()
        );
        let headers = [("host", host.as_bytes())];
        let head = RequestHead { method: "GET", path, query: &query, headers: &headers };
        let signature = hex(&sign(&head, "host", &stamp, &scope_name, &scope, &BodyHash::EMPTY.hex()));
        format!("{path}?{query}&X-Amz-Signature={}", String::from_utf8_lossy(&signature))
    }
}
