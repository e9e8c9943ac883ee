//! ASSIGN: code, interpreter and limits come to a sandbox that may have been sealed long ago.

use super::setup::Ground;
use super::{Cell, Spawner, micros};
use crate::protocol::{At, Bounds, Fault, MountSpec, Report};
use crate::{init, root, sys};
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

impl Spawner {
    /// Mounts and bounds.
    ///
    /// # Errors
    /// The step that failed.
    pub(super) fn assign(&mut self, id: u64, mounts: &[MountSpec], bounds: &Bounds) -> Result<Report, Fault> {
        let began = Instant::now();
        let unknown = || io::Error::from_raw_os_error(libc::ESRCH);
        let cell = self.cells.get_mut(&id).ok_or_else(unknown).at("find the sandbox")?;
        self.ground.mount_into(cell, mounts, Some(bounds.tmp_bytes))?;
        cell.group.bound(bounds)?;
        Ok(Report::Assigned { id, micros: micros(began) })
    }
}

impl Ground {
    /// Puts host directories into a sandbox, and gives its `/tmp` the size it shall have.
    ///
    /// # Errors
    /// The step that failed.
    pub(super) fn mount_into(
        &self,
        cell: &mut Cell,
        mounts: &[MountSpec],
        tmp_bytes: Option<u64>,
    ) -> Result<(), Fault> {
        let tmp_bytes = tmp_bytes.filter(|bytes| *bytes != cell.tmp_bytes);
        if mounts.is_empty() && tmp_bytes.is_none() {
            return Ok(());
        }
        // Opened here, where the host's paths are; a mount namespace sees only its own.
        let trees = root::detach_all(mounts)?;
        sys::setns(cell.pidfd.as_fd(), libc::CLONE_NEWNS).at("enter the sandbox's mounts")?;
        let mut result = Ok(());
        for (tree, target) in &trees {
            result = sys::move_mount(tree.as_fd(), target).at(&format!("mount {}", target.to_string_lossy()));
            if result.is_err() {
                break;
            }
        }
        if let (Ok(()), Some(bytes)) = (&result, tmp_bytes) {
            result = resize_tmp(bytes).at("resize /tmp");
            cell.tmp_bytes = bytes;
        }
        if sys::setns(self.home_mounts.as_fd(), libc::CLONE_NEWNS).is_err() {
            std::process::abort();
        }
        result
    }
}

/// In the sandbox's mounts.
fn resize_tmp(bytes: u64) -> io::Result<()> {
    let flags = libc::MS_REMOUNT | libc::MS_NOSUID | libc::MS_NODEV;
    sys::mount(c"tmp", c"/tmp", None, flags, Some(&init::tmp_options(bytes)?))
}
