//! PREPARE: a sandbox is born and will seal itself; it knows no function yet.

use super::stock::Parts;
use super::{Cell, Spawner, micros};
use crate::init::{self, Birth};
use crate::protocol::{At, Fault, MountSpec, Report};
use crate::root::{INSIDE_GID, INSIDE_UID};
use crate::{root, sys};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

/// Sandboxes of one instance at once: each has a uid of its own.
const SLOTS_MAX: u32 = 60_000;

/// Everything of its own but the cgroup namespace, which is entered once the cgroup is.
const NAMESPACES: libc::c_int =
    libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// Numbers in use and numbers given back. A number given back is used again last, so that a uid rests.
#[derive(Default)]
pub(super) struct Slots {
    free: std::collections::VecDeque<u32>,
    taken: BTreeSet<u32>,
    next: u32,
}

impl Slots {
    /// A number that is not in use.
    pub(super) fn take(&mut self) -> Option<u32> {
        let slot = if self.next < SLOTS_MAX {
            self.next += 1;
            self.next - 1
        } else {
            self.free.pop_front()?
        };
        self.taken.insert(slot);
        Some(slot)
    }

    /// Gives a number back.
    pub(super) fn give_back(&mut self, slot: u32) {
        if self.taken.remove(&slot) {
            self.free.push_back(slot);
        }
    }
}

impl Spawner {
    /// Makes the sandbox: the report of it, and its descriptors.
    ///
    /// # Errors
    /// The step that failed. What was made is in `cells` or undone.
    pub(super) fn prepare(
        &mut self,
        id: u64,
        egress: bool,
        tmp_bytes: u64,
        waits: bool,
        (mounts, fork, root): (&[MountSpec], bool, Option<&Path>),
        template: bool,
    ) -> Result<(Report, Vec<OwnedFd>), Fault> {
        let began = Instant::now();
        if template {
            self.keepers.build_gate(&self.ground.template, &self.ground.home_mounts)?;
        }
        let Parts { net, group } = self.stock.take(egress)?;
        let made = sys::packet_pair().and_then(|ends| Ok((ends, sys::semaphore()?, sys::semaphore()?)));
        let ((server_end, init_end), go, mounted) = match made {
            Ok(made) => made,
            Err(error) => {
                let _ = group.remove();
                return Err(error).at("make a control socket");
            }
        };
        let Some(slot) = self.slots.take() else {
            let _ = group.remove();
            return Err(std::io::Error::from_raw_os_error(libc::EAGAIN)).at("find a free uid");
        };
        let gate = self.keepers.gate().filter(|_| template).map(|gate| gate.directory.as_fd());
        let birth =
            Birth { tmp_bytes, privileged: self.ground.privileged, seal: &self.ground.seal, adopts: fork, gate };
        let birthplace = group.birthplace();
        let born = birthplace.at("open the cgroup").and_then(|place| {
            self.give_birth(
                net.ns.as_fd(),
                place.as_ref().map(AsFd::as_fd),
                (init_end, go.as_fd(), mounted.as_fd()),
                root,
                &birth,
            )
        });
        let (pid, pidfd) = match born {
            Ok(born) => born,
            Err(fault) => {
                let _ = group.remove();
                self.slots.give_back(slot);
                return Err(fault);
            }
        };
        let name = group.name().to_owned();
        let cell =
            self.cells.entry(id).insert_entry(Cell { pid, pidfd, group, slot, tmp_bytes, foreign: false }).into_mut();
        write_maps(pid, slot, self.ground.uid_base, self.ground.privileged, template)?;
        if self.ground.privileged {
            // Written by root it is also the least that the function can set for itself.
            let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), init::OOM_SCORE);
        }
        // Init mounts meanwhile, and waits for the second word before it makes its cgroup the root of what it sees.
        sys::post(go.as_fd()).at("wake init")?;
        cell.group.enter(pid)?;
        sys::post(go.as_fd()).at("wake init again")?;
        if waits {
            cell.group.give_way()?;
        }
        self.ground.mount_into(cell, mounts, None)?;
        let doors = cell.group.take_doors().at("open the cgroup's door")?;
        let mut streams = None;
        if fork {
            let (ours, theirs) = runtime_ends().at("make a runtime's streams")?;
            let sandbox = (cell.pidfd.as_fd(), mounted.as_fd());
            if self.zygotes.fork(&self.ground, mounts, sandbox, &theirs, &doors) {
                streams = Some(ours);
            }
        }
        let has_egress = net.egress.is_some();
        let mut fds = vec![server_end, net.door];
        if let Some(egress) = net.egress {
            fds.extend([egress.tcp, egress.dns, egress.dns_tcp]);
        }
        let forked = streams.is_some();
        fds.extend(streams.into_iter().flatten());
        Ok((Report::Prepared { id, cgroup: name, egress: has_egress, forked, micros: micros(began) }, fds))
    }

    /// Clones init into the template's mounts, or those of an image, and its own network, and comes back.
    fn give_birth(
        &self,
        net: BorrowedFd<'_>,
        birthplace: Option<BorrowedFd<'_>>,
        (init_end, go, mounted): (OwnedFd, BorrowedFd<'_>, BorrowedFd<'_>),
        root: Option<&Path>,
        birth: &Birth<'_>,
    ) -> Result<(i32, OwnedFd), Fault> {
        let ground = &self.ground;
        // Opened here, where the host's paths are.
        let image = root.map(|tree| root::detach(tree, root::HOST_TREE)).transpose().at("open the image")?;
        sys::setns(ground.template.as_fd(), libc::CLONE_NEWNS).at("enter the template")?;
        // A child in a new user namespace may not enter a network namespace of ours: it must be born in it.
        let rooted = image.map_or(Ok(()), |image| root::stand_on(image.as_fd()));
        let entered = rooted.and_then(|()| sys::setns(net, libc::CLONE_NEWNET).at("enter the network namespace"));
        let born = entered.and_then(|()| {
            // SAFETY: the spawner has one thread.
            #[allow(unsafe_code)]
            unsafe { sys::clone_into(NAMESPACES, birthplace) }.at("clone")
        });
        if let Ok(None) = born {
            init::run(init_end, go, mounted, birth);
        }
        // Away from home nothing works any more: better no spawner than one in a guest's namespace.
        for (home, kind) in [(&ground.home_mounts, libc::CLONE_NEWNS), (&ground.home_net, libc::CLONE_NEWNET)] {
            if sys::setns(home.as_fd(), kind).is_err() {
                std::process::abort();
            }
        }
        match born? {
            Some(born) => Ok(born),
            None => unreachable!("the child never returns from init"),
        }
    }
}

