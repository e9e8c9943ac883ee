//! The Extensions API over HTTP. Source: Lambda documentation, "Extensions API"; types and words of refusals from
//! AWS's open sandbox agent.

use super::{ExtensionState, Extensions};
use crate::body::{Collected, collect};
use crate::refusal::Refusal;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

const NAME: &str = "lambda-extension-name";
const ID: &str = "lambda-extension-identifier";
const FEATURES: &str = "lambda-extension-accept-feature";
const ERROR_KIND: &str = "lambda-extension-function-error-type";

/// The body of a request: a list of two events, or an error with its trace.
const BODY_BYTES_MAX: u64 = 1024 * 1024;
/// Most characters that are kept of an error's type.
const KIND_CHARS_MAX: usize = 256;

/// Which call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExtensionCall {
    Register,
    Next,
    InitError,
    ExitError,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Registration {
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    configuration_keys: Vec<String>,
}

/// Answers one call; `next` waits for its event.
pub(crate) async fn answer(
    call: ExtensionCall,
    request: Request<Incoming>,
    extensions: &Extensions,
) -> Result<Response<Full<Bytes>>, Refusal> {
    match call {
        ExtensionCall::Register => register(request, extensions).await,
        ExtensionCall::Next => match extensions.ask(identifier(request.headers())?)?.await {
            Ok(event) => Ok(event),
            // Another INIT is expected: this connection is about to be closed.
            Err(_) => std::future::pending().await,
        },
        ExtensionCall::InitError => fail(request, extensions, ExtensionState::InitError).await,
        ExtensionCall::ExitError => fail(request, extensions, ExtensionState::ExitError).await,
    }
}

async fn register(request: Request<Incoming>, extensions: &Extensions) -> Result<Response<Full<Bytes>>, Refusal> {
    let (head, body) = request.into_parts();
    let name = text(&head.headers, NAME);
    if name.is_empty() {
        return Err(Refusal::extension("Extension.InvalidExtensionName", "Empty extension name"));
    }
    let body = read(body).await?;
    let registration: Registration =
        serde_json::from_slice(&body).map_err(|error| Refusal::extension("InvalidRequestFormat", error.to_string()))?;
    if !registration.configuration_keys.is_empty() {
        let message = "configurationKeys are deprecated; use environment variables instead";
        return Err(Refusal::extension("InvalidRequestFormat", message));
    }
    let (id, subject) = extensions.register(name, &registration.events)?;
    let mut answer = json!({
        "functionName": subject.function_name, "functionVersion": subject.function_version, "handler": subject.handler,
    });
    if text(&head.headers, FEATURES).split(',').any(|feature| feature.trim() == "accountId") {
        answer["accountId"] = subject.account.into();
    }
    let mut response = respond(StatusCode::OK, answer.to_string());
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert(ID, id);
    }
    Ok(response)
}

async fn fail(
    request: Request<Incoming>,
    extensions: &Extensions,
    state: ExtensionState,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let (head, body) = request.into_parts();
    let id = identifier(&head.headers)?;
    let kind = text(&head.headers, ERROR_KIND);
    if kind.is_empty() {
        let message = "Lambda-Extension-Function-Error-Type not found";
        return Err(Refusal::extension("Extension.MissingHeader", message));
    }
    read(body).await?;
    extensions.fail(id, state, &kind.chars().take(KIND_CHARS_MAX).collect::<String>())?;
    Ok(respond(StatusCode::ACCEPTED, "{\"status\":\"OK\"}\n".to_owned()))
}

/// Who asks.
///
/// # Errors
/// 403 without an identifier, or with one that is none.
pub(crate) fn identifier(headers: &HeaderMap) -> Result<Uuid, Refusal> {
    let given = text(headers, ID);
    if given.is_empty() {
        let message = "Missing Lambda-Extension-Identifier header";
        return Err(Refusal::extension("Extension.MissingExtensionIdentifier", message));
    }
    given
        .parse()
        .map_err(|_| Refusal::extension("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The whole body.
pub(crate) async fn read(mut body: Incoming) -> Result<Bytes, Refusal> {
    match collect(&mut body, BODY_BYTES_MAX).await {
        Collected::Whole(bytes) => Ok(bytes),
        Collected::TooLarge => Err(Refusal::too_large(BODY_BYTES_MAX)),
        Collected::CutShort => Err(Refusal::truncated()),
    }
}

fn respond(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
