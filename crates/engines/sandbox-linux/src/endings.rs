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

    /// In Go's words; `None` for one that ended well.
    fn fault(self) -> Option<String> {
        if libc::WIFSIGNALED(self.0) {
            let core = if libc::WCOREDUMP(self.0) { " (core dumped)" } else { "" };
            Some(format!("signal: {}{core}", signal_name(libc::WTERMSIG(self.0))))
        } else if libc::WEXITSTATUS(self.0) == 0 {
            None
        } else {
            Some(format!("exit status {}", libc::WEXITSTATUS(self.0)))
        }
    }

    fn describe(self) -> String {
        match self.fault() {
            Some(fault) => format!("Runtime exited with error: {fault}"),
            None => "Runtime exited without providing a reason".to_owned(),
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

/// An extension ended, after it had reported an error of this kind or out of the blue. Its end ends the environment.
/// Source: recorded by users of Lambda.
pub(crate) fn extension_ended(id: Option<RequestId>, kind: &str, status: ExitStatus) -> FunctionError {
    platform(kind, &said(id, &status.fault().unwrap_or_else(|| "exit code 0".to_owned())))
}

/// An extension could not be started.
pub(crate) fn extension_not_started(id: Option<RequestId>, name: &str, errno: i32) -> FunctionError {
    let text = format!("fork/exec /opt/extensions/{name}: {}", reason(errno));
    platform("Extension.LaunchError", &said(id, &text))
}

/// There are more of them than may be.
pub(crate) fn too_many_extensions(id: Option<RequestId>) -> FunctionError {
    platform("Extension.LaunchError", &said(id, "too many extensions: at most 10 may be in /opt/extensions"))
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

/// An image and its function say of nothing that it is to be executed.
pub(crate) fn no_entry_point(id: Option<RequestId>) -> FunctionError {
    let text = "The image has no entry point and no command: set them in it, or in ImageConfig";
    platform("Runtime.InvalidEntrypoint", &said(id, text))
}

/// The directory that it should begin in could not be entered.
pub(crate) fn no_directory(id: Option<RequestId>, directory: &str, errno: i32) -> FunctionError {
    platform("Runtime.InvalidWorkingDir", &said(id, &format!("chdir {directory}: {}", reason(errno))))
}

/// The kernel would not execute it.
pub(crate) fn not_executable(id: Option<RequestId>, program: &str, errno: i32) -> FunctionError {
    platform("Runtime.InvalidEntrypoint", &said(id, &format!("fork/exec {program}: {}", reason(errno))))
}

/// Why the kernel would not, in Go's words.
fn reason(errno: i32) -> String {
    match errno {
        libc::ENOENT => "no such file or directory".to_owned(),
        libc::EACCES => "permission denied".to_owned(),
        libc::ENOEXEC => "exec format error".to_owned(),
        other => std::io::Error::from_raw_os_error(other).to_string(),
    }
}

/// Its answer was too long.
pub(crate) fn too_large(bytes_max: u64) -> FunctionError {
    let kind = "Function.ResponseSizeTooLarge";
    let text = format!("Response payload size exceeded maximum allowed payload size ({bytes_max} bytes).");
    let payload = format!(r#"{{"errorMessage":{},"errorType":"{kind}"}}"#, json(&text));
    FunctionError { kind: kind.to_owned(), payload: payload.into(), by_platform: false, timed_out: false }
}

/// An ending of the platform's own making, of this kind and in these words.
pub(crate) fn told(kind: &str, id: Option<RequestId>, text: &str) -> FunctionError {
    platform(kind, &said(id, text))
}

/// The same, told of a request: what befell a server befell each of its requests.
pub(crate) fn of_request(error: &FunctionError, id: RequestId) -> FunctionError {
    let text = serde_json::from_slice::<serde_json::Value>(&error.payload).ok();
    let text = text.as_ref().and_then(|error| error["errorMessage"].as_str()).unwrap_or_default();
    let payload = platform(&error.kind, &format!("RequestId: {id} {text}")).payload;
    FunctionError { payload, ..error.clone() }
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
                extension_ended(Some(id), "Extension.Crash", ExitStatus(0)),
                format!(r#"{{"errorType":"Extension.Crash","errorMessage":"RequestId: {id} Error: exit code 0"}}"#),
            ),
            (
                extension_ended(Some(id), "Extension.InitError", ExitStatus(255 << 8)),
                format!(r#"{{"errorType":"Extension.InitError","errorMessage":"RequestId: {id} Error: exit status 255"}}"#),
            ),
            (
                extension_not_started(None, "watch", libc::EACCES),
                r#"{"errorType":"Extension.LaunchError","errorMessage":"Error: fork/exec /opt/extensions/watch: permission denied"}"#.to_owned(),
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