/// What a runtime is given, output, errors, door and log frames, with the other ends before.
pub(super) fn runtime_ends() -> io::Result<([OwnedFd; 4], [OwnedFd; 4])> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
    let ((out, out_inside), (err, err_inside), (frames, frames_inside)) = (pipe()?, pipe()?, pipe()?);
    let (door, door_inside) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    Ok(([out, err, door, frames], [out_inside, err_inside, door_inside, frames_inside]))
}

/// `template`: the users of other sandboxes get a name in it too, the one that they have on the host, so that sandboxes
/// can be made within it. Nothing in it has the power to become one of them.
fn write_maps(pid: i32, slot: u32, base: u32, privileged: bool, template: bool) -> Result<(), Fault> {
    let host = if privileged { base + slot } else { 0 };
    let write = |file: &str, text: String| fs::write(format!("/proc/{pid}/{file}"), text).at(&format!("write {file}"));
    if !privileged {
        write("setgroups", "deny".to_owned())?;
    }
    let others = match (template, slot) {
        (false, _) => String::new(),
        (true, 0) => format!("\n{0} {0} {1}", base + 1, SLOTS_MAX - 1),
        (true, _) => format!("\n{base} {base} {slot}\n{0} {0} {1}", host + 1, SLOTS_MAX - slot),
    };
    write("uid_map", format!("{INSIDE_UID} {host} 1{others}"))?;
    write("gid_map", format!("{INSIDE_GID} {host} 1{others}"))
}
