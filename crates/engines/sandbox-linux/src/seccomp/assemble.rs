//! From decisions to BPF.

use std::collections::BTreeMap;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is made.
    Allow,
    /// It fails with this error number.
    Fail(i32),
    /// It depends on its arguments.
    Check(Check),
}

/// Looks at arguments. Only their low halves count where the kernel takes an `int`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Fails with EPERM when the argument has any of these bits.
    NoBits { argument: u32, bits: u32 },
    /// Fails with EPERM when the argument, masked, is one of these.
    NoneOf { argument: u32, mask: u32, values: &'static [u32] },
    /// Fails with EPERM unless the argument is one of these.
    OneOf { argument: u32, values: &'static [u32] },
    /// `prlimit64`: own limits may be set, others' only read.
    OwnLimits,
    /// `socket`: families and types that a function needs.
    Socket,
}

type Instruction = libc::sock_filter;

const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

/// Offsets in `struct seccomp_data`.
const AT_NUMBER: u32 = 0;
const AT_ARCHITECTURE: u32 = 4;
const AT_ARGUMENTS: u32 = 16;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E; // AUDIT_ARCH_X86_64
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7; // AUDIT_ARCH_AARCH64

/// The filter for these decisions. Calls that are not named do not exist: `ENOSYS`, so that libraries fall back
/// to the calls that they know of old.
pub(super) fn assemble(decisions: &BTreeMap<u32, Decision>) -> Vec<Instruction> {
    let unknown = Decision::Fail(libc::ENOSYS);
    let mut ranges = vec![(0, unknown)];
    let mut next = 0;
    for (&number, &decision) in decisions {
        if number > next {
            ranges.push((next, unknown));
        }
        ranges.push((number, decision));
        next = number + 1;
    }
    // Also the calls of the x32 way in, which are the same ones with a high bit.
    ranges.push((next, unknown));
    ranges.dedup_by(|later, earlier| {
        later.1 == earlier.1
            || (later.0 == earlier.0 && {
                *earlier = *later;
                true
            })
    });
    let mut program =
        vec![load(AT_ARCHITECTURE), jump(libc::BPF_JEQ, ARCHITECTURE, 1, 0), answer(KILL), load(AT_NUMBER)];
    program.extend(tree(&ranges));
    program
}

/// Comparisons that lead to the range that a number is in: the last whose start is not above it.
fn tree(ranges: &[(u32, Decision)]) -> Vec<Instruction> {
    if let [(_, decision)] = ranges {
        return leaf(*decision);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let (start, low, high) = (high[0].0, tree(low), tree(high));
    let mut all = match u8::try_from(low.len()) {
        Ok(skip) => vec![jump(libc::BPF_JGE, start, skip, 0)],
        // Conditional jumps reach 255 instructions, plain ones any.
        Err(_) => vec![jump(libc::BPF_JGE, start, 0, 1), instruction(libc::BPF_JMP | libc::BPF_JA, low.len() as u32)],
    };
    all.extend(low);
    all.extend(high);
    all
}

fn leaf(decision: Decision) -> Vec<Instruction> {
    match decision {
        Decision::Allow => vec![answer(ALLOW)],
        Decision::Fail(error) => vec![fail(error)],
        Decision::Check(check) => self::check(check),
    }
}

fn check(check: Check) -> Vec<Instruction> {
    match check {
        Check::NoBits { argument, bits } => {
            vec![load(low(argument)), jump(libc::BPF_JSET, bits, 1, 0), answer(ALLOW), fail(libc::EPERM)]
        }
        Check::NoneOf { argument, mask, values } => listed(argument, mask, values, fail(libc::EPERM), answer(ALLOW)),
        Check::OneOf { argument, values } => listed(argument, u32::MAX, values, answer(ALLOW), fail(libc::EPERM)),
        Check::OwnLimits => vec![
            load(low(0)),
            jump(libc::BPF_JEQ, 0, 4, 0),
            load(low(2)),
            jump(libc::BPF_JEQ, 0, 0, 3),
            load(low(2) + 4),
            jump(libc::BPF_JEQ, 0, 0, 1),
            answer(ALLOW),
            fail(libc::EPERM),
        ],
        Check::Socket => socket(),
    }
}

/// `found` when the masked argument is in the list, else `otherwise`.
fn listed(argument: u32, mask: u32, values: &[u32], found: Instruction, otherwise: Instruction) -> Vec<Instruction> {
    let mut all = vec![load(low(argument)), instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, mask)];
    for (at, value) in values.iter().enumerate() {
        all.push(jump(libc::BPF_JEQ, *value, (values.len() - at) as u8, 0));
    }
    all.push(otherwise);
    all.push(found);
    all
}

/// Streams, datagrams and sequenced packets of Unix and IP; netlink only to routing, which `getifaddrs` asks.
fn socket() -> Vec<Instruction> {
    const TYPE_MASK: u32 = 0xF; // without SOCK_CLOEXEC and SOCK_NONBLOCK
    vec![
        load(low(0)),
        jump(libc::BPF_JEQ, libc::AF_UNIX as u32, 3, 0),
        jump(libc::BPF_JEQ, libc::AF_INET as u32, 2, 0),
        jump(libc::BPF_JEQ, libc::AF_INET6 as u32, 1, 0),
        jump(libc::BPF_JEQ, libc::AF_NETLINK as u32, 7, 10),
        load(low(1)),
        instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, TYPE_MASK),
        jump(libc::BPF_JEQ, libc::SOCK_STREAM as u32, 2, 0),
        jump(libc::BPF_JEQ, libc::SOCK_DGRAM as u32, 1, 0),
        jump(libc::BPF_JEQ, libc::SOCK_SEQPACKET as u32, 0, 1),
        answer(ALLOW),
        fail(libc::EPERM),
        load(low(2)),
        jump(libc::BPF_JEQ, libc::NETLINK_ROUTE as u32, 0, 1),
        answer(ALLOW),
        fail(libc::EAFNOSUPPORT),
    ]
}

