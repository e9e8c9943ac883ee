//! Templates and their keepers, as the spawner sees them: it begins them, hands errands on, and tells the server.
//!
//! ```text
//! Attach ──► begun ─ "attached" ─► Attached ─ "held" ─► Held ─┐      Restore ─► an errand ─ "restored" ─► Prepared
//!                └ "not held", or it ends ─► NotHeld          └─ it ends ─► its errands fail, and so do later ones
//! Forget, or the end of the template's sandbox ─► killed, and what it holds with it
//! ```
//!
//! A version that has been started has one copy in spare, made when nothing else is to be done: it stands in its sandbox and
//! waits to be told whose it is, as a runtime that was prepared does.

use super::prepare::runtime_ends;
use super::{Cell, Spawner, micros, report};
use crate::cgroup::Group;
use crate::packet;
use crate::protocol::{At, Bounds, Fault, MountSpec, Report};
use crate::snapshot::{Charge, Errand, Gate, Word, keep};
use crate::{root, sys};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

/// Bytes of a keeper's longest word: a reason that names a file.
const WORD_BYTES_MAX: usize = 16 * 1024;

/// The number of a sandbox that is made in spare: the server begins with 1.
const SPARE: u64 = 0;

/// All there are.
#[derive(Default)]
pub(super) struct Keepers {
    gate: Option<Gate>,
    all: Vec<Keeper>,
    /// Numbers of those that were ended and are not reaped yet.
    ended: Vec<libc::pid_t>,
}

struct Keeper {
    /// The sandbox whose runtime it holds.
    template: u64,
    pid: libc::pid_t,
    pidfd: OwnedFd,
    channel: OwnedFd,
    held: bool,
    /// Copies that it was asked for, in their order.
    errands: VecDeque<Wanted>,
    /// What was asked for last: a spare one is made alike.
    asked: Option<(bool, Bounds)>,
    /// One that stands already, its init's number, and its descriptors.
    spare: Option<(Wanted, i32, Vec<OwnedFd>)>,
}

/// A sandbox that a keeper makes.
struct Wanted {
    id: u64,
    group: Group,
    slot: u32,
    tmp_bytes: u64,
    /// The server's ends: of init's socket, of the runtime's output, errors, door, log frames.
    control: OwnedFd,
    ends: [OwnedFd; 4],
    since: Instant,
    /// True when the server has asked for its end already.
    given_up: bool,
}

impl Keepers {
    /// Builds the gate where there is none yet.
    ///
    /// # Errors
    /// The step that failed.
    pub(super) fn build_gate(&mut self, template: &OwnedFd, home: &OwnedFd) -> Result<(), Fault> {
        if self.gate.is_none() {
            self.gate = Some(Gate::build(template, home)?);
        }
        Ok(())
    }

    /// The gate, once it is built.
    pub(super) fn gate(&self) -> Option<&Gate> {
        self.gate.as_ref()
    }

    /// What tells of their words and their ends, in their order.
    pub(super) fn pollfds(&self) -> impl Iterator<Item = libc::pollfd> {
        self.all.iter().map(|keeper| sys::readable(keeper.channel.as_fd()))
    }

    /// Gives up a sandbox that is being made: it is ended as soon as it stands. False where there is none.
    pub(super) fn give_up(&mut self, id: u64) -> bool {
        let wanted = self.all.iter_mut().flat_map(|keeper| &mut keeper.errands).find(|wanted| wanted.id == id);
        wanted.map(|wanted| wanted.given_up = true).is_some()
    }

    /// Ends the keeper of a template, if there is one.
    fn end(&mut self, template: u64) -> Option<Keeper> {
        let at = self.all.iter().position(|keeper| keeper.template == template)?;
        let keeper = self.all.remove(at);
        let _ = sys::pidfd_kill(keeper.pidfd.as_fd(), libc::SIGKILL);
        self.ended.push(keeper.pid);
        Some(keeper)
    }

    fn reap(&mut self) {
        self.ended.retain(|pid| matches!(sys::reap(*pid, libc::WNOHANG), Ok(None)));
    }

    /// True when a spare one is to be made.
    pub(super) fn lack_any(&self) -> bool {
        self.all.iter().any(Keeper::lacks_spare)
    }
}

impl Keeper {
    fn lacks_spare(&self) -> bool {
        self.held && self.asked.is_some() && self.spare.is_none() && self.errands.is_empty()
    }
}

