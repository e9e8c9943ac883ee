//! A process that stands still under our hand: it makes the system calls that it is told, and nothing else.
//!
//! Each call is one step: registers are set, the one instruction that enters the kernel is executed, and the process
//! stands again. Not one instruction of its own is.
#![allow(unsafe_code)]

use super::registers::{INSTRUCTION, Registers, SystemCall};
use crate::seal::Call;
use crate::sys;
use std::io;

/// What a process under our hand has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The entry or the exit of a system call.
    SystemCall,
    /// One step was made.
    Step,
    /// An event, by its `PTRACE_EVENT_` number.
    Event(i32),
    /// It is about to get this signal.
    Signal(i32),
    /// It has ended; the status is wait(2)'s.
    Ended(i32),
}

/// The seccomp filter does not look at calls while this is set. Source: `ptrace.h`.
const PTRACE_O_SUSPEND_SECCOMP: libc::c_int = 1 << 21;
/// Source: `ptrace.h`.
const PTRACE_GET_RSEQ_CONFIGURATION: libc::c_uint = 0x420F;
/// Source: `ptrace.h`.
const PTRACE_GET_SYSCALL_INFO: libc::c_uint = 0x420E;
/// What its answer begins with at the entry of a call.
const SYSCALL_INFO_ENTRY: u8 = 1;
/// Dies with us, tells calls from signals.
pub(super) const WATCHED: libc::c_int = libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACESYSGOOD;
/// Its children come under our hand before their first instruction.
pub(super) const WITH_CHILDREN: libc::c_int =
    WATCHED | libc::PTRACE_O_TRACEFORK | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_TRACEVFORK;
/// The filter is set aside.
pub(super) const UNFILTERED: libc::c_int = WITH_CHILDREN | PTRACE_O_SUSPEND_SECCOMP;

/// Where its restartable sequences are registered. Source: `ptrace.h`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct Sequences {
    pub(super) address: u64,
    pub(super) size: u32,
    pub(super) signature: u32,
    flags: u32,
    _pad: u32,
}

/// A process under our hand. Dropping it ends it.
pub(super) struct Tracee {
    pub(super) pid: libc::pid_t,
}

impl Drop for Tracee {
    fn drop(&mut self) {
        // SAFETY: integers only; the process is under our hand, so its number is not another's.
        if unsafe { libc::kill(self.pid, libc::SIGKILL) } == 0 {
            while self.wait().is_ok_and(|stop| !matches!(stop, Stop::Ended(_))) {}
        }
    }
}

impl Tracee {
    /// Takes a process under our hand, which runs on.
    pub(super) fn seize(pid: libc::pid_t, options: libc::c_int) -> io::Result<Self> {
        request(libc::PTRACE_SEIZE, pid, 0, options as usize)?;
        Ok(Self { pid })
    }

    /// Has it stop.
    pub(super) fn interrupt(&self) -> io::Result<()> {
        request(libc::PTRACE_INTERRUPT, self.pid, 0, 0)
    }

    /// Sets what is watched.
    pub(super) fn set_options(&self, options: libc::c_int) -> io::Result<()> {
        request(libc::PTRACE_SETOPTIONS, self.pid, 0, options as usize)
    }

    /// Lets it go on to the next entry or exit of a call, or an event before.
    pub(super) fn go_to_call(&self, signal: i32) -> io::Result<()> {
        request(libc::PTRACE_SYSCALL, self.pid, 0, signal as usize)
    }

    /// Lets it go for good.
    pub(super) fn release(self) -> io::Result<()> {
        request(libc::PTRACE_DETACH, self.pid, 0, 0)?;
        std::mem::forget(self);
        Ok(())
    }

    /// Waits for its next stop.
    pub(super) fn wait(&self) -> io::Result<Stop> {
        let Some((_, status)) = sys::reap(self.pid, 0)? else { return Err(io::ErrorKind::NotFound.into()) };
        if !libc::WIFSTOPPED(status) {
            return Ok(Stop::Ended(status));
        }
        let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
        Ok(match signal {
            _ if event != 0 => Stop::Event(event),
            _ if signal == libc::SIGTRAP | 0x80 => Stop::SystemCall,
            libc::SIGTRAP => Stop::Step,
            other => Stop::Signal(other),
        })
    }

    /// The same, which must be `wanted`.
    pub(super) fn await_stop(&self, wanted: Stop) -> io::Result<()> {
        match self.wait()? {
            stop if stop == wanted => Ok(()),
            other => Err(io::Error::other(format!("{other:?} where {wanted:?} was to come"))),
        }
    }

