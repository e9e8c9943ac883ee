//! Landlock: a second wall behind the mounts. Were a mount to turn up that should not, it could still not be
//! written to, and nothing on it made.
//!
//! Rules belong to inodes and hold for what is mounted below them later, so a rule on the root also covers
//! the code that is put there after sealing. What is covered by another mount does not count: the rules are made in
//! the sandbox, once its own `/tmp`, `/dev/shm` and `/proc` are there.
#![allow(unsafe_code)]

use crate::seal::{Argument, Call};
use crate::sys;
use libc::{c_int, c_long};
use std::io;

/// Rights over files, by the bit. Source: landlock(7).
const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_BLOCK: u64 = 1 << 11;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEV: u64 = 1 << 15;
/// Things that reach only processes under the same rules, or under rules on top of them.
const SCOPE_ABSTRACT_SOCKETS: u64 = 1;
const SCOPE_SIGNALS: u64 = 1 << 1;
/// The version that has them.
const VERSION_OF_SCOPES: i32 = 6;

const RULE_PATH_BENEATH: c_long = 1;

/// The kernel's Landlock version, 0 without it.
pub(crate) fn version() -> i32 {
    const LANDLOCK_CREATE_RULESET_VERSION: libc::c_uint = 1;
    // SAFETY: with this flag the call takes no pointer.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, LANDLOCK_CREATE_RULESET_VERSION) };
    i32::try_from(version).unwrap_or(0).max(0)
}

/// All rights over files that this version knows.
fn rights(version: i32) -> u64 {
    let known = match version {
        ..=1 => 13,
        2 => 14,
        3 | 4 => 15,
        _ => 16,
    };
    (1 << known) - 1
}

/// Restricts the process that makes them, and all it starts: read and execute everywhere, write where a function may.
/// The root must be the sandbox's own by now. `free` is the lowest descriptor that is not in use: the next two are
/// taken, and given back. `signals_too`: not for init, which ends runtimes that a zygote has put under rules of their
/// own. `gate` is the directory below which those lie that will be forked from here, where everything is allowed: they
/// bring rules of their own, and rules can only take away. None on a kernel without Landlock.
pub(crate) fn calls(version: i32, free: c_int, signals_too: bool, gate: Option<c_int>) -> Vec<Call> {
    use Argument::{Memory, Number};
    if version < 1 {
        return Vec::new();
    }
    let all = rights(version);
    let words = |words: &[u64]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
    // Files, network, scopes; versions that lack the later ones take zeros for them.
    let scopes = if signals_too { SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS } else { SCOPE_ABSTRACT_SOCKETS };
    let handled = words(&[all, 0, if version >= VERSION_OF_SCOPES { scopes } else { 0 }]);
    let size = handled.len() as c_long;
    let (rules, opened) = (free, free + 1);
    let create = vec![Memory(handled), Number(size), Number(0)];
    let mut calls = vec![Call::new(libc::SYS_landlock_create_ruleset, create).returns(rules)];
    // Devices are none but null, zero and the like; a function may not make others.
    let scratch = !(MAKE_CHAR | MAKE_BLOCK);
    for (path, granted) in [
        (c"/", EXECUTE | READ_FILE | READ_DIR),
        (c"/tmp", scratch),
        (c"/dev/shm", scratch),
        (c"/dev", WRITE_FILE | TRUNCATE | IOCTL_DEV),
        (c"/proc", WRITE_FILE | TRUNCATE),
    ] {
        let flags = c_long::from(libc::O_PATH | libc::O_CLOEXEC);
        let open = vec![Number(libc::AT_FDCWD.into()), Memory(path.to_bytes_with_nul().to_vec()), Number(flags)];
        calls.extend([
            Call::new(libc::SYS_openat, open).returns(opened),
            rule(rules, granted & all, opened),
            Call::new(libc::SYS_close, vec![Number(opened.into())]),
        ]);
    }
    calls.extend(gate.map(|gate| rule(rules, all, gate)));
    calls.push(Call::new(libc::SYS_landlock_restrict_self, vec![Number(rules.into()), Number(0)]));
    calls.push(Call::new(libc::SYS_close, vec![Number(rules.into())]));
    calls
}

/// Grants rights below the directory behind a descriptor.
fn rule(rules: c_int, granted: u64, directory: c_int) -> Call {
    use Argument::{Memory, Number};
    // Packed: the rights, then the descriptor.
    let rule = [&granted.to_ne_bytes()[..], &directory.to_ne_bytes()].concat();
    let add = vec![Number(rules.into()), Number(RULE_PATH_BENEATH), Memory(rule), Number(0)];
    Call::new(libc::SYS_landlock_add_rule, add)
}

/// From now on this process, and all it starts, signals only what it starts.
///
/// # Errors
/// The kernel's refusal. One that has no such scope is no error.
pub(crate) fn keep_signals_in(version: i32) -> io::Result<()> {
    if version < VERSION_OF_SCOPES {
        return Ok(());
    }
    let handled = [0, 0, SCOPE_SIGNALS];
    // SAFETY: the array outlives the call, which reads as many bytes as it is told.
    let rules =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const handled, size_of_val(&handled), 0) };
    let rules = sys::checked(rules)?;
    // SAFETY: integers only; the descriptor is ours alone.
    unsafe {
        let restricted = sys::checked(libc::syscall(libc::SYS_landlock_restrict_self, rules, 0));
        libc::close(rules as c_int);
        restricted.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_asked_for_no_right_that_it_does_not_know() {
        for (version, known) in [(1, 0x1FFF), (2, 0x3FFF), (3, 0x7FFF), (4, 0x7FFF), (5, 0xFFFF), (7, 0xFFFF)] {
            assert_eq!(rights(version), known, "version {version}");
        }
        assert!(calls(0, 5, true, None).is_empty());
    }
}
