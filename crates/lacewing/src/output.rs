//! Where data and talk go: data to stdout, talk to stderr; a reader that left is no error.

use crate::failure::Failure;
use serde_json::{Value, json};
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// How a command answers.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// `--json`: data as JSON, one document.
    pub json: bool,
}

impl Output {
    /// Writes a line of data.
    pub fn line(self, text: &str) {
        self.bytes(text.as_bytes());
        self.bytes(b"\n");
    }

    /// Writes data as it is. A closed pipe (`| head`) ends the process as quietly as it would a filter.
    #[allow(clippy::unused_self)]
    pub fn bytes(self, bytes: &[u8]) {
        let mut out = anstream::stdout().lock();
        if let Err(error) = out.write_all(bytes).and_then(|()| out.flush())
            && error.kind() == ErrorKind::BrokenPipe
        {
            std::process::exit(0);
        }
    }

    /// Writes a line of data for whoever still reads: what is under way has to end in order, also behind `| head`.
    #[allow(clippy::unused_self)]
    pub fn line_if_read(self, text: &str) {
        let _ = writeln!(anstream::stdout().lock(), "{text}");
    }

    /// Writes bytes that are not ours (a payload) exactly: no colour codes are taken out of them.
    #[allow(clippy::unused_self)]
    pub fn raw(self, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        if let Err(error) = out.write_all(bytes).and_then(|()| out.flush())
            && error.kind() == ErrorKind::BrokenPipe
        {
            std::process::exit(0);
        }
    }

    /// Writes a JSON document.
    pub fn document(self, value: &Value) {
        self.raw(format!("{value:#}\n").as_bytes());
    }

    /// Says something to the person at the terminal.
    #[allow(clippy::unused_self)]
    pub fn say(self, text: &str) {
        let _ = writeln!(anstream::stderr().lock(), "{text}");
    }

    /// Says what went wrong; returns the exit code.
    pub fn failure(self, failure: &Failure) -> ExitCode {
        if self.json {
            let value =
                json!({"error": {"kind": failure.kind.as_str(), "message": failure.message, "hint": failure.hint}});
            self.say(&format!("{value:#}"));
        } else {
            self.say(&failure.to_string());
        }
        failure.code()
    }
}

/// Bytes as people read them: `312 B`, `4.2 KiB`, `10.1 MiB`.
pub fn size(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss)]
    let value = bytes as f64;
    if bytes < 1_024 {
        format!("{bytes} B")
    } else if bytes < 1_048_576 {
        format!("{:.1} KiB", value / 1_024.0)
    } else {
        format!("{:.1} MiB", value / 1_048_576.0)
    }
}

/// Milliseconds as people read them: `0.31 ms`, `28.4 ms`, `1.25 s`.
pub fn milliseconds(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.2} ms")
    } else if ms < 1_000.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{:.2} s", ms / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_keep_three_figures_or_so() {
        assert_eq!(size(312), "312 B");
        assert_eq!(size(4_300), "4.2 KiB");
        assert_eq!(size(10_590_617), "10.1 MiB");
        assert_eq!(milliseconds(0.312), "0.31 ms");
        assert_eq!(milliseconds(28.41), "28.4 ms");
        assert_eq!(milliseconds(1_250.0), "1.25 s");
    }
}
