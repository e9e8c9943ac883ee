//! Sealing: the last steps of a sandbox's init before it waits for orders. Each can only be taken, never undone.

use crate::sys;
use std::io;

/// Descriptors a process may have. Source: recorded from Lambda.
const OPEN_FILES_MAX: u64 = 1_024;
/// Bytes a process may lock in memory. Source: recorded from Lambda.
const LOCKED_BYTES_MAX: u64 = 65_536;
/// Soft limit of the stack. Source: recorded from Lambda.
const STACK_BYTES: u64 = 8 << 20;

/// Limits per process, on top of those of the group.
pub(crate) fn limit_resources(processes_max: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let both = |value| Rlimit { current: Some(value), maximum: Some(value) };
    // Raising a hard limit is nobody's right any more: a host with a lower one gives what it has.
    let granted = getrlimit(Resource::Nofile).maximum.unwrap_or(OPEN_FILES_MAX);
    setrlimit(Resource::Nofile, both(OPEN_FILES_MAX.min(granted)))?;
    setrlimit(Resource::Memlock, both(LOCKED_BYTES_MAX))?;
    setrlimit(Resource::Nproc, both(processes_max))?;
    setrlimit(Resource::Core, both(0))?;
    // The server's own may allow more: real time or higher priority would be at its neighbours' cost.
    setrlimit(Resource::Rtprio, both(0))?;
    setrlimit(Resource::Nice, both(0))?;
    setrlimit(Resource::Stack, Rlimit { current: Some(STACK_BYTES), maximum: None })?;
    Ok(())
}

/// Gives up every capability, in every set, for ever.
#[allow(unsafe_code)]
pub(crate) fn drop_capabilities() -> io::Result<()> {
    // The bounding set first: shrinking it takes a capability itself. EINVAL marks the kernel's last one.
    for capability in 0..64 {
        match sys::prctl(libc::PR_CAPBSET_DROP, capability, 0) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            other => other?,
        }
    }
    sys::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong, 0)?;
    #[repr(C)]
    struct Header {
        version: u32,
        pid: libc::c_int,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: VERSION_3, pid: 0 };
    // Effective, permitted, inheritable, each twice for 64 bits.
    let none = [0_u32; 6];
    // SAFETY: both structs are laid out as capset(2) says and outlive the call.
    sys::checked(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) }).map(drop)
}

/// Leaves the session keyring that the server was started with: possession alone would show its keys.
#[allow(unsafe_code)]
pub(crate) fn leave_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: a null name asks for a new, anonymous keyring; no memory is read.
    let joined =
        unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>()) };
    match sys::checked(joined) {
        // A kernel without keys has none to show.
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => Ok(()),
        other => other.map(drop),
    }
}

/// No exec gives anything any more: neither set-user-id bits nor file capabilities.
pub(crate) fn forbid_new_privileges() -> io::Result<()> {
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)
}

/// Dies with the spawner, and shows nobody its memory: it holds the function's environment.
pub(crate) fn bind_life_to_parent() -> io::Result<()> {
    sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0)?;
    sys::prctl(libc::PR_SET_DUMPABLE, 0, 0)
}
