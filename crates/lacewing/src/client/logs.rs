//! The one operation of CloudWatch Logs that `lacewing logs` needs.

use super::connection::Ask;
use super::{ApiFailure, Client};
use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

/// The most lines of one page. Source: CloudWatch Logs API, `FilterLogEvents`.
const PAGE_MAX: u32 = 10_000;

/// A line of a function's log.
#[derive(Clone, Debug, Deserialize, serde::Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct LogEvent {
    #[serde(default)]
    pub log_stream_name: String,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    pub message: String,
    #[serde(default)]
    pub event_id: String,
}

impl Client {
    /// FilterLogEvents: one page of the lines since `since_ms`, oldest first, and the token of the next page.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or a refusal; `ResourceNotFoundException` where nothing was ever logged.
    pub async fn log_events(
        &mut self,
        group: &str,
        since_ms: i64,
        token: Option<&str>,
    ) -> Result<(Vec<LogEvent>, Option<String>), ApiFailure> {
        let mut body = json!({"logGroupName": group, "startTime": since_ms, "limit": PAGE_MAX});
        if let Some(token) = token {
            body["nextToken"] = token.into();
        }
        let headers =
            [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "Logs_20140328.FilterLogEvents")];
        let body = Bytes::from(body.to_string());
        let ask = Ask { method: Method::POST, path: "/", service: "logs", headers: &headers, body };
        let mut page = self.done(ask).await?.json()?;
        let events = page.get_mut("events").map(Value::take).unwrap_or_default();
        let events: Vec<LogEvent> = serde_json::from_value(events).unwrap_or_default();
        let next = page.get("nextToken").and_then(Value::as_str).map(str::to_owned);
        Ok((events, next))
    }
}
