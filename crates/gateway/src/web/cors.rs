//! Cross-origin settings of a URL: the platform answers for the function.
//!
//! Source: Lambda developer guide, "Cross-origin resource sharing"; the Fetch standard, "CORS protocol".

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderName, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use lacewing_catalog::records::Cors;

/// True for a preflight: a question about a request that a page would like to send.
pub(crate) fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(ORIGIN)
        && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The headers of the answer to a preflight.
pub(crate) fn preflight(cors: &Cors, asked: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !allow_origin(cors, asked, &mut headers) {
        return headers;
    }
    list(&mut headers, ACCESS_CONTROL_ALLOW_METHODS, cors.allow_methods.as_deref());
    list(&mut headers, ACCESS_CONTROL_ALLOW_HEADERS, cors.allow_headers.as_deref());
    if let Some(seconds) = cors.max_age {
        headers.insert(ACCESS_CONTROL_MAX_AGE, seconds.into());
    }
    headers
}

/// Puts the platform's words in place of the function's.
pub(crate) fn override_with(cors: &Cors, asked: &HeaderMap, headers: &mut HeaderMap) {
    let of_cors = |name: &HeaderName| name.as_str().starts_with("access-control-");
    let given: Vec<HeaderName> = headers.keys().filter(|name| of_cors(name)).cloned().collect();
    for name in given {
        headers.remove(name);
    }
    if allow_origin(cors, asked, headers) {
        list(headers, ACCESS_CONTROL_EXPOSE_HEADERS, cors.expose_headers.as_deref());
    }
}

/// Names the origin if it may come. False: it may not.
fn allow_origin(cors: &Cors, asked: &HeaderMap, headers: &mut HeaderMap) -> bool {
    let Some(origin) = asked.get(ORIGIN) else { return false };
    let any = HeaderValue::from_static("*");
    let origins = cors.allow_origins.as_deref().unwrap_or_default();
    let allowed = if origins.iter().any(|known| known == "*") {
        any
    } else {
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if !origins.iter().any(|known| origin.to_str().is_ok_and(|origin| matches(known, origin))) {
            return false;
        }
        origin.clone()
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    if cors.allow_credentials == Some(true) {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    true
}

/// An origin, or a pattern with one `*` such as `https://*.example.com`.
fn matches(pattern: &str, origin: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern.eq_ignore_ascii_case(origin),
        Some((before, after)) => {
            origin.len() >= before.len() + after.len() && origin.starts_with(before) && origin.ends_with(after)
        }
    }
}

fn list(headers: &mut HeaderMap, name: HeaderName, values: Option<&[String]>) {
    let text = values.unwrap_or_default().join(",");
    if let (false, Ok(value)) = (text.is_empty(), HeaderValue::try_from(text)) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn cors(origins: &[&str]) -> Cors {
        Cors {
            allow_credentials: Some(true),
            allow_headers: Some(vec!["x-a".into(), "x-b".into()]),
            allow_methods: Some(vec!["GET".into(), "PUT".into()]),
            allow_origins: Some(origins.iter().map(|&origin| origin.into()).collect()),
            expose_headers: Some(vec!["x-c".into()]),
            max_age: Some(60),
        }
    }

    fn asked(origin: &str) -> HeaderMap {
        HeaderMap::from_iter([(ORIGIN, HeaderValue::from_str(origin).unwrap())])
    }

    fn shown(headers: &HeaderMap) -> Vec<String> {
        let mut all: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        all.sort();
        all
    }

    #[test]
    fn a_preflight_from_a_known_origin_is_told_what_it_may() {
        let known = preflight(&cors(&["https://a.example"]), &asked("https://a.example"));
        assert_eq!(
            shown(&known),
            [
                "access-control-allow-credentials: true",
                "access-control-allow-headers: x-a,x-b",
                "access-control-allow-methods: GET,PUT",
                "access-control-allow-origin: https://a.example",
                "access-control-max-age: 60",
                "vary: Origin",
            ]
        );
        assert_eq!(shown(&preflight(&cors(&["https://a.example"]), &asked("https://b.example"))), ["vary: Origin"]);
    }

    #[test]
    fn the_functions_own_words_are_replaced() {
        let mut headers = asked("x");
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://evil.example"));
        headers.remove(ORIGIN);
        override_with(&cors(&["https://*.example"]), &asked("https://a.example"), &mut headers);
        assert_eq!(
            shown(&headers),
            [
                "access-control-allow-credentials: true",
                "access-control-allow-origin: https://a.example",
                "access-control-expose-headers: x-c",
                "vary: Origin",
            ]
        );
    }
}
