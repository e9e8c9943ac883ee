//! What server, spawner and init say to each other.
//!
//! ```text
//! server ─ [Request] ─► spawner      JSON: small, and read by a process that never sees a guest's byte
//! server ◄─ [Report] ── spawner      Prepared carries the control socket, the door's listener, the egress sockets
//! server ─ Order ───► init           a private socket per sandbox: the function's secrets never pass the spawner
//! server ◄─ Word ──── init           one byte and up to two numbers
//! ```
//!
//! Requests come in batches and are answered in batches: each message wakes the other side, and on the very
//! processor of its sender, which then waits. Measured: two messages in place of one cost a start 0.3 ms.

use crate::net::ServiceUrls;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// The first message to a spawner: how things are done in this instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// An empty directory that only the spawner uses: mount points in its own mount namespace.
    pub(crate) scratch: PathBuf,
    /// Name of the instance's cgroup: `lacewing-` and a hash of the data dir.
    pub(crate) cgroup: String,
    /// First host uid and gid of the instance's sandboxes; ignored without privileges.
    pub(crate) uid_base: u32,
    /// Network namespaces and cgroups to keep in stock.
    pub(crate) spare: usize,
    /// Where functions find the services of AWS that the platform has not.
    #[serde(default)]
    pub(crate) services: Option<ServiceUrls>,
}

/// Server to spawner.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Make a sealed sandbox that knows no function yet. `waits`: none will come at once, so what runs in it
    /// meanwhile comes after everything else; `mounts` are for that. `fork`: by a zygote with these mounts if there is
    /// one that can. `root`: an image's tree on the host, in the place of the usual root.
    /// `template`: a snapshot will be taken in it.
    Prepare {
        id: u64,
        egress: bool,
        tmp_bytes: u64,
        waits: bool,
        mounts: Vec<MountSpec>,
        fork: bool,
        #[serde(default)]
        template: bool,
        root: Option<PathBuf>,
    },
    /// Take the runtime in it, which waits at `restore/next`, for a template; its copies see `mounts`.
    Attach { id: u64, mounts: Vec<MountSpec> },
    /// Make a sandbox with a copy of the template in sandbox `template`.
    Restore { id: u64, template: u64, egress: bool, bounds: Bounds },
    /// End the template in it. The sandbox stays: copies may live below it.
    Forget { id: u64 },
    /// Put code and limits on it.
    Assign { id: u64, mounts: Vec<MountSpec>, bounds: Bounds },
    /// Kill it and take everything back.
    End { id: u64 },
}

/// A host directory that appears, read-only, inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MountSpec {
    pub(crate) source: PathBuf,
    /// One of the mount points that the root has, such as `/var/task`.
    pub(crate) target: String,
}

/// What a sandbox may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bounds {
    /// The function's memory.
    pub(crate) memory_bytes: u64,
    /// Size of `/tmp`. Its pages are memory to the kernel: the hard limit is the sum of both.
    pub(crate) tmp_bytes: u64,
    /// Processor weight, thousandths of a processor.
    pub(crate) cpu_milli: u32,
    /// True: the weight is also a hard quota.
    pub(crate) cpu_hard: bool,
    /// Processes and threads.
    pub(crate) pids_max: u32,
}

/// Spawner to server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The spawner is set up.
    Ready(Standing),
    /// The sandbox stands; descriptors: control socket, door listener, then egress (TCP, DNS, DNS over TCP) if any,
    /// then if a runtime is being forked into it our ends of its output, errors, door, log frames.
    Prepared { id: u64, cgroup: String, egress: bool, forked: bool, micros: u64 },
    /// Code and limits are in place.
    Assigned { id: u64, micros: u64 },
    /// The runtime is under our hand: it may be let go on to its fork.
    Attached { id: u64 },
    /// It stands before its fork, and can be copied.
    Held { id: u64 },
    /// It cannot be copied: why, in words for its owner.
    NotHeld { id: u64, reason: String },
    /// A step failed; the sandbox, if there was one, has been taken back.
    Failed { id: u64, step: String, errno: i32 },
    /// Nothing is left of it.
    Ended { id: u64 },
}