impl Spawner {
    /// Begins the keeper of a template whose runtime waits at `restore/next`; its copies will see `mounts`.
    ///
    /// # Errors
    /// The step that failed.
    pub(super) fn attach(&mut self, id: u64, mounts: &[MountSpec]) -> Result<(), Fault> {
        let unknown = || io::Error::from_raw_os_error(libc::ESRCH);
        let trees = root::detach_all(mounts)?;
        let cell = self.cells.get(&id).ok_or_else(unknown).at("find the template")?;
        let group = cell.group.processes().at("open the template's group")?;
        let (channel, theirs) = sys::packet_pair().at("make a keeper's socket")?;
        let gate = self.keepers.gate().ok_or_else(unknown).at("find the gate")?;
        let init = cell.pid;
        // SAFETY: the spawner has one thread.
        #[allow(unsafe_code)]
        let Some((pid, pidfd)) = unsafe { sys::clone_into(0, None) }.at("clone a keeper")? else {
            let (mounts, seal) = (gate.mounts.as_fd(), &self.ground.seal);
            keep(Charge { channel: theirs, mounts, trees, init, group, seal });
        };
        let errands = VecDeque::new();
        self.keepers.all.push(Keeper {
            template: id,
            pid,
            pidfd,
            channel,
            held: false,
            errands,
            asked: None,
            spare: None,
        });
        Ok(())
    }

    /// Has a template copied into a new sandbox: told of later.
    ///
    /// # Errors
    /// The step that failed. What was made is undone.
    pub(super) fn restore(&mut self, id: u64, template: u64, egress: bool, bounds: &Bounds) -> Result<(), Fault> {
        let since = Instant::now();
        let asked = (egress, bounds.clone());
        let mut spare = None;
        if let Some(keeper) = self.keepers.all.iter_mut().find(|keeper| keeper.template == template && keeper.held) {
            let alike = keeper.asked.as_ref() == Some(&asked);
            keeper.asked = Some(asked);
            if let (true, Some(coming)) = (alike, keeper.errands.iter_mut().find(|wanted| wanted.id == SPARE)) {
                (coming.id, coming.since) = (id, since);
                return Ok(());
            }
            spare = keeper.spare.take().map(|spare| (spare, alike));
        }
        if let Some(((wanted, init, fds), alike)) = spare {
            // One that has ended since is readable, and no copy of anything any more.
            let ended = |pidfd: &OwnedFd| sys::poll(&mut [sys::readable(pidfd.as_fd())], 0).unwrap_or(true);
            if alike && fds.first().is_some_and(|pidfd| !ended(pidfd)) {
                return self.stands(Wanted { id, since, ..wanted }, init, fds).at("tell of a spare copy");
            }
            self.take_back(wanted, fds.into_iter().next());
        }
        self.begin_copy(id, template, egress, bounds)
    }

    /// Has a copy made in spare, where one is wanted.
    pub(super) fn make_spare(&mut self) {
        let Some(keeper) = self.keepers.all.iter_mut().find(|keeper| keeper.lacks_spare()) else { return };
        let (template, asked) = (keeper.template, keeper.asked.clone());
        if let Some((egress, bounds)) = asked
            && self.begin_copy(SPARE, template, egress, &bounds).is_err()
            && let Some(keeper) = self.keepers.all.iter_mut().find(|keeper| keeper.template == template)
        {
            // The next one that is asked for will meet the fault, and tell of it.
            keeper.asked = None;
        }
    }

    fn begin_copy(&mut self, id: u64, template: u64, egress: bool, bounds: &Bounds) -> Result<(), Fault> {
        let since = Instant::now();
        let unknown = || io::Error::other("the template is gone");
        let found = self.keepers.all.iter_mut().find(|keeper| keeper.template == template && keeper.held);
        let keeper = found.ok_or_else(unknown).at("find the template")?;
        let mut group = self.stock.make_group()?;
        let Some(slot) = self.slots.take() else {
            let _ = group.remove();
            return Err(io::Error::from_raw_os_error(libc::EAGAIN)).at("find a free uid");
        };
        let errand = Errand { user: self.ground.uid_base + slot, egress, tmp_bytes: bounds.tmp_bytes };
        let mut begin = || -> Result<_, Fault> {
            group.bound(bounds)?;
            let (control, init_end) = sys::packet_pair().at("make a control socket")?;
            let (ours, theirs) = runtime_ends().at("make a runtime's streams")?;
            let doors = group.take_doors().at("open the cgroup's door")?;
            let bytes = serde_json::to_vec(&errand).map_err(io::Error::from).at("write an errand")?;
            let fds: Vec<_> = std::iter::once(init_end.as_fd())
                .chain(theirs.iter().map(AsFd::as_fd))
                .chain(doors.iter().map(AsFd::as_fd))
                .collect();
            packet::send(keeper.channel.as_fd(), &bytes, &fds).at("hand on an errand")?;
            Ok((control, ours))
        };
        match begin() {
            Ok((control, ends)) => {
                let tmp_bytes = bounds.tmp_bytes;
                keeper.errands.push_back(Wanted { id, group, slot, tmp_bytes, control, ends, since, given_up: false });
                Ok(())
            }
            Err(fault) => {
                let _ = group.remove();
                self.slots.give_back(slot);
                Err(fault)
            }
        }
    }

    /// Ends the keeper of a template, and with it the process that it holds; the sandbox stays as long as the server
    /// wants it, because copies live below it.
    pub(super) fn forget(&mut self, template: u64) -> io::Result<()> {
        let Some(mut keeper) = self.keepers.end(template) else { return Ok(()) };
        if let Some((wanted, _, fds)) = keeper.spare.take() {
            self.take_back(wanted, fds.into_iter().next());
        }
        for wanted in keeper.errands {
            // What it made of it dies with it; the group is empty then.
            let dies = keeper.pidfd.try_clone()?;
            self.fail(wanted, Some(dies), "wait for the template", libc::ESRCH)?;
        }
        Ok(())
    }

