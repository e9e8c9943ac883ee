//! System calls that libc has no wrapper for, and small ones that we want without its bookkeeping.
//!
//! Every function here is a thin, checked door to one call; what it is for is said where it is used.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Turns the result of a raw call into `io::Result`.
pub(crate) fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    let raw = checked(result)? as RawFd;
    // SAFETY: the kernel has just returned this descriptor to us; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Enters the namespace behind `fd`; `kind` is one `CLONE_NEW*` flag.
pub(crate) fn setns(fd: BorrowedFd<'_>, kind: libc::c_int) -> io::Result<()> {
    // SAFETY: setns takes two integers and touches no memory of ours.
    checked(libc::c_long::from(unsafe { libc::setns(fd.as_raw_fd(), kind) })).map(drop)
}

/// Leaves the namespaces named by `flags` for new ones.
pub(crate) fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: unshare takes one integer; we never pass CLONE_FILES or CLONE_VM.
    checked(libc::c_long::from(unsafe { libc::unshare(flags) })).map(drop)
}

/// A copy of this process as `fork` makes it, in new namespaces. `Ok(None)` in the child.
///
/// # Safety
/// The calling process must have one thread: the child gets a copy of that one only, and locks held by
/// others would stay locked in it for ever.
pub(crate) unsafe fn clone_into(
    flags: libc::c_int,
    cgroup: Option<BorrowedFd<'_>>,
) -> io::Result<Option<(i32, OwnedFd)>> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all zero is a valid clone_args.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags as u64 | libc::CLONE_PIDFD as u64;
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        args.flags |= 0x2_0000_0000; // CLONE_INTO_CGROUP
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: `args` and `pidfd` outlive the call; without CLONE_VM the child runs on a copy of this stack.
    let pid = checked(unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) })?;
    if pid == 0 {
        return Ok(None);
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(Some((pid as i32, unsafe { OwnedFd::from_raw_fd(pidfd) })))
}

/// A detached copy of the mounts at `path`.
pub(crate) fn open_tree(path: &CStr) -> io::Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as libc::c_uint;
    // SAFETY: `path` is a terminated string that outlives the call.
    owned(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) })
}

/// Sets attributes (`MOUNT_ATTR_*`) on a mount, and on all below it where `deep`.
pub(crate) fn mount_setattr(mount: BorrowedFd<'_>, set: u64, deep: bool) -> io::Result<()> {
    let attr = libc::mount_attr { attr_set: set, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if deep { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the empty string and `attr` outlive the call, and the size given is theirs.
    checked(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// Attaches a detached mount at `target`.
pub(crate) fn move_mount(mount: BorrowedFd<'_>, target: &CStr) -> io::Result<()> {
    const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 4;
    // SAFETY: both strings are terminated and outlive the call.
    checked(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(drop)
}

/// Classic `mount(2)`.
pub(crate) fn mount(
    source: &CStr,
    target: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> io::Result<()> {
    let kind = kind.map_or(std::ptr::null(), CStr::as_ptr);
    let data = data.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: all pointers are null or terminated strings that outlive the call.
    checked(libc::c_long::from(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind, flags, data.cast()) }))
        .map(drop)
}

/// `pivot_root(".", ".")` in the present directory, then drops the old root.
pub(crate) fn pivot_here() -> io::Result<()> {
    // SAFETY: constant strings.
    checked(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) })?;
    // SAFETY: constant string.
    checked(libc::c_long::from(unsafe { libc::umount2(c".".as_ptr(), libc::MNT_DETACH) })).map(drop)
}

/// Makes `path` the root of what this process, and all it starts, can name.
pub(crate) fn chroot(path: &CStr) -> io::Result<()> {
    // SAFETY: `path` is terminated and outlives the call.
    checked(libc::c_long::from(unsafe { libc::chroot(path.as_ptr()) })).map(drop)
}

/// Sends `signal` to the process behind `pidfd`.
pub(crate) fn pidfd_kill(pidfd: BorrowedFd<'_>, signal: libc::c_int) -> io::Result<()> {
    // SAFETY: the call takes integers and a null pointer.
    checked(unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<libc::siginfo_t>(), 0)
    })
    .map(drop)
}

/// Reaps child `pid`; `None` while it lives. The status is wait(2)'s.
pub(crate) fn reap(pid: libc::pid_t, flags: libc::c_int) -> io::Result<Option<(libc::pid_t, libc::c_int)>> {
    let mut status = 0;
    loop {
        // SAFETY: `status` outlives the call.
        let found = unsafe { libc::waitpid(pid, &raw mut status, flags | libc::__WALL) };
        match found {
            0 => return Ok(None),
            found if found > 0 => return Ok(Some((found, status))),
            _ => match io::Error::last_os_error() {
                error if error.raw_os_error() == Some(libc::EINTR) => {}
                error => return Err(error),
            },
        }
    }
}

/// `prctl` with integers.
pub(crate) fn prctl(option: libc::c_int, a: libc::c_ulong, b: libc::c_ulong) -> io::Result<()> {
    // SAFETY: only options that take integers are used.
    checked(libc::c_long::from(unsafe { libc::prctl(option, a, b, 0, 0) })).map(drop)
}