/// What the spawner found it can do here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// True when it has root's powers over the machine, not only over its own user namespace.
    pub(crate) privileged: bool,
    /// Which cgroup files there are.
    pub(crate) cgroups: crate::cgroup::Layout,
    /// Landlock's ABI version; 0 without.
    pub(crate) landlock: i32,
    /// Why a network namespace with egress could not be made; empty when it could.
    pub(crate) egress_fault: String,
    /// True when entering a cgroup is quick also on an idle machine.
    pub(crate) cgroups_quick: bool,
}

/// Server to init.
#[derive(Debug)]
pub(crate) enum Order {
    /// Start a program. Descriptors: stdout, stderr, and for a runtime with an own door: door, log frames.
    /// One without a slash is looked for in the `PATH` of `env`.
    Exec { who: Who, directory: Vec<u8>, argv: Vec<Vec<u8>>, env: Vec<Vec<u8>> },
    /// Send a signal to that program and what it started in its session.
    Signal { who: Who, signal: u8 },
    /// Kill everything else in the sandbox.
    Reset,
    /// From now on answer each packet on the descriptor that comes with it by a new TCP socket of the sandbox's network.
    MakeSockets,
}

/// One of the programs that init starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Who(pub(crate) u8);

impl Who {
    /// The runtime.
    pub(crate) const RUNTIME: Self = Self(0);

    /// The extension at this place in the order in which they are started.
    pub(crate) fn extension(place: usize) -> Self {
        Self(u8::try_from(place + 1).unwrap_or(u8::MAX))
    }

    /// Its place, if it is an extension.
    pub(crate) fn place(self) -> Option<usize> {
        usize::from(self.0).checked_sub(1)
    }
}

/// Init to server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// Sealed and waiting. Carries a descriptor of `/tmp`.
    Sealed,
    /// Sealing failed at this step (an index into `init::STEPS`).
    SealFailed { step: u8, errno: i32 },
    /// The program could not be executed.
    ExecFailed { who: Who, errno: i32 },
    /// The directory that it should begin in could not be entered.
    NoDirectory { errno: i32 },
    /// It ended; the status is wait(2)'s.
    Ended { who: Who, status: i32 },
    /// Nothing but init is left.
    IsReset,
}

const EXEC: u8 = 1;
const RESET: u8 = 2;
const SIGNAL: u8 = 3;
const MAKE_SOCKETS: u8 = 4;

impl Order {
    /// Compact form: a kind, then texts with their lengths before them.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Reset => vec![RESET],
            Self::MakeSockets => vec![MAKE_SOCKETS],
            Self::Signal { who, signal } => vec![SIGNAL, who.0, *signal],
            Self::Exec { who, directory, argv, env } => {
                let mut bytes = Vec::with_capacity(4_096);
                bytes.extend_from_slice(&[EXEC, who.0]);
                for list in [std::slice::from_ref(directory), argv, env] {
                    bytes.extend_from_slice(&(list.len() as u32).to_le_bytes());
                    for text in list {
                        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
                        bytes.extend_from_slice(text);
                    }
                }
                bytes
            }
        }
    }

    /// The reverse; `None` for what is malformed.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        match *kind {
            RESET => Some(Self::Reset),
            MAKE_SOCKETS => Some(Self::MakeSockets),
            EXEC => {
                let (who, mut rest) = rest.split_first()?;
                let directory = take_list(&mut rest)?.pop()?;
                let (argv, env) = (take_list(&mut rest)?, take_list(&mut rest)?);
                Some(Self::Exec { who: Who(*who), directory, argv, env })
            }
            SIGNAL => match rest {
                [who, signal] => Some(Self::Signal { who: Who(*who), signal: *signal }),
                _ => None,
            },
            _ => None,
        }
    }
}

