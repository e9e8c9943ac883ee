//! Pid 1 of a sandbox: a copy of the spawner that seals itself, then starts and reaps the runtime.
//!
//! ```text
//! born ─ maps written ─► user ► mounts ► cgroup ns ► limits ► Landlock ► no capabilities ► seccomp ─► Sealed
//! Sealed ─ Exec ─► a child runs the runtime, or an extension ─ it ends ─► Ended ─ Exec ─► ...
//!        ├ Signal ─► a child and what it started are signalled
//!        ├ MakeSockets ─► sockets of this network for the server, on a channel of their own
//!        └ Reset ─► kill all others, reap them ─► IsReset
//! the control socket closes ─► exit: the kernel kills whatever is left in the pid namespace
//! ```
//!
//! It executes no program, so nothing of the host but this code is in it, and it answers only to the server.
//! It cannot be signalled from within (it is the namespace's init) nor looked into (not dumpable).
#![allow(unsafe_code)]

use crate::protocol::{Order, Who, Word};
use crate::seal::{self, Seal};
use crate::{forget, landlock, packet, sys};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// Where the control socket lies in init.
const CONTROL: RawFd = 3;
/// Where the counter of the spawner's steps lies until it is done.
const GO: RawFd = 4;
/// Where we tell a runtime that is forked into the sandbox that its mounts are there.
const MOUNTED: RawFd = 5;
/// Where the directory lies, until sealing, below which what is forked from here will be.
const GATE: RawFd = 6;
/// Descriptors are parked here before they are put where the runtime expects them.
const PARKED_FROM: RawFd = 20;
/// Size of `/dev/shm`: for semaphores and small shared blocks; its pages count as the function's memory.
const SHARED_MEMORY_OPTIONS: &std::ffi::CStr = c"size=64m,mode=1777,nr_inodes=4096";
/// The kernel's preference when the machine itself is out of memory: functions go before the server.
pub(crate) const OOM_SCORE: &str = "500";
/// Processes and threads by rlimit; the group's limit is the one that counts.
pub(crate) const PROCESSES_MAX: u64 = 1_025;

/// The runtime and every extension that there may be.
const PROGRAMS_MAX: usize = 1 + lacewing_runtime_api::EXTENSIONS_MAX;

/// The runtime that a zygote forks into a sandbox: the third process in it, after init and the one that forks it.
const ADOPTED_PID: libc::pid_t = 3;

/// Names of the steps of sealing, for reports: [`Word::SealFailed`] carries an index.
pub(crate) const STEPS: [&str; 16] = [
    "wait for the user map",
    "become the sandbox's user",
    "mount /proc",
    "mount /tmp",
    "mount /dev/shm",
    "open /tmp",
    "name the host",
    "enter an own cgroup namespace",
    "open /dev/null",
    "set resource limits",
    "leave the session keyring",
    "forbid new privileges",
    "restrict by Landlock",
    "drop capabilities",
    "bind to the spawner's life",
    "filter system calls",
];

/// What init needs to know from birth.
pub(crate) struct Birth<'a> {
    pub(crate) tmp_bytes: u64,
    /// False in a user's own namespace, where groups cannot be dropped.
    pub(crate) privileged: bool,
    pub(crate) seal: &'a Seal,
    /// True where a zygote forks the first runtime into this sandbox, or one is moved here from a snapshot.
    pub(crate) adopts: bool,
    /// Where a snapshot will be taken here: the directory below which its copies will live (`snapshot/gate.rs`).
    pub(crate) gate: Option<BorrowedFd<'a>>,
}

/// Runs as pid 1 and never returns. `control` is our end of the private socket to the server; `go` counts what the
/// spawner has done for us from outside, and `mounted` what we have for others inside.
pub(crate) fn run(control: OwnedFd, go: BorrowedFd<'_>, mounted: BorrowedFd<'_>, birth: &Birth<'_>) -> ! {
    // A panic must not unwind into the spawner's loop, of which this process is a copy.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| live(control, go, mounted, birth)));
    sys::exit_now(1)
}

