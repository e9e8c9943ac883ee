//! Zygotes: interpreters that were booted once, outside of every sandbox, and fork the runtime of a new sandbox in a
//! tenth of the time that a boot takes. No function's code ever runs in one.
//!
//! ```text
//! wanted ─ begin ─► boots ─ "ready" ─► serves forks ─ after FORKS_MAX ─► a younger one is begun ─ ready ─► retires
//!                      └ ends ─► forgotten; starts boot their own runtime meanwhile
//! ```
//!
//! Its children share what it drew at random when it began: where its memory lies, and the seed of Python's hashes.
//! That is why it is renewed. See `docs/decisions/0012-python-from-a-zygote.md`.
#![allow(unsafe_code)]

use super::setup::Ground;
use crate::protocol::{At, Fault, MountSpec};
use crate::{init, packet, root, seal, sys};
use lacewing_runtime_api::{launch, waiting};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

/// Forks of one zygote: so many sandboxes share its places in memory.
const FORKS_MAX: u32 = 1_000;
/// Where it finds its socket, after standard input, output and errors.
const CHANNEL: RawFd = 3;
/// The lowest descriptor that a runtime which it forks does not use: it has its door and its log where the zygote has
/// its socket and the way home.
const FREE: RawFd = 5;
/// Descriptors are put here before they are put there.
const PARKED_FROM: RawFd = 100;
/// What asks it to fork.
const FORK: &[u8] = b"+";

/// All there are: of each kind the one that serves and perhaps the next.
#[derive(Default)]
pub(super) struct Zygotes {
    all: Vec<Zygote>,
    /// Pids of those that were let go and are not reaped yet.
    retired: Vec<libc::pid_t>,
    /// What cannot be begun here, and is not tried again.
    refused: Vec<Vec<MountSpec>>,
}

struct Zygote {
    /// What it sees in place of what a sandbox would: its interpreter among it.
    mounts: Vec<MountSpec>,
    pid: libc::pid_t,
    pidfd: OwnedFd,
    channel: OwnedFd,
    ready: bool,
    forks: u32,
}

impl Zygotes {
    /// Has a runtime forked into the sandbox whose init is behind `init` and counts on `mounted`; it gets `ends` as its
    /// descriptors from 1 on and enters the cgroups through `doors`. False when none can fork now: one may be begun then.
    pub(super) fn fork(
        &mut self,
        ground: &Ground,
        mounts: &[MountSpec],
        (init, mounted): (BorrowedFd<'_>, BorrowedFd<'_>),
        ends: &[OwnedFd; 4],
        doors: &[std::fs::File],
    ) -> bool {
        let of_kind = |zygote: &&mut Zygote| zygote.mounts == mounts;
        let served = self.all.iter_mut().filter(of_kind).filter(|zygote| zygote.ready).any(|zygote| {
            let fds: Vec<_> = [init, mounted]
                .into_iter()
                .chain(ends.iter().map(AsFd::as_fd))
                .chain(doors.iter().map(AsFd::as_fd))
                .collect();
            zygote.forks += 1;
            packet::send(zygote.channel.as_fd(), FORK, &fds).is_ok()
        });
        let young = self.all.iter().any(|zygote| zygote.mounts == mounts && zygote.forks < FORKS_MAX);
        if !young && !self.refused.iter().any(|refused| refused == mounts) {
            match Zygote::begin(ground, mounts) {
                Ok(zygote) => self.all.push(zygote),
                Err(fault) => {
                    tracing::warn!(step = %fault.step, error = %fault.source, "Python is booted for each start");
                    self.refused.push(mounts.to_vec());
                }
            }
        }
        served
    }

    /// What tells of their readiness and their ends, in their order.
    pub(super) fn pollfds(&self) -> impl Iterator<Item = libc::pollfd> {
        self.all.iter().map(|zygote| sys::readable(zygote.channel.as_fd()))
    }

