//! One sandbox's log stream.

use lacewing_model::{RequestId, Timestamp};
use lacewing_sandbox::{LogLine, LogSink};

/// Where one sandbox's lines go. Cheap until something is written.
pub struct LogStream {
    pub(crate) name: String,
    pub(crate) created: Timestamp,
}

impl LogStream {
    /// Its name: `YYYY/MM/DD/[VERSION]SANDBOX`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The moment its name is from: the one to make the sandbox's environment with.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Lines from here to `end` belong to this invocation; their tail is kept if `tail`.
    pub fn begin(&self, request_id: RequestId, tail: bool) {
        let _ = (request_id, tail);
    }

    /// Writes a line of the platform: START, END, REPORT, or a JSON event.
    pub fn platform(&self, text: &str) {
        let _ = text;
    }

    /// Ends the invocation: the last 4,096 bytes since `begin`, where it asked for them.
    pub fn end(&self) -> Option<Vec<u8>> {
        None
    }
}

impl LogSink for LogStream {
    fn write(&self, line: LogLine) {
        let _ = line;
    }
}