/// A program to execute, laid out as execve(2) wants it: executing it allocates nothing.
pub(crate) struct Program {
    /// Where it may lie, the likeliest first.
    places: Vec<CString>,
    /// What the pointers point to.
    _texts: [Vec<CString>; 2],
    argv: Vec<*const libc::c_char>,
    env: Vec<*const libc::c_char>,
}

impl Program {
    /// `argv[0]` with this environment. A bare name is looked for in the environment's `PATH`.
    pub(crate) fn new(argv: Vec<CString>, env: Vec<CString>) -> Self {
        let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
            list.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
        };
        let places = places(&argv, &env);
        Self { places, argv: pointers(&argv), env: pointers(&env), _texts: [argv, env] }
    }

    /// Executes it with no blocked signals. Returns only what went wrong.
    pub(crate) fn execute(&self) -> io::Error {
        // SAFETY: an initialised empty set.
        unsafe {
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        }
        let mut refused = io::Error::from_raw_os_error(libc::ENOENT);
        for place in &self.places {
            // SAFETY: both lists end in null and point to terminated strings that `self` holds, as `place` is.
            unsafe { libc::execve(place.as_ptr(), self.argv.as_ptr(), self.env.as_ptr()) };
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                // As execvp(3) does: one that may not be executed is told of only where there is no other.
                Some(libc::ENOENT | libc::ENOTDIR) if self.places.len() > 1 => {}
                Some(libc::EACCES) => refused = error,
                _ => return error,
            }
        }
        refused
    }
}

/// Where a program may lie: where its name says, or for a bare name in the directories of `PATH`.
fn places(argv: &[CString], env: &[CString]) -> Vec<CString> {
    let Some(name) = argv.first() else { return Vec::new() };
    if name.as_bytes().contains(&b'/') {
        return vec![name.clone()];
    }
    let path = env.iter().find_map(|variable| variable.as_bytes().strip_prefix(b"PATH=")).unwrap_or_default();
    let folders = path.split(|byte| *byte == b':').filter(|folder| !folder.is_empty());
    folders.filter_map(|folder| CString::new([folder, b"/", name.as_bytes()].concat()).ok()).collect()
}

/// Runs `child` in a process that shares this one's memory, and comes back once it has executed a program or ended: no
/// page is copied for it, which costs a fork more than the rest. Its pid.
///
/// # Safety
/// This process must have one thread. `child` must not unwind, and what it does to memory stays done: it ends by
/// executing, or by returning.
pub(crate) unsafe fn run_beside<T>(
    child: extern "C" fn(*mut libc::c_void) -> libc::c_int,
    with: &mut T,
) -> io::Result<i32> {
    const STACK_BYTES: usize = 64 << 10;
    // Of the widest alignment that any machine asks of a stack. It outlives the child's use of it.
    let mut stack: Vec<u128> = Vec::with_capacity(STACK_BYTES / size_of::<u128>());
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the stack's end is one past its allocation, and grows down from there; `with` outlives the call, which
    // the child's exec or end precedes.
    unsafe {
        let top = stack.as_mut_ptr().add(stack.capacity()).cast();
        let pid = libc::clone(child, top, flags, (&raw mut *with).cast());
        checked(libc::c_long::from(pid)).map(|pid| pid as i32)
    }
}

/// Ends this process at once: no destructors, no handlers of the process it was copied from.
pub(crate) fn exit_now(code: libc::c_int) -> ! {
    // SAFETY: _exit never returns.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: RawFd) {
    // SAFETY: descriptors below `first` stay; callers own none above it that they use later.
    let _ = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) };
}

/// Waits until one of `fds` is ready; a negative timeout waits without end. True when any is.
pub(crate) fn poll(fds: &mut [libc::pollfd], timeout_ms: libc::c_int) -> io::Result<bool> {
    loop {
        // SAFETY: the slice outlives the call and its length is given.
        let ready = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout_ms) };
        if ready >= 0 {
            return Ok(ready > 0);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINTR) {
            return Err(error);
        }
    }
}

/// A pollfd that waits for something to read (or for the other side's end).
pub(crate) fn readable(fd: BorrowedFd<'_>) -> libc::pollfd {
    libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }
}

/// A pair of connected SEQPACKET sockets, close-on-exec.
pub(crate) fn packet_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = rustix::net::SocketFlags::CLOEXEC;
    Ok(rustix::net::socketpair(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::SEQPACKET, flags, None)?)
}

/// A counter to wait on. Unlike a socket's, its wake-up does not draw the waiter to the waker's processor.
pub(crate) fn semaphore() -> io::Result<OwnedFd> {
    use rustix::event::{EventfdFlags, eventfd};
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::SEMAPHORE)?)
}

/// Adds one to a counter.
pub(crate) fn post(semaphore: BorrowedFd<'_>) -> io::Result<()> {
    rustix::io::write(semaphore, &1_u64.to_ne_bytes())?;
    Ok(())
}
