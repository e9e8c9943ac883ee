//! A refusal in AWS's shape, and the hint that goes with it.

use super::Reply;
use crate::failure::Failure;
use serde_json::Value;

/// Why an API call failed.
#[derive(Debug)]
pub enum ApiFailure {
    /// The server refused, in AWS's words.
    Refused {
        /// The error's name, such as `ResourceNotFoundException`.
        name: String,
        /// Its text.
        message: String,
    },
    /// There is no answer at all.
    Other(Failure),
}

impl ApiFailure {
    /// Reads an error answer.
    pub fn of(reply: &Reply) -> Self {
        if let Some((name, message)) = super::iam::refusal(&reply.body) {
            return Self::Refused { name, message };
        }
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let name = reply.header("x-amzn-errortype").map(str::to_owned).or_else(|| text("__type"));
        let name = name.unwrap_or_else(|| format!("status {}", reply.status.as_u16()));
        // AWS may append `:http://...`, and the JSON protocol of logs may prepend `namespace#`.
        let name = name.split(':').next().unwrap_or_default().rsplit('#').next().unwrap_or_default().to_owned();
        let message = text("message").or_else(|| text("Message"));
        let message = message.unwrap_or_else(|| String::from_utf8_lossy(&reply.body).chars().take(400).collect());
        Self::Refused { name, message }
    }

    /// True for an answer of this name.
    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { name, .. } if name == wanted)
    }
}

impl From<Failure> for ApiFailure {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

impl From<ApiFailure> for Failure {
    fn from(failure: ApiFailure) -> Self {
        match failure {
            ApiFailure::Other(failure) => failure,
            ApiFailure::Refused { name, message } => {
                let hint = hint(&name);
                Failure::refused(format!("{name}: {message}"), hint)
            }
        }
    }
}

/// What to do about an error of this name.
fn hint(name: &str) -> &'static str {
    match name {
        "ResourceNotFoundException" => "`lacewing ls` shows what is deployed in this region",
        "ResourceConflictException" => "wait for the change that is under way, then try again",
        "TooManyRequestsException" => "every place is taken: try again, or raise [scaling] in the server's config",
        "UnrecognizedClientException" | "InvalidSignatureException" | "MissingAuthenticationTokenException" => {
            "the key is not this server's: `eval \"$(lacewing env)\"` sets the right one"
        }
        "AccessDeniedException" => "this key may not do that: use a root key (`lacewing env`)",
        "InvalidParameterValueException" | "ValidationException" => "mend the value that the message names",
        "InvalidRequestContentException" => {
            "the payload must be JSON: --payload '{\"key\":\"value\"}' or --payload @file"
        }
        "RequestTooLargeException" | "RequestEntityTooLargeException" => "send less: the message names the limit",
        _ => "the server's own output tells more",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, StatusCode};

    fn reply(name: Option<&'static str>, body: &'static str) -> Reply {
        let mut headers = HeaderMap::new();
        if let Some(name) = name {
            headers.insert("x-amzn-errortype", HeaderValue::from_static(name));
        }
        Reply { status: StatusCode::NOT_FOUND, headers, body: body.into() }
    }

    #[test]
    fn the_error_of_either_protocol_is_read() {
        for (why, name, body) in [
            ("rest", Some("ResourceNotFoundException"), r#"{"Message":"gone"}"#),
            ("rest with url", Some("ResourceNotFoundException:http://x/"), r#"{"message":"gone"}"#),
            ("json", None, r#"{"__type":"com.amazonaws#ResourceNotFoundException","message":"gone"}"#),
        ] {
            let failure = ApiFailure::of(&reply(name, body));
            assert!(failure.is("ResourceNotFoundException"), "{why}");
            assert_eq!(Failure::from(failure).message, "ResourceNotFoundException: gone", "{why}");
        }
        let odd = Failure::from(ApiFailure::of(&reply(None, "<html>")));
        assert_eq!(odd.message, "status 404: <html>");
    }
}
