//! A copy of the template, and its way into a sandbox of its own, call by call.
//!
//! ```text
//! template ─ fork ─► first copy    in the template's namespaces; enters the new ones: all but the pid namespace at once
//!                      └ clone ─► second    born in the new pid namespace (2)
//!                                   └ clone ─► third    the runtime (3): when the second ends it is init's child
//! ```
//!
//! The three share one memory, which is copied once; the first two end before the third is let go. All of them stand
//! under our hand from birth on, and none makes an instruction of its own: every call below is one that we make in it.
//! The filter is set aside meanwhile and is in force again before the third is released, as are all other walls.

use super::gate::PROC;
use super::judge::{Belongings, OURS};
use super::nested::Nested;
use super::registers::{INSTRUCTION, Registers, SystemCall, cancel_call};
use super::tracee::{Sequences, Stop, Tracee, UNFILTERED, WATCHED, WITH_CHILDREN};
use crate::seal::{OfRuntime, Seal};
use crate::{packet, sys};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// The first number of a descriptor that is not one of a runtime's standard ones.
const FREE: libc::c_int = *OURS.end() + 1;
/// Memory in a copy for what its calls point to. The longest is a path.
const ROOM_BYTES: u64 = 16 * 1024;
/// Calls that are let pass between a template's being told to go on and its fork: the handlers that libraries have
/// registered for forks make some.
const CALLS_MAX: u32 = 100_000;
/// Until something is looked at again that others are about to do.
pub(super) const LOOK_AGAIN: Duration = Duration::from_micros(50);
/// Flags of a fork as libc makes it, besides the signal.
const FORK_FLAGS: libc::c_int = libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID | libc::CLONE_PARENT_SETTID;

/// A process that stands before the fork that its copies come from.
pub(super) struct Template {
    process: Tracee,
    /// Its registers as they were then.
    registers: Registers,
    /// Where the instruction is that makes a system call.
    place: u64,
    /// Where libc keeps the number of the thread, if it wants it kept.
    thread_number: Option<u64>,
    sequences: Option<Sequences>,
}

/// A copy that stands in its sandbox, and is not sealed yet.
pub(super) struct Moved {
    process: Tracee,
    /// Memory of its own for what calls point to.
    room: u64,
    /// What it was handed: output, errors, door, log.
    ends: Vec<u64>,
    /// The one before it in the new pid namespace. It has ended, and the template's init is to reap it.
    forebear: libc::pid_t,
}

impl Template {
    /// Takes hold of the process `pid`, which runs on.
    pub(super) fn seize(pid: libc::pid_t) -> io::Result<Tracee> {
        let process = Tracee::seize(pid, WATCHED)?;
        process.interrupt()?;
        loop {
            match process.wait()? {
                Stop::Event(libc::PTRACE_EVENT_STOP) => break,
                Stop::Signal(signal) => process.go_to_call(signal)?,
                Stop::Ended(_) => return Err(io::Error::from_raw_os_error(libc::ESRCH)),
                _ => process.go_to_call(0)?,
            }
        }
        process.go_to_call(0)?;
        Ok(process)
    }

    /// Follows it until it forks. The fork is not made; the process goes no further.
    ///
    /// # Errors
    /// In words for the function's owner: it ended, or made something else of it.
    pub(super) fn await_fork(process: Tracee) -> Result<Self, String> {
        let lost = |error: io::Error| format!("its process was lost: {error}");
        for _ in 0..CALLS_MAX {
            let signal = match process.wait().map_err(lost)? {
                Stop::SystemCall if process.enters_call().map_err(lost)? => {
                    let registers = Registers::read(process.pid).map_err(lost)?;
                    if let Some(thread_number) = as_fork(&registers.entered())? {
                        return Self::stand(process, registers, thread_number).map_err(lost);
                    }
                    0
                }
                Stop::Signal(signal) => signal,
                Stop::SystemCall | Stop::Event(_) | Stop::Step => 0,
                Stop::Ended(_) => return Err("its process ended before it could be forked".to_owned()),
            };
            process.go_to_call(signal).map_err(lost)?;
        }
        Err(format!("it made {CALLS_MAX} system calls and did not fork"))
    }