fn live(control: OwnedFd, go: BorrowedFd<'_>, mounted: BorrowedFd<'_>, birth: &Birth<'_>) {
    // Closed by exec: the function must not get it, it speaks for init.
    let moved = [(control.into_raw_fd(), CONTROL), (go.as_raw_fd(), GO), (mounted.as_raw_fd(), MOUNTED)].map(
        // SAFETY: the low descriptors belong to the spawner in this copy; they are replaced on purpose, and nothing of
        // the copy is used after. The spawner opens what it has before any sandbox, so no target is a source.
        |(from, to)| unsafe { libc::dup3(from, to, libc::O_CLOEXEC) },
    );
    if moved != [CONTROL, GO, MOUNTED] {
        return;
    }
    match birth.gate {
        // SAFETY: as above.
        Some(gate) if unsafe { libc::dup3(gate.as_raw_fd(), GATE, libc::O_CLOEXEC) } == GATE => {
            sys::close_from(GATE + 1);
        }
        Some(_) => return,
        None => sys::close_from(MOUNTED + 1),
    }
    // SAFETY: CONTROL is open and ours for the rest of this process; the others are nobody else's.
    let (control, go, mounted) =
        unsafe { (BorrowedFd::borrow_raw(CONTROL), OwnedFd::from_raw_fd(GO), OwnedFd::from_raw_fd(MOUNTED)) };
    let mut step = 0;
    match seal(control, (go, mounted), birth, &mut step) {
        Ok((signals, tmp)) => {
            if packet::send(control, &Word::Sealed.encode(), &[tmp.as_fd()]).is_ok() {
                drop(tmp);
                let _ = serve(control, signals.as_fd(), birth);
            }
        }
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            let _ = packet::send(control, &Word::SealFailed { step, errno }.encode(), &[]);
        }
    }
}

fn seal(
    control: BorrowedFd<'_>,
    (go, mounted): (OwnedFd, OwnedFd),
    birth: &Birth<'_>,
    step: &mut u8,
) -> io::Result<(OwnedFd, OwnedFd)> {
    await_spawner(control, &go)?;
    let mut next = || *step += 1;
    next();
    stand_alone();
    seal::make(&birth.seal.user)?;
    next();
    let inert = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    sys::mount(c"proc", c"/proc", Some(c"proc"), inert, None)?;
    next();
    // Lambda lets functions execute what they put into /tmp.
    let options = tmp_options(birth.tmp_bytes)?;
    sys::mount(c"tmp", c"/tmp", Some(c"tmpfs"), libc::MS_NOSUID | libc::MS_NODEV, Some(&options))?;
    next();
    sys::mount(c"shm", c"/dev/shm", Some(c"tmpfs"), inert, Some(SHARED_MEMORY_OPTIONS))?;
    sys::post(mounted.as_fd())?;
    drop(mounted);
    next();
    let tmp = open(c"/tmp", libc::O_PATH | libc::O_DIRECTORY)?;
    next();
    rustix::system::sethostname(b"sandbox")?;
    rustix::thread::set_name(c"init")?;
    next();
    await_spawner(control, &go)?;
    drop(go);
    sys::unshare(libc::CLONE_NEWCGROUP)?;
    next();
    let null = open(c"/dev/null", libc::O_RDWR)?;
    for standard in 0..3 {
        // SAFETY: both descriptors are open; the standard ones are nobody's in this process.
        sys::checked(libc::c_long::from(unsafe { libc::dup2(null.as_raw_fd(), standard) }))?;
    }
    drop(null);
    let signals = watch_children()?;
    if !birth.privileged {
        // Else the spawner has done it. Raising it needs no privilege, and all that descends from us has it too.
        let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    }
    next();
    seal::limit_resources(PROCESSES_MAX)?;
    next();
    seal::make(&birth.seal.keyring)?;
    next();
    seal::forbid_new_privileges()?;
    next();
    let gate = birth.gate.is_some().then_some(GATE);
    let free = signals.as_raw_fd().max(tmp.as_raw_fd()).max(gate.unwrap_or(0)) + 1;
    seal::make(&landlock::calls(birth.seal.landlock, free, false, gate))?;
    if gate.is_some() {
        // SAFETY: the descriptor is this process's own, and nobody's any more.
        unsafe { libc::close(GATE) };
    }
    next();
    seal::make(&birth.seal.capabilities)?;
    next();
    seal::bind_life_to_parent()?;
    next();
    seal::make(&birth.seal.filter)?;
    Ok((signals, tmp))
}

/// How `/tmp` of this size is mounted.
pub(crate) fn tmp_options(bytes: u64) -> io::Result<CString> {
    let inodes = (bytes >> 12).max(16_384);
    Ok(CString::new(format!("size={bytes},mode=1777,nr_inodes={inodes}"))?)
}

/// Waits until the spawner has done its next step. If it ends instead, so do we.
fn await_spawner(control: BorrowedFd<'_>, go: &OwnedFd) -> io::Result<()> {
    let only_its_end = libc::pollfd { events: 0, ..sys::readable(control) };
    let mut ready = [sys::readable(go.as_fd()), only_its_end];
    sys::poll(&mut ready, -1)?;
    if ready[0].revents == 0 {
        sys::exit_now(1);
    }
    rustix::io::read(go, &mut [0; 8])?;
    Ok(())
}

