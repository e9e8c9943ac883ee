//! A web function that is invoked through the Lambda API: the event becomes a request, the answer the reply's payload.
//!
//! An event of payload format 2.0 (what a function URL or an HTTP API makes) is the request that it tells of, and is
//! answered in the same format. Any other event is sent whole, as `POST /events`, and answered with the body of the
//! server's answer. Source: AWS's Lambda Web Adapter, whose users find the same here.

use super::proxy::whole;
use crate::Gateway;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use lacewing_invoke::{Answer, Call, Exchange, Exchanged, Flowing, InvokeError, Runnable};
use lacewing_model::RequestId;
use lacewing_sandbox::{Ending, FunctionError, WebBody, WebRequest, answer_stream};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::oneshot;

/// Where other events go. Source: Lambda Web Adapter, `AWS_LWA_PASS_THROUGH_PATH`.
const EVENTS_PATH: &str = "/events";

/// What is read of an event of payload format 2.0.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    request_context: ToldContext,
}

#[derive(Deserialize)]
struct ToldContext {
    http: ToldHttp,
}

#[derive(Deserialize)]
struct ToldHttp {
    method: String,
}

impl Gateway {
    /// Invokes a web function.
    pub(crate) async fn call_web(&self, mut call: Call, runnable: Runnable) -> Result<Answer, InvokeError> {
        let event = self.inner.invoke.check_payload(std::mem::take(&mut call.payload))?;
        let request_id = RequestId::random();
        let told = serde_json::from_slice::<Told>(&event).ok();
        let in_format = told.is_some();
        let mut request = told.and_then(request_of).unwrap_or_else(|| passed_through(&event));
        if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
            request.headers_mut().insert("x-amzn-requestid", id);
        }
        let ((answer, pieces), (head, told)) = (answer_stream(), oneshot::channel());
        let received = Arc::new(AtomicU64::new(event.len() as u64));
        let request = WebRequest { request, received, head, answer, upgraded: None };
        let exchange = Exchange { request_id, runnable, request, head: told, pieces };
        match self.inner.invoke.exchange(call, exchange).await? {
            Exchanged::Failed(answer) => Ok(answer),
            Exchanged::Answers(head, flowing) => self.collect(head, flowing, in_format).await,
        }
    }

    async fn collect(&self, head: Parts, mut flowing: Flowing, in_format: bool) -> Result<Answer, InvokeError> {
        let max = self.inner.limits.response_bytes_max;
        let (mut body, mut bytes) = (BytesMut::new(), 0);
        while let Some(piece) = poll_fn(|context| flowing.poll_next(context)).await {
            bytes += piece.len() as u64;
            // The rest is taken and forgotten, so that the call ends as it would.
            if bytes <= max {
                body.extend_from_slice(&piece);
            }
        }
        let ended = flowing.take_answer();
        let mut answer =
            ended.unwrap_or_else(|| Err(InvokeError::Internal("a request ended without an end".to_owned())))?;
        answer.ending = match answer.ending {
            Ending::Answer(_) if bytes > max => too_large(max),
            Ending::Answer(_) if in_format => Ending::Answer(in_words(&head, &body)),
            Ending::Answer(_) => plain(&head, body.freeze()),
            failed => failed,
        };
        Ok(answer)
    }
}

/// The request that an event tells of; `None` where it tells of none that can be.
fn request_of(told: Told) -> Option<Request<WebBody>> {
    let body = match told.body {
        None => Bytes::new(),
        Some(text) if told.is_base64_encoded => STANDARD.decode(text).ok()?.into(),
        Some(text) => text.into(),
    };
    let query = if told.raw_query_string.is_empty() { String::new() } else { format!("?{}", told.raw_query_string) };
    let mut request = Request::new(whole(body));
    *request.method_mut() = told.request_context.http.method.parse().ok()?;
    *request.uri_mut() = format!("{}{query}", told.raw_path).parse().ok()?;
    let headers = request.headers_mut();
    for (name, value) in told.headers {
        headers.append(name.parse::<HeaderName>().ok()?, value.parse().ok()?);
    }
    super::proxy::strip(headers, false);
    headers.remove(http::header::CONTENT_LENGTH);
    if !told.cookies.is_empty() {
        headers.insert(COOKIE, told.cookies.join("; ").parse().ok()?);
    }
    headers.entry(HOST).or_insert(HeaderValue::from_static("localhost"));
    Some(request)
}

fn passed_through(event: &Bytes) -> Request<WebBody> {
    let mut request = Request::new(whole(event.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static(EVENTS_PATH);
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    request
}

/// The answer in payload format 2.0.
fn in_words(head: &Parts, body: &[u8]) -> Bytes {
    let lossy = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let cookies: Vec<String> = head.headers.get_all(SET_COOKIE).iter().map(lossy).collect();
    let mut headers = Map::new();
    for (name, value) in cleaned(&head.headers).iter().filter(|(name, _)| *name != SET_COOKIE) {
        let value = lossy(value);
        let joined = match headers.get(name.as_str()).and_then(Value::as_str) {
            Some(known) => format!("{known},{value}"),
            None => value,
        };
        headers.insert(name.as_str().to_owned(), joined.into());
    }
    let (text, encoded) = match std::str::from_utf8(body) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (STANDARD.encode(body), true),
    };
    let mut reply = json!({
        "statusCode": head.status.as_u16(), "headers": headers, "body": text, "isBase64Encoded": encoded,
    });
    if !cookies.is_empty() {
        reply["cookies"] = cookies.into();
    }
    reply.to_string().into()
}

fn cleaned(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    super::proxy::strip(&mut headers, false);
    headers
}

/// The body alone: JSON as it is, else as a string. A server's error is the function's.
fn plain(head: &Parts, body: Bytes) -> Ending {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
    let payload = if is_json { body } else { Value::from(String::from_utf8_lossy(&body)).to_string().into() };
    if head.status.is_server_error() {
        failed("Server.Error", server_error(head.status))
    } else {
        Ending::Answer(payload)
    }
}

fn server_error(status: StatusCode) -> String {
    format!("The server answered POST {EVENTS_PATH} with status {status}")
}

fn too_large(max: u64) -> Ending {
    let text = format!("Response payload size exceeded maximum allowed payload size ({max} bytes).");
    failed("Function.ResponseSizeTooLarge", text)
}

fn failed(kind: &str, text: String) -> Ending {
    let payload = json!({"errorMessage": text, "errorType": kind}).to_string().into();
    Ending::Failed(FunctionError { kind: kind.to_owned(), payload, by_platform: false, timed_out: false })
}
