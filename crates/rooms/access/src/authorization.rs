//! Finds the signature in a request: in the `Authorization` header or in the query.

use crate::{AccessError, RequestHead, stamp};
use lacewing_model::Timestamp;
use std::borrow::Cow;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Longest life of a signed query, seconds: a week. Source: "Authenticating requests: query parameters".
const EXPIRES_MAX: u64 = 604_800;

/// The parts of a signature, as sent.
pub(crate) struct Authorization<'a> {
    /// Life of a signed query; `None` for the header form.
    pub(crate) expires: Option<u64>,
    pub(crate) key_id: Cow<'a, str>,
    /// `DATE/REGION/SERVICE/aws4_request`.
    pub(crate) scope: Cow<'a, str>,
    /// Names in lower case, separated by `;`.
    pub(crate) signed_headers: Cow<'a, str>,
    /// 64 hex digits, if it is a signature at all.
    pub(crate) signature: Cow<'a, str>,
    pub(crate) stamp: Cow<'a, str>,
    pub(crate) time: Timestamp,
    pub(crate) token: Option<Cow<'a, str>>,
    /// What the signer says it hashed as the body.
    pub(crate) content: Option<Cow<'a, str>>,
}

impl<'a> Authorization<'a> {
    /// Takes the signature out of `head`.
    ///
    /// # Errors
    /// [`AccessError::MissingToken`] where there is none, [`AccessError::Incomplete`] where a part is missing.
    pub(crate) fn of(head: &RequestHead<'a>) -> Result<Self, AccessError> {
        if let Some(header) = head.header("authorization") {
            return Self::of_header(head, header);
        }
        if head.query.contains("X-Amz-Signature=") || head.query.contains("X-Amz-Algorithm=") {
            return Self::of_query(head);
        }
        Err(AccessError::MissingToken)
    }

    fn of_header(head: &RequestHead<'a>, header: &'a str) -> Result<Self, AccessError> {
        let (algorithm, rest) = header.trim().split_once(' ').unwrap_or((header, ""));
        if algorithm != ALGORITHM {
            return Err(unsupported(algorithm));
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',') {
            match part.trim().split_once('=') {
                Some(("Credential", value)) => credential = Some(value),
                Some(("SignedHeaders", value)) => signed_headers = Some(value),
                Some(("Signature", value)) => signature = Some(value),
                _ => {}
            }
        }
        let date = date_of_headers(head);
        let (Some(credential), Some(signed_headers), Some(signature), Some((stamp, time))) =
            (credential, signed_headers, signature, date)
        else {
            let mut missing = String::new();
            let parts =
                [("Credential", credential), ("Signature", signature), ("SignedHeaders", signed_headers)].into_iter();
            for (name, _) in parts.filter(|(_, value)| value.is_none()) {
                missing += &format!("Authorization header requires '{name}' parameter. ");
            }
            if head.header("x-amz-date").is_none() && head.header("date").is_none() {
                missing += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
            } else if missing.is_empty() {
                missing += "Date must be in ISO-8601 'basic format', such as 20150830T123600Z. ";
            }
            return Err(AccessError::Incomplete(missing.trim_end().to_owned()));
        };
        let (key_id, scope) = split_credential(Cow::Borrowed(credential))?;
        Ok(Self {
            expires: None,
            key_id,
            scope,
            signed_headers: Cow::Borrowed(signed_headers),
            signature: Cow::Borrowed(signature),
            stamp,
            time,
            token: head.header("x-amz-security-token").map(Cow::Borrowed),
            content: head.header("x-amz-content-sha256").map(Cow::Borrowed),
        })
    }

