//! The sandbox of a copy: made by our own code as any other, but within the template's user namespace.
//!
//! ```text
//! keeper ─ forks ─► helper    enters the template's user namespace, takes its user: what it makes belongs to that user
//!                     └ clones ─► init    all namespaces new; waits for its user map; makes its network; seals itself
//! ```
//!
//! By the kernel's rule a process of the template's user namespace that has the owner's user may do in the new one what
//! root may. The template's copy is such a process, for as long as it stands under our hand and only then: it goes in,
//! becomes another user there, and has no power over anything any more.

use super::gate::{PROC, ROOT};
use super::moving::LOOK_AGAIN;
use crate::init::{self, Birth};
use crate::net::{self, NetNs};
use crate::root::{INSIDE_GID, INSIDE_UID};
use crate::seal::{self, Seal};
use crate::{packet, sys};
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Everything of its own but the cgroup namespace. All of them belong to the new user namespace: a copy could not enter
/// others.
const NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWNET;

/// What a new sandbox is made from.
pub(super) struct Plan<'a> {
    /// The template's user namespace.
    pub(super) users: BorrowedFd<'a>,
    pub(super) seal: &'a Seal,
    /// Its host user and group.
    pub(super) user: u32,
    pub(super) tmp_bytes: u64,
    /// The host's own addresses, where it has a way out.
    pub(super) host: Option<Vec<Ipv4Addr>>,
    /// Init's end of the private socket to the server.
    pub(super) control: OwnedFd,
}

/// A sandbox that was born.
pub(super) struct Nested {
    /// Init's number on the host.
    pub(super) pid: libc::pid_t,
    pub(super) pidfd: OwnedFd,
    /// Counts our steps for init.
    go: OwnedFd,
    /// Counts its mounts for us.
    mounted: OwnedFd,
    /// Brings its sockets.
    channel: OwnedFd,
}

impl Nested {
    /// Begins one; it waits for [`Nested::go`]. To be called by a process that lives where the gate is and whose children
    /// are born in the template's pid namespace.
    ///
    /// # Errors
    /// The kernel's refusal. Nothing is left of it.
    pub(super) fn bear(plan: Plan<'_>) -> io::Result<Self> {
        let (channel, theirs) = sys::packet_pair()?;
        let (go, mounted) = (sys::semaphore()?, sys::semaphore()?);
        let (users, user) = (plan.users, plan.user);
        // SAFETY: this process has one thread.
        #[allow(unsafe_code)]
        let helper = unsafe { sys::clone_into(0, None) }?;
        let Some((helper, _)) = helper else {
            let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                become_template_user(users)?;
                // SAFETY: as above.
                #[allow(unsafe_code)]
                match unsafe { sys::clone_into(NAMESPACES, None) }? {
                    None => live(plan, theirs.as_fd(), go.as_fd(), mounted.as_fd()),
                    Some((_, pidfd)) => or_kill(pidfd.as_fd(), || {
                        let pid = host_pid(pidfd.as_fd())?;
                        map(pid, "uid_map", INSIDE_UID, user)?;
                        map(pid, "gid_map", INSIDE_GID, user)?;
                        packet::send(theirs.as_fd(), &0_i32.to_ne_bytes(), &[pidfd.as_fd()])
                    }),
                }
            }));
            if let Ok(Err(error)) = &made {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                let _ = packet::send(theirs.as_fd(), &errno.to_ne_bytes(), &[]);
            }
            sys::exit_now(i32::from(!matches!(made, Ok(Ok(())))));
        };
        drop((theirs, plan));
        // Init's life is bound to its parent's later on, which must be the template's init by then.
        sys::reap(helper, 0)?;
        let pidfd = take_one(channel.as_fd())?.pop().ok_or(io::ErrorKind::UnexpectedEof)?;
        let pid = or_kill(pidfd.as_fd(), || host_pid(pidfd.as_fd()))?;
        Ok(Self { pid, pidfd, go, mounted, channel })
    }

    /// Lets init begin, and after its first step that waits for us. Its group must be its own by now.
    pub(super) fn go(&self) -> io::Result<()> {
        // Once for the network, then as for every init: the user map, the group.
        (0..3).try_for_each(|_| sys::post(self.go.as_fd()))
    }

    /// The namespaces that a copy must enter, in the order in which it can.
    pub(super) fn namespaces(&self) -> io::Result<Vec<(OwnedFd, libc::c_int)>> {
        let all = [
            ("user", libc::CLONE_NEWUSER),
            ("mnt", libc::CLONE_NEWNS),
            ("net", libc::CLONE_NEWNET),
            ("ipc", libc::CLONE_NEWIPC),
            ("uts", libc::CLONE_NEWUTS),
            ("pid", libc::CLONE_NEWPID),
        ];
        all.into_iter()
            .map(|(name, kind)| Ok((fs::File::open(format!("{PROC}/{}/ns/{name}", self.pid))?.into(), kind)))
            .collect()
    }

    /// Waits for its sockets: the door's listener, then those of the way out if it has one.
    pub(super) fn sockets(&self) -> io::Result<Vec<OwnedFd>> {
        take_one(self.channel.as_fd())
    }

    /// Waits until its mounts are there.
    pub(super) fn mounts_are_there(&self) -> io::Result<()> {
        let mut ready = [sys::readable(self.mounted.as_fd()), sys::readable(self.pidfd.as_fd())];
        sys::poll(&mut ready, -1)?;
        if ready[0].revents == 0 { Err(io::Error::other("the new sandbox's init ended")) } else { Ok(()) }
    }

    /// Waits until init has sealed itself, by what the kernel says: its filter is the last thing that it does.
    pub(super) fn is_sealed(&self) -> io::Result<()> {
        loop {
            let status = fs::read_to_string(format!("{PROC}/{}/status", self.pid))?;
            match status.lines().find_map(|line| line.strip_prefix("Seccomp:")).map(str::trim) {
                Some("2") => return Ok(()),
                Some(_) => std::thread::sleep(LOOK_AGAIN),
                None => return Err(io::Error::other("the new sandbox's init ended")),
            }
        }
    }
}

