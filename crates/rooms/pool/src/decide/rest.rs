//! What becomes of a sandbox that has nothing to do: it serves the next call in line, idles, is frozen, leaves.

use super::group::Phase;
use super::keep::Order;
use super::words::{Action, GroupKey, Place, Purpose};
use super::{PoolState, Turn, What, Why};
use lacewing_model::{RevisionId, Timestamp};
use std::cmp::Reverse;

/// Sandboxes frozen in one decision; the rest waits for the next tick, so that no call waits for it.
const FROZEN_AT_ONCE_MAX: usize = 16;

impl PoolState {
    pub(super) fn done(&mut self, place: Place, usable: bool, turn: &mut Turn<'_>) {
        let Some(member) = self.members.get_mut(&place).filter(|member| member.calls > 0) else { return };
        let (key, before) = (member.key, member.calls);
        let ran = member.end_call(turn.now);
        if let Some(group) = self.groups.get_mut(&key) {
            group.pace.ran(ran);
            group.open.remove(&(before, place));
        }
        if !usable {
            self.close(place, Why::Broken, turn);
        } else if !self.hungry.is_empty() && self.yields(place, key, turn.now) {
            self.close(place, Why::RoomNeeded, turn);
        } else {
            self.free(place, turn);
        }
        if !self.hungry.is_empty() || !self.short.is_empty() {
            self.feed(turn);
        }
    }

    /// A busy sandbox could run a call more: the longest waiting ones get it. With nothing to do it idles or ends.
    pub(super) fn free(&mut self, place: Place, turn: &mut Turn<'_>) {
        let Some(member) = self.members.get(&place) else { return };
        if let Some(why) = member.closing {
            return self.close(place, why, turn);
        }
        let (key, provisioned) = (member.key, member.purpose == Purpose::Provisioned);
        let Some(group) = self.groups.get(&key) else { return };
        let surplus = provisioned && group.provision.alive > group.provision.wanted;
        if surplus && member.calls == 0 && !group.retired && !self.draining {
            return self.close(place, Why::FewerProvisioned, turn);
        }
        if !group.waiting.is_empty() || member.calls > 0 {
            return self.give_to_waiting(place, turn);
        }
        if self.draining || group.retired {
            let why = if self.draining { Why::Draining } else { Why::Retired };
            return self.close(place, why, turn);
        }
        self.put_idle(place, provisioned, turn.now);
    }

    fn put_idle(&mut self, place: Place, provisioned: bool, now: Timestamp) {
        let Some(member) = self.members.get_mut(&place) else { return };
        (member.phase, member.since) = (Phase::Idle, now);
        let key = member.key;
        let Some(group) = self.groups.get_mut(&key) else { return };
        group.busy -= 1;
        self.tally.busy -= 1;
        self.tally.idle += 1;
        if provisioned {
            group.ready.put(place, now, self.inflation);
        } else {
            group.idle.put(place, now, self.inflation);
            self.tally.spare += 1;
            self.tally.spare_mib += u64::from(group.shape.memory.get());
        }
        // What is noted already is no later; only a rhythm can let the newest leave first.
        let (noted, learns) = (group.leaves.is_some(), self.options.keep_alive.learns());
        let ranked = group.yields.is_some() || self.options.keep_alive.yield_order() == Order::Leave;
        let looked_after = group.look.is_some();
        self.note_idle(key);
        self.note_quiet(key, now);
        if !noted || learns {
            self.schedule(Order::Leave, key);
        }
        if !ranked {
            self.schedule(Order::Yield, key);
        }
        if let Some(after) = self.options.freeze_after.filter(|_| !looked_after) {
            self.look_at(key, now.plus(after));
        }
    }

    /// Ends a busy sandbox once it runs no call: now, or after those that it runs. Until then it takes no other. Calls
    /// that counted on it need a start of their own now.
    fn close(&mut self, place: Place, why: Why, turn: &mut Turn<'_>) {
        let Some(member) = self.members.get_mut(&place) else { return };
        let (key, calls, first) = (member.key, member.calls, member.closing.is_none());
        let why = *member.closing.get_or_insert(why);
        let Some(group) = self.groups.get_mut(&key) else { return };
        if calls > 0 {
            group.closing += usize::from(first);
            return self.line_up(key);
        }
        group.closing -= usize::from(!first);
        group.busy -= 1;
        self.tally.busy -= 1;
        self.note_quiet(key, turn.now);
        self.end(place, why, turn);
        self.miss_provisioned(key);
        self.line_up(key);
    }

    /// Ends a sandbox that is on no shelf and at no work.
    pub(super) fn end(&mut self, place: Place, why: Why, turn: &mut Turn<'_>) {
        turn.actions.push(Action::End(place));
        let Some(member) = self.members.remove(&place) else { return };
        self.tally.memory_mib -= u64::from(member.memory.get());
        self.count_sandboxes(member.key, -1);
        if member.purpose == Purpose::Provisioned {
            self.tally.provisioned -= 1;
            if let Some(group) = self.groups.get_mut(&member.key) {
                group.provision.alive -= 1;
            }
        }
        self.record(member.key, Some(place), What::End, why, turn.now);
        self.forget_if_bare(member.key, turn);
    }

