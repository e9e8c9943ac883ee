//! What a command says when it cannot do its work: what happened, what to do about it, and an exit code.

use std::fmt;
use std::process::ExitCode;

/// Who has to mend it; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The function failed, or the server refused: exit code 1.
    Refused,
    /// The command line does not say enough, or something wrong: exit code 2, as clap's own.
    Usage,
    /// No server answers, or it cannot start: exit code 3.
    Unreachable,
}

impl Kind {
    /// The word for it in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Usage => "usage",
            Self::Unreachable => "unreachable",
        }
    }
}

/// A command's error.
#[derive(Debug)]
pub struct Failure {
    /// Who has to mend it.
    pub kind: Kind,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Failure {
    /// The server or the function refused.
    pub fn refused(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: Kind::Refused, message: message.into(), hint: hint.into() }
    }

    /// The command line is wrong.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, message: message.into(), hint: hint.into() }
    }

    /// No server.
    pub fn unreachable(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: Kind::Unreachable, message: message.into(), hint: hint.into() }
    }

    /// Something on this machine's disk cannot be read or written.
    pub fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::usage(format!("{}: {error}", path.display()), "check the path and its permissions")
    }

    /// The process's exit code.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Refused => 1,
            Kind::Usage => 2,
            Kind::Unreachable => 3,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\n hint: {}", self.message, self.hint)
    }
}
