//! Invocations.

use crate::asked::Asked;
use crate::flow::{self, Flow, Form, ReplyBody};
use crate::reply::{self, REQUEST_ID, Reply};
use crate::{Gateway, refusals};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use lacewing_invoke::{Answer, Call, RunHead, Streamed};
use lacewing_lambda_api::{ApiError, ErrorCode, Violations};
use lacewing_model::{TenantId, VersionNumber};
use lacewing_sandbox::Ending;
use std::sync::Arc;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("application/vnd.amazon.eventstream");
const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");
const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const REMAPPED_LENGTH: HeaderName = HeaderName::from_static("x-amzn-remapped-content-length");

/// What a caller has to be allowed.
const INVOKE: &str = "lambda:InvokeFunction";

/// How a function is to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InvocationType {
    RequestResponse,
    Event,
    DryRun,
}

impl Gateway {
    pub(crate) async fn invoke(&self, asked: &Asked<'_>, function: &str, body: Bytes) -> Result<Reply, ApiError> {
        let kinds = ["Event", "RequestResponse", "DryRun"];
        let (kind, call) = self.call_asked_for(asked, function, INVOKE, body, &kinds)?;
        match kind {
            InvocationType::RequestResponse => {
                let answer = self.inner.invoke.call(call).await.map_err(refusals::invoke)?;
                Ok(render(answer))
            }
            InvocationType::DryRun => self.dry_run(&call),
            InvocationType::Event => self.enqueue(call, reply::empty(202)).await,
        }
    }

    /// `InvokeAsync`, the older way to say `Event`.
    pub(crate) async fn invoke_async(&self, asked: &Asked<'_>, function: &str, body: Bytes) -> Result<Reply, ApiError> {
        let action = "lambda:InvokeAsync";
        let (_, call) = self.call_asked_for(asked, function, action, body, &["Event", "RequestResponse"])?;
        self.enqueue(call, reply::bytes(202, JSON, Bytes::from_static(b"{\"Status\":202}"))).await
    }

    /// Answers when the event is on the disk.
    async fn enqueue(&self, call: Call, mut reply: Reply) -> Result<Reply, ApiError> {
        let id = self.inner.events.enqueue(call).await.map_err(refusals::events)?;
        reply::set(&mut reply, REQUEST_ID, id.to_string());
        Ok(reply)
    }

    /// `InvokeWithResponseStream`: the answer as an event stream, while the function writes it.
    pub(crate) async fn invoke_with_stream(
        &self,
        asked: &Asked<'_>,
        function: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let (kind, call) = self.call_asked_for(asked, function, INVOKE, body, &["RequestResponse", "DryRun"])?;
        if kind == InvocationType::DryRun {
            return self.dry_run(&call);
        }
        let (head, body) = match self.inner.invoke.stream(call).await.map_err(refusals::invoke)? {
            Streamed::Flowing(flowing) => {
                (flowing.head.clone(), ReplyBody::Flow(Box::new(Flow::new(flowing, Form::Events))))
            }
            Streamed::Whole(answer) => {
                let Answer { request_id, executed_version, .. } = answer;
                let head = RunHead { request_id, executed_version, trace_id: answer.trace_id.clone() };
                (head, ReplyBody::Whole(flow::events(answer)))
            }
        };
        let mut reply = reply::bytes(200, EVENT_STREAM, Bytes::new()).map(|_| body);
        set_version(&mut reply, head.executed_version);
        reply::set(&mut reply, REQUEST_ID, head.request_id.to_string());
        reply::set(&mut reply, TRACE_ID, head.trace_id);
        Ok(reply)
    }

    /// What both ways of invoking read of a request.
    fn call_asked_for(
        &self,
        asked: &Asked<'_>,
        function: &str,
        action: &str,
        body: Bytes,
        kinds: &[&str],
    ) -> Result<(InvocationType, Call), ApiError> {
        let Words { kind, tail, tenant } = words(asked, kinds)?;
        let target = self.callee(asked, function, action)?;
        refuse_unserved(asked)?;
        let call = Call {
            scope: Arc::new(target.scope),
            name: target.name,
            qualifier: target.qualifier,
            payload: body,
            trace_id: asked.header("x-amzn-trace-id").map(str::to_owned),
            client_context: client_context(asked, self.inner.limits.client_context_bytes_max)?,
            tenant,
            tail,
            request_id: None,
            resolved: None,
        };
        Ok((kind, call))
    }