    /// Whether it has not ended, without waiting.
    pub(super) fn stands(&self) -> bool {
        matches!(sys::reap(self.pid, libc::WNOHANG), Ok(None))
    }

    /// The number of the process that its last event is about.
    pub(super) fn born(&self) -> io::Result<Self> {
        let mut pid: libc::c_ulong = 0;
        request(libc::PTRACE_GETEVENTMSG, self.pid, 0, (&raw mut pid) as usize)?;
        Ok(Self { pid: pid as libc::pid_t })
    }

    /// Whether it stands at the entry of a system call, and not at the exit.
    pub(super) fn enters_call(&self) -> io::Result<bool> {
        let mut about = [0_u8; 88];
        let place = (&raw mut about) as usize;
        request(PTRACE_GET_SYSCALL_INFO, self.pid, about.len(), place)?;
        Ok(about[0] == SYSCALL_INFO_ENTRY)
    }

    /// Its restartable sequences, if it has registered any.
    pub(super) fn sequences(&self) -> Option<Sequences> {
        let mut found = Sequences::default();
        let place = (&raw mut found) as usize;
        request(PTRACE_GET_RSEQ_CONFIGURATION, self.pid, size_of::<Sequences>(), place).ok()?;
        (found.address != 0).then_some(found)
    }

    /// Has it make one system call by the instruction at `place`: what it returned. Its other registers stay.
    pub(super) fn call(&self, number: libc::c_long, arguments: &[u64], place: u64) -> io::Result<i64> {
        let mut all = [0; 6];
        all[..arguments.len()].copy_from_slice(arguments);
        let call = SystemCall { number, arguments: all };
        Registers::read(self.pid)?.calling(&call, place).write(self.pid)?;
        request(libc::PTRACE_SINGLESTEP, self.pid, 0, 0)?;
        self.await_stop(Stop::Step)?;
        let registers = Registers::read(self.pid)?;
        if registers.place() != place + INSTRUCTION.len() as u64 {
            return Err(io::Error::other("a copy went further than it was told"));
        }
        let returned = registers.returned();
        // The kernel's way to say an error number. Source: syscall(2).
        if (-4095..0).contains(&returned) {
            return Err(io::Error::from_raw_os_error(-returned as i32));
        }
        Ok(returned)
    }

    /// Has it make calls of a seal, one after the other; `room` is memory of its own for what they point to.
    pub(super) fn seal<'a>(&self, calls: impl IntoIterator<Item = &'a Call>, place: u64, room: u64) -> io::Result<()> {
        for call in calls {
            let mut free = room;
            let arguments = call.arguments(|bytes| {
                let at = free;
                self.write(at, bytes)?;
                free += bytes.len().next_multiple_of(8) as u64;
                Ok(at as libc::c_long)
            })?;
            let made = self.call(call.number(), &arguments.map(|argument| argument as u64), place);
            call.judge(made.map(|returned| returned as libc::c_long))?;
        }
        Ok(())
    }

    /// Puts `bytes` into its memory.
    pub(super) fn write(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        let ours = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        let theirs = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: bytes.len() };
        // SAFETY: the kernel reads `bytes`, which outlives the call, and writes to the other process's memory.
        let done = unsafe { libc::process_vm_writev(self.pid, &raw const ours, 1, &raw const theirs, 1, 0) };
        whole(done, bytes.len())
    }

    /// Fills `bytes` from its memory.
    pub(super) fn read(&self, address: u64, bytes: &mut [u8]) -> io::Result<()> {
        let ours = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        let theirs = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: bytes.len() };
        // SAFETY: the kernel writes as many bytes to `bytes` as it is long.
        let done = unsafe { libc::process_vm_readv(self.pid, &raw const ours, 1, &raw const theirs, 1, 0) };
        whole(done, bytes.len())
    }
}

fn whole(done: isize, wanted: usize) -> io::Result<()> {
    match sys::checked(done as libc::c_long)? {
        done if done as usize == wanted => Ok(()),
        _ => Err(io::Error::from_raw_os_error(libc::EFAULT)),
    }
}

fn request(request: libc::c_uint, pid: libc::pid_t, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: callers pass integers, or the address of a value of theirs that is as large as the request's page says
    // and outlives the call.
    sys::checked(unsafe { libc::ptrace(request as _, pid, address, data) }).map(drop)
}
