//! What an extension is told. No event carries the payload. Source: Lambda documentation, "Extensions API".

use super::ShutdownReason;
use crate::desk::EventResponse;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use http_body_util::Full;
use lacewing_model::Timestamp;
use lacewing_sandbox::Work;
use serde_json::{Value, json};
use uuid::Uuid;

/// Tells events apart.
const EVENT_ID: &str = "lambda-extension-event-identifier";

/// An invocation.
pub(super) fn invoke(work: &Work) -> EventResponse {
    let mut event = json!({
        "eventType": "INVOKE",
        "deadlineMs": work.deadline.0,
        "requestId": work.request_id.to_string(),
        "invokedFunctionArn": work.invoked_arn.to_string(),
    });
    if !work.trace_id.is_empty() {
        event["tracing"] = json!({"type": "X-Amzn-Trace-Id", "value": work.trace_id});
    }
    response(&event)
}

/// The end.
pub(super) fn shutdown(reason: ShutdownReason, deadline: Timestamp) -> EventResponse {
    response(&json!({"eventType": "SHUTDOWN", "deadlineMs": deadline.0, "shutdownReason": reason.as_str()}))
}

fn response(event: &Value) -> EventResponse {
    let mut response = Response::new(Full::new(Bytes::from(event.to_string())));
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(id) = HeaderValue::try_from(Uuid::new_v4().to_string()) {
        headers.insert(HeaderName::from_static(EVENT_ID), id);
    }
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::event::tests::work;
    use http_body_util::BodyExt;

    async fn body(response: EventResponse) -> Value {
        assert!(response.headers().contains_key(EVENT_ID));
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn events_have_their_fields_and_never_the_payload() {
        let work = work(b"\"secret\"");
        let told = body(invoke(&work)).await;
        let want = json!({
            "eventType": "INVOKE", "deadlineMs": 1_800_000_000_123_i64, "requestId": work.request_id.to_string(),
            "invokedFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-00000000-000000000000000000000000"},
        });
        assert_eq!(told, want);
        let told = body(shutdown(ShutdownReason::Timeout, Timestamp(7))).await;
        assert_eq!(told, json!({"eventType": "SHUTDOWN", "shutdownReason": "timeout", "deadlineMs": 7}));
    }
}
