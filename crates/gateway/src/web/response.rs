//! A function's answer, as the reply of its URL. The answer is untrusted: what no reply can hold makes it none.
//!
//! Source: Lambda developer guide, "Invoking Lambda function URLs"; inference as recorded from AWS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Headers of one reply, and all their bytes.
const HEADERS_MAX: usize = 100;
const HEADER_BYTES_MAX: usize = 64 << 10;

/// Headers that are the connection's own affair: those of an answer are dropped.
const OF_THE_CONNECTION: [&str; 7] =
    ["keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "proxy-authenticate"];
/// Headers that the platform sets: those of an answer are told under another name.
const REMAPPED: [&str; 5] = ["connection", "content-length", "date", "x-amzn-requestid", "x-amzn-trace-id"];

/// Status, headers and body of a reply.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An answer that is no reply: the client gets 502.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoReply;

/// What an answer says beside its body; also the prelude of a streamed one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Structured {
    #[serde(default)]
    status_code: Value,
    #[serde(default)]
    headers: Option<Map<String, Value>>,
    #[serde(default)]
    cookies: Option<Vec<String>>,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
}

/// The reply that a whole answer means.
///
/// # Errors
/// [`NoReply`].
pub(crate) fn whole(answer: Bytes) -> Result<Told, NoReply> {
    let parsed: Option<Value> = serde_json::from_slice(&answer).ok();
    match parsed {
        Some(Value::Object(object)) if object.contains_key("statusCode") => structured(Value::Object(object)),
        Some(Value::String(text)) => Ok(inferred(text.into())),
        _ => Ok(inferred(answer)),
    }
}

fn structured(value: Value) -> Result<Told, NoReply> {
    let mut told: Structured = serde_json::from_value(value).map_err(|_| NoReply)?;
    let body = match told.body.take() {
        Value::Null => String::new(),
        Value::String(text) => text,
        // As recorded: what is no text is sent as its JSON.
        other => other.to_string(),
    };
    let body = match told.is_base64_encoded {
        Some(true) => STANDARD.decode(body).map_err(|_| NoReply)?.into(),
        _ => Bytes::from(body),
    };
    let (status, headers) = head(told, "application/json")?;
    Ok(Told { status, headers, body })
}

/// Status and headers from the prelude of a streamed answer.
///
/// # Errors
/// [`NoReply`].
pub(crate) fn prelude(text: &[u8]) -> Result<(StatusCode, HeaderMap), NoReply> {
    head(serde_json::from_slice(text).map_err(|_| NoReply)?, "application/octet-stream")
}

/// The head of a streamed answer without a prelude.
pub(crate) fn plain(content_type: &str) -> (StatusCode, HeaderMap) {
    let octets = HeaderValue::from_static("application/octet-stream");
    let content_type = HeaderValue::from_str(content_type).unwrap_or(octets);
    (StatusCode::OK, HeaderMap::from_iter([(CONTENT_TYPE, content_type)]))
}

fn inferred(body: Bytes) -> Told {
    let (status, headers) = plain("application/json");
    Told { status, headers, body }
}

fn head(told: Structured, content_type: &'static str) -> Result<(StatusCode, HeaderMap), NoReply> {
    let mut headers = HeaderMap::new();
    let mut bytes = 0;
    for (name, value) in told.headers.iter().flatten() {
        let value = text(value)?;
        bytes += name.len() + value.len();
        let name = name.to_ascii_lowercase();
        if OF_THE_CONNECTION.contains(&name.as_str()) {
            continue;
        }
        let name = if REMAPPED.contains(&name.as_str()) { format!("x-amzn-remapped-{name}") } else { name };
        // No line break, no second header, no end of the head: a value that holds one is none.
        let name = HeaderName::try_from(name).map_err(|_| NoReply)?;
        headers.append(name, HeaderValue::try_from(value).map_err(|_| NoReply)?);
    }
    for cookie in told.cookies.iter().flatten() {
        bytes += cookie.len();
        headers.append(SET_COOKIE, HeaderValue::from_str(cookie).map_err(|_| NoReply)?);
    }
    if headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
        return Err(NoReply);
    }
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
    Ok((status(&told.status_code)?, headers))
}

