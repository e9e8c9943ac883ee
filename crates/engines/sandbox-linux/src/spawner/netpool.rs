//! A stock of network namespaces: making one costs as much as the rest of a sandbox.

use crate::net::{self, NetNs};
use crate::protocol::{At, Fault};
use lacewing_model::Egress;
use std::collections::VecDeque;

/// Namespaces without egress in stock: few functions ask for it.
const CLOSED_SPARE: usize = 1;
/// Failures in a row after which no more stock is made: the fault would be tried without end.
const FAILURES_MAX: u32 = 3;

/// Namespaces ready to be used, each once.
pub(super) struct NetPool {
    open: VecDeque<NetNs>,
    closed: VecDeque<NetNs>,
    spare: usize,
    failures: u32,
}

impl NetPool {
    /// An empty stock that wants to hold `spare`.
    pub(super) fn new(spare: usize) -> Self {
        Self { open: VecDeque::new(), closed: VecDeque::new(), spare, failures: 0 }
    }

    /// True when there is something to make.
    pub(super) fn is_low(&self) -> bool {
        self.failures < FAILURES_MAX
            && (self.open.len() < self.spare || self.closed.len() < CLOSED_SPARE.min(self.spare))
    }

    /// Makes one for the stock. A failure shows when one is needed.
    pub(super) fn make_one(&mut self) {
        let (stock, egress) = if self.open.len() < self.spare {
            (&mut self.open, Egress::Internet)
        } else if self.closed.len() < CLOSED_SPARE.min(self.spare) {
            (&mut self.closed, Egress::None)
        } else {
            return;
        };
        match net::make_netns(egress) {
            Ok(made) => {
                stock.push_back(made);
                self.failures = 0;
            }
            Err(_) => self.failures += 1,
        }
    }

    /// One from the stock, or a new one.
    ///
    /// # Errors
    /// The kernel's refusal to make one.
    pub(super) fn take(&mut self, egress: bool) -> Result<NetNs, Fault> {
        let (stock, wanted) =
            if egress { (&mut self.open, Egress::Internet) } else { (&mut self.closed, Egress::None) };
        if let Some(ready) = stock.pop_front() {
            return Ok(ready);
        }
        let made = net::make_netns(wanted).at("make a network namespace")?;
        self.failures = 0;
        Ok(made)
    }
}
