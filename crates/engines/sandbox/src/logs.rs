//! How lines leave a sandbox.

use lacewing_model::{LogLevel, RequestId, Timestamp};

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogSource {
    /// The function: stdout, stderr, or its runtime's logger.
    Function,
    /// The platform, on the function's behalf.
    Platform,
    /// An extension.
    Extension,
}

/// One log event; `text` may hold newlines when the runtime framed it, and never ends in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written, as far as known: the frame's stamp, else when it was read.
    pub time: Timestamp,
    /// Who wrote it.
    pub source: LogSource,
    /// The invocation under way, if there was one.
    pub request_id: Option<RequestId>,
    /// Its level, where the runtime said so.
    pub level: Option<LogLevel>,
    /// The text: untrusted, not always what its writer meant as UTF-8 (invalid bytes are replaced).
    pub text: String,
}

/// Where a sandbox's lines go: one per sandbox, one log stream behind it.
///
/// `write` is called from the driver's tasks, in the order of the lines; it must not block or wait.
/// Lines over its budget are dropped and counted, not queued without end.
pub trait LogSink: Send + Sync {
    /// Takes one line.
    fn write(&self, line: LogLine);
}
