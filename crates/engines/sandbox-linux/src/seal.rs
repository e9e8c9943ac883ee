//! Sealing: the last steps of a process before a function's code may run in it or below it. Each can only be taken,
//! never undone.
//!
//! Most are data: init makes the calls itself, and a zygote is told them, for the runtimes that it forks.
#![allow(unsafe_code)]

use crate::root::{INSIDE_GID, INSIDE_UID};
use crate::seccomp::Filter;
use crate::{landlock, sys};
use std::fmt::Write;
use std::io;

/// Descriptors a process may have. Source: recorded from Lambda.
const OPEN_FILES_MAX: u64 = 1_024;
/// Bytes a process may lock in memory. Source: recorded from Lambda.
const LOCKED_BYTES_MAX: u64 = 65_536;
/// Soft limit of the stack. Source: recorded from Lambda.
const STACK_BYTES: u64 = 8 << 20;

/// One system call.
pub(crate) struct Call {
    number: libc::c_long,
    arguments: Vec<Argument>,
    /// The error that is none, because it says that there is nothing to be done.
    tolerated: Option<libc::c_int>,
    /// What it must return, where later calls build upon it.
    returns: Option<libc::c_int>,
}

/// An argument of one.
pub(crate) enum Argument {
    Number(libc::c_long),
    /// The address of these bytes.
    Memory(Vec<u8>),
    /// The address of a `sock_fprog` with these instructions.
    Filter(Vec<u8>),
}

/// The steps that are data, by what they do. Made once, by the spawner.
pub(crate) struct Seal {
    /// Becomes the sandbox's user.
    pub(crate) user: Vec<Call>,
    /// Leaves the session keyring that the server was started with: possession alone would show its keys.
    pub(crate) keyring: Vec<Call>,
    /// Gives up every capability, in every set, for ever.
    pub(crate) capabilities: Vec<Call>,
    /// Filters system calls from now on.
    pub(crate) filter: Vec<Call>,
    /// Landlock's version, 0 without it.
    pub(crate) landlock: i32,
}

impl Seal {
    /// `privileged`: false in a user's own namespace, where groups cannot be dropped. `landlock`: the kernel's version.
    pub(crate) fn new(privileged: bool, landlock: i32, filter: &Filter) -> Self {
        use Argument::{Filter, Memory, Number};
        const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
        const SECCOMP_SET_MODE_FILTER: libc::c_long = 1;
        /// A header of version 3 for the process itself, as capset(2) takes it.
        const CAPABILITY_HEADER: [u32; 2] = [0x2008_0522, 0];
        let numbers = |numbers: &[libc::c_long]| numbers.iter().copied().map(Number).collect::<Vec<_>>();
        let (uid, gid) = (libc::c_long::from(INSIDE_UID), libc::c_long::from(INSIDE_GID));
        let mut user = vec![
            Call::new(libc::SYS_setresgid, numbers(&[gid, gid, gid])),
            Call::new(libc::SYS_setresuid, numbers(&[uid, uid, uid])),
        ];
        if privileged {
            user.insert(0, Call::new(libc::SYS_setgroups, numbers(&[0, 0])));
        }
        // A kernel without keys has none to show.
        let keyring = Call::new(libc::SYS_keyctl, numbers(&[KEYCTL_JOIN_SESSION_KEYRING, 0])).or(libc::ENOSYS);
        // The bounding set first: shrinking it takes a capability itself. EINVAL is a number past the kernel's last.
        let mut capabilities: Vec<_> = (0..=last_capability())
            .map(|capability| Call::prctl(libc::PR_CAPBSET_DROP, capability).or(libc::EINVAL))
            .collect();
        capabilities.push(Call::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL.into()));
        // Effective, permitted, inheritable, each twice for 64 bits.
        let header = CAPABILITY_HEADER.iter().flat_map(|word| word.to_ne_bytes()).collect();
        capabilities.push(Call::new(libc::SYS_capset, vec![Memory(header), Memory(vec![0; 24])]));
        let program = vec![Number(SECCOMP_SET_MODE_FILTER), Number(0), Filter(filter.bytes())];
        let filter = vec![Call::new(libc::SYS_seccomp, program)];
        Self { user, keyring: vec![keyring], capabilities, filter, landlock }
    }

    /// Everything that the runtime which a zygote has forked must do itself, in its order, as the zygote reads it. The
    /// rest it has from the zygote: limits, no new privileges. `free` is the lowest descriptor that is not in use.
    pub(crate) fn for_zygote(&self, free: libc::c_int) -> String {
        let own = OfRuntime::new(self.landlock, free);
        self.of_runtime(&own).chain(&self.filter).map(Call::told).collect()
    }

    /// The same but for the filter, which it has already. `own` is what differs by the descriptors in use.
    pub(crate) fn of_runtime<'a>(&'a self, own: &'a OfRuntime) -> impl Iterator<Item = &'a Call> {
        let all = own.first.iter().chain(&self.user).chain(&self.keyring).chain(&own.landlock);
        all.chain(&self.capabilities).chain(&own.last)
    }
}

/// What a runtime that was forked does besides, to stand alone in its sandbox.
pub(crate) struct OfRuntime {
    first: [Call; 2],
    landlock: Vec<Call>,
    last: [Call; 1],
}

