//! What a request is aimed at, told from its head alone.

use http::request::Parts;
use lacewing_lambda_api::{LogsOperation, Operation, Protocol, Route};
use lacewing_model::Limits;

/// Bodies of queries about logs, and of anything else that is not code.
const SMALL_BODY_MAX: u64 = 1 << 20;
/// Asynchronous events. Source: Lambda quotas.
const EVENT_BYTES_MAX: u64 = 1 << 20;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Aim<'a> {
    /// An operation of the Lambda API.
    Lambda(Route<'a>),
    /// An operation of CloudWatch Logs.
    Logs(LogsOperation),
    /// An operation of IAM or STS: which, stands in the form that is sent; of whom, in the credential scope.
    Query,
    /// A service in the awsJson protocol, and the operation's name, that are not served.
    UnknownTarget(&'a str),
    /// Our own: the path behind `/_lacewing/`.
    House(&'a str),
    /// Nothing.
    Nowhere,
}

impl<'a> Aim<'a> {
    pub(crate) fn of(parts: &'a Parts) -> Self {
        let path = parts.uri.path();
        if let Some(rest) = path.strip_prefix("/_lacewing/") {
            return Self::House(rest);
        }
        if path == "/" {
            let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
            return match target {
                Some(target) => {
                    let name = target.strip_prefix(LogsOperation::TARGET_PREFIX);
                    name.and_then(LogsOperation::of).map_or(Self::UnknownTarget(target), Self::Logs)
                }
                None if is_form(parts) => Self::Query,
                None => Self::Nowhere,
            };
        }
        let query = parts.uri.query().unwrap_or_default();
        Route::of(parts.method.as_str(), path, query).map_or(Self::Nowhere, Self::Lambda)
    }

    /// How its errors are written.
    pub(crate) fn protocol(&self) -> Protocol {
        match self {
            Self::Logs(_) | Self::UnknownTarget(_) => Protocol::AwsJson,
            Self::Query => Protocol::Query,
            Self::Lambda(_) | Self::House(_) | Self::Nowhere => Protocol::RestJson,
        }
    }

    /// The most that its body may be, bytes, and the words for more: `None` stands for how much there was.
    pub(crate) fn body_limit(&self, limits: &Limits, parts: &Parts) -> BodyLimit {
        match self {
            Self::Lambda(route) => match route.operation {
                Operation::Invoke | Operation::InvokeWithResponseStream => {
                    let event = parts.headers.get("x-amz-invocation-type").is_some_and(|value| value == "Event");
                    if event {
                        BodyLimit { max: EVENT_BYTES_MAX, of: Some("Event"), operation: "" }
                    } else {
                        BodyLimit { max: limits.sync_payload_bytes_max, of: Some("RequestResponse"), operation: "" }
                    }
                }
                Operation::InvokeAsync => BodyLimit { max: EVENT_BYTES_MAX, of: Some("Event"), operation: "" },
                operation => BodyLimit { max: limits.request_bytes_max, of: None, operation: operation.name() },
            },
            Self::Logs(_) | Self::Query | Self::UnknownTarget(_) | Self::House(_) | Self::Nowhere => {
                BodyLimit { max: SMALL_BODY_MAX, of: None, operation: "requested" }
            }
        }
    }
}

fn is_form(parts: &Parts) -> bool {
    let kind = parts.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match parts.method.as_str() {
        "POST" => kind.starts_with("application/x-www-form-urlencoded"),
        "GET" => parts.uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("Action="))),
        _ => false,
    }
}

/// A body's limit, and how a breach is worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyLimit {
    pub(crate) max: u64,
    of: Option<&'static str>,
    operation: &'static str,
}

impl BodyLimit {
    /// AWS's words for a body of `bytes`.
    pub(crate) fn text(&self, bytes: u64) -> String {
        let Self { max, of, operation } = self;
        match of {
            Some(kind) => {
                format!("{bytes} byte payload is too large for the {kind} invocation type (limit {max} bytes)")
            }
            None => format!("Request must be smaller than {max} bytes for the {operation} operation"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parts(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
        let mut builder = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    #[test]
    fn requests_find_their_family() {
        let logs = |target| parts("POST", "/", &[("x-amz-target", target)]);
        assert_eq!(Aim::of(&logs("Logs_20140328.GetLogEvents")), Aim::Logs(LogsOperation::GetLogEvents));
        assert_eq!(Aim::of(&logs("Logs_20140328.PutLogEvents")), Aim::UnknownTarget("Logs_20140328.PutLogEvents"));
        assert_eq!(Aim::of(&parts("GET", "/_lacewing/cost?x", &[])), Aim::House("cost"));
        assert_eq!(Aim::of(&parts("GET", "/", &[])), Aim::Nowhere);
        let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        assert_eq!(Aim::of(&parts("POST", "/", &form)), Aim::Query);
        assert_eq!(Aim::of(&parts("GET", "/?Version=2011-06-15&Action=GetCallerIdentity", &[])), Aim::Query);
        let list = parts("GET", "/2015-03-31/functions/", &[]);
        assert!(matches!(Aim::of(&list), Aim::Lambda(route) if route.operation == Operation::ListFunctions));
    }

    #[test]
    fn bodies_over_their_limit_are_refused_in_aws_words() {
        let text = |method, path, headers: &[(&str, &str)]| {
            let parts = parts(method, path, headers);
            Aim::of(&parts).body_limit(&Limits::default(), &parts).text(9)
        };
        let invoke = "/2015-03-31/functions/f/invocations";
        assert_eq!(
            text("POST", invoke, &[]),
            "9 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)"
        );
        assert_eq!(
            text("POST", invoke, &[("x-amz-invocation-type", "Event")]),
            "9 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
        );
        assert_eq!(
            text("POST", "/2015-03-31/functions", &[]),
            "Request must be smaller than 70167211 bytes for the CreateFunction operation"
        );
    }
}
