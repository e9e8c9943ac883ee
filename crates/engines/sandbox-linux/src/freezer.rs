//! Stopping all processes of a group where they stand, and letting them go on.
//!
//! v1 has a controller for it, v2 a file in every group. Neither waits: the processes stop at their next step into
//! the kernel, and go on as soon as they are let.

use crate::cgroup::Layout;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// v1's file, and what it is told.
const V1_FILE: &str = "freezer.state";
const V1_THAWED: &[u8] = b"THAWED";

/// The way to stop one group.
pub(crate) struct Freezer {
    /// `None` where this kernel, or this user, cannot.
    path: Option<PathBuf>,
    v2: bool,
    /// Open while the group stands still.
    frozen: Option<File>,
}

impl Freezer {
    /// That of the group `name`. Touches nothing yet.
    pub(crate) fn of(layout: &Layout, name: &str) -> Self {
        let v2 = matches!(layout, Layout::V2 { .. });
        let file = if v2 { "cgroup.freeze" } else { V1_FILE };
        Self { path: layout.controller("freezer").map(|root| root.join(name).join(file)), v2, frozen: None }
    }

    /// Stops the group's processes, if they do not stand still already. Where that cannot be done they go on.
    pub(crate) fn freeze(&mut self) {
        let (None, Some(path)) = (&self.frozen, &self.path) else { return };
        let order: &[u8] = if self.v2 { b"1" } else { b"FROZEN" };
        let written = File::options().write(true).open(path).and_then(|mut file| file.write_all(order).map(|()| file));
        self.frozen = written.ok();
    }

    /// Whether they stand still.
    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Lets them go on. Costs nothing where they were not stopped.
    ///
    /// # Errors
    /// The kernel's refusal: they stand still.
    pub(crate) fn thaw(&mut self) -> io::Result<()> {
        match self.frozen.take() {
            Some(mut file) => file.write_all(if self.v2 { b"0" } else { V1_THAWED }),
            None => Ok(()),
        }
    }
}

/// Lets go on what v1 may have stopped in the group at `directory`: what stands still does not even die. To be called
/// after the kill, so that nothing runs on. v2 kills what stands still.
pub(crate) fn let_die(directory: &Path) {
    let file = File::options().write(true).open(directory.join(V1_FILE));
    let _ = file.and_then(|mut file| file.write_all(V1_THAWED));
}
