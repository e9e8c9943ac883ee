//! ASSIGN: code, interpreter and limits come to a sandbox that may have been sealed long ago.

use super::{Spawner, micros};
use crate::protocol::{At, Bounds, Fault, MountSpec, Report};
use crate::{root, sys};
use std::ffi::CString;
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
        // Opened here, where the host's paths are; a mount namespace sees only its own.
        let trees = mounts.iter().map(|mount| {
            let source = &mount.source;
            let tree = root::detach(source, root::HOST_TREE).at(&format!("open {}", source.display()))?;
            let target = CString::new(mount.target.as_str()).map_err(io::Error::from).at("name a mount point")?;
            Ok((tree, target))
        });
        let trees: Vec<_> = trees.collect::<Result<_, Fault>>()?;
        sys::setns(cell.pidfd.as_fd(), libc::CLONE_NEWNS).at("enter the sandbox's mounts")?;
        let mut result = Ok(());
        for (tree, target) in &trees {
            result = sys::move_mount(tree.as_fd(), target).at(&format!("mount {}", target.to_string_lossy()));
            if result.is_err() {
                break;
            }
        }
        if result.is_ok() && bounds.tmp_bytes != cell.tmp_bytes {
            result = resize_tmp(bounds.tmp_bytes).at("resize /tmp");
            cell.tmp_bytes = bounds.tmp_bytes;
        }
        if sys::setns(self.ground.home_mounts.as_fd(), libc::CLONE_NEWNS).is_err() {
            std::process::abort();
        }
        result?;
        cell.group.bound(bounds)?;
        Ok(Report::Assigned { id, micros: micros(began) })
    }
}

/// In the sandbox's mounts.
fn resize_tmp(bytes: u64) -> io::Result<()> {
    let options = CString::new(format!("size={bytes}"))?;
    let flags = libc::MS_REMOUNT | libc::MS_NOSUID | libc::MS_NODEV;
    sys::mount(c"tmp", c"/tmp", None, flags, Some(&options))
}
