//! Provisioned concurrency: so many sandboxes of a version stand initialised, whether they are called or not.
//! Source: Lambda documentation, "Configuring provisioned concurrency".

use super::words::{GroupKey, ProvisionFailure, Provisioned, Purpose, Shape};
use super::{PoolState, Turn, Why};
use lacewing_model::RevisionId;

impl PoolState {
    /// How far a version's provisioned concurrency is; all zero where none is asked for.
    #[must_use]
    pub fn provisioned(&self, generation: RevisionId) -> Provisioned {
        let Some(group) = self.groups.get(&generation.into()) else { return Provisioned::default() };
        let provision = &group.provision;
        Provisioned {
            requested: provision.wanted,
            available: provision.alive,
            allocated: provision.alive + provision.starting,
            failed: provision.failed.filter(|_| provision.alive < provision.wanted),
        }
    }

    pub(super) fn provision(&mut self, key: GroupKey, shape: Shape, count: u32, turn: &mut Turn<'_>) {
        if self.draining || self.retired.contains(&key.generation) {
            return;
        }
        let group = self.group(key, shape, turn.now);
        group.provision.wanted = count;
        (group.provision.failed, group.provision.failures) = (None, 0);
        group.provision.retry_at = turn.now;
        self.end_surplus(key, Why::FewerProvisioned, turn);
        self.miss_provisioned(key);
        self.feed(turn);
        self.forget_if_bare(key, turn);
    }

    /// Ends provisioned sandboxes that idle and are no longer asked for. Those at work end after their call.
    pub(super) fn end_surplus(&mut self, key: GroupKey, why: Why, turn: &mut Turn<'_>) {
        while let Some(group) = self.groups.get_mut(&key) {
            if group.provision.alive <= group.provision.wanted {
                break;
            }
            let Some(idle) = group.ready.take_oldest() else { break };
            self.tally.left_shelf(idle, None);
            self.end(idle.place, why, turn);
        }
    }

    /// Puts a version in line that misses provisioned sandboxes.
    pub(super) fn miss_provisioned(&mut self, key: GroupKey) {
        let missing = self.groups.get(&key).is_some_and(|group| group.provision.missing() > 0);
        if missing && !self.short.contains(&key) {
            self.short.push_back(key);
        }
    }

    /// Begins provisioned starts, with at most half of those that may be under way: calls that wait come first.
    pub(super) fn feed_provisioned(&mut self, turn: &mut Turn<'_>) {
        for _ in 0..self.short.len() {
            let Some(key) = self.short.pop_front() else { return };
            self.feed_provision(key, turn);
            self.miss_provisioned(key);
        }
    }

    fn feed_provision(&mut self, key: GroupKey, turn: &mut Turn<'_>) {
        while let Some(group) = self.groups.get_mut(&key) {
            let due = group.provision.missing() > 0 && group.provision.retry_at <= turn.now;
            let turns = self.options.starts_at_once.div_ceil(2);
            if self.draining || !due || self.tally.starting >= turns || group.bucket.starts(turn.now) == 0 {
                return;
            }
            let memory = u64::from(group.shape.memory.get());
            if !self.make_promised_room(key, memory, turn) {
                if let Some(group) = self.groups.get_mut(&key) {
                    group.provision.came_to_nothing(ProvisionFailure::NoRoom, turn.now);
                }
                return;
            }
            self.start(key, Purpose::Provisioned, turn);
        }
    }
}