/// A number, or its digits; 200 where a prelude has none.
fn status(value: &Value) -> Result<StatusCode, NoReply> {
    let number = match value {
        Value::Null => Some(200),
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let number = number.filter(|number| (200..600).contains(number)).and_then(|number| u16::try_from(number).ok());
    StatusCode::from_u16(number.ok_or(NoReply)?).map_err(|_| NoReply)
}

fn text(value: &Value) -> Result<String, NoReply> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(NoReply),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shown(answer: &str) -> String {
        match whole(Bytes::copy_from_slice(answer.as_bytes())) {
            Err(NoReply) => "none".into(),
            Ok(Told { status, headers, body }) => {
                let headers = headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap()));
                format!(
                    "{} {} {}",
                    status.as_u16(),
                    headers.collect::<Vec<_>>().join(","),
                    String::from_utf8_lossy(&body)
                )
            }
        }
    }

    #[test]
    fn answers_mean_what_they_meant_on_aws() {
        let json = "content-type=application/json";
        for (answer, want) in [
            (r#"{"a":1}"#, format!(r#"200 {json} {{"a":1}}"#)),
            ("[1, 2]", format!("200 {json} [1, 2]")),
            ("7", format!("200 {json} 7")),
            ("null", format!("200 {json} null")),
            (r#""bare""#, format!("200 {json} bare")),
            ("no JSON", format!("200 {json} no JSON")),
            (r#"{"statusCode":201}"#, format!("201 {json} ")),
            (r#"{"statusCode":"418","body":"tea"}"#, format!("418 {json} tea")),
            (r#"{"statusCode":200,"body":{"a":[1, null]}}"#, format!(r#"200 {json} {{"a":[1,null]}}"#)),
            (r#"{"statusCode":200,"body":null}"#, format!("200 {json} ")),
            (r#"{"statusCode":200,"body":"AAH/","isBase64Encoded":true}"#, format!("200 {json} \0\u{1}\u{fffd}")),
            (
                r#"{"statusCode":302,"headers":{"Location":"/x","X-N":5,"X-B":true},"cookies":["a=b; Secure","c=d"]}"#,
                format!("302 location=/x,x-b=true,x-n=5,set-cookie=a=b; Secure,set-cookie=c=d,{json} "),
            ),
            (
                r#"{"statusCode":200,"headers":{"Content-Type":"text/html"},"body":"x"}"#,
                "200 content-type=text/html x".into(),
            ),
            (
                r#"{"statusCode":200,"headers":{"Content-Length":"9","Transfer-Encoding":"chunked","Connection":"x"}}"#,
                format!("200 x-amzn-remapped-connection=x,x-amzn-remapped-content-length=9,{json} "),
            ),
        ] {
            assert_eq!(shown(answer), want, "{answer}");
        }
    }

    #[test]
    fn what_no_reply_can_hold_is_none() {
        for answer in [
            r#"{"statusCode":"ok"}"#,
            r#"{"statusCode":99}"#,
            r#"{"statusCode":101}"#,
            r#"{"statusCode":600}"#,
            r#"{"statusCode":200,"body":"***","isBase64Encoded":true}"#,
            r#"{"statusCode":200,"headers":{"a":"b\r\nset-cookie: c=d"}}"#,
            r#"{"statusCode":200,"headers":{"a\r\nb":"c"}}"#,
            r#"{"statusCode":200,"headers":{"a b":"c"}}"#,
            r#"{"statusCode":200,"headers":{"a":["b"]}}"#,
            r#"{"statusCode":200,"cookies":["a=b\nc"]}"#,
        ] {
            assert_eq!(shown(answer), "none", "{answer}");
        }
        let many: Vec<String> = (0..101).map(|n| format!("\"c{n}=1\"")).collect();
        assert_eq!(shown(&format!(r#"{{"statusCode":200,"cookies":[{}]}}"#, many.join(","))), "none");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_of_a_function_make_it_panic(bytes: Vec<u8>, name in ".{0,12}", value in ".{0,12}") {
            let _ = whole(Bytes::from(bytes.clone()));
            let _ = prelude(&bytes);
            let answer = serde_json::json!({"statusCode": 200, "headers": {name: value.clone()}, "cookies": [value]});
            if let Ok(told) = whole(answer.to_string().into()) {
                proptest::prop_assert!(told.headers.values().all(|value| !value.as_bytes().contains(&b'\n')));
            }
        }
    }
}