/// Leader of a session of its own, with the usual mask for new files.
pub(crate) fn stand_alone() {
    // SAFETY: both calls take an integer at most. Init begins as leader of nothing, so the first cannot fail.
    unsafe {
        libc::setsid();
        libc::umask(0o022);
    }
}

fn open(path: &std::ffi::CStr, flags: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: `path` is terminated; a descriptor that comes back is new and ours.
    unsafe {
        let raw = sys::checked(libc::c_long::from(libc::open(path.as_ptr(), flags | libc::O_CLOEXEC)))?;
        Ok(OwnedFd::from_raw_fd(raw as RawFd))
    }
}

/// Blocks SIGCHLD and gives a descriptor that tells of it; every handler of the spawner's is forgotten.
fn watch_children() -> io::Result<OwnedFd> {
    forget_signals();
    // SAFETY: the set is initialised by sigemptyset before it is used; the calls outlive nothing.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
        let raw = sys::checked(libc::c_long::from(libc::signalfd(
            -1,
            &raw const set,
            libc::SFD_CLOEXEC | libc::SFD_NONBLOCK,
        )))?;
        Ok(OwnedFd::from_raw_fd(raw as RawFd))
    }
}

/// Every signal does again what it does by default: the spawner ignores some.
pub(crate) fn forget_signals() {
    for signal in [libc::SIGPIPE, libc::SIGSEGV, libc::SIGBUS, libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: the default installs no handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Takes orders until the server is gone.
fn serve(control: BorrowedFd<'_>, signals: BorrowedFd<'_>, birth: &Birth<'_>) -> io::Result<()> {
    let mut buffer = vec![0; packet::PACKET_BYTES_MAX];
    let mut programs = Programs::default();
    // One that a zygote forks is there already, or about to be.
    programs.0[0] = birth.adopts.then_some(ADOPTED_PID);
    let mut sockets: Option<OwnedFd> = None;
    loop {
        let third = sockets.as_ref().map_or(control, AsFd::as_fd);
        let mut ready = [sys::readable(control), sys::readable(signals), sys::readable(third)];
        sys::poll(&mut ready, -1)?;
        if ready[2].revents != 0
            && let Some(channel) = &sockets
            && !make_socket(channel.as_fd())
        {
            sockets = None;
        }
        if ready[1].revents != 0 {
            let mut ignored = [0; 256];
            while rustix::io::read(signals, &mut ignored).is_ok_and(|length| length > 0) {}
            while let Ok(Some((pid, status))) = sys::reap(-1, libc::WNOHANG) {
                if let Some(who) = programs.forget(pid) {
                    packet::send(control, &Word::Ended { who, status }.encode(), &[])?;
                }
            }
        }
        if ready[0].revents != 0 {
            let Some((length, fds)) = packet::receive(control, &mut buffer)? else { return Ok(()) };
            match Order::decode(&buffer[..length]) {
                Some(Order::Exec { who, directory, argv, env }) => {
                    let pid = start(control, who, (directory, argv, env), &fds, birth.seal.landlock)?;
                    programs.remember(who, pid);
                    // What it was given is a secret of its own.
                    buffer[..length].fill(0);
                }
                Some(Order::MakeSockets) => sockets = fds.into_iter().next(),
                Some(Order::Signal { who, signal }) => programs.signal(who, signal),
                Some(Order::Reset) => {
                    programs = Programs::default();
                    kill_all_others();
                    forget::shared_memory();
                    packet::send(control, &Word::IsReset.encode(), &[])?;
                }
                None => return Ok(()),
            }
        }
    }
}

/// Answers one request for a socket: with it, or with the kernel's number. False when nobody asks any more. One of IPv6
/// reaches IPv4 too.
fn make_socket(channel: BorrowedFd<'_>) -> bool {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    if !matches!(packet::receive(channel, &mut [0; 8]), Ok(Some(_))) {
        return false;
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let make = |family| socket_with(family, SocketType::STREAM, flags, None);
    let sent = match make(AddressFamily::INET6).or_else(|_| make(AddressFamily::INET)) {
        Ok(socket) => packet::send(channel, &0_i32.to_le_bytes(), &[socket.as_fd()]),
        Err(error) => packet::send(channel, &error.raw_os_error().to_le_bytes(), &[]),
    };
    sent.is_ok()
}

/// The programs that run: the runtime, then the extensions.
#[derive(Default)]
struct Programs([Option<libc::pid_t>; PROGRAMS_MAX]);

impl Programs {
    fn remember(&mut self, who: Who, pid: libc::pid_t) {
        if let Some(place) = self.0.get_mut(usize::from(who.0)) {
            *place = Some(pid);
        }
    }

    /// Which of them had this pid.
    fn forget(&mut self, pid: libc::pid_t) -> Option<Who> {
        let at = self.0.iter().position(|known| *known == Some(pid))?;
        self.0[at] = None;
        u8::try_from(at).ok().map(Who)
    }

    /// Each leads a session and a group of its own, so its children get the signal too.
    fn signal(&self, who: Who, signal: u8) {
        if let Some(Some(pid)) = self.0.get(usize::from(who.0)) {
            // SAFETY: integers only. A pid in the table has not been reaped: it is nobody else's.
            unsafe {
                if libc::kill(-pid, signal.into()) != 0 {
                    libc::kill(*pid, signal.into());
                }
            }
        }
    }
}

fn kill_all_others() {
    loop {
        // SAFETY: integers only. From the init of a pid namespace -1 means everybody in it but init.
        unsafe { libc::kill(-1, libc::SIGKILL) };
        match sys::reap(-1, 0) {
            Ok(Some(_)) => {}
            // No children: all there was has been reaped, because orphans become ours.
            _ => return,
        }
    }
}

/// The process of a program that is about to be.
struct Launch<'a> {
    directory: CString,
    /// False while that could not be entered.
    entered: bool,
    program: sys::Program,
    /// What it gets as its descriptors from 1 on; then copies of them out of the way.
    fds: &'a [OwnedFd],
    parked: Vec<RawFd>,
    landlock: i32,
    /// Why it could not be executed.
    failed: Option<io::Error>,
}

/// Starts the process of a program.
fn start(
    control: BorrowedFd<'_>,
    who: Who,
    (directory, argv, env): (Vec<u8>, Vec<Vec<u8>>, Vec<Vec<u8>>),
    fds: &[OwnedFd],
    landlock: i32,
) -> io::Result<libc::pid_t> {
    let argv: Vec<CString> = argv.into_iter().map(CString::new).collect::<Result<_, _>>()?;
    let env: Vec<CString> = env.into_iter().map(CString::new).collect::<Result<_, _>>()?;
    if argv.is_empty() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let parked = Vec::with_capacity(fds.len());
    let mut launch = Launch {
        directory: CString::new(directory)?,
        entered: false,
        program: sys::Program::new(argv, env),
        fds,
        parked,
        landlock,
        failed: None,
    };
    // SAFETY: this process has one thread; what the child does to memory is to fill in `launch`, which has room.
    let pid = unsafe { sys::run_beside(live_as_program, &mut launch) }?;
    if let Some(error) = launch.failed {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        let word = if launch.entered { Word::ExecFailed { who, errno } } else { Word::NoDirectory { errno } };
        packet::send(control, &word.encode(), &[])?;
    }
    Ok(pid)
}

/// In the child, which has memory in common with init. Allocates nothing: what it executes would never free it.
extern "C" fn live_as_program(launch: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `start` has handed it over and waits for us.
    let launch = unsafe { &mut *launch.cast::<Launch<'_>>() };
    let error = match prepare_program(launch) {
        Ok(()) => launch.program.execute(),
        Err(error) => error,
    };
    launch.failed = Some(error);
    127
}

/// Puts the descriptors in their places, and takes the steps that only the process itself can.
fn prepare_program(launch: &mut Launch<'_>) -> io::Result<()> {
    for fd in launch.fds {
        // SAFETY: integers only; the copy is closed by exec.
        let copy = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, PARKED_FROM) };
        launch.parked.push(sys::checked(libc::c_long::from(copy))? as RawFd);
    }
    for (at, from) in launch.parked.iter().enumerate() {
        // Descriptor 0 stays /dev/null; the rest follow in the order in which they were sent.
        // SAFETY: `from` is above every target, so no target is a source still needed.
        sys::checked(libc::c_long::from(unsafe { libc::dup2(*from, at as RawFd + 1) }))?;
    }
    // SAFETY: the text is terminated and outlives the call.
    sys::checked(libc::c_long::from(unsafe { libc::chdir(launch.directory.as_ptr()) }))?;
    launch.entered = true;
    landlock::keep_signals_in(launch.landlock)?;
    // SAFETY: no argument; a child of init leads nothing yet.
    unsafe { libc::setsid() };
    Ok(())
}
