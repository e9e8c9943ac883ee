//! The answer to `/next`: one invocation, as headers and body.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Response};
use http_body_util::Full;
use lacewing_sandbox::Work;
use std::fmt::Write as _;

/// The headers of an event, each only where it says something.
/// Source: Lambda Runtime API reference, "Next invocation".
fn headers(work: &Work, mut each: impl FnMut(&'static str, &dyn std::fmt::Display)) {
    each("lambda-runtime-aws-request-id", &work.request_id);
    each("lambda-runtime-deadline-ms", &work.deadline.0);
    each("lambda-runtime-invoked-function-arn", &work.invoked_arn);
    if !work.trace_id.is_empty() {
        each("lambda-runtime-trace-id", &work.trace_id);
    }
    if let Some(context) = work.client_context.as_deref().filter(|context| !context.is_empty()) {
        each("lambda-runtime-client-context", &context);
    }
    if let Some(tenant) = &work.tenant {
        each("lambda-runtime-aws-tenant-id", tenant);
    }
}

/// As bytes of HTTP/1.1, the head apart from the body.
pub(crate) fn as_bytes(work: &Work) -> (Bytes, Bytes) {
    let mut head = BytesMut::with_capacity(512);
    head.put_slice(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n");
    headers(work, |name, value| {
        head.put_slice(name.as_bytes());
        head.put_slice(b": ");
        let start = head.len();
        // Writing to memory does not fail.
        let _ = write!(head, "{value}");
        for byte in &mut head[start..] {
            if is_unfit(*byte) {
                *byte = b' ';
            }
        }
        head.put_slice(b"\r\n");
    });
    let _ = write!(head, "content-length: {}\r\n\r\n", work.payload.len());
    (head.freeze(), work.payload.clone())
}

/// As a response for hyper.
pub(crate) fn as_response(work: &Work) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(work.payload.clone()));
    let all = response.headers_mut();
    all.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers(work, |name, value| {
        let mut bytes = value.to_string().into_bytes();
        bytes.iter_mut().filter(|byte| is_unfit(**byte)).for_each(|byte| *byte = b' ');
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(bytes)) {
            all.insert(HeaderName::from_static(name), value);
        }
    });
    response
}

/// Bytes that a header cannot hold. Between JSON's tokens a space says the same as a newline.
fn is_unfit(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;
    use lacewing_model::{FunctionArn, RequestId, Timestamp};
    use std::time::Duration;

    pub(crate) fn work(payload: &'static [u8]) -> Work {
        Work {
            request_id: RequestId::random(),
            invoked_arn: FunctionArn {
                region: "us-east-1".parse().unwrap(),
                account: "000000000000".parse().unwrap(),
                name: "f".parse().unwrap(),
                qualifier: None,
            },
            deadline: Timestamp(1_800_000_000_123),
            timeout: Duration::from_secs(3),
            payload: Bytes::from_static(payload),
            trace_id: "Root=1-00000000-000000000000000000000000".into(),
            client_context: Some("{\"custom\":\r\n{}}".into()),
            tenant: Some("Blue Tenant".parse().unwrap()),
            stream: None,
        }
    }

    #[test]
    fn both_forms_say_the_same_and_hold_one_line_per_header() {
        let work = work(b"{}");
        let (head, body) = as_bytes(&work);
        let text = std::str::from_utf8(&head).unwrap();
        let response = as_response(&work);
        assert_eq!(body, "{}");
        assert!(text.ends_with("content-length: 2\r\n\r\n"));
        for (name, value) in response.headers() {
            let line = format!("\r\n{name}: {}\r\n", value.to_str().unwrap());
            assert!(text.contains(&line), "{line}");
        }
        assert_eq!(response.headers()["lambda-runtime-client-context"], "{\"custom\":  {}}");
        assert_eq!(response.headers()["lambda-runtime-deadline-ms"], "1800000000123");
        assert_eq!(response.headers()["lambda-runtime-aws-tenant-id"], "Blue Tenant");
        assert!(!as_response(&Work { tenant: None, ..work }).headers().contains_key("lambda-runtime-aws-tenant-id"));
    }
}
