//! The platform's own words for how a function ended. Source: recorded from Lambda and its open agent.

use bytes::Bytes;
use lacewing_model::RequestId;
use lacewing_runtime_api::GuestError;
use lacewing_sandbox::FunctionError;
use std::time::Duration;

/// A status as wait(2) gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExitStatus(pub(crate) i32);

impl ExitStatus {
    /// The status of a process that exited with `code`.
    pub(crate) fn of_code(code: u8) -> Self {
        Self(i32::from(code) << 8)
    }

    /// True when SIGKILL ended it.
    pub(crate) fn is_killed(self) -> bool {
        libc::WIFSIGNALED(self.0) && libc::WTERMSIG(self.0) == libc::SIGKILL
    }

    fn describe(self) -> String {
        if libc::WIFSIGNALED(self.0) {
            let core = if libc::WCOREDUMP(self.0) { " (core dumped)" } else { "" };
            format!("Runtime exited with error: signal: {}{core}", signal_name(libc::WTERMSIG(self.0)))
        } else if libc::WEXITSTATUS(self.0) == 0 {
            "Runtime exited without providing a reason".to_owned()
        } else {
            format!("Runtime exited with error: exit status {}", libc::WEXITSTATUS(self.0))
        }
    }
}

/// Go's words, which the agent uses. Source: Go's `syscall` package for Linux.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGHUP => "hangup",
        libc::SIGINT => "interrupt",
        libc::SIGQUIT => "quit",
        libc::SIGILL => "illegal instruction",
        libc::SIGTRAP => "trace/breakpoint trap",
        libc::SIGABRT => "aborted",
        libc::SIGBUS => "bus error",
        libc::SIGFPE => "floating point exception",
        libc::SIGKILL => "killed",
        libc::SIGUSR1 => "user defined signal 1",
        libc::SIGSEGV => "segmentation fault",
        libc::SIGUSR2 => "user defined signal 2",
        libc::SIGPIPE => "broken pipe",
        libc::SIGALRM => "alarm clock",
        libc::SIGTERM => "terminated",
        libc::SIGXCPU => "CPU time limit exceeded",
        libc::SIGXFSZ => "file size limit exceeded",
        libc::SIGSYS => "bad system call",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

/// The runtime process ended without an answer.
pub(crate) fn exited(id: Option<RequestId>, status: ExitStatus) -> FunctionError {
    platform("Runtime.ExitError", &said(id, &status.describe()))
}

/// It was ended because it took more memory than it has. The caller reads the kill, the report its reason.
pub(crate) fn out_of_memory(id: Option<RequestId>) -> FunctionError {
    platform("Runtime.OutOfMemory", &said(id, "Runtime exited with error: signal: killed"))
}

/// It ran into its deadline.
pub(crate) fn timed_out(id: Option<RequestId>, timeout: Duration) -> FunctionError {
    let text = format!("Task timed out after {:.2} seconds", timeout.as_secs_f64());
    FunctionError { timed_out: true, ..platform("Sandbox.Timedout", &said(id, &text)) }
}

/// There is no bootstrap that can be executed.
pub(crate) fn no_bootstrap(id: Option<RequestId>) -> FunctionError {
    platform(
        "Runtime.InvalidEntrypoint",
        &said(id, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
    )
}

/// The kernel would not execute it.
pub(crate) fn not_executable(id: Option<RequestId>, program: &str, errno: i32) -> FunctionError {
    let reason = match errno {
        libc::ENOENT => "no such file or directory".to_owned(),
        libc::EACCES => "permission denied".to_owned(),
        libc::ENOEXEC => "exec format error".to_owned(),
        other => std::io::Error::from_raw_os_error(other).to_string(),
    };
    platform("Runtime.InvalidEntrypoint", &said(id, &format!("fork/exec {program}: {reason}")))
}

/// Its answer was too long.
pub(crate) fn too_large(bytes_max: u64) -> FunctionError {
    let kind = "Function.ResponseSizeTooLarge";
    let text = format!("Response payload size exceeded maximum allowed payload size ({bytes_max} bytes).");
    let payload = format!(r#"{{"errorMessage":{},"errorType":"{kind}"}}"#, json(&text));
    FunctionError { kind: kind.to_owned(), payload: payload.into(), by_platform: false, timed_out: false }
}

/// What the runtime reported itself.
pub(crate) fn reported(error: GuestError) -> FunctionError {
    FunctionError { kind: error.kind, payload: error.body, by_platform: false, timed_out: false }
}

fn said(id: Option<RequestId>, text: &str) -> String {
    match id {
        Some(id) => format!("RequestId: {id} Error: {text}"),
        None => format!("Error: {text}"),
    }
}

fn platform(kind: &str, text: &str) -> FunctionError {
    let payload = Bytes::from(format!(r#"{{"errorType":"{kind}","errorMessage":{}}}"#, json(text)));
    FunctionError { kind: kind.to_owned(), payload, by_platform: true, timed_out: false }
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_read_as_recorded() {
        let id = RequestId::random();
        for (error, want) in [
            (
                timed_out(Some(id), Duration::from_secs(3)),
                format!(r#"{{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: {id} Error: Task timed out after 3.00 seconds"}}"#),
            ),
            (
                exited(Some(id), ExitStatus(0)),
                format!(r#"{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: {id} Error: Runtime exited without providing a reason"}}"#),
            ),
            (
                exited(Some(id), ExitStatus(127 << 8)),
                format!(r#"{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: {id} Error: Runtime exited with error: exit status 127"}}"#),
            ),
            (
                exited(Some(id), ExitStatus(libc::SIGSEGV)),
                format!(r#"{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: {id} Error: Runtime exited with error: signal: segmentation fault"}}"#),
            ),
            (
                too_large(6_291_556),
                r#"{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}"#.to_owned(),
            ),
        ] {
            assert_eq!(error.payload, want);
        }
    }
}