/// Where the low half of an argument lies; both architectures are little-endian.
fn low(argument: u32) -> u32 {
    AT_ARGUMENTS + 8 * argument
}

fn load(at: u32) -> Instruction {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at)
}

fn answer(action: u32) -> Instruction {
    instruction(libc::BPF_RET | libc::BPF_K, action)
}

fn fail(error: i32) -> Instruction {
    answer(libc::SECCOMP_RET_ERRNO | (error as u32 & libc::SECCOMP_RET_DATA))
}

fn instruction(code: u32, k: u32) -> Instruction {
    Instruction { code: code as u16, jt: 0, jf: 0, k }
}

fn jump(comparison: u32, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code: (libc::BPF_JMP | comparison | libc::BPF_K) as u16, jt, jf, k }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::seccomp::table;

    /// Runs a filter as the kernel does, also counting steps.
    fn run(program: &[Instruction], architecture: u32, number: u32, arguments: [u64; 6]) -> (u32, usize) {
        let mut data = [0_u8; 64];
        data[..4].copy_from_slice(&number.to_le_bytes());
        data[4..8].copy_from_slice(&architecture.to_le_bytes());
        for (at, argument) in arguments.iter().enumerate() {
            data[16 + 8 * at..24 + 8 * at].copy_from_slice(&argument.to_le_bytes());
        }
        let (mut at, mut a, mut steps) = (0_usize, 0_u32, 0);
        loop {
            let Instruction { code, jt, jf, k } = program[at];
            steps += 1;
            at += 1;
            let code = u32::from(code);
            let taken = |yes: bool| usize::from(if yes { jt } else { jf });
            match code & 0x07 {
                libc::BPF_LD => a = u32::from_le_bytes(data[k as usize..k as usize + 4].try_into().unwrap()),
                libc::BPF_ALU => a &= k,
                libc::BPF_RET => return (k, steps),
                _ => match code & 0xF0 {
                    libc::BPF_JA => at += k as usize,
                    libc::BPF_JEQ => at += taken(a == k),
                    libc::BPF_JGE => at += taken(a >= k),
                    _ => at += taken(a & k != 0),
                },
            }
        }
    }

    fn decide(number: libc::c_long, arguments: &[u64]) -> u32 {
        let mut six = [0; 6];
        six[..arguments.len()].copy_from_slice(arguments);
        run(&assemble(&table::decisions()), ARCHITECTURE, number as u32, six).0
    }

    const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
    const FAMILY: u32 = libc::SECCOMP_RET_ERRNO | libc::EAFNOSUPPORT as u32;

    #[test]
    fn every_number_gets_its_decision_in_few_steps() {
        let decisions = table::decisions();
        let program = assemble(&decisions);
        let mut longest = 0;
        for number in 0..600 {
            let (got, steps) = run(&program, ARCHITECTURE, number, [0; 6]);
            match decisions.get(&number) {
                Some(Decision::Allow) => assert_eq!(got, ALLOW, "{number}"),
                Some(Decision::Fail(error)) => assert_eq!(got, libc::SECCOMP_RET_ERRNO | *error as u32, "{number}"),
                Some(Decision::Check(_)) => {}
                None => assert_eq!(got, ENOSYS, "{number}"),
            }
            longest = longest.max(steps);
        }
        assert!(longest < 25, "{longest} steps");
    }

    #[test]
    fn another_way_into_the_kernel_is_death() {
        let program = assemble(&table::decisions());
        assert_eq!(run(&program, 0x4000_0003, 1, [0; 6]).0, KILL, "32 bit x86");
        assert_eq!(run(&program, ARCHITECTURE, 0x4000_0000 + 1, [0; 6]).0, ENOSYS, "x32");
    }

    #[test]
    fn arguments_decide_where_they_must() {
        let (stream, dgram, raw) = (libc::SOCK_STREAM as u64, libc::SOCK_DGRAM as u64, libc::SOCK_RAW as u64);
        let (inet, inet6, netlink) = (libc::AF_INET as u64, libc::AF_INET6 as u64, libc::AF_NETLINK as u64);
        let cloexec = libc::SOCK_CLOEXEC as u64;
        for (why, got, want) in [
            ("threads", decide(libc::SYS_clone, &[libc::CLONE_VM as u64 | libc::CLONE_THREAD as u64]), ALLOW),
            ("a user namespace", decide(libc::SYS_clone, &[libc::CLONE_NEWUSER as u64]), EPERM),
            ("clone3, whose flags lie in memory", decide(libc::SYS_clone3, &[]), ENOSYS),
            ("tcp", decide(libc::SYS_socket, &[inet, stream | cloexec, 6]), ALLOW),
            ("udp", decide(libc::SYS_socket, &[inet6, dgram]), ALLOW),
            ("raw", decide(libc::SYS_socket, &[inet, raw | cloexec]), EPERM),
            ("routing", decide(libc::SYS_socket, &[netlink, raw, 0]), ALLOW),
            ("netfilter", decide(libc::SYS_socket, &[netlink, raw, 12]), FAMILY),
            ("packets", decide(libc::SYS_socket, &[libc::AF_PACKET as u64, dgram]), FAMILY),
            ("own limits", decide(libc::SYS_prlimit64, &[0, 7, 1 << 40]), ALLOW),
            ("reading another's", decide(libc::SYS_prlimit64, &[1, 7, 0]), ALLOW),
            ("setting another's", decide(libc::SYS_prlimit64, &[1, 7, 1 << 40]), EPERM),
            ("setting another's, low address", decide(libc::SYS_prlimit64, &[1, 7, 4]), EPERM),
            ("a plain ioctl", decide(libc::SYS_ioctl, &[1, 0x5401]), ALLOW),
            ("typing for others", decide(libc::SYS_ioctl, &[1, libc::TIOCSTI]), EPERM),
            ("typing for others, high bits set", decide(libc::SYS_ioctl, &[1, (1 << 32) | libc::TIOCSTI]), EPERM),
            ("a fifo", decide(libc::SYS_mknodat, &[0, 0, u64::from(libc::S_IFIFO) | 0o644]), ALLOW),
            ("a device", decide(libc::SYS_mknodat, &[0, 0, u64::from(libc::S_IFCHR) | 0o644]), EPERM),
            ("the usual personality", decide(libc::SYS_personality, &[0xFFFF_FFFF]), ALLOW),
            ("no address randomisation", decide(libc::SYS_personality, &[0x0040_0000]), EPERM),
            ("mount", decide(libc::SYS_mount, &[]), EPERM),
            ("ptrace", decide(libc::SYS_ptrace, &[]), EPERM),
        ] {
            assert_eq!(got, want, "{why}");
        }
    }
}
