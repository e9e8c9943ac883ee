//! Starts the spawner's process and hears its first word.
#![allow(unsafe_code)]

use crate::error::LinuxError;
use crate::protocol::{Report, Setup, Standing};
use crate::spawner::SERVER_FD;
use crate::{packet, sys};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// How long the spawner may take to its first word.
const READY_MAX_MS: i32 = 30_000;

/// Starts a spawner and tells it how things are done here; it takes its stand while the caller goes on.
///
/// # Errors
/// [`LinuxError::Spawn`].
pub(crate) fn begin(command: &[OsString], setup: &Setup) -> Result<OwnedFd, LinuxError> {
    let socket = start(command)?;
    packet::send(socket.as_fd(), &serde_json::to_vec(setup).map_err(io::Error::other)?, &[])?;
    Ok(socket)
}

/// Runs `command` with one end of a socket pair at [`SERVER_FD`]; the other end is ours.
///
/// # Errors
/// [`LinuxError::Spawn`].
fn start(command: &[OsString]) -> Result<OwnedFd, LinuxError> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(LinuxError::Spawn(io::Error::other("no command was given")));
    };
    let (ours, theirs) = sys::packet_pair()?;
    let inherited = theirs.as_raw_fd();
    let mut command = Command::new(program);
    // Without the server's environment, where keys may be: sandboxes are copies of the spawner.
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    if let Some(filter) = std::env::var_os("RUST_LOG") {
        command.env("RUST_LOG", filter);
    }
    // SAFETY: between fork and exec only these two async-signal-safe calls are made, on integers.
    unsafe {
        command.pre_exec(move || {
            // A group of its own: a Ctrl-C at the terminal is the server's to handle.
            libc::setpgid(0, 0);
            if inherited == SERVER_FD {
                sys::checked(libc::c_long::from(libc::fcntl(SERVER_FD, libc::F_SETFD, 0))).map(drop)
            } else {
                sys::checked(libc::c_long::from(libc::dup2(inherited, SERVER_FD))).map(drop)
            }
        });
    }
    let mut child = command.spawn().map_err(LinuxError::Spawn)?;
    // Reaped when it ends, whenever that is: it ends with this process, so the thread is no leak.
    std::thread::Builder::new()
        .name("spawner-reaper".to_owned())
        .stack_size(64 * 1024)
        .spawn(move || child.wait())
        .map_err(LinuxError::Spawn)?;
    Ok(ours)
}

/// Waits until the spawner has taken its stand.
///
/// # Errors
/// [`LinuxError::Stand`] with its step, [`LinuxError::Gone`] when it ended.
pub(crate) fn await_ready(socket: BorrowedFd<'_>) -> Result<Standing, LinuxError> {
    if !sys::poll(&mut [sys::readable(socket)], READY_MAX_MS)? {
        return Err(LinuxError::Gone);
    }
    let mut buffer = vec![0; packet::PACKET_BYTES_MAX];
    let Some((length, _)) = packet::receive(socket, &mut buffer)? else { return Err(LinuxError::Gone) };
    let reports: Vec<Report> = serde_json::from_slice(&buffer[..length]).map_err(io::Error::other)?;
    match reports.into_iter().next() {
        Some(Report::Ready(standing)) => Ok(standing),
        Some(Report::Failed { step, errno, .. }) => {
            Err(LinuxError::Stand { step, source: io::Error::from_raw_os_error(errno), hint: hint(errno) })
        }
        _ => Err(LinuxError::Gone),
    }
}

fn hint(errno: i32) -> &'static str {
    match errno {
        libc::EPERM | libc::EACCES => {
            "run as root, or allow user namespaces: sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0"
        }
        libc::ENOSPC => {
            "raise the limits of namespaces: sysctl -w user.max_user_namespaces=65536 user.max_mnt_namespaces=65536"
        }
        _ => "see `lacewing doctor`",
    }
}
