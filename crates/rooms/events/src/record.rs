//! What is sent to a destination: the event, and what became of it.

use bytes::Bytes;
use lacewing_invoke::Answer;
use lacewing_model::{RequestId, Timestamp, VersionNumber};
use serde::Serialize;
use serde_json::value::RawValue;

/// What became of an event.
pub(crate) struct Outcome<'a> {
    pub(crate) id: RequestId,
    /// The function's ARN, with a qualifier.
    pub(crate) arn: &'a str,
    pub(crate) condition: &'a str,
    /// How often the function ran.
    pub(crate) runs: u32,
    pub(crate) payload: &'a [u8],
    /// The last attempt's answer, where the function ran.
    pub(crate) last: Option<Ran>,
}

/// What a run answered.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    version: VersionNumber,
    failed: bool,
    payload: Bytes,
    /// What the function was traced as.
    trace_id: String,
}

impl Ran {
    pub(crate) fn of(answer: &Answer) -> Self {
        let (payload, failed) = match &answer.ending {
            lacewing_invoke::Ending::Answer(body) => (body.clone(), false),
            lacewing_invoke::Ending::Failed(error) => (error.payload.clone(), true),
        };
        Self { version: answer.executed_version, failed, payload, trace_id: answer.trace_id.clone() }
    }

    pub(crate) fn trace_id(&self) -> &str {
        &self.trace_id
    }

    pub(crate) fn failed(&self) -> bool {
        self.failed
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    version: &'static str,
    timestamp: String,
    request_context: RequestContext<'a>,
    request_payload: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_payload: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: String,
    function_arn: &'a str,
    condition: &'a str,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext {
    status_code: u16,
    executed_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'static str>,
}

/// The record as JSON. Source: recorded on Lambda.
pub(crate) fn write(outcome: &Outcome<'_>, now: Timestamp) -> Vec<u8> {
    let record = Record {
        version: "1.0",
        timestamp: now.civil().strftime("%Y-%m-%dT%H:%M:%S.").to_string() + &format!("{:03}Z", now.0 % 1_000),
        request_context: RequestContext {
            request_id: outcome.id.to_string(),
            function_arn: outcome.arn,
            condition: outcome.condition,
            approximate_invoke_count: outcome.runs,
        },
        request_payload: raw(outcome.payload),
        response_context: outcome.last.as_ref().map(|ran| ResponseContext {
            status_code: 200,
            executed_version: ran.version.to_string(),
            function_error: ran.failed.then_some("Unhandled"),
        }),
        response_payload: outcome.last.as_ref().map(|ran| raw(&ran.payload)),
    };
    // Texts and JSON that was read before: writing them cannot fail.
    serde_json::to_vec(&record).unwrap_or_default()
}

/// JSON as it is; what is none, as a text.
fn raw(bytes: &[u8]) -> Box<RawValue> {
    let text = String::from_utf8_lossy(bytes);
    let as_it_is: Option<Box<RawValue>> = serde_json::from_str(&text).ok();
    as_it_is.or_else(|| serde_json::value::to_raw_value(&text).ok()).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_as_it_was_recorded() {
        let id: RequestId = "5f0c6c5c-0000-4000-8000-000000000001".parse().unwrap();
        let arn = "arn:aws:lambda:us-east-1:1:function:f:$LATEST";
        let ran = |failed| Ran {
            version: VersionNumber::Latest,
            failed,
            payload: Bytes::from_static(b"no JSON"),
            trace_id: String::new(),
        };
        let text = |condition, runs, last| {
            let outcome = Outcome { id, arn, condition, runs, payload: b"{\"a\": 1}", last };
            String::from_utf8(write(&outcome, Timestamp(1_795_489_200_123))).unwrap()
        };
        let head = r#"{"version":"1.0","timestamp":"2026-11-24T03:00:00.123Z","requestContext":{"requestId":"5f0c6c5c-0000-4000-8000-000000000001","functionArn":"arn:aws:lambda:us-east-1:1:function:f:$LATEST","condition":"#;
        assert_eq!(
            text("RetriesExhausted", 3, Some(ran(true))),
            format!(
                r#"{head}"RetriesExhausted","approximateInvokeCount":3}},"requestPayload":{{"a": 1}},"responseContext":{{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"}},"responsePayload":"no JSON"}}"#
            )
        );
        assert_eq!(
            text("ZeroReservedConcurrency", 0, None),
            format!(r#"{head}"ZeroReservedConcurrency","approximateInvokeCount":0}},"requestPayload":{{"a": 1}}}}"#)
        );
    }
}
