//! Which call a path is.

use crate::extensions::ExtensionCall;
use crate::telemetry::Api;
use lacewing_model::RequestId;

/// A request's meaning. An id that is none is `None`: it can be no open invocation's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Next,
    Response(Option<RequestId>),
    Error(Option<RequestId>),
    InitError,
    RestoreNext,
    RestoreError,
    Ping,
    Extension(ExtensionCall),
    Subscribe(Api),
    /// Below the Runtime API's root, but no call of it.
    Unknown,
    /// Anything else is the platform's public API.
    Api,
}

/// The meaning of `method` on `target` (path and query as sent).
pub(crate) fn route(method: &str, target: &str) -> Route {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    if let Some(rest) = path.strip_prefix("/2018-06-01/") {
        return match (method, rest) {
            ("GET", "runtime/invocation/next") => Route::Next,
            ("POST", "runtime/init/error") => Route::InitError,
            ("GET", "runtime/restore/next") => Route::RestoreNext,
            ("POST", "runtime/restore/error") => Route::RestoreError,
            ("GET", "ping") => Route::Ping,
            ("POST", rest) => match rest.strip_prefix("runtime/invocation/").and_then(|rest| rest.split_once('/')) {
                Some((id, "response")) => Route::Response(request_id(id)),
                Some((id, "error")) => Route::Error(request_id(id)),
                _ => Route::Unknown,
            },
            _ => Route::Unknown,
        };
    }
    let below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if below("/2020-01-01/extension") {
        match (method, &path["/2020-01-01/extension".len()..]) {
            ("POST", "/register") => Route::Extension(ExtensionCall::Register),
            ("GET", "/event/next") => Route::Extension(ExtensionCall::Next),
            ("POST", "/init/error") => Route::Extension(ExtensionCall::InitError),
            ("POST", "/exit/error") => Route::Extension(ExtensionCall::ExitError),
            _ => Route::Unknown,
        }
    } else if below("/2022-07-01/telemetry") {
        if method == "PUT" { Route::Subscribe(Api::Telemetry) } else { Route::Unknown }
    } else if below("/2020-08-15/logs") {
        if method == "PUT" { Route::Subscribe(Api::Logs) } else { Route::Unknown }
    } else {
        Route::Api
    }
}

/// The id, if it is one in the form in which it was handed out (no braces, no `urn:uuid:`).
fn request_id(text: &str) -> Option<RequestId> {
    if text.len() == 36 { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_they_should() {
        let id = RequestId::random();
        for (method, target, want) in [
            ("GET", "/2018-06-01/runtime/invocation/next".to_owned(), Route::Next),
            ("POST", "/2018-06-01/runtime/invocation/next".to_owned(), Route::Unknown),
            ("POST", format!("/2018-06-01/runtime/invocation/{id}/response"), Route::Response(Some(id))),
            ("POST", format!("/2018-06-01/runtime/invocation/{id}/error?x=1"), Route::Error(Some(id))),
            ("POST", "/2018-06-01/runtime/invocation/../error".to_owned(), Route::Error(None)),
            ("POST", format!("/2018-06-01/runtime/invocation/{{{id}}}/error"), Route::Error(None)),
            ("POST", "/2018-06-01/runtime/init/error".to_owned(), Route::InitError),
            ("GET", "/2018-06-01/ping".to_owned(), Route::Ping),
            ("GET", "/2018-06-01/".to_owned(), Route::Unknown),
            ("POST", "/2020-01-01/extension/register".to_owned(), Route::Extension(ExtensionCall::Register)),
            ("GET", "/2020-01-01/extension/event/next".to_owned(), Route::Extension(ExtensionCall::Next)),
            ("POST", "/2020-01-01/extension/init/error".to_owned(), Route::Extension(ExtensionCall::InitError)),
            ("POST", "/2020-01-01/extension/exit/error".to_owned(), Route::Extension(ExtensionCall::ExitError)),
            ("GET", "/2020-01-01/extension/register".to_owned(), Route::Unknown),
            ("GET", "/2020-01-01/extension".to_owned(), Route::Unknown),
            ("PUT", "/2022-07-01/telemetry".to_owned(), Route::Subscribe(Api::Telemetry)),
            ("PUT", "/2020-08-15/logs".to_owned(), Route::Subscribe(Api::Logs)),
            ("GET", "/2022-07-01/telemetry".to_owned(), Route::Unknown),
            ("POST", "/2015-03-31/functions/f/invocations".to_owned(), Route::Api),
            ("POST", "/2020-01-01/extensions".to_owned(), Route::Api),
            ("GET", "/".to_owned(), Route::Api),
        ] {
            assert_eq!(route(method, &target), want, "{method} {target}");
        }
    }
}