    fn of_query(head: &RequestHead<'a>) -> Result<Self, AccessError> {
        let find = |name: &str| {
            let pairs = head.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| decoded(value))
        };
        let algorithm = find("X-Amz-Algorithm").unwrap_or_default();
        if algorithm != ALGORITHM {
            return Err(unsupported(&algorithm));
        }
        let need = |name: &str| {
            find(name).filter(|value| !value.is_empty()).ok_or_else(|| {
                AccessError::Incomplete(format!(
                    "AWS query-string parameters must include '{name}'. Re-examine the query-string parameters."
                ))
            })
        };
        let (key_id, scope) = split_credential(need("X-Amz-Credential")?)?;
        let stamp = need("X-Amz-Date")?;
        let Some(time) = stamp::parse(&stamp) else {
            let text = "X-Amz-Date must be in ISO-8601 'basic format', such as 20150830T123600Z.";
            return Err(AccessError::Incomplete(text.to_owned()));
        };
        let expires = match need("X-Amz-Expires")?.parse() {
            Ok(seconds) if seconds <= EXPIRES_MAX => seconds,
            _ => {
                let text = "X-Amz-Expires must be a number of seconds from 0 to 604800 (a week).";
                return Err(AccessError::Incomplete(text.to_owned()));
            }
        };
        Ok(Self {
            expires: Some(expires),
            key_id,
            scope,
            signed_headers: need("X-Amz-SignedHeaders")?,
            signature: need("X-Amz-Signature")?,
            stamp,
            time,
            token: find("X-Amz-Security-Token"),
            content: find("X-Amz-Content-Sha256").or(head.header("x-amz-content-sha256").map(Cow::Borrowed)),
        })
    }
}

fn unsupported(algorithm: &str) -> AccessError {
    let shown: String = algorithm.chars().take(64).collect();
    AccessError::Incomplete(format!("Unsupported signing algorithm '{shown}': sign with {ALGORITHM}."))
}

/// The stamp and the moment it means: `X-Amz-Date`, or else `Date` in either of its forms.
fn date_of_headers<'a>(head: &RequestHead<'a>) -> Option<(Cow<'a, str>, Timestamp)> {
    if let Some(stamp) = head.header("x-amz-date") {
        return Some((Cow::Borrowed(stamp), stamp::parse(stamp)?));
    }
    let date = head.header("date")?;
    if let Some(time) = stamp::parse(date) {
        return Some((Cow::Borrowed(date), time));
    }
    let time = stamp::parse_http_date(date)?;
    Some((Cow::Owned(stamp::format(time)), time))
}

/// Key id and scope: key ids hold no slash.
fn split_credential(credential: Cow<'_, str>) -> Result<(Cow<'_, str>, Cow<'_, str>), AccessError> {
    let parts = match &credential {
        Cow::Borrowed(text) => text.split_once('/').map(|(key, scope)| (Cow::Borrowed(key), Cow::Borrowed(scope))),
        Cow::Owned(text) => {
            text.split_once('/').map(|(key, scope)| (Cow::Owned(key.to_owned()), Cow::Owned(scope.to_owned())))
        }
    };
    parts.ok_or_else(|| {
        let text = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.";
        AccessError::Incomplete(text.to_owned())
    })
}

/// A query value, decoded; as it stands where it is not UTF-8.
fn decoded(value: &str) -> Cow<'_, str> {
    if !value.contains(['%', '+']) {
        return Cow::Borrowed(value);
    }
    let mut bytes = Vec::with_capacity(value.len());
    crate::canonical::decode(value, |byte| bytes.push(byte));
    String::from_utf8(bytes).map_or(Cow::Borrowed(value), Cow::Owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn refusal(query: &str, headers: &[(&str, &str)]) -> String {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let head = RequestHead { method: "GET", path: "/", query, headers: &headers };
        Authorization::of(&head).err().unwrap().to_string()
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(refusal("", &[]), "Missing Authentication Token");
        assert_eq!(
            refusal("", &[("authorization", "AWS4-HMAC-SHA256 Credential=a/b")]),
            "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' \
             parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        );
        let no_slash = "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=00";
        assert!(
            refusal("", &[("authorization", no_slash), ("x-amz-date", "20150830T123600Z")]).starts_with("Credential")
        );
        assert!(refusal("", &[("authorization", no_slash), ("x-amz-date", "today")]).starts_with("Date must be"));
        assert!(refusal("", &[("authorization", "Bearer x")]).contains("'Bearer'"));
        assert!(refusal("X-Amz-Algorithm=AWS4-HMAC-SHA256", &[]).contains("'X-Amz-Credential'"));
        let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=k%2Fd%2Fr%2Flambda%2Faws4_request&\
                     X-Amz-Date=20150830T123600Z&X-Amz-Expires=604801";
        assert!(refusal(query, &[]).contains("a week"));
    }
}
