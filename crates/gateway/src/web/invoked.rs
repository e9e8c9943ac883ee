//! A web function that is invoked through the Lambda API: the event becomes a request, the answer the reply's payload.
//!
//! An event of payload format 2.0 (what a function URL or an HTTP API makes) is the request that it tells of, and is
//! answered in the same format. Any other event is sent whole, as `POST /events`, and answered with the body of the
//! server's answer. Source: AWS's Lambda Web Adapter, whose users find the same here.

use super::proxy::whole;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use lacewing_model::RequestId;
use lacewing_sandbox::{Ending, EventTranslator, FunctionError, TranslatedEvent, WebBody};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

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

/// The gateway's translator.
pub(crate) struct Translator;

impl EventTranslator for Translator {
    fn translate(&self, event: &Bytes, id: RequestId) -> TranslatedEvent {
        let told = serde_json::from_slice::<Told>(event).ok();
        let (mut request, in_format) = match told.and_then(request_of) {
            Some(request) => (request, true),
            None => (passed_through(event), false),
        };
        if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
            request.headers_mut().insert("x-amzn-requestid", id);
        }
        let answer = move |head: Parts, body: Bytes| match in_format {
            true => Ending::Answer(in_words(&head, &body)),
            false => plain(&head, body),
        };
        TranslatedEvent { request, answer: Box::new(answer) }
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

fn failed(kind: &str, text: String) -> Ending {
    let payload = json!({"errorMessage": text, "errorType": kind}).to_string().into();
    Ending::Failed(FunctionError { kind: kind.to_owned(), payload, by_platform: false, timed_out: false })
}
