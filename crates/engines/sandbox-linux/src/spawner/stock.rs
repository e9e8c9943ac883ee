//! A stock of what a sandbox is made from and no function has a hand in: a network namespace, which costs as much
//! as the rest of a sandbox, and empty cgroups, which cost a tenth of that.

use crate::cgroup::{Group, Layout};
use crate::net::{self, NetNs};
use crate::protocol::{At, Fault};
use lacewing_model::Egress;
use std::collections::VecDeque;

/// Parts without egress in stock: few functions ask for it.
const CLOSED_SPARE: usize = 1;
/// Failures in a row after which no more stock is made: the fault would be tried without end.
const FAILURES_MAX: u32 = 3;

/// What one sandbox needs.
pub(super) struct Parts {
    pub(super) net: NetNs,
    pub(super) group: Group,
}

/// Parts ready to be used, each once.
pub(super) struct Stock {
    layout: Layout,
    instance: String,
    /// Number of the next group.
    next: u64,
    open: VecDeque<Parts>,
    closed: VecDeque<Parts>,
    spare: usize,
    failures: u32,
}

impl Stock {
    /// An empty stock that wants to hold `spare`.
    pub(super) fn new(layout: Layout, instance: String, spare: usize) -> Self {
        Self { layout, instance, next: 1, open: VecDeque::new(), closed: VecDeque::new(), spare, failures: 0 }
    }

    /// True when there is something to make.
    pub(super) fn lacks_any(&self) -> bool {
        self.failures < FAILURES_MAX && self.lack().is_some()
    }

    /// True when what there is serves a burst.
    pub(super) fn is_plenty(&self) -> bool {
        self.open.len() > self.spare / 2
    }

    fn lack(&self) -> Option<Egress> {
        if self.open.len() < self.spare {
            Some(Egress::Internet)
        } else if self.closed.len() < CLOSED_SPARE.min(self.spare) {
            Some(Egress::None)
        } else {
            None
        }
    }

    /// Makes one for the stock. A failure shows when one is needed.
    pub(super) fn make_one(&mut self) {
        let Some(egress) = self.lack() else { return };
        match self.make(egress) {
            Ok(parts) => {
                self.failures = 0;
                self.shelf(egress).push_back(parts);
            }
            Err(_) => self.failures += 1,
        }
    }

    /// One from the stock, or a new one.
    ///
    /// # Errors
    /// The kernel's refusal to make one.
    pub(super) fn take(&mut self, egress: bool) -> Result<Parts, Fault> {
        let egress = if egress { Egress::Internet } else { Egress::None };
        if let Some(ready) = self.shelf(egress).pop_front() {
            return Ok(ready);
        }
        let made = self.make(egress)?;
        self.failures = 0;
        Ok(made)
    }

    /// Gives everything back.
    pub(super) fn clear(&mut self) {
        for parts in self.open.drain(..).chain(self.closed.drain(..)) {
            // What cannot be removed is left to the next launch's sweep.
            let _ = parts.group.remove();
        }
    }

    fn make(&mut self, egress: Egress) -> Result<Parts, Fault> {
        let net = net::make_netns(egress).at("make a network namespace")?;
        let group = self.make_group()?;
        Ok(Parts { net, group })
    }

    /// A new group, by itself.
    ///
    /// # Errors
    /// The directory that the kernel refused.
    pub(super) fn make_group(&mut self) -> Result<Group, Fault> {
        // No two spawners name a group alike: one that was killed may have left some.
        let name = format!("{}-{}", std::process::id(), self.next);
        self.next += 1;
        self.layout.make(&self.instance, &name)
    }

    fn shelf(&mut self, egress: Egress) -> &mut VecDeque<Parts> {
        if egress == Egress::Internet { &mut self.open } else { &mut self.closed }
    }
}
