//! What the door says no with: `{"errorMessage","errorType"}`, as the Runtime API does.

use bytes::Bytes;

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// HTTP status.
    pub(crate) status: u16,
    /// `errorType`.
    pub(crate) kind: &'static str,
    /// `errorMessage`.
    pub(crate) message: String,
}

impl Refusal {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into() }
    }

    /// The id is not the open invocation's.
    pub(crate) fn request_id() -> Self {
        Self::new(400, "InvalidRequestID", "Invalid request ID")
    }

    /// Not what a runtime may do now.
    pub(crate) fn state(from: &str, to: &str) -> Self {
        Self::new(403, "InvalidStateTransition", format!("The runtime cannot go from {from} to {to}"))
    }

    /// The answer is over the limit.
    pub(crate) fn too_large(bytes_max: u64) -> Self {
        let message = format!("Exceeded maximum allowed payload size ({bytes_max} bytes).");
        Self::new(413, "RequestEntityTooLarge", message)
    }

    /// The body ended before it was complete.
    pub(crate) fn truncated() -> Self {
        Self::new(400, "TruncatedHTTPRequest", "The request body ended before it was complete")
    }

    /// `Lambda-Runtime-Function-Response-Mode` is something else than `streaming`.
    pub(crate) fn response_mode() -> Self {
        Self::new(400, "InvalidFunctionResponseMode", "The response mode must be absent or 'streaming'")
    }

    /// Not HTTP as we read it.
    pub(crate) fn malformed(what: &str) -> Self {
        Self::new(400, "InvalidRequestFormat", what)
    }

    /// No such call.
    pub(crate) fn unknown_path() -> Self {
        Self::new(404, "InvalidRequestPath", "The Runtime API has no such call; see the Lambda runtime API reference")
    }

    /// What the Extensions API says no with.
    pub(crate) fn extension(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(403, kind, message)
    }

    /// A subscription that is not in order.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationError", message)
    }

    /// The body.
    pub(crate) fn body(&self) -> Bytes {
        serde_json::json!({ "errorMessage": self.message, "errorType": self.kind }).to_string().into()
    }
}