impl OfRuntime {
    /// `free` is the lowest descriptor that is not in use, and so is the next.
    pub(crate) fn new(landlock: i32, free: libc::c_int) -> Self {
        Self {
            first: [
                Call::new(libc::SYS_setsid, Vec::new()),
                // Its cgroup is the root of what it sees.
                Call::new(libc::SYS_unshare, vec![Argument::Number(libc::CLONE_NEWCGROUP.into())]),
            ],
            landlock: landlock::calls(landlock, free, true, None),
            // Becoming another user has hidden the process from itself; init stays hidden, a runtime is not.
            last: [Call::prctl(libc::PR_SET_DUMPABLE, 1)],
        }
    }
}

impl Call {
    /// A call that must not fail.
    pub(crate) fn new(number: libc::c_long, arguments: Vec<Argument>) -> Self {
        Self { number, arguments, tolerated: None, returns: None }
    }

    /// The same, which must return this number.
    pub(crate) fn returns(self, number: libc::c_int) -> Self {
        Self { returns: Some(number), ..self }
    }

    fn prctl(option: libc::c_int, value: libc::c_long) -> Self {
        let all = [option.into(), value, 0, 0, 0];
        Self::new(libc::SYS_prctl, all.into_iter().map(Argument::Number).collect())
    }

    fn or(self, tolerated: libc::c_int) -> Self {
        Self { tolerated: Some(tolerated), ..self }
    }

    /// Makes it.
    fn make(&self) -> io::Result<()> {
        let mut programs = Vec::with_capacity(1);
        let mut arguments = [0; 6];
        for (slot, argument) in arguments.iter_mut().zip(&self.arguments) {
            *slot = match argument {
                Argument::Number(number) => *number,
                Argument::Memory(bytes) => bytes.as_ptr() as libc::c_long,
                Argument::Filter(bytes) => {
                    let len = u16::try_from(bytes.len() / size_of::<libc::sock_filter>()).map_err(io::Error::other)?;
                    programs.push(libc::sock_fprog { len, filter: bytes.as_ptr().cast_mut().cast() });
                    programs.as_ptr() as libc::c_long
                }
            };
        }
        let [a, b, c, d, e, f] = arguments;
        // SAFETY: the calls are those of `Seal::new`, each with the arguments that its page names; what they point to
        // lives in `self` and `programs`, and the kernel only reads it.
        self.judge(sys::checked(unsafe { libc::syscall(self.number, a, b, c, d, e, f) }))
    }

    /// Its number.
    pub(crate) fn number(&self) -> libc::c_long {
        self.number
    }

    /// Its arguments for another process to make it: `place` puts bytes into that process's memory and says where.
    ///
    /// # Errors
    /// Those of `place`; a filter is none that another process is given.
    pub(crate) fn arguments(
        &self,
        mut place: impl FnMut(&[u8]) -> io::Result<libc::c_long>,
    ) -> io::Result<[libc::c_long; 6]> {
        let mut arguments = [0; 6];
        for (slot, argument) in arguments.iter_mut().zip(&self.arguments) {
            *slot = match argument {
                Argument::Number(number) => *number,
                Argument::Memory(bytes) => place(bytes)?,
                Argument::Filter(_) => return Err(io::ErrorKind::InvalidInput.into()),
            };
        }
        Ok(arguments)
    }

    /// Whether what came of it is what had to come.
    ///
    /// # Errors
    /// The kernel's refusal, or another number than it must be.
    pub(crate) fn judge(&self, made: io::Result<libc::c_long>) -> io::Result<()> {
        match made {
            Err(error) if error.raw_os_error() == self.tolerated => Ok(()),
            Ok(returned) if self.returns.is_some_and(|wanted| returned != libc::c_long::from(wanted)) => {
                Err(io::Error::other("a descriptor has another number than it must have"))
            }
            made => made.map(drop),
        }
    }

    /// One line: `?` if it may fail, `=` and what it must return, or nothing; then its number and arguments, bytes in
    /// hexadecimal.
    fn told(&self) -> String {
        let hex = |bytes: &[u8]| {
            bytes.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
        };
        let condition = match (self.returns, self.tolerated) {
            (Some(returned), _) => format!("={returned}"),
            (None, tolerated) => tolerated.map_or("", |_| "?").to_owned(),
        };
        let mut line = format!("{condition}:n{}", self.number);
        for argument in &self.arguments {
            let _ = match argument {
                Argument::Number(number) => write!(line, ",n{number}"),
                Argument::Memory(bytes) => write!(line, ",m{}", hex(bytes)),
                Argument::Filter(bytes) => write!(line, ",f{}", hex(bytes)),
            };
        }
        line.push('\n');
        line
    }
}

/// Becomes this user of the user namespace that the process is in.
///
/// # Errors
/// The kernel's refusal.
pub(crate) fn become_user(uid: libc::c_long, gid: libc::c_long) -> io::Result<()> {
    let three = |id| vec![Argument::Number(id), Argument::Number(id), Argument::Number(id)];
    make(&[Call::new(libc::SYS_setresgid, three(gid)), Call::new(libc::SYS_setresuid, three(uid))])
}

/// Makes calls, one after the other.
///
/// # Errors
/// The first that was refused.
pub(crate) fn make(calls: &[Call]) -> io::Result<()> {
    calls.iter().try_for_each(Call::make)
}

/// The kernel's last capability, or the last that there can be.
fn last_capability() -> libc::c_long {
    let told = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap_or_default();
    told.trim().parse().unwrap_or(63)
}

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

/// No exec gives anything any more: neither set-user-id bits nor file capabilities.
pub(crate) fn forbid_new_privileges() -> io::Result<()> {
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)
}

/// Dies with the spawner, and shows nobody its memory: it holds the function's environment.
pub(crate) fn bind_life_to_parent() -> io::Result<()> {
    sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0)?;
    sys::prctl(libc::PR_SET_DUMPABLE, 0, 0)
}
