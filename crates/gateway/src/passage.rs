//! The way in from sandboxes: the same door, without a socket of ours in between.

use crate::Gateway;
use crate::body::Payload;
use crate::flow::ReplyBody;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http_body_util::{BodyExt, Limited};
use lacewing_sandbox::{ApiPassage, ApiRequest, ApiResponse};
use std::future::Future;
use std::pin::Pin;

/// A streamed answer on its way into a sandbox is collected: at most this much, bytes.
const STREAM_BYTES_MAX: usize = 8 << 20;

impl ApiPassage for Gateway {
    fn call(&self, request: ApiRequest) -> Pin<Box<dyn Future<Output = ApiResponse> + Send>> {
        let gateway = self.clone();
        Box::pin(async move {
            let Some((parts, body)) = read(request) else { return malformed() };
            let reply = gateway.answer(parts, Payload::Whole(body)).await;
            let (head, body) = reply.into_parts();
            let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
            let body = match body {
                ReplyBody::Whole(bytes) => bytes,
                flow @ ReplyBody::Flow(_) => match Limited::new(flow, STREAM_BYTES_MAX).collect().await {
                    Ok(collected) => collected.to_bytes(),
                    Err(_) => return too_large(),
                },
            };
            ApiResponse { status: head.status.as_u16(), headers: headers.collect(), body }
        })
    }
}

/// The request as any other; `None` where it is none. Its bytes are a sandbox's: untrusted.
fn read(request: ApiRequest) -> Option<(http::request::Parts, Bytes)> {
    let ApiRequest { method, target, headers, body } = request;
    let mut built = http::Request::builder().method(method.as_str()).uri(target.as_str()).body(()).ok()?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        built.headers_mut().append(name, HeaderValue::from_bytes(&value).ok()?);
    }
    Some((built.into_parts().0, body))
}

fn too_large() -> ApiResponse {
    let text = br#"{"message":"A function that calls another is given at most 8 MiB of a streamed answer."}"#;
    ApiResponse { status: 413, headers: Vec::new(), body: Bytes::from_static(text) }
}

fn malformed() -> ApiResponse {
    ApiResponse { status: 400, headers: Vec::new(), body: Bytes::from_static(b"{\"message\":\"not an HTTP request\"}") }
}
