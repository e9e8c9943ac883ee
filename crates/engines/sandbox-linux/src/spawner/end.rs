//! END: everything a sandbox took is given back. Killing is quick; waiting for the dead is done in between.

use super::{Cell, Spawner, report};
use crate::protocol::Report;
use crate::sys;
use std::io;
use std::os::fd::AsFd;

/// Tries to remove a cgroup before it is left to the next start's sweep: some seconds in all.
const REMOVALS_MAX: u32 = 5_000;

/// A sandbox on its way out.
pub(super) struct Ending {
    id: u64,
    cell: Cell,
    reaped: bool,
    removals: u32,
    /// False for one that never stood: its failure has been reported already.
    report: bool,
}

impl Ending {
    /// Waits only for its cgroup.
    pub(super) fn is_reaped(&self) -> bool {
        self.reaped
    }

    /// What tells of its end.
    pub(super) fn pollfd(&self) -> Option<libc::pollfd> {
        (!self.reaped).then(|| sys::readable(self.cell.pidfd.as_fd()))
    }

    /// True when nothing is left.
    fn advance(&mut self) -> bool {
        if !self.reaped {
            self.reaped = if self.cell.foreign {
                // Another's child: seen to be dead, and reaped by who has it.
                sys::poll(&mut [sys::readable(self.cell.pidfd.as_fd())], 0).unwrap_or(true)
            } else {
                !matches!(sys::reap(self.cell.pid, libc::WNOHANG), Ok(None))
            };
        }
        if !self.reaped {
            return false;
        }
        self.removals += 1;
        self.cell.group.remove().is_ok() || self.removals > REMOVALS_MAX
    }
}

impl Spawner {
    /// Begins the end of a sandbox. One that is not known has ended already: that is told at once.
    pub(super) fn begin_end(&mut self, id: u64) -> Option<Report> {
        if self.keepers.give_up(id) {
            return None;
        }
        // Were it a template, what is held of it comes first.
        let _ = self.forget(id);
        match self.cells.remove(&id) {
            Some(cell) => {
                self.kill(id, cell, true);
                None
            }
            None => Some(Report::Ended { id }),
        }
    }

    /// The same for one whose making failed.
    pub(super) fn begin_end_of_failed(&mut self, id: u64) {
        if let Some(cell) = self.cells.remove(&id) {
            self.kill(id, cell, false);
        }
    }

    /// Kills what is in it, and takes it back when that is dead.
    pub(super) fn kill(&mut self, id: u64, cell: Cell, report: bool) {
        // It may be dead already; then it is waited for all the same.
        let _ = sys::pidfd_kill(cell.pidfd.as_fd(), libc::SIGKILL);
        cell.group.let_die();
        self.ending.push(Ending { id, cell, reaped: false, removals: 0, report });
    }

    /// Takes back what the dead have left.
    pub(super) fn finish_endings(&mut self) -> io::Result<()> {
        let mut at = 0;
        while at < self.ending.len() {
            if !self.ending[at].advance() {
                at += 1;
                continue;
            }
            let ended = self.ending.swap_remove(at);
            self.slots.give_back(ended.cell.slot);
            if ended.report {
                report(self.server.as_fd(), &[Report::Ended { id: ended.id }], &[])?;
            }
        }
        Ok(())
    }

    /// The server is gone: so is everything that it asked for.
    pub(super) fn end_all(&mut self) {
        self.stock.clear();
        self.zygotes.end_all();
        self.forget_all();
        let cells: Vec<_> = self.cells.drain().collect();
        for (id, cell) in cells {
            self.kill(id, cell, false);
        }
        while !self.ending.is_empty() {
            let mut ready: Vec<_> = self.ending.iter().filter_map(Ending::pollfd).collect();
            let timeout = if self.ending.iter().any(Ending::is_reaped) { super::RETRY_MS } else { -1 };
            if sys::poll(&mut ready, timeout).is_err() {
                break;
            }
            for ending in &mut self.ending {
                ending.report = false;
            }
            let _ = self.finish_endings();
        }
        for hierarchy in self.ground.layout.hierarchies() {
            let _ = std::fs::remove_dir(hierarchy.join(&self.ground.instance));
        }
    }
}