    /// Ends the version's longest idle sandbox.
    pub(super) fn end_oldest(&mut self, key: GroupKey, why: Why, turn: &mut Turn<'_>) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        let Some(idle) = group.idle.take_oldest() else { return };
        self.tally.left_shelf(idle, Some(group.shape.memory));
        group.leaves = None;
        self.note_idle(key);
        self.schedule(Order::Leave, key);
        self.end(idle.place, why, turn);
    }

    pub(super) fn retire(&mut self, generation: RevisionId, turn: &mut Turn<'_>) {
        if self.retired.len() == super::RETIRED_REMEMBERED {
            self.retired.pop_front();
        }
        self.retired.push_back(generation);
        for key in self.with_tenants(generation) {
            let Some(group) = self.groups.get_mut(&key) else { continue };
            group.retired = true;
            group.rhythm = None;
            group.prewarm_at = None;
            self.end_all_idle(key, Why::Retired, turn);
            self.forget_if_bare(key, turn);
        }
        self.feed(turn);
    }

    pub(super) fn drain(&mut self, turn: &mut Turn<'_>) {
        self.draining = true;
        let mut changes = Vec::new();
        self.stock.drain(&mut |change| changes.push(change));
        self.apply(&changes, turn);
        let mut keys: Vec<GroupKey> = self.groups.keys().copied().collect();
        keys.sort_unstable();
        for key in keys {
            self.end_all_idle(key, Why::Draining, turn);
            self.forget_if_bare(key, turn);
        }
    }

    fn end_all_idle(&mut self, key: GroupKey, why: Why, turn: &mut Turn<'_>) {
        if let Some(group) = self.groups.get_mut(&key) {
            group.provision.wanted = 0;
        }
        self.end_surplus(key, why, turn);
        while self.groups.get(&key).is_some_and(|group| !group.idle.is_empty()) {
            self.end_oldest(key, why, turn);
        }
    }

    /// Ends what has idled as long as it is worth.
    pub(super) fn expire(&mut self, turn: &mut Turn<'_>) {
        while let Some((at, key)) = self.first(Order::Leave) {
            if at > turn.now {
                return;
            }
            let far = self.groups.get(&key).is_some_and(|group| group.prewarm_at.is_some());
            self.end_oldest(key, if far { Why::RhythmFar } else { Why::KeepAliveOver }, turn);
        }
    }

    /// Notes that the version's calls have all ended, if so.
    pub(super) fn note_quiet(&mut self, key: GroupKey, now: Timestamp) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        if group.busy > 0 || !group.waiting.is_empty() || group.quiet_since.is_some() {
            return;
        }
        group.quiet_since = Some(now);
        group.prewarm_at = self.options.keep_alive.prewarms_at(now, group.rhythm.as_deref());
        if let Some(at) = group.prewarm_at {
            self.look_at(key, at);
        }
    }

    /// Looks after the version at that moment, unless it is looked after before.
    pub(super) fn look_at(&mut self, key: GroupKey, at: Timestamp) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        if group.look.is_none_or(|noted| at < noted) {
            group.look = Some(at);
            self.looks.push(Reverse((at, key)));
        }
    }

    /// Looks after the versions whose time has come.
    pub(super) fn look_around(&mut self, turn: &mut Turn<'_>) {
        let mut freezes = FROZEN_AT_ONCE_MAX;
        while let Some(&Reverse((at, key))) = self.looks.peek() {
            if at > turn.now || freezes == 0 {
                return;
            }
            self.looks.pop();
            match self.groups.get_mut(&key).filter(|group| group.look == Some(at)) {
                Some(group) => group.look = None,
                None => continue,
            }
            self.freeze_idle(key, &mut freezes, turn);
            self.start_ahead(key, turn);
            self.forget_if_bare(key, turn);
        }
    }

    fn freeze_idle(&mut self, key: GroupKey, left: &mut usize, turn: &mut Turn<'_>) {
        let (Some(after), Some(group)) = (self.options.freeze_after, self.groups.get_mut(&key)) else { return };
        let mut next = None;
        let mut frozen = Vec::new();
        for shelf in [&mut group.ready, &mut group.idle] {
            while let Some(&mut idle) = shelf.oldest_unfrozen() {
                if idle.since.plus(after) > turn.now || *left == 0 {
                    let due = idle.since.plus(after).max(turn.now);
                    next = Some(next.map_or(due, |next: Timestamp| next.min(due)));
                    break;
                }
                *left -= 1;
                shelf.freeze_oldest();
                frozen.push(idle.place);
            }
        }
        for place in frozen {
            self.tally.frozen += 1;
            turn.actions.push(Action::Freeze(place));
            self.record(key, Some(place), What::Freeze, Why::Idle, turn.now);
        }
        if let Some(at) = next {
            self.look_at(key, at);
        }
    }

    /// Starts a sandbox ahead of the next call of a version with a rhythm, where there is room to spare.
    fn start_ahead(&mut self, key: GroupKey, turn: &mut Turn<'_>) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        match group.prewarm_at {
            Some(at) if at <= turn.now => group.prewarm_at = None,
            Some(at) => return self.look_at(key, at),
            None => return,
        }
        let memory = u64::from(group.shape.memory.get());
        let wanted = !self.draining && group.sandboxes() == 0 && group.bucket.starts(turn.now) > 0;
        if wanted && self.hungry.is_empty() && self.has_room(memory) {
            self.start(key, Purpose::Rhythm, turn);
        }
    }
}