fn take_number(rest: &mut &[u8]) -> Option<usize> {
    let (number, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    usize::try_from(u32::from_le_bytes(*number)).ok()
}

fn take_list(rest: &mut &[u8]) -> Option<Vec<Vec<u8>>> {
    let count = take_number(rest)?;
    let mut list = Vec::with_capacity(count.min(1_024));
    for _ in 0..count {
        let length = take_number(rest)?;
        let (text, after) = rest.split_at_checked(length)?;
        *rest = after;
        list.push(text.to_vec());
    }
    Some(list)
}

impl Word {
    /// Six bytes: a kind and what belongs to it.
    pub(crate) fn encode(self) -> [u8; 6] {
        let (kind, step, number) = match self {
            Self::Sealed => (1, 0, 0),
            Self::SealFailed { step, errno } => (2, step, errno),
            Self::ExecFailed { who, errno } => (3, who.0, errno),
            Self::Ended { who, status } => (4, who.0, status),
            Self::IsReset => (5, 0, 0),
            Self::NoDirectory { errno } => (6, 0, errno),
        };
        let number = number.to_le_bytes();
        [kind, step, number[0], number[1], number[2], number[3]]
    }

    /// The reverse; `None` for what is malformed.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let [kind, step, number @ ..] = <[u8; 6]>::try_from(bytes).ok()?;
        let number = i32::from_le_bytes(number);
        match kind {
            1 => Some(Self::Sealed),
            2 => Some(Self::SealFailed { step, errno: number }),
            3 => Some(Self::ExecFailed { who: Who(step), errno: number }),
            4 => Some(Self::Ended { who: Who(step), status: number }),
            5 => Some(Self::IsReset),
            6 => Some(Self::NoDirectory { errno: number }),
            _ => None,
        }
    }
}

/// A step of the spawner that failed, by name.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) step: String,
    pub(crate) source: io::Error,
}

/// Names the step that a result belongs to.
pub(crate) trait At<T> {
    /// The same, with an error that says where.
    fn at(self, step: &str) -> Result<T, Fault>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, step: &str) -> Result<T, Fault> {
        self.map_err(|source| Fault { step: step.to_owned(), source })
    }
}

impl Fault {
    /// The kernel's number, or `EIO` where the fault is our own.
    pub(crate) fn errno(&self) -> i32 {
        self.source.raw_os_error().unwrap_or(libc::EIO)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_words_are_read_back_as_they_were_written() {
        let argv = vec![b"/bin/sh".to_vec(), vec![], b"x y".to_vec()];
        let who = Who::extension(2);
        let bytes =
            Order::Exec { who, directory: b"/d".to_vec(), argv: argv.clone(), env: vec![b"A=1".to_vec()] }.encode();
        let Some(Order::Exec { who: to, directory, argv: read, env }) = Order::decode(&bytes) else {
            panic!("an exec")
        };
        assert_eq!(directory, b"/d");
        assert_eq!((to, read, env), (who, argv, vec![b"A=1".to_vec()]));
        assert_eq!((who.place(), Who::RUNTIME.place()), (Some(2), None));
        let signal = Order::Signal { who, signal: 15 }.encode();
        assert!(matches!(Order::decode(&signal), Some(Order::Signal { who: Who(3), signal: 15 })));
        assert!(Order::decode(&signal[..2]).is_none());
        for cut in 0..bytes.len() {
            assert!(Order::decode(&bytes[..cut]).is_none(), "cut at {cut}");
        }
        for word in [
            Word::Sealed,
            Word::SealFailed { step: 3, errno: 1 },
            Word::ExecFailed { who, errno: 2 },
            Word::NoDirectory { errno: 2 },
            Word::Ended { who: Who::RUNTIME, status: 256 },
            Word::IsReset,
        ] {
            assert_eq!(Word::decode(&word.encode()), Some(word));
        }
        assert!(Word::decode(&[9; 6]).is_none() && Word::decode(&[1]).is_none());
    }
}