    fn stand(process: Tracee, registers: Registers, thread_number: Option<u64>) -> io::Result<Self> {
        let place = registers.place() - INSTRUCTION.len() as u64;
        let mut found = [0; INSTRUCTION.len()];
        process.read(place, &mut found)?;
        if found != INSTRUCTION {
            return Err(io::Error::other("its system call is none that we can make"));
        }
        cancel_call(process.pid)?;
        process.go_to_call(0)?;
        process.await_stop(Stop::SystemCall)?;
        process.set_options(WITH_CHILDREN)?;
        let sequences = process.sequences();
        Ok(Self { process, registers, place, thread_number, sequences })
    }

    /// Its number on the host.
    pub(super) fn pid(&self) -> libc::pid_t {
        self.process.pid
    }

    /// Whether it is there to be copied again.
    pub(super) fn stands(&self) -> bool {
        self.process.stands()
    }

    /// Forks it: the copy stands before its first instruction. It is a child of the template's init, which reaps it.
    ///
    /// # Errors
    /// The template is lost.
    pub(super) fn copy(&self) -> io::Result<Tracee> {
        // Nothing is to be cleared at the copy's end: the memory is another's by then.
        let flags = (libc::CLONE_PARENT | libc::SIGCHLD) as u64;
        let fork = SystemCall { number: libc::SYS_clone, arguments: [flags, 0, 0, 0, 0, 0] };
        let born = self.fork(&self.process, &fork)?;
        self.process.go_to_call(0)?;
        self.process.await_stop(Stop::SystemCall)?;
        born.set_options(UNFILTERED)?;
        Ok(born)
    }

    /// Moves a copy into the sandbox: what comes back is its last offspring. `ends` become its descriptors from 1 on;
    /// `enter` moves a process of this number into the sandbox's groups.
    ///
    /// # Errors
    /// The first call that failed. Whatever was made of the copy dies with this process, or with the sandbox.
    pub(super) fn move_into(
        &self,
        sandbox: &Nested,
        copy: Tracee,
        ends: &[OwnedFd],
        enter: impl FnOnce(libc::pid_t) -> io::Result<()>,
    ) -> io::Result<Moved> {
        let place = self.place;
        enter(copy.pid)?;
        let protection = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        let kind = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let room = copy.call(libc::SYS_mmap, &[0, ROOM_BYTES, protection, kind, u64::MAX, 0], place)? as u64;
        let namespaces = sandbox.namespaces()?;
        let given: Vec<BorrowedFd<'_>> =
            namespaces.iter().map(|(fd, _)| fd.as_fd()).chain(ends.iter().map(AsFd::as_fd)).collect();
        let received = hand_over(&copy, place, room, &given)?;
        let (entered, ends) = received.split_at(namespaces.len());
        let mut ends = ends.to_vec();
        for fd in ends.iter_mut().filter(|fd| OURS.contains(&(**fd as libc::c_int))) {
            // INIT had closed one of its own, and this has its number.
            *fd = copy.call(libc::SYS_fcntl, &[*fd, libc::F_DUPFD_CLOEXEC as u64, FREE as u64], place)? as u64;
        }
        for ((_, kind), fd) in namespaces.iter().zip(entered) {
            copy.call(libc::SYS_setns, &[*fd, *kind as u64], place)?;
        }
        copy.write(room, super::gate::ROOT.to_bytes_with_nul())?;
        copy.call(libc::SYS_chroot, &[room], place)?;
        for fd in entered {
            copy.call(libc::SYS_close, &[*fd], place)?;
        }
        // Memory is shared from here on; who forked waits in the kernel until it is killed.
        let shared = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let second = self.offspring(&copy, shared, 0)?;
        let (kept, at) = match self.thread_number {
            Some(at) => (libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID, at),
            None => (0, 0),
        };
        let third = self.offspring(&second, shared | kept, at)?;
        let forebear = second.pid;
        // Its parent first: then it is the template's init that has to reap it.
        drop((copy, second));
        Ok(Moved { process: third, room, ends, forebear })
    }