    /// Ends all keepers, and what they have made for nobody.
    pub(super) fn forget_all(&mut self) {
        let templates: Vec<u64> = self.keepers.all.iter().map(|keeper| keeper.template).collect();
        for template in templates {
            let _ = self.forget(template);
        }
        for pid in self.keepers.ended.drain(..) {
            let _ = sys::reap(pid, 0);
        }
    }

    /// Takes in what those keepers have said that `ready` tells of.
    pub(super) fn hear_keepers(&mut self, ready: &[libc::pollfd]) -> io::Result<()> {
        for polled in ready.iter().filter(|polled| polled.revents != 0) {
            let of = |keeper: &Keeper| keeper.channel.as_raw_fd() == polled.fd;
            let Some(at) = self.keepers.all.iter().position(of) else { continue };
            let mut buffer = vec![0; WORD_BYTES_MAX];
            let heard = packet::receive(self.keepers.all[at].channel.as_fd(), &mut buffer);
            let word = match heard {
                Ok(Some((length, fds))) => serde_json::from_slice(&buffer[..length]).ok().map(|word| (word, fds)),
                _ => None,
            };
            self.heed(at, word)?;
        }
        self.keepers.reap();
        Ok(())
    }

    fn heed(&mut self, at: usize, word: Option<(Word, Vec<OwnedFd>)>) -> io::Result<()> {
        let keeper = &mut self.keepers.all[at];
        let (id, held) = (keeper.template, keeper.held);
        match word {
            Some((Word::Attached, _)) => report(self.server.as_fd(), &[Report::Attached { id }], &[]),
            Some((Word::Held, _)) => {
                keeper.held = true;
                report(self.server.as_fd(), &[Report::Held { id }], &[])
            }
            Some((Word::NotHeld(reason), _)) => {
                self.forget(id)?;
                report(self.server.as_fd(), &[Report::NotHeld { id, reason }], &[])
            }
            Some((Word::Restored { init }, fds)) => match keeper.errands.pop_front() {
                Some(wanted) if wanted.id == SPARE => {
                    keeper.spare = Some((wanted, init, fds));
                    Ok(())
                }
                Some(wanted) => self.stands(wanted, init, fds),
                None => Ok(()),
            },
            Some((Word::NotRestored { step, errno }, fds)) => match keeper.errands.pop_front() {
                Some(wanted) if wanted.id == SPARE => {
                    keeper.asked = None;
                    self.take_back(wanted, fds.into_iter().next());
                    Ok(())
                }
                Some(wanted) => self.fail(wanted, fds.into_iter().next(), &step, errno),
                None => Ok(()),
            },
            None => {
                self.forget(id)?;
                let reason = "its process was ended, or did not come to rest in time".to_owned();
                let lost = Report::NotHeld { id, reason };
                if held { Ok(()) } else { report(self.server.as_fd(), &[lost], &[]) }
            }
        }
    }

    fn stands(&mut self, wanted: Wanted, pid: i32, fds: Vec<OwnedFd>) -> io::Result<()> {
        let Wanted { id, group, slot, tmp_bytes, control, ends, since, given_up } = wanted;
        let mut fds = fds.into_iter();
        let Some(pidfd) = fds.next() else { return Ok(()) };
        let cgroup = group.name().to_owned();
        self.cells.insert(id, Cell { pid, pidfd, group, slot, tmp_bytes, foreign: true });
        if given_up {
            drop(self.begin_end(id));
            return Ok(());
        }
        let sockets: Vec<OwnedFd> = fds.collect();
        let egress = sockets.len() > 1;
        let given: Vec<_> =
            std::iter::once(control.as_fd()).chain(sockets.iter().chain(&ends).map(AsFd::as_fd)).collect();
        let prepared = Report::Prepared { id, cgroup, egress, forked: true, micros: micros(since) };
        report(self.server.as_fd(), &[prepared], &given)
    }

    fn fail(&mut self, wanted: Wanted, init: Option<OwnedFd>, step: &str, errno: i32) -> io::Result<()> {
        let id = wanted.id;
        self.take_back(wanted, init);
        if id == SPARE {
            return Ok(());
        }
        report(self.server.as_fd(), &[Report::Failed { id, step: step.to_owned(), errno }], &[])
    }

    /// Gives back what was taken for a sandbox that is nobody's, once its init, if there is one, is dead.
    fn take_back(&mut self, wanted: Wanted, init: Option<OwnedFd>) {
        let Wanted { id, group, slot, tmp_bytes, .. } = wanted;
        match init {
            Some(pidfd) => self.kill(id, Cell { pid: 0, pidfd, group, slot, tmp_bytes, foreign: true }, false),
            None => {
                let _ = group.remove();
                self.slots.give_back(slot);
            }
        }
    }
}