/// In the helper: becomes the user that the template is, in its user namespace. The powers there stay.
fn become_template_user(users: BorrowedFd<'_>) -> io::Result<()> {
    sys::setns(users, libc::CLONE_NEWUSER)?;
    let (uid, gid) = (libc::c_long::from(INSIDE_UID), libc::c_long::from(INSIDE_GID));
    seal::become_user(uid, gid)?;
    // Else the child's map would belong to the host's root, which is nobody here.
    sys::prctl(libc::PR_SET_DUMPABLE, 1, 0)
}

fn map(pid: libc::pid_t, file: &str, inside: u32, host: u32) -> io::Result<()> {
    fs::write(format!("{PROC}/{pid}/{file}"), format!("{inside} {host} 1"))
}

/// In init: the network first, then as any other init.
fn live(plan: Plan<'_>, channel: BorrowedFd<'_>, go: BorrowedFd<'_>, mounted: BorrowedFd<'_>) -> ! {
    let stand = || -> io::Result<NetNs> {
        rustix::io::read(go, &mut [0; 8])?;
        sys::chroot(ROOT)?;
        std::env::set_current_dir("/")?;
        net::furnish_netns(plan.host.as_deref())
    };
    match stand() {
        Ok(net) => {
            let mut fds = vec![net.door.as_fd()];
            if let Some(egress) = &net.egress {
                fds.extend([egress.tcp.as_fd(), egress.dns.as_fd(), egress.dns_tcp.as_fd()]);
            }
            if packet::send(channel, &0_i32.to_ne_bytes(), &fds).is_err() {
                sys::exit_now(1);
            }
        }
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            let _ = packet::send(channel, &errno.to_ne_bytes(), &[]);
            sys::exit_now(1);
        }
    }
    let birth = Birth { tmp_bytes: plan.tmp_bytes, privileged: true, seal: plan.seal, adopts: true, gate: None };
    init::run(plan.control, go, mounted, &birth)
}

/// What `step` returns. Where it fails the process behind `pidfd` is ended: it would wait for ever.
fn or_kill<T>(pidfd: BorrowedFd<'_>, step: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    step().inspect_err(|_| drop(sys::pidfd_kill(pidfd, libc::SIGKILL)))
}

/// One message: descriptors, or the number of an error.
fn take_one(channel: BorrowedFd<'_>) -> io::Result<Vec<OwnedFd>> {
    let mut errno = [0; 4];
    match packet::receive(channel, &mut errno)? {
        None => Err(io::ErrorKind::UnexpectedEof.into()),
        Some((_, fds)) => match i32::from_ne_bytes(errno) {
            0 => Ok(fds),
            errno => Err(io::Error::from_raw_os_error(errno)),
        },
    }
}

/// The number on the host of the process behind `pidfd`.
fn host_pid(pidfd: BorrowedFd<'_>) -> io::Result<libc::pid_t> {
    use std::os::fd::AsRawFd;
    let about = fs::read_to_string(format!("{PROC}/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    let pid = about.lines().find_map(|line| line.strip_prefix("Pid:")).and_then(|pid| pid.trim().parse().ok());
    pid.filter(|pid| *pid > 0).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
}
