//! The gate: a directory below which the roots of restored sandboxes are mounted.
//!
//! ```text
//! /            an empty read-only file system, kept for this
//! /gate        the gate: nothing but
//! /gate/root   the sandbox's root, as any other's; each process of the sandbox has it for its own root
//! ```
//!
//! It exists for Landlock. A template runs INIT under the rules of every function, and what is forked from it stays under
//! them for ever; but they belong to the template's own `/tmp`, and the copy has another. So the template's rules also
//! allow everything below the gate. The template itself is not below it: its own walls are as everybody's. A copy is,
//! and gets the ordinary rules on top before it runs. Landlock looks at every directory on the way up, also above a
//! process's root, but not at one that is mounted over: hence two directories.

use crate::protocol::{At, Fault};
use crate::{root, sys};
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};

/// Where a sandbox's root lies below the gate, for those whose root it is not.
pub(super) const ROOT: &std::ffi::CStr = c"/gate/root";
/// The host's processes, for those who live where the gate is.
pub(super) const PROC: &str = "/gate/root/proc";
/// A mount point of every sandbox's root, used while the gate is built.
const POINT: &std::ffi::CStr = c"/mnt";

/// The gate, and the mounts around it.
pub(crate) struct Gate {
    /// The directory itself, whatever mounts lead to it.
    pub(crate) directory: OwnedFd,
    /// A mount namespace with it, and below it a root without a function.
    pub(crate) mounts: OwnedFd,
}

impl Gate {
    /// Builds it around the root in `template`, and comes back to `home`.
    ///
    /// # Errors
    /// The step that failed.
    pub(crate) fn build(template: &OwnedFd, home: &OwnedFd) -> Result<Self, Fault> {
        sys::setns(template.as_fd(), libc::CLONE_NEWNS).at("enter the template")?;
        let built = build_here();
        if sys::setns(home.as_fd(), libc::CLONE_NEWNS).is_err() {
            std::process::abort();
        }
        built
    }
}

fn build_here() -> Result<Gate, Fault> {
    sys::unshare(libc::CLONE_NEWNS).at("unshare the gate's mounts")?;
    let whole = sys::open_tree(c"/").at("copy the root")?;
    sys::mount(c"lacewing", POINT, Some(c"tmpfs"), libc::MS_NOSUID, Some(c"size=64k,mode=755")).at("mount the gate")?;
    fs::create_dir_all("/mnt/gate/root").at("make the gate")?;
    sys::move_mount(whole.as_fd(), c"/mnt/gate/root").at("mount the root below the gate")?;
    std::env::set_current_dir("/mnt").at("enter the gate")?;
    sys::pivot_here().at("pivot into the gate")?;
    let top = root::open_path("/".as_ref()).at("open the gate's top")?;
    sys::mount_setattr(top.as_fd(), libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID, false)
        .at("make the gate read-only")?;
    let directory = root::open_path("/gate".as_ref()).at("open the gate")?;
    let mounts = File::open(format!("{PROC}/self/ns/mnt")).at("open the gate's mounts")?.into();
    Ok(Gate { directory, mounts })
}