    fn dry_run(&self, call: &Call) -> Result<Reply, ApiError> {
        let version = self.inner.invoke.check(call).map_err(refusals::invoke)?;
        let mut reply = reply::empty(204);
        set_version(&mut reply, version);
        Ok(reply)
    }
}

/// What a call's headers say.
struct Words {
    kind: InvocationType,
    /// Whether the end of the log is wanted.
    tail: bool,
    tenant: Option<TenantId>,
}

/// Reads them; the invocation type is one of `kinds`.
fn words(asked: &Asked<'_>, kinds: &[&str]) -> Result<Words, ApiError> {
    let mut violations = Violations::default();
    let kind = match asked.header("x-amz-invocation-type") {
        None | Some("RequestResponse") => InvocationType::RequestResponse,
        Some("Event") if kinds.contains(&"Event") => InvocationType::Event,
        Some("DryRun") => InvocationType::DryRun,
        Some(other) => {
            violations.one_of(other, "invocationType", kinds);
            InvocationType::DryRun
        }
    };
    let tail = match asked.header("x-amz-log-type") {
        None | Some("None") => false,
        Some("Tail") => true,
        Some(other) => {
            violations.one_of(other, "logType", &["None", "Tail"]);
            false
        }
    };
    let tenant = asked.headers.get("x-amz-tenant-id").and_then(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        text.parse().inspect_err(|_| tenant_violations(&text, &mut violations)).ok()
    });
    violations.finish()?;
    Ok(Words { kind, tail, tenant })
}

fn tenant_violations(text: &str, violations: &mut Violations) {
    violations.length(text, "tenantId", 1, TenantId::LENGTH_MAX);
    violations.matches(text, "tenantId", TenantId::PATTERN);
}

fn refuse_unserved(asked: &Asked<'_>) -> Result<(), ApiError> {
    if asked.headers.contains_key("x-amz-durable-execution-name") {
        return Err(ApiError::not_implemented("durable executions", "Leave DurableExecutionName out."));
    }
    Ok(())
}

/// The client context as JSON text.
fn client_context(asked: &Asked<'_>, max: usize) -> Result<Option<String>, ApiError> {
    let Some(value) = asked.headers.get("x-amz-client-context").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let refused = |text: String| ApiError::new(ErrorCode::InvalidRequestContent, text);
    if value.len() > max {
        return Err(refused(format!("Client context must be at most {max} bytes of base64.")));
    }
    let bytes = STANDARD.decode(value.as_bytes()).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let json = text.filter(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
    json.map(Some).ok_or_else(|| refused("Client context must be a valid Base64-encoded JSON object.".to_owned()))
}

fn render(answer: Answer) -> Reply {
    let (body, failed) = match answer.ending {
        Ending::Answer(body) => (body, false),
        Ending::Failed(error) => (error.payload, true),
    };
    let mut reply = reply::bytes(200, JSON, body);
    if failed {
        reply.headers_mut().insert(FUNCTION_ERROR, HeaderValue::from_static("Unhandled"));
    }
    reply.headers_mut().insert(REMAPPED_LENGTH, HeaderValue::from_static("0"));
    set_version(&mut reply, answer.executed_version);
    reply::set(&mut reply, REQUEST_ID, answer.request_id.to_string());
    reply::set(&mut reply, TRACE_ID, answer.trace_id);
    if let Some(tail) = answer.log_tail {
        reply::set(&mut reply, LOG_RESULT, STANDARD.encode(tail));
    }
    reply
}

fn set_version(reply: &mut Reply, version: VersionNumber) {
    let value = match version {
        VersionNumber::Latest => HeaderValue::from_static("$LATEST"),
        VersionNumber::Published(number) => HeaderValue::from(number),
    };
    reply.headers_mut().insert(EXECUTED_VERSION, value);
}