    /// A child of `parent` that stands before its first instruction. The parent does not stand again.
    fn offspring(&self, parent: &Tracee, flags: libc::c_int, thread_number: u64) -> io::Result<Tracee> {
        // The order of the two last arguments differs between architectures; both hold what either may be.
        let arguments = [flags as u64, 0, 0, 0, 0, 0];
        let mut clone = SystemCall { number: libc::SYS_clone, arguments };
        clone.arguments[if cfg!(target_arch = "x86_64") { 3 } else { 4 }] = thread_number;
        let born = self.fork(parent, &clone)?;
        born.set_options(UNFILTERED)?;
        Ok(born)
    }

    /// Has `parent` make the call, and waits for the child's first stop. The parent stands within the call, or where that
    /// failed at its end: in no case does it go on by itself.
    fn fork(&self, parent: &Tracee, call: &SystemCall) -> io::Result<Tracee> {
        self.registers.calling(call, self.place).write(parent.pid)?;
        parent.go_to_call(0)?;
        parent.await_stop(Stop::SystemCall)?;
        parent.go_to_call(0)?;
        match parent.wait()? {
            Stop::Event(libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE) => {}
            Stop::SystemCall => {
                let returned = Registers::read(parent.pid)?.returned();
                return Err(io::Error::from_raw_os_error(i32::try_from(-returned).unwrap_or(libc::EIO)));
            }
            other => return Err(io::Error::other(format!("a fork came to {other:?}"))),
        }
        let born = parent.born()?;
        born.await_stop(Stop::Event(libc::PTRACE_EVENT_STOP))?;
        Ok(born)
    }

    /// Seals a copy whose sandbox has its mounts, gives it what is its own, and lets it go: it returns from the fork.
    ///
    /// # Errors
    /// The first call that failed.
    pub(super) fn release(&self, moved: Moved, seal: &Seal, belongings: &Belongings) -> io::Result<()> {
        let Moved { process, room, ends, forebear } = moved;
        let place = self.place;
        let call = |number, arguments: &[u64]| process.call(number, arguments, place);
        for (fd, target) in ends.iter().zip(OURS) {
            // Standard output and error are for children too, the door and the log's frames are not.
            let flags = if target < 3 { 0 } else { libc::O_CLOEXEC };
            if *fd != target as u64 {
                call(libc::SYS_dup3, &[*fd, target as u64, flags as u64])?;
            }
        }
        call(libc::SYS_close_range, &[FREE as u64, u64::from(libc::c_uint::MAX), 0])?;
        process.seal(seal.of_runtime(&OfRuntime::new(seal.landlock, FREE)), place, room)?;
        // From here on it is the function's user in its own sandbox.
        process.write(room, belongings.directory.to_bytes_with_nul())?;
        if call(libc::SYS_chdir, &[room]).is_err() {
            process.write(room, b"/var/task\0")?;
            call(libc::SYS_chdir, &[room])?;
        }
        for file in &belongings.files {
            let path = file.path.to_bytes_with_nul();
            if path.len() as u64 > ROOM_BYTES {
                return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
            }
            process.write(room, path)?;
            let flags = file.flags | libc::O_NOCTTY;
            let opened = call(libc::SYS_openat, &[libc::AT_FDCWD as u64, room, flags as u64, 0])? as u64;
            if opened != file.fd as u64 {
                call(libc::SYS_dup3, &[opened, file.fd as u64, (flags & libc::O_CLOEXEC) as u64])?;
                call(libc::SYS_close, &[opened])?;
            }
            if file.offset > 0 {
                call(libc::SYS_lseek, &[file.fd as u64, file.offset, libc::SEEK_SET as u64])?;
            }
        }
        if let Some(sequences) = &self.sequences {
            // A child that shares its parent's memory has none registered.
            let arguments = [sequences.address, sequences.size.into(), 0, sequences.signature.into()];
            call(libc::SYS_rseq, &arguments)?;
        }
        call(libc::SYS_munmap, &[room, ROOM_BYTES])?;
        self.registers.returning(0, place).write(process.pid)?;
        while fs::exists(format!("{PROC}/{forebear}"))? {
            // Reaped long ago, unless the machine is busy.
            std::thread::sleep(LOOK_AGAIN);
        }
        process.set_options(WATCHED)?;
        process.release()
    }
}

