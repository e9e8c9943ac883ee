//! The keeper of a template: takes a runtime that has finished INIT under its hand, and makes copies of it.
#![allow(unsafe_code)]

use super::gate::{self, PROC};
use super::judge::{self, Belongings};
use super::luggage;
use super::moving::Template;
use super::nested::{Nested, Plan};
use crate::seal::Seal;
use crate::{init, net, packet, sys};
use serde::{Deserialize, Serialize};
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;

/// Seconds that a runtime may take from `restore/next` to its fork: libraries end their threads before one.
const FORK_SECONDS_MAX: libc::c_uint = 30;
/// Seconds that a copy may take. Over it the template is given up.
const COPY_SECONDS_MAX: libc::c_uint = 10;
/// Descriptors of its own, from 3 on, where nothing that it makes later can lie.
const CHANNEL: RawFd = 3;
/// Descriptors are put here before they are put there.
const PARKED_FROM: RawFd = 100;
/// The group's processes, bytes: two of them in the good case.
const GROUP_BYTES_MAX: usize = 4_096;

/// What a keeper is begun with.
pub(crate) struct Charge<'a> {
    /// To the spawner.
    pub(crate) channel: OwnedFd,
    /// Where the gate is.
    pub(crate) mounts: BorrowedFd<'a>,
    /// What is mounted for the function, and where.
    pub(crate) trees: Vec<(OwnedFd, CString)>,
    /// The init of the template's sandbox.
    pub(crate) init: libc::pid_t,
    /// `cgroup.procs` of its group.
    pub(crate) group: File,
    pub(crate) seal: &'a Seal,
}

/// Spawner to keeper. Descriptors: init's end of its control socket; the runtime's output, errors, door, log frames; a
/// door for each hierarchy of cgroups.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Errand {
    /// Host user and group of the new sandbox.
    pub(crate) user: u32,
    pub(crate) egress: bool,
    pub(crate) tmp_bytes: u64,
}

/// Keeper to spawner.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    /// The runtime is under its hand and may be let go on.
    Attached,
    /// It stands before its fork.
    Held,
    /// It cannot be forked: why. The keeper ends, and the runtime with it.
    NotHeld(String),
    /// A copy runs in its sandbox. Its init; descriptors: of that, then the door's listener, then those of the way out.
    Restored { init: i32 },
    /// It does not. Carries the init's descriptor where there was one: it has been killed.
    NotRestored { step: String, errno: i32 },
}

/// What a keeper works with.
struct Keeper<'a> {
    channel: OwnedFd,
    /// The template's user namespace.
    users: OwnedFd,
    group: File,
    tmp: OwnedFd,
    init: libc::pid_t,
    seal: &'a Seal,
}

/// Runs as a keeper, in a copy of the spawner, and never returns.
pub(crate) fn keep(charge: Charge<'_>) -> ! {
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        if let Ok(keeper) = Keeper::settle(charge) {
            keeper.live();
        }
    }));
    sys::exit_now(1)
}

