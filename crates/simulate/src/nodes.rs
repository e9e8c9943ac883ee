//! The nodes: a pool each, who lives there, and which of them a call goes to.
//!
//! A function has an order of its own among the nodes. A call goes to the first that has an idle sandbox of it, else to
//! the first with memory to spare, else to the first where idle sandboxes can end for it; where all are at work it
//! waits at home. So a function stays together, and spills over where its home is full. A node that turns a call away
//! passes it on.

use crate::machine::Machine;
use crate::policy::Policy;
use crate::stock::Stock;
use lacewing_pool::{HistoryLimits, Place, PoolOptions, PoolState};
use std::collections::HashMap;

/// The nodes.
#[derive(Debug)]
pub struct Nodes {
    nodes: Vec<Node>,
    /// What each of them has.
    memory_mib: u64,
}

#[derive(Debug)]
struct Node {
    pool: PoolState,
    /// Whose each sandbox is.
    lives: HashMap<Place, u32>,
    /// Idle sandboxes by function; only kept where there is a choice of nodes.
    idle: Vec<u32>,
    idle_mib: u64,
    stock: Stock,
}

impl Nodes {
    /// Empty nodes.
    pub fn new(machine: &Machine, policy: &Policy, functions: usize) -> Self {
        let tracked = if machine.nodes > 1 { functions } else { 0 };
        let node = |_| Node {
            pool: PoolState::new(PoolOptions {
                memory_mib: machine.memory_mib,
                sandboxes_max: machine.sandboxes_max,
                starts_at_once: machine.starts_at_once,
                keep_alive: policy.keep_alive(),
                // Neither what is frozen nor what is recorded changes a decision.
                freeze_after: None,
                history: HistoryLimits::NONE,
                ..PoolOptions::default()
            }),
            lives: HashMap::new(),
            idle: vec![0; tracked],
            idle_mib: 0,
            stock: Stock::default(),
        };
        Self { nodes: (0..machine.nodes.max(1)).map(node).collect(), memory_mib: machine.memory_mib }
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }

    /// A node's pool.
    pub fn pool(&mut self, node: u32) -> &mut PoolState {
        &mut self.nodes[node as usize].pool
    }

    /// A node's prepared sandboxes.
    pub fn stock(&mut self, node: u32) -> &mut Stock {
        &mut self.nodes[node as usize].stock
    }

    /// The nodes to ask for a sandbox of `function`, in the order to ask them.
    pub fn in_order(&self, function: u32, mib: u64) -> impl Iterator<Item = u32> + use<> {
        let count = self.count();
        let home = spread(function) % count;
        let nth = move |nth: u32| (home + nth) % count;
        let first = if count > 1 { self.best(function, mib, (0..count).map(nth)) } else { None };
        first.into_iter().chain((0..count).map(nth).filter(move |node| Some(*node) != first))
    }

    /// The node that serves at once, or with the least harm.
    fn best(&self, function: u32, mib: u64, order: impl Iterator<Item = u32> + Clone) -> Option<u32> {
        let node = |index: &u32| &self.nodes[*index as usize];
        let warm = order.clone().find(|index| node(index).idle[function as usize] > 0);
        let held = |index: &u32| node(index).pool.census().memory_mib + mib;
        let spare = || order.clone().find(|index| held(index) <= self.memory_mib);
        let ended = || order.clone().find(|index| held(index) - node(index).idle_mib <= self.memory_mib);
        warm.or_else(spare).or_else(ended)
    }

    /// A sandbox of `function`, which holds `mib`, idles, or does no more.
    pub fn idles(&mut self, node: u32, function: u32, mib: u64, does: bool) {
        let node = &mut self.nodes[node as usize];
        if let Some(idle) = node.idle.get_mut(function as usize) {
            *idle = if does { *idle + 1 } else { *idle - 1 };
            node.idle_mib = if does { node.idle_mib + mib } else { node.idle_mib - mib };
        }
    }

    /// A sandbox of `function` is being started.
    pub fn lives(&mut self, node: u32, place: Place, function: u32) {
        self.nodes[node as usize].lives.insert(place, function);
    }

    /// A sandbox is gone; returns whose it was.
    pub fn dies(&mut self, node: u32, place: Place) -> Option<u32> {
        self.nodes[node as usize].lives.remove(&place)
    }
}

/// A function's home, spread evenly: neighbours in the trace (functions of one app) are no neighbours here.
fn spread(function: u32) -> u32 {
    // The golden ratio's fraction: Fibonacci hashing.
    let mixed = u64::from(function).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    #[allow(clippy::cast_possible_truncation)] // the upper half is wanted
    let upper = (mixed >> 32) as u32;
    upper
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::machine::StartTimes;

    fn nodes(count: usize) -> Nodes {
        let machine = Machine {
            nodes: count,
            memory_mib: 1_024,
            sandboxes_max: 100,
            starts_at_once: 8,
            account_concurrency: 10,
            start_times: StartTimes::default(),
        };
        Nodes::new(&machine, &"fixed:600".parse().unwrap(), 100)
    }

    #[test]
    fn each_node_is_asked_once_and_a_warm_one_first() {
        let mut nodes = nodes(4);
        let order: Vec<u32> = nodes.in_order(7, 128).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3]);
        nodes.idles(order[2], 7, 128, true);
        let warm: Vec<u32> = nodes.in_order(7, 128).collect();
        assert_eq!(warm, [order[2], order[0], order[1], order[3]]);
        nodes.idles(order[2], 7, 128, false);
        assert!(nodes.in_order(7, 128).eq(order));
    }

    #[test]
    fn functions_have_their_homes_everywhere() {
        let nodes = nodes(4);
        let mut homes = [0; 4];
        for function in 0..100 {
            homes[nodes.in_order(function, 128).next().unwrap_or_default() as usize] += 1;
        }
        assert!(homes.iter().all(|&count| count >= 20), "{homes:?}");
    }
}
