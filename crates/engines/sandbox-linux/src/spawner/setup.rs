//! What the spawner does once, before the first sandbox.

use super::stock::Stock;
use crate::cgroup::{self, Layout};
use crate::protocol::{At, Fault, Setup, Standing};
use crate::seal::Seal;
use crate::seccomp::Filter;
use crate::{landlock, net, root, sys};
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};

/// Where the spawner stands: its namespaces, and what every sandbox is made with.
pub(super) struct Ground {
    /// The host's mounts, private.
    pub(super) home_mounts: OwnedFd,
    /// Nothing but a function's root.
    pub(super) template: OwnedFd,
    /// The network namespace to come back to.
    pub(super) home_net: OwnedFd,
    pub(super) layout: Layout,
    pub(super) instance: String,
    pub(super) uid_base: u32,
    pub(super) privileged: bool,
    pub(super) seal: Seal,
}

/// Takes its stand.
///
/// # Errors
/// The step without which no sandbox can be made.
pub(super) fn stand(setup: Setup) -> Result<(Ground, Standing, Stock), Fault> {
    let privileged = rustix::process::geteuid().is_root() && has_machine_powers();
    let _ = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // Before anything else: cgroups are judged as the user that we are outside.
    let layout = Layout::detect();
    let cgroup_fault = layout.make_instance(&setup.cgroup);
    if !privileged {
        enter_user_namespace()?;
        // The host's network namespace is not ours to come back to; an empty one of our own is.
        sys::unshare(libc::CLONE_NEWNET).at("unshare the network namespace")?;
    }
    sys::unshare(libc::CLONE_NEWNS).at("unshare the mount namespace")?;
    sys::mount(c"none", c"/", None, libc::MS_REC | libc::MS_PRIVATE, None).at("make all mounts private")?;
    let quick = cgroup::favour_quick_moves(&setup.scratch).is_ok();
    let home_mounts: OwnedFd = File::open("/proc/self/ns/mnt").at("open the mount namespace")?.into();
    let home_net: OwnedFd = File::open("/proc/self/ns/net").at("open the network namespace")?.into();
    let template = root::build(&setup.scratch, privileged, setup.services.as_ref())?;
    sys::setns(home_mounts.as_fd(), libc::CLONE_NEWNS).at("return to the mount namespace")?;
    let (layout, cgroup_fault) = match cgroup_fault {
        Ok(()) => (layout, None),
        Err(fault) if !privileged => (Layout::Absent, Some(fault)),
        Err(fault) => return Err(fault),
    };
    drop(cgroup_fault);
    let egress_fault = net::egress_support().err().unwrap_or_default();
    let landlock = landlock::version();
    let standing = Standing { privileged, cgroups: layout.clone(), landlock, egress_fault, cgroups_quick: quick };
    let stock = Stock::new(layout.clone(), setup.cgroup.clone(), setup.spare);
    let ground = Ground {
        home_mounts,
        template,
        home_net,
        layout,
        instance: setup.cgroup,
        uid_base: setup.uid_base,
        privileged,
        seal: Seal::new(privileged, landlock, &Filter::of_sandboxes()),
    };
    Ok((ground, standing, stock))
}

/// True for root of the machine, false for "root" of a container's user namespace that lacks what we need.
fn has_machine_powers() -> bool {
    const CAP_SYS_ADMIN: u64 = 1 << 21;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    // A sandbox's own uid comes from the host's range, which only exists where many uids are mapped.
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let mapped = map.split_whitespace().nth(2).and_then(|count| count.parse().ok()).unwrap_or(0_u64);
    set & CAP_SYS_ADMIN != 0 && mapped > 100_000_000
}

/// An ordinary user becomes root of a namespace of its own, in which it is the only user.
fn enter_user_namespace() -> Result<(), Fault> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    sys::unshare(libc::CLONE_NEWUSER).at("unshare the user namespace")?;
    fs::write("/proc/self/setgroups", "deny").at("deny setgroups")?;
    fs::write("/proc/self/uid_map", format!("0 {} 1", uid.as_raw())).at("write uid_map")?;
    fs::write("/proc/self/gid_map", format!("0 {} 1", gid.as_raw())).at("write gid_map")
}
