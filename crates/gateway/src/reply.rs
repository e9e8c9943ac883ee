//! Replies, as bytes.

use crate::flow::ReplyBody;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use lacewing_lambda_api::{ApiError, Protocol, Xml};
use lacewing_model::RequestId;
use serde::Serialize;

/// A reply.
pub(crate) type Reply = Response<ReplyBody>;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AMZ_JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const XML: HeaderValue = HeaderValue::from_static("text/xml");

/// A reply of any kind.
pub(crate) fn bytes(status: u16, content_type: HeaderValue, body: Bytes) -> Reply {
    let mut reply = Response::new(ReplyBody::Whole(body));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().insert(CONTENT_TYPE, content_type);
    reply
}

/// A reply in JSON.
pub(crate) fn json(status: u16, protocol: Protocol, body: &impl Serialize) -> Reply {
    let content_type = content_type(protocol);
    // Our reply types hold strings and numbers only: writing them cannot fail.
    bytes(status, content_type, serde_json::to_vec(body).unwrap_or_default().into())
}

fn content_type(protocol: Protocol) -> HeaderValue {
    match protocol {
        Protocol::RestJson => JSON,
        Protocol::AwsJson => AMZ_JSON,
        Protocol::Query => XML,
    }
}

/// A reply of IAM or STS to `action`: its result where it has one, and the request's id.
pub(crate) fn xml(action: &str, namespace: &str, result: Option<Xml>) -> Reply {
    let id = RequestId::random().to_string();
    let mut inside = Xml::new();
    if let Some(result) = result {
        inside = inside.element(&format!("{action}Result"), result);
    }
    let inside = inside.element("ResponseMetadata", Xml::new().text("RequestId", &id));
    let mut reply = bytes(200, XML, inside.document(&format!("{action}Response"), Some(namespace)).into());
    set(&mut reply, REQUEST_ID, id);
    reply
}

/// A reply without a body.
pub(crate) fn empty(status: u16) -> Reply {
    let mut reply = bytes(status, JSON, Bytes::new());
    if status == 204 {
        reply.headers_mut().remove(CONTENT_TYPE);
    }
    reply
}

/// An error, in the protocol's shape.
pub(crate) fn error(error: &ApiError, protocol: Protocol) -> Reply {
    let mut reply = bytes(error.status(protocol), content_type(protocol), error.body(protocol).into());
    reply.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(error.code.name()));
    if let Some(seconds) = error.retry_after_seconds {
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(id) = &error.request_id {
        set(&mut reply, REQUEST_ID, id.as_str());
    }
    reply
}

/// Sets a header whose value may hold anything; what no header can hold is left out.
pub(crate) fn set(reply: &mut Reply, name: HeaderName, value: impl TryInto<HeaderValue>) {
    if let Ok(value) = value.try_into() {
        reply.headers_mut().insert(name, value);
    }
}

/// Marks the reply with an id of its request, unless it already bears the invocation's.
pub(crate) fn mark(mut reply: Reply) -> Reply {
    if !reply.headers().contains_key(REQUEST_ID) {
        set(&mut reply, REQUEST_ID, RequestId::random().to_string());
    }
    reply
}
