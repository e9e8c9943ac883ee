//! A request to a function URL, as the event that its function gets: payload format 2.0.
//!
//! Source: Lambda developer guide, "Invoking Lambda function URLs"; what the guide leaves open as recorded from AWS.

use crate::tls::Encrypted;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use lacewing_lambda_api::Query;
use lacewing_model::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What the platform adds to the request.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings<'a> {
    /// The URL's id.
    pub(crate) id: &'a str,
    /// The host as the client named it, without port.
    pub(crate) domain: &'a str,
    /// The port that the client named.
    pub(crate) port: &'a str,
    pub(crate) request_id: String,
    pub(crate) trace_id: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) source: Option<IpAddr>,
    /// Set for a signed call.
    pub(crate) signer: Option<Signer>,
    /// Set where the connection is encrypted.
    pub(crate) tls: Option<&'a Encrypted>,
}

/// Who signed a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Signer {
    pub(crate) access_key: String,
    pub(crate) account_id: String,
    pub(crate) caller_id: String,
    pub(crate) cognito_identity: Option<Value>,
    pub(crate) principal_org_id: Option<String>,
    pub(crate) user_arn: String,
    pub(crate) user_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'static str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    headers: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    request_context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    account_id: &'a str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Authorizer<'a>>,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'static str,
    stage: &'static str,
    time: String,
    time_epoch: u64,
}

#[derive(Serialize)]
struct Authorizer<'a> {
    iam: &'a Signer,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

/// Headers that end with their connection.
const OF_THE_CONNECTION: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The event, as JSON.
pub(crate) fn event(parts: &Parts, body: &Bytes, around: &Surroundings<'_>) -> Bytes {
    let text = is_text(&parts.headers).then(|| std::str::from_utf8(body).ok()).flatten();
    let encoded = !body.is_empty() && text.is_none();
    let body = match text {
        _ if body.is_empty() => None,
        Some(text) => Some(text.to_owned()),
        None => Some(STANDARD.encode(body)),
    };
    let path = parts.uri.path();
    let event = Event {
        version: "2.0",
        route_key: "$default",
        raw_path: path,
        raw_query_string: parts.uri.query().unwrap_or_default(),
        cookies: cookies(&parts.headers),
        headers: headers(&parts.headers, around),
        query_string_parameters: parameters(parts.uri.query().unwrap_or_default()),
        request_context: Context {
            account_id: around.signer.as_ref().map_or("anonymous", |signer| &signer.account_id),
            api_id: around.id,
            authorizer: around.signer.as_ref().map(|iam| Authorizer { iam }),
            domain_name: around.domain,
            domain_prefix: around.id,
            http: Http {
                method: parts.method.as_str(),
                path,
                protocol: "HTTP/1.1",
                source_ip: source_ip(around),
                user_agent: parts.headers.get(USER_AGENT).map(|agent| lossy(agent.as_bytes())),
            },
            request_id: &around.request_id,
            route_key: "$default",
            stage: "$default",
            time: clf(around.now),
            time_epoch: around.now.0,
        },
        body,
        is_base64_encoded: encoded,
    };
    // Strings and numbers only: writing them cannot fail.
    serde_json::to_vec(&event).unwrap_or_default().into()
}

/// Whether the content type names text.
fn is_text(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some((kind, subtype)) = media.split_once('/') else { return false };
    let last = subtype.rsplit('+').next().unwrap_or_default();
    kind == "text" || matches!(last, "json" | "xml" | "javascript")
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let all = headers.get_all(COOKIE).iter().map(|value| lossy(value.as_bytes()));
    let split = all.flat_map(|line| line.split(';').map(|cookie| cookie.trim().to_owned()).collect::<Vec<_>>());
    split.filter(|cookie| !cookie.is_empty()).collect()
}

/// Names in lower case, repeated ones joined; cookies stand apart.
fn headers<'a>(given: &'a HeaderMap, around: &Surroundings<'_>) -> BTreeMap<&'a str, String> {
    let mut all: BTreeMap<&str, String> = BTreeMap::new();
    let kept = |name: &HeaderName| *name != COOKIE && !OF_THE_CONNECTION.contains(&name.as_str());
    for (name, value) in given.iter().filter(|(name, _)| kept(name)) {
        let value = lossy(value.as_bytes());
        all.entry(name.as_str()).and_modify(|known| *known = format!("{known},{value}")).or_insert(value);
    }
    // HTTP/2 names it in the request line.
    all.entry("host").or_insert_with(|| around.domain.to_owned());
    all.extend(forwarded(given, around));
    all
}

/// What the platform says of where a request comes from.
pub(super) fn forwarded(given: &HeaderMap, around: &Surroundings<'_>) -> Vec<(&'static str, String)> {
    let known = given.get_all("x-forwarded-for").iter().map(|value| lossy(value.as_bytes()));
    let way: Vec<String> = known.chain([source_ip(around)]).collect();
    let proto = if around.tls.is_some() { "https" } else { "http" };
    let plain = [
        ("x-amzn-trace-id", around.trace_id.to_owned()),
        ("x-forwarded-for", way.join(", ")),
        ("x-forwarded-port", around.port.to_owned()),
        ("x-forwarded-proto", proto.to_owned()),
    ];
    let tls = around.tls.map(|encrypted| {
        [("x-amzn-tls-version", encrypted.version.to_owned()), ("x-amzn-tls-cipher-suite", encrypted.suite.clone())]
    });
    plain.into_iter().chain(tls.into_iter().flatten()).collect()
}

