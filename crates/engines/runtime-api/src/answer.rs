//! What a runtime can come back with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// How INIT ended, as the runtime tells it.
#[derive(Clone, Debug, PartialEq)]
pub enum GuestReady {
    /// It asks for its first event.
    Asked,
    /// It reported that INIT failed; it is expected to exit.
    InitError(GuestError),
}

/// How one invocation ended, as the runtime tells it.
#[derive(Clone, Debug, PartialEq)]
pub enum GuestAnswer {
    /// The answer, byte for byte. Empty when it was streamed.
    Response(Bytes),
    /// The answer was over the limit. It was not kept; of a streamed one the caller has what came before.
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// The answer was streamed and broke off; most likely its process has ended.
    Truncated(GuestError),
    /// The handler failed, or INIT did when it ran inside the invocation.
    Error(GuestError),
}

/// A failure in the runtime's own words.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestError {
    /// The type as telemetry shows it: normalised, never free text.
    pub kind: String,
    /// The body given by the runtime, unchanged: normally JSON, but nobody has looked.
    pub body: Bytes,
}

/// Most characters that are kept of an error type.
const KIND_CHARS_MAX: usize = 256;

/// The error type as it is counted: kept when it holds `Runtime.` or `Function.` and a capitalised word,
/// else unknown. Source: the normalising of AWS's open sandbox agent.
pub(crate) fn normalise_kind(given: Option<&str>) -> String {
    let given = given.unwrap_or_default();
    let names_a_kind = |root: &str| {
        let mut found = given.match_indices(root);
        found.any(|(at, _)| {
            let mut letters = given[at + root.len()..].bytes();
            letters.next().is_some_and(|b| b.is_ascii_uppercase())
                && letters.next().is_some_and(|b| b.is_ascii_alphabetic())
        })
    };
    if names_a_kind("Runtime.") || names_a_kind("Function.") {
        given.chars().take(KIND_CHARS_MAX).collect()
    } else if given.starts_with("Function.") {
        "Function.Unknown".into()
    } else {
        "Runtime.Unknown".into()
    }
}

/// The error at the end of a stream: its type, and its body in base64 (kept as it is where it is not).
pub(crate) fn stream_error(kind: Option<&str>, body: &[u8]) -> GuestError {
    let body = STANDARD.decode(body.trim_ascii()).map_or_else(|_| Bytes::copy_from_slice(body), Bytes::from);
    GuestError { kind: normalise_kind(kind), body }
}

/// How the error begins that Rust's client sends as a piece of the body.
pub(crate) const STREAM_ERROR: &[u8] = b"Lambda-Runtime-Function-Error-Type: ";

/// The error that Rust's client sends as the last piece of the *body* instead of as trailers, with the
/// length of the body before it. Source: `lambda_runtime` 1.5.
pub(crate) fn error_in_body(body: &[u8]) -> Option<(usize, GuestError)> {
    const KIND: &[u8] = STREAM_ERROR;
    const BODY: &[u8] = b"\r\nLambda-Runtime-Function-Error-Body: ";
    let rest = body.strip_suffix(b"\r\n")?;
    let at = rest.windows(KIND.len()).rposition(|window| window == KIND)?;
    let after = &rest[at + KIND.len()..];
    let split = after.windows(BODY.len()).position(|window| window == BODY)?;
    let text = &after[split + BODY.len()..];
    if text.contains(&b'\n') {
        return None;
    }
    Some((at, stream_error(std::str::from_utf8(&after[..split]).ok(), text)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_normalised() {
        for (given, want) in [
            (Some("Runtime.ImportModuleError"), "Runtime.ImportModuleError"),
            (Some("my Function.BadThing here"), "my Function.BadThing here"),
            (Some("Runtime.x"), "Runtime.Unknown"),
            (Some("Function.x"), "Function.Unknown"),
            (Some("Function.X"), "Function.Unknown"),
            (Some("ValueError"), "Runtime.Unknown"),
            (Some("unhandled"), "Runtime.Unknown"),
            (None, "Runtime.Unknown"),
        ] {
            assert_eq!(normalise_kind(given), want, "{given:?}");
        }
    }

    #[test]
    fn the_error_of_rusts_client_is_found_at_the_end_of_the_body() {
        let body = b"partLambda-Runtime-Function-Error-Type: Function.Bad\r\nLambda-Runtime-Function-Error-Body: eyJhIjoxfQ==\r\n";
        let (kept, error) = error_in_body(body).unwrap();
        assert_eq!((kept, &*error.kind, &*error.body), (4, "Function.Bad", &b"{\"a\":1}"[..]));
        for plain in [&b""[..], b"\r\n", b"Lambda-Runtime-Function-Error-Type: x\r\n", &body[..body.len() - 1]] {
            assert!(error_in_body(plain).is_none());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_of_a_guest_make_it_panic(bytes: Vec<u8>, text: String) {
            let _ = error_in_body(&bytes);
            let _ = stream_error(Some(&text), &bytes);
            let tail = [b"Lambda-Runtime-Function-Error-Type: ".as_slice(), &bytes, b"\r\n"].concat();
            let _ = error_in_body(&tail);
        }
    }
}
