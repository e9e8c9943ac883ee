//! Provisioned concurrency: so many sandboxes of a version stand initialised, whether they are called or not.
//! Source: Lambda documentation, "Configuring provisioned concurrency".

use super::words::{ProvisionFailure, Provisioned, Purpose, Shape};
use super::{PoolState, Turn, Why};
use lacewing_model::RevisionId;

impl PoolState {
    /// How far a version's provisioned concurrency is; all zero where none is asked for.
    #[must_use]
    pub fn provisioned(&self, generation: RevisionId) -> Provisioned {
        let Some(group) = self.groups.get(&generation) else { return Provisioned::default() };
        let provision = &group.provision;
        Provisioned {
            requested: provision.wanted,
            available: provision.alive,
            allocated: provision.alive + provision.starting,
            failed: provision.failed.filter(|_| provision.alive < provision.wanted),
        }
    }

    pub(super) fn provision(&mut self, generation: RevisionId, shape: Shape, count: u32, turn: &mut Turn<'_>) {
        if self.draining || self.retired.contains(&generation) {
            return;
        }
        let group = self.group(generation, shape, turn.now);
        group.provision.wanted = count;
        (group.provision.failed, group.provision.failures) = (None, 0);
        group.provision.retry_at = turn.now;
        self.end_surplus(generation, Why::FewerProvisioned, turn);
        self.miss_provisioned(generation);
        self.feed(turn);
        self.forget_if_bare(generation, turn);
    }

    /// Ends provisioned sandboxes that idle and are no longer asked for. Those at work end after their call.
    pub(super) fn end_surplus(&mut self, generation: RevisionId, why: Why, turn: &mut Turn<'_>) {
        while let Some(group) = self.groups.get_mut(&generation) {
            if group.provision.alive <= group.provision.wanted {
                break;
            }
            let Some(idle) = group.ready.take_oldest() else { break };
            self.tally.left_shelf(idle, None);
            self.end(idle.place, why, turn);
        }
    }

    /// Puts a version in line that misses provisioned sandboxes.
    pub(super) fn miss_provisioned(&mut self, generation: RevisionId) {
        let missing = self.groups.get(&generation).is_some_and(|group| group.provision.missing() > 0);
        if missing && !self.short.contains(&generation) {
            self.short.push_back(generation);
        }
    }

    /// Begins provisioned starts, with at most half of those that may be under way: calls that wait come first.
    pub(super) fn feed_provisioned(&mut self, turn: &mut Turn<'_>) {
        for _ in 0..self.short.len() {
            let Some(generation) = self.short.pop_front() else { return };
            self.feed_provision(generation, turn);
            self.miss_provisioned(generation);
        }
    }

    fn feed_provision(&mut self, generation: RevisionId, turn: &mut Turn<'_>) {
        while let Some(group) = self.groups.get_mut(&generation) {
            let due = group.provision.missing() > 0 && group.provision.retry_at <= turn.now;
            let turns = self.options.starts_at_once.div_ceil(2);
            if self.draining || !due || self.tally.starting >= turns || group.bucket.starts(turn.now) == 0 {
                return;
            }
            let memory = u64::from(group.shape.memory.get());
            if !self.make_promised_room(generation, memory, turn) {
                if let Some(group) = self.groups.get_mut(&generation) {
                    group.provision.came_to_nothing(ProvisionFailure::NoRoom, turn.now);
                }
                return;
            }
            self.start(generation, Purpose::Provisioned, turn);
        }
    }
}