impl<'a> Keeper<'a> {
    /// Goes where the gate is, and has what it makes from now on born in the template's pid namespace.
    fn settle(charge: Charge<'a>) -> io::Result<Self> {
        sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0)?;
        rustix::thread::set_name(c"lacewing-snap")?;
        let Charge { channel, mounts, trees, init, group, seal } = charge;
        sys::setns(mounts, libc::CLONE_NEWNS)?;
        sys::unshare(libc::CLONE_NEWNS)?;
        for (tree, target) in trees {
            let below = [gate::ROOT.to_bytes(), target.to_bytes()].concat();
            sys::move_mount(tree.as_fd(), &CString::new(below)?)?;
        }
        let users: OwnedFd = File::open(format!("{PROC}/{init}/ns/user"))?.into();
        let pids = File::open(format!("{PROC}/{init}/ns/pid"))?;
        sys::setns(pids.as_fd(), libc::CLONE_NEWPID)?;
        drop(pids);
        let tmp = luggage::tmp_of(init)?;
        let own = [channel, users, group.into(), tmp].map(|fd| {
            // SAFETY: integers only.
            sys::checked(libc::c_long::from(unsafe { libc::fcntl(fd.into_raw_fd(), libc::F_DUPFD, PARKED_FROM) }))
        });
        let mut at = CHANNEL;
        let mut settled = Vec::with_capacity(own.len());
        for fd in own {
            // SAFETY: integers only; what lay there was the spawner's, of which this process is a copy.
            sys::checked(libc::c_long::from(unsafe { libc::dup3(fd? as RawFd, at, libc::O_CLOEXEC) }))?;
            // SAFETY: it has just been made, and is this value's alone.
            settled.push(unsafe { OwnedFd::from_raw_fd(at) });
            at += 1;
        }
        sys::close_from(at);
        let settled: [OwnedFd; 4] = settled.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
        let [channel, users, group, tmp] = settled;
        Ok(Self { channel, users, group: group.into(), tmp, init, seal })
    }

    fn live(&self) {
        let (template, belongings) = match self.hold() {
            Ok(held) => held,
            Err(reason) => return drop(self.say(&Word::NotHeld(reason), &[])),
        };
        let luggage = !luggage::is_empty(self.tmp.as_fd()).unwrap_or(false);
        if self.say(&Word::Held, &[]).is_err() {
            return;
        }
        let mut buffer = [0; 1_024];
        while let Ok(Some((length, fds))) = packet::receive(self.channel.as_fd(), &mut buffer) {
            let Ok(errand) = serde_json::from_slice(&buffer[..length]) else { return };
            give_up_after(COPY_SECONDS_MAX);
            let said = self.run(&errand, fds, &template, &belongings, luggage);
            give_up_after(0);
            if said.is_err() {
                return;
            }
        }
    }

    /// Takes the runtime, and follows it to where it can be forked.
    fn hold(&self) -> Result<(Template, Belongings), String> {
        let lost = |error: io::Error| format!("its process was lost: {error}");
        give_up_after(FORK_SECONDS_MAX);
        let runtime = self.runtime()?;
        let seized = Template::seize(runtime).map_err(|error| match error.raw_os_error() {
            Some(libc::EPERM) => "this host does not let the server look into its sandboxes (ptrace)".to_owned(),
            _ => lost(error),
        })?;
        self.say(&Word::Attached, &[]).map_err(lost)?;
        let template = Template::await_fork(seized)?;
        let belongings = judge::judge(template.pid(), &self.processes().map_err(lost)?)?;
        give_up_after(0);
        Ok((template, belongings))
    }

    /// The process in the sandbox that is not its init.
    fn runtime(&self) -> Result<libc::pid_t, String> {
        let processes = self.processes().map_err(|error| format!("its group cannot be read: {error}"))?;
        let others: Vec<_> = processes.into_iter().filter(|pid| *pid != self.init).collect();
        match others[..] {
            [runtime] => Ok(runtime),
            [] => Err("its process ended".to_owned()),
            [..] => Err(format!("INIT left {} child processes running", others.len() - 1)),
        }
    }

    /// All processes of the template's sandbox, init among them.
    fn processes(&self) -> io::Result<Vec<libc::pid_t>> {
        let mut text = [0; GROUP_BYTES_MAX];
        let length = self.group.read_at(&mut text, 0)?;
        Ok(String::from_utf8_lossy(&text[..length]).lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Makes one copy and tells of it.
    ///
    /// # Errors
    /// The spawner is gone, or the template is: nothing can be made any more.
    fn run(
        &self,
        errand: &Errand,
        fds: Vec<OwnedFd>,
        template: &Template,
        belongings: &Belongings,
        luggage: bool,
    ) -> io::Result<()> {
        let mut born = None;
        match self.copy(errand, fds, (template, belongings, luggage), &mut born) {
            Ok((init, sockets)) => {
                let pidfd = born.as_ref().map(|nested: &Nested| nested.pidfd.as_fd());
                let given: Vec<BorrowedFd<'_>> = pidfd.into_iter().chain(sockets.iter().map(AsFd::as_fd)).collect();
                self.say(&Word::Restored { init }, &given)
            }
            Err((step, error)) => {
                let pidfd = born.as_ref().map(|nested| nested.pidfd.as_fd());
                if let Some(init) = pidfd {
                    let _ = sys::pidfd_kill(init, libc::SIGKILL);
                }
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                let step = if error.raw_os_error().is_some() { step.to_owned() } else { format!("{step} ({error})") };
                let given: Vec<_> = pidfd.into_iter().collect();
                self.say(&Word::NotRestored { step, errno }, &given)?;
                if template.stands() { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
            }
        }
    }

    fn copy(
        &self,
        errand: &Errand,
        fds: Vec<OwnedFd>,
        (template, belongings, luggage): (&Template, &Belongings, bool),
        born: &mut Option<Nested>,
    ) -> Result<(libc::pid_t, Vec<OwnedFd>), (&'static str, io::Error)> {
        fn at<T>(step: &'static str, result: io::Result<T>) -> Result<T, (&'static str, io::Error)> {
            result.map_err(|error| (step, error))
        }
        let mut fds = fds.into_iter();
        let control = at("read the errand", fds.next().ok_or_else(|| io::ErrorKind::InvalidInput.into()))?;
        let ends: Vec<OwnedFd> = fds.by_ref().take(judge::OURS.count()).collect();
        let doors: Vec<OwnedFd> = fds.collect();
        let host = errand.egress.then(net::host_addresses).transpose();
        let plan = Plan {
            users: self.users.as_fd(),
            seal: self.seal,
            user: errand.user,
            tmp_bytes: errand.tmp_bytes,
            host: at("read the host's addresses", host)?,
            control,
        };
        let nested = &*born.insert(at("make its sandbox", Nested::bear(plan))?);
        let _ = fs::write(format!("{PROC}/{}/oom_score_adj", nested.pid), init::OOM_SCORE);
        let enter = |pid: libc::pid_t| {
            let pid = pid.to_string();
            doors.iter().try_for_each(|door| rustix::io::write(door, pid.as_bytes()).map(drop).map_err(io::Error::from))
        };
        at("enter its cgroups", enter(nested.pid).and_then(|()| nested.go()))?;
        let copy = at("fork the template", template.copy())?;
        let moved = at("enter its sandbox", template.move_into(nested, copy, &ends, enter))?;
        let sockets = at("make its network", nested.sockets())?;
        at("mount what is its own", nested.mounts_are_there())?;
        if luggage {
            let carried =
                luggage::tmp_of(nested.pid).and_then(|to| luggage::carry(&self.tmp, &to, errand.user, &doors));
            at("copy /tmp", carried)?;
        }
        at("seal its init", nested.is_sealed())?;
        at("seal it", template.release(moved, self.seal, belongings))?;
        Ok((nested.pid, sockets))
    }

    fn say(&self, word: &Word, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        packet::send(self.channel.as_fd(), &serde_json::to_vec(word)?, fds)
    }
}

/// Ends this process after so many seconds, and with it what it holds; never for 0.
fn give_up_after(seconds: libc::c_uint) {
    // SAFETY: an integer; the signal has no handler here, so it ends the process.
    unsafe { libc::alarm(seconds) };
}