/// What libc wants of a call that is a fork: where it keeps the number of the thread. `None` for other calls.
///
/// # Errors
/// It begins a thread or a process that a copy would not have.
fn as_fork(call: &SystemCall) -> Result<Option<Option<u64>>, String> {
    #[cfg(target_arch = "x86_64")]
    if call.number == libc::SYS_fork {
        return Ok(Some(None));
    }
    if call.number != libc::SYS_clone {
        return Ok(None);
    }
    let [flags, stack, _, fourth, fifth, _] = call.arguments;
    if stack != 0 || flags as libc::c_int & !FORK_FLAGS != libc::SIGCHLD || flags >> 32 != 0 {
        return Err("what runs before a fork begins a thread or a process of its own".to_owned());
    }
    let at = if cfg!(target_arch = "x86_64") { fourth } else { fifth };
    let kept = flags as libc::c_int & libc::CLONE_CHILD_SETTID != 0;
    Ok(Some(kept.then_some(at)))
}

/// Gives descriptors to a process under our hand: their numbers there. It makes a pair of sockets, and we take one of
/// them; both are closed again.
fn hand_over(process: &Tracee, place: u64, room: u64, fds: &[BorrowedFd<'_>]) -> io::Result<Vec<u64>> {
    let kind = (libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC) as u64;
    process.call(libc::SYS_socketpair, &[libc::AF_UNIX as u64, kind, 0, room], place)?;
    let mut pair = [0; 8];
    process.read(room, &mut pair)?;
    let [theirs, ours] = [&pair[..4], &pair[4..]].map(|word| i32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    let taken = take_from(process.pid, ours)?;
    packet::send(taken.as_fd(), b"+", fds)?;
    // A message header, its one byte of room, and after them room for the descriptors, all in one block.
    let control_bytes = size_of::<libc::cmsghdr>() + fds.len().next_multiple_of(2) * 4;
    let (header_bytes, vector_bytes) = (size_of::<libc::msghdr>() as u64, size_of::<libc::iovec>() as u64);
    let (vector, byte) = (room + header_bytes, room + header_bytes + vector_bytes);
    let control = byte + 16;
    let words: [u64; 7] = [0, 0, vector, 1, control, control_bytes as u64, 0];
    let mut block: Vec<u8> = words.iter().chain(&[byte, 1]).flat_map(|word| word.to_ne_bytes()).collect();
    block.resize((control - room) as usize + control_bytes, 0);
    process.write(room, &block)?;
    process.call(libc::SYS_recvmsg, &[theirs as u64, room, libc::MSG_CMSG_CLOEXEC as u64], place)?;
    let mut numbers = vec![0; fds.len() * 4];
    process.read(control + size_of::<libc::cmsghdr>() as u64, &mut numbers)?;
    for end in [theirs, ours] {
        process.call(libc::SYS_close, &[end as u64], place)?;
    }
    let number = |word: &[u8]| u64::from(u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    Ok(numbers.chunks_exact(4).map(number).collect())
}

/// A descriptor of another process, for us.
#[allow(unsafe_code)]
fn take_from(pid: libc::pid_t, fd: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: integers only; what comes back is new and ours.
    unsafe {
        let process = sys::checked(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        let process = OwnedFd::from_raw_fd(process as i32);
        let taken = sys::checked(libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0))?;
        Ok(OwnedFd::from_raw_fd(taken as i32))
    }
}