    /// Takes in what those have said that `ready` tells of.
    pub(super) fn hear(&mut self, ready: &[libc::pollfd]) {
        for polled in ready.iter().filter(|polled| polled.revents != 0) {
            let Some(at) = self.all.iter().position(|zygote| zygote.channel.as_raw_fd() == polled.fd) else { continue };
            if matches!(packet::receive(self.all[at].channel.as_fd(), &mut [0; 16]), Ok(Some(_))) {
                self.all[at].ready = true;
                // The elder of its kind has served.
                let same = |zygote: &Zygote| zygote.mounts == self.all[at].mounts;
                if let Some(elder) = self.all[..at].iter().position(same) {
                    self.retire(elder);
                }
            } else {
                if !self.all[at].ready {
                    tracing::warn!("a zygote ended before it was ready; Python is booted for each start");
                    self.refused.push(self.all[at].mounts.clone());
                }
                self.retire(at);
            }
        }
        self.retired.retain(|pid| matches!(sys::reap(*pid, libc::WNOHANG), Ok(None)));
    }

    fn retire(&mut self, at: usize) {
        // It ends when its channel does; killed it is gone at once, and a child that it is about to fork with it.
        let zygote = self.all.remove(at);
        self.retired.push(zygote.pid);
    }

    /// Ends all.
    pub(super) fn end_all(&mut self) {
        for zygote in self.all.drain(..) {
            let _ = sys::pidfd_kill(zygote.pidfd.as_fd(), libc::SIGKILL);
            self.retired.push(zygote.pid);
        }
        for pid in self.retired.drain(..) {
            let _ = sys::reap(pid, 0);
        }
    }
}

impl Zygote {
    fn begin(ground: &Ground, mounts: &[MountSpec]) -> Result<Self, Fault> {
        if !ground.privileged {
            let reason = io::Error::other("a zygote needs root");
            return Err(reason).at("begin a zygote");
        }
        let trees = root::detach_all(mounts)?;
        let (channel, theirs) = sys::packet_pair().at("make a zygote's socket")?;
        // Its output is a pipe from the start, as that of every runtime: what it remembers of it must hold for them.
        let (_, output) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(io::Error::from)
            .at("make a zygote's output")?;
        let text = |text: &str| CString::new(text).map_err(io::Error::from).at("name the interpreter");
        let argv = launch::PYTHON.iter().map(|part| text(part)).collect::<Result<Vec<_>, _>>()?;
        let env = waiting::zygote_environment().into_iter().map(|(name, value)| text(&format!("{name}={value}")));
        let program = sys::Program::new(argv, env.collect::<Result<Vec<_>, _>>()?);
        // SAFETY: the spawner has one thread.
        let Some((pid, pidfd)) = unsafe { sys::clone_into(libc::CLONE_NEWNS, None) }.at("clone a zygote")? else {
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                become_zygote(ground, &trees, theirs.as_raw_fd(), output.as_raw_fd()).map(|()| program.execute())
            }));
            sys::exit_now(1);
        };
        drop(theirs);
        rustix::io::ioctl_fionbio(&channel, true).map_err(io::Error::from).at("set up a zygote's socket")?;
        for told in [libc::SYS_setns.to_string(), ground.seal.for_zygote(FREE)] {
            packet::send(channel.as_fd(), told.as_bytes(), &[]).at("tell a zygote how to seal")?;
        }
        Ok(Self { mounts: mounts.to_vec(), pid, pidfd, channel, ready: false, forks: 0 })
    }
}

/// In the child: everything that its own children shall have from it.
fn become_zygote(ground: &Ground, trees: &[(OwnedFd, CString)], channel: RawFd, output: RawFd) -> io::Result<()> {
    sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0)?;
    let _ = std::fs::write("/proc/self/oom_score_adj", init::OOM_SCORE);
    sys::setns(ground.template.as_fd(), libc::CLONE_NEWNS)?;
    sys::unshare(libc::CLONE_NEWNS)?;
    for (tree, target) in trees {
        sys::move_mount(tree.as_fd(), target)?;
    }
    std::env::set_current_dir("/var/task")?;
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?.into_raw_fd();
    // Above every target first, so that no target is a source still needed.
    let parked = [null, output, output, channel].map(|fd| {
        // SAFETY: integers only.
        sys::checked(libc::c_long::from(unsafe { libc::fcntl(fd, libc::F_DUPFD, PARKED_FROM) }))
    });
    for (target, from) in parked.into_iter().enumerate() {
        // SAFETY: integers only; what lay at the targets was the spawner's, of which this process is a copy.
        sys::checked(libc::c_long::from(unsafe { libc::dup2(from? as i32, target as i32) }))?;
    }
    sys::close_from(CHANNEL + 1);
    init::stand_alone();
    init::forget_signals();
    seal::limit_resources(init::PROCESSES_MAX)?;
    seal::forbid_new_privileges()
}
