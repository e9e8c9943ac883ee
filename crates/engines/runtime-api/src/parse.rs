//! Heads of HTTP/1.1 requests on our bootstraps' stream: the only parser here that is ours.
//!
//! Our bootstraps send a known length, or chunks where they stream an answer; whoever speaks otherwise has taken
//! over the descriptor and is refused.

use crate::refusal::Refusal;
use crate::route::{Route, route};

/// Most headers of one request.
const HEADERS_MAX: usize = 32;

/// A request's head, reduced to what the door looks at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    pub(crate) route: Route,
    pub(crate) body_bytes: u64,
    /// The body is a stream, in chunks.
    pub(crate) chunked: bool,
    pub(crate) content_type: Option<String>,
    pub(crate) error_kind: Option<String>,
    pub(crate) mode: Mode,
}

/// How an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Buffered,
    Streaming,
    /// A mode that is neither absent nor `streaming`.
    Unknown,
}

/// The head at the start of `input` and its length, or `None` while it is incomplete.
///
/// # Errors
/// Not HTTP, or more than `bytes_max` of it: the stream cannot be followed any further.
pub(crate) fn head(input: &[u8], bytes_max: usize) -> Result<Option<(usize, Head)>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(input) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if input.len() <= bytes_max => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(Refusal::malformed("The request's head is over the limit")),
        Err(_) => return Err(Refusal::malformed("The request is not HTTP/1.1")),
    };
    if length > bytes_max {
        return Err(Refusal::malformed("The request's head is over the limit"));
    }
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    let mut head = Head {
        route: route(method, target),
        body_bytes: 0,
        chunked: false,
        content_type: None,
        error_kind: None,
        mode: Mode::Buffered,
    };
    let mut lengths = 0;
    for header in request.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            head.body_bytes =
                digits(header.value).ok_or_else(|| Refusal::malformed("The content length is no number"))?;
            lengths += 1;
        } else if is("transfer-encoding") {
            head.chunked = true;
            lengths += if header.value.eq_ignore_ascii_case(b"chunked") { 1 } else { 2 };
        } else if is("content-type") {
            head.content_type = Some(String::from_utf8_lossy(header.value).into_owned());
        } else if is("lambda-runtime-function-error-type") {
            head.error_kind = Some(String::from_utf8_lossy(header.value).into_owned());
        } else if is("lambda-runtime-function-response-mode") {
            head.mode = if header.value == b"streaming" { Mode::Streaming } else { Mode::Unknown };
        }
    }
    if lengths > 1 {
        return Err(Refusal::malformed("The body's length is given in more ways than one"));
    }
    if head.chunked && head.mode != Mode::Streaming {
        return Err(Refusal::malformed("Only a streamed answer comes in chunks here"));
    }
    Ok(Some((length, head)))
}

/// A plain decimal number: no sign, no blanks.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use lacewing_model::RequestId;

    #[test]
    fn a_head_is_read_whole_or_not_at_all() {
        let id = RequestId::random();
        let text = format!(
            "POST /2018-06-01/runtime/invocation/{id}/error HTTP/1.1\r\nContent-Length: 12\r\n\
             Lambda-Runtime-Function-Error-Type: Runtime.X\r\n\r\nrest"
        );
        let whole = text.len() - 4;
        for end in 0..whole {
            assert_eq!(head(&text.as_bytes()[..end], 4096).unwrap(), None, "{end}");
        }
        let (length, head) = head(text.as_bytes(), 4096).unwrap().unwrap();
        assert_eq!((length, head.route, head.body_bytes), (whole, Route::Error(Some(id)), 12));
        assert_eq!(head.error_kind.as_deref(), Some("Runtime.X"));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for lines in [
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: 0x1\r\n",
            "Content-Length: \r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: gzip, chunked\r\n",
            "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n",
        ] {
            let text = format!("POST /x HTTP/1.1\r\n{lines}\r\n");
            assert!(head(text.as_bytes(), 4096).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn a_head_over_the_limit_is_refused_complete_or_not() {
        let text = format!("GET /{} HTTP/1.1\r\n", "x".repeat(100));
        assert!(head(text.as_bytes(), 64).is_err());
        assert!(head(format!("{text}\r\n").as_bytes(), 64).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_run_past_the_input(bytes: Vec<u8>, near in "(GET|POST) /[ -~]{0,40} HTTP/1.1\r\n([a-zA-Z-]{1,20}: [ -~]{0,30}\r\n){0,4}\r\n") {
            for input in [&bytes[..], near.as_bytes(), &near.as_bytes()[..near.len() / 2]] {
                if let Ok(Some((length, _))) = head(input, 1024) {
                    proptest::prop_assert!(length <= input.len());
                }
            }
        }
    }
}