fn source_ip(around: &Surroundings<'_>) -> String {
    around.source.map(|address| address.to_canonical().to_string()).unwrap_or_default()
}

/// Decoded; the values of a repeated key are joined.
fn parameters(query: &str) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in Query::new(query).pairs() {
        all.entry(key.into_owned())
            .and_modify(|known| *known = format!("{known},{value}"))
            .or_insert(value.into_owned());
    }
    all
}

/// `12/Mar/2026:19:03:58 +0000`.
fn clf(now: Timestamp) -> String {
    now.civil().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;

    fn made(request: http::request::Builder, body: &'static [u8], signer: Option<Signer>) -> Value {
        let parts = request.body(()).unwrap().into_parts().0;
        let around = Surroundings {
            id: "abc",
            domain: "abc.lambda-url.us-east-1.localhost",
            port: "9000",
            request_id: "id".into(),
            trace_id: "Root=1-0-0",
            now: Timestamp(1_773_342_238_123),
            source: Some("127.0.0.1".parse().unwrap()),
            signer,
            tls: None,
        };
        serde_json::from_slice(&event(&parts, &Bytes::from_static(body), &around)).unwrap()
    }

    #[test]
    fn an_event_has_every_detail_of_its_request() {
        let request = http::Request::post("/pa2%Fth/1?a=1&b=x%20y&a=2&flag")
            .header("Host", "abc.lambda-url.us-east-1.localhost:9000")
            .header("Content-Type", "text/plain; charset=utf-8")
            .header("User-Agent", "test")
            .header("X-Many", "1")
            .header("X-Many", "2")
            .header("Cookie", "a=b; c=d")
            .header("Cookie", "e=f")
            .header("Connection", "close");
        insta::assert_json_snapshot!(made(request, b"hello", None), @r#"
        {
          "body": "hello",
          "cookies": [
            "a=b",
            "c=d",
            "e=f"
          ],
          "headers": {
            "content-type": "text/plain; charset=utf-8",
            "host": "abc.lambda-url.us-east-1.localhost:9000",
            "user-agent": "test",
            "x-amzn-trace-id": "Root=1-0-0",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": "9000",
            "x-forwarded-proto": "http",
            "x-many": "1,2"
          },
          "isBase64Encoded": false,
          "queryStringParameters": {
            "a": "1,2",
            "b": "x y",
            "flag": ""
          },
          "rawPath": "/pa2%Fth/1",
          "rawQueryString": "a=1&b=x%20y&a=2&flag",
          "requestContext": {
            "accountId": "anonymous",
            "apiId": "abc",
            "domainName": "abc.lambda-url.us-east-1.localhost",
            "domainPrefix": "abc",
            "http": {
              "method": "POST",
              "path": "/pa2%Fth/1",
              "protocol": "HTTP/1.1",
              "sourceIp": "127.0.0.1",
              "userAgent": "test"
            },
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2026:19:03:58 +0000",
            "timeEpoch": 1773342238123
          },
          "routeKey": "$default",
          "version": "2.0"
        }
        "#);
    }

    #[test]
    fn a_body_is_text_only_where_type_and_bytes_say_so() {
        for (content_type, body, want, encoded) in [
            (Some("application/json"), &b"{}"[..], Some("{}"), false),
            (Some("application/problem+json"), b"{}", Some("{}"), false),
            (Some("image/svg+xml"), b"<a/>", Some("<a/>"), false),
            (Some("TEXT/HTML"), b"x", Some("x"), false),
            (Some("text/plain"), b"\xff", Some("/w=="), true),
            (Some("application/x-www-form-urlencoded"), b"a=b", Some("YT1i"), true),
            (Some("multipart/form-data; boundary=x"), b"a", Some("YQ=="), true),
            (None, b"a", Some("YQ=="), true),
            (Some("application/octet-stream"), b"", None, false),
        ] {
            let mut request = http::Request::post("/");
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            let event = made(request, body, None);
            assert_eq!(
                (event["body"].as_str(), event["isBase64Encoded"].as_bool()),
                (want, Some(encoded)),
                "{content_type:?}"
            );
            assert_eq!(event.get("body").is_some(), want.is_some());
        }
    }

    #[test]
    fn who_signed_stands_in_the_context() {
        let signer = Signer {
            access_key: "AKID".into(),
            account_id: "123456789012".into(),
            caller_id: "AIDA".into(),
            cognito_identity: None,
            principal_org_id: None,
            user_arn: "arn:aws:iam::123456789012:user/u".into(),
            user_id: "AIDA".into(),
        };
        let context = &made(http::Request::get("/"), b"", Some(signer))["requestContext"];
        assert_eq!(
            (&context["accountId"], &context["authorizer"]["iam"]["accessKey"]),
            (&"123456789012".into(), &"AKID".into())
        );
        assert!(context["authorizer"]["iam"]["cognitoIdentity"].is_null());
        let plain = made(http::Request::get("/"), b"", None);
        assert!(plain.get("cookies").is_none() && plain.get("queryStringParameters").is_none());
        assert!(plain["requestContext"].get("authorizer").is_none());
    }
}
