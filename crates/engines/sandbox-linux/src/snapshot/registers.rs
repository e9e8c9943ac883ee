//! What of a stopped process depends on the architecture: its registers, and the instruction of a system call.
//!
//! x86_64 is what the tests run on. aarch64 is written from the kernel's documentation and has not been run.
#![allow(unsafe_code)]

use crate::sys;
use std::io;

/// A system call by its number and arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SystemCall {
    pub(super) number: libc::c_long,
    pub(super) arguments: [u64; 6],
}

/// The general registers of a process that stands still.
#[derive(Clone, Copy)]
pub(super) struct Registers(libc::user_regs_struct);

/// The instruction that makes a system call.
#[cfg(target_arch = "x86_64")]
pub(super) const INSTRUCTION: &[u8] = &[0x0F, 0x05];
/// The instruction that makes a system call: `svc #0`.
#[cfg(target_arch = "aarch64")]
pub(super) const INSTRUCTION: &[u8] = &[0x01, 0x00, 0x00, 0xD4];

/// The set of general registers. Source: `elf.h`.
const NT_PRSTATUS: libc::c_int = 1;

impl Registers {
    /// Those of `pid`.
    pub(super) fn read(pid: libc::pid_t) -> io::Result<Self> {
        // SAFETY: all zero is a valid set of registers.
        let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        let mut place = libc::iovec { iov_base: (&raw mut registers).cast(), iov_len: size_of_val(&registers) };
        // SAFETY: the kernel fills at most `iov_len` bytes of `registers`, which outlives the call.
        let read = unsafe { libc::ptrace(libc::PTRACE_GETREGSET, pid, NT_PRSTATUS, &raw mut place) };
        sys::checked(read)?;
        Ok(Self(registers))
    }

    /// Gives them to `pid`.
    pub(super) fn write(&self, pid: libc::pid_t) -> io::Result<()> {
        let mut registers = self.0;
        let mut place = libc::iovec { iov_base: (&raw mut registers).cast(), iov_len: size_of_val(&registers) };
        // SAFETY: the kernel reads `iov_len` bytes of `registers`, which outlives the call.
        let written = unsafe { libc::ptrace(libc::PTRACE_SETREGSET, pid, NT_PRSTATUS, &raw mut place) };
        sys::checked(written).map(drop)
    }
}

#[cfg(target_arch = "x86_64")]
impl Registers {
    /// The call that is about to be made: only where the process stands at the entry of one.
    pub(super) fn entered(&self) -> SystemCall {
        let all = &self.0;
        let arguments = [all.rdi, all.rsi, all.rdx, all.r10, all.r8, all.r9];
        SystemCall { number: all.orig_rax as libc::c_long, arguments }
    }

    /// What the call returned that was made last.
    pub(super) fn returned(&self) -> i64 {
        self.0.rax as i64
    }

    /// Where the process goes on.
    pub(super) fn place(&self) -> u64 {
        self.0.rip
    }

    /// The same registers, about to make `call` by the instruction at `place`.
    pub(super) fn calling(&self, call: &SystemCall, place: u64) -> Self {
        let mut all = self.0;
        [all.rdi, all.rsi, all.rdx, all.r10, all.r8, all.r9] = call.arguments;
        all.rax = call.number as u64;
        // No call is under way that the kernel would begin again.
        all.orig_rax = u64::MAX;
        all.rip = place;
        Self(all)
    }

    /// The same registers, as they are when a call has returned `value` to what follows the instruction at `place`.
    pub(super) fn returning(&self, value: i64, place: u64) -> Self {
        let mut all = self.0;
        all.rax = value as u64;
        all.orig_rax = u64::MAX;
        all.rip = place + INSTRUCTION.len() as u64;
        Self(all)
    }
}

/// Has the call not made that `pid` is about to enter.
#[cfg(target_arch = "x86_64")]
pub(super) fn cancel_call(pid: libc::pid_t) -> io::Result<()> {
    let mut registers = Registers::read(pid)?;
    registers.0.orig_rax = u64::MAX;
    registers.write(pid)
}

#[cfg(target_arch = "aarch64")]
impl Registers {
    /// The call that is about to be made: only where the process stands at the entry of one.
    pub(super) fn entered(&self) -> SystemCall {
        let [a, b, c, d, e, f, _, _, number, ..] = self.0.regs;
        SystemCall { number: number as libc::c_long, arguments: [a, b, c, d, e, f] }
    }

    /// What the call returned that was made last.
    pub(super) fn returned(&self) -> i64 {
        self.0.regs[0] as i64
    }

    /// Where the process goes on.
    pub(super) fn place(&self) -> u64 {
        self.0.pc
    }

    /// The same registers, about to make `call` by the instruction at `place`.
    pub(super) fn calling(&self, call: &SystemCall, place: u64) -> Self {
        let mut all = self.0;
        all.regs[..6].copy_from_slice(&call.arguments);
        all.regs[8] = call.number as u64;
        all.pc = place;
        Self(all)
    }

    /// The same registers, as they are when a call has returned `value` to what follows the instruction at `place`.
    pub(super) fn returning(&self, value: i64, place: u64) -> Self {
        let mut all = self.0;
        all.regs[0] = value as u64;
        all.pc = place + INSTRUCTION.len() as u64;
        Self(all)
    }
}

/// Has the call not made that `pid` is about to enter.
#[cfg(target_arch = "aarch64")]
pub(super) fn cancel_call(pid: libc::pid_t) -> io::Result<()> {
    /// The set of one register: the number of the call. Source: `elf.h`.
    const NT_ARM_SYSTEM_CALL: libc::c_int = 0x404;
    let mut number: libc::c_int = -1;
    let mut place = libc::iovec { iov_base: (&raw mut number).cast(), iov_len: size_of_val(&number) };
    // SAFETY: the kernel reads four bytes of `number`, which outlives the call.
    sys::checked(unsafe { libc::ptrace(libc::PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &raw mut place) }).map(drop)
}
