//! Room: whose sandbox ends so that another can start.
//!
//! Memory and places are shared fairly. A version within its fair share (all memory over the versions that have any)
//! may take the room of idle sandboxes, those that are the cheapest to lose before others. One beyond it may take only
//! from versions that hold more than it would, or what nobody has used for a while. And a version that has nothing
//! waits at most until a sandbox of a larger one is free: that one ends instead of serving the next in its own line.

use super::group::{Idle, Member};
use super::keep::Order;
use super::words::{GroupKey, Place, Purpose};
use super::{Agenda, PoolState, Turn, Why};
use lacewing_model::Timestamp;
use std::cmp::Reverse;
use std::time::Duration;

/// A sandbox that has idled for longer is nobody's fair share: whoever needs room may have it.
const FRESH: Duration = Duration::from_secs(60);
/// Versions whose idle sandboxes are looked at in one search for room.
const LOOKED_AT_MAX: usize = 32;
/// How long a version's last sandbox is left to it while another version has none.
const LAST_ONE_KEPT: Duration = Duration::from_millis(100);
/// Versions in line that are asked whether they have the better claim to a sandbox.
const CLAIMS_MAX: usize = 8;
/// Under memory pressure each reading ends one idle sandbox in so many, at least one.
const SHED_SHARE: usize = 8;

/// Entries that no longer count in the agenda of those who yield, beyond as many as there are versions.
const STALE_MAX: usize = 64;

/// How much of another's room one may take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// That of versions that hold more, and what is stale.
    Fair,
    /// Anybody's: the sandbox was promised.
    Promised,
}

impl PoolState {
    /// Makes room for one more sandbox, as far as fairness lets it. Says whether there is.
    pub(super) fn make_room(&mut self, key: GroupKey, memory_mib: u64, reserved_mib: u64, turn: &mut Turn<'_>) -> bool {
        self.find_room(key, memory_mib, reserved_mib, Claim::Fair, turn)
    }

    /// Makes room for a provisioned sandbox: no idle one has a better claim.
    pub(super) fn make_promised_room(&mut self, key: GroupKey, memory_mib: u64, turn: &mut Turn<'_>) -> bool {
        self.find_room(key, memory_mib, 0, Claim::Promised, turn)
    }

    /// True when one more fits without another's end, and the machine is not short of memory.
    pub(super) fn has_room(&self, memory_mib: u64) -> bool {
        self.free_mib >= self.options.memory_low_mib && self.lacks(memory_mib) == (0, 0)
    }

    /// How many MiB and how many places are missing for one more.
    fn lacks(&self, memory_mib: u64) -> (u64, usize) {
        let mib = (self.tally.memory_mib + memory_mib).saturating_sub(self.options.memory_mib);
        (mib, (self.members.len() + 1).saturating_sub(self.options.sandboxes_max))
    }

    fn find_room(
        &mut self,
        key: GroupKey,
        memory_mib: u64,
        reserved_mib: u64,
        claim: Claim,
        turn: &mut Turn<'_>,
    ) -> bool {
        if self.free_mib < self.options.memory_low_mib / 4 {
            return false;
        }
        let (mib, places) = self.lacks(memory_mib + reserved_mib);
        if (mib, places) == (0, 0) {
            return true;
        }
        if mib > self.tally.spare_mib || places > self.tally.spare {
            return false;
        }
        let found = self.find_victims(key, memory_mib, (mib, places), claim, turn.now);
        for &(victim, idle) in found.iter().flatten() {
            let memory = self.groups.get(&victim).map(|group| group.shape.memory);
            self.tally.left_shelf(idle, memory);
            self.end(idle.place, Why::RoomNeeded, turn);
        }
        found.is_some()
    }

    /// Takes idle sandboxes off their shelves until the room is there; puts them back where that cannot be.
    fn find_victims(
        &mut self,
        key: GroupKey,
        memory_mib: u64,
        (mib, places): (u64, usize),
        claim: Claim,
        now: Timestamp,
    ) -> Option<Vec<(GroupKey, Idle)>> {
        let order = self.options.keep_alive.yield_order();
        let (mut found, mut spared) = (Vec::new(), Vec::new());
        let (mut found_mib, mut dearest) = (0, self.inflation);
        while (found_mib < mib || found.len() < places) && spared.len() < LOOKED_AT_MAX {
            let Some((rank, victim)) = self.first(order) else { break };
            self.agenda(order).pop();
            let allowed = claim == Claim::Promised || self.may_take(key, memory_mib, victim, now);
            let Some(group) = self.groups.get_mut(&victim) else { continue };
            group.note(order, None);
            let taken = if allowed { group.idle.take_oldest() } else { None };
            match taken {
                Some(idle) => {
                    found_mib += u64::from(group.shape.memory.get());
                    found.push((victim, idle));
                    dearest = dearest.max(rank);
                    self.note_idle(victim);
                    self.schedule(order, victim);
                }
                None => spared.push(victim),
            }
        }
        spared.into_iter().for_each(|victim| self.schedule(order, victim));
        // Whatever the neighbours keep, a tenant may have the room of those that it shares its version with.
        while found_mib < mib || found.len() < places {
            let Some(victim) = self.relative_to_end(key, now) else { break };
            let Some(group) = self.groups.get_mut(&victim) else { break };
            let Some(idle) = group.idle.take_oldest() else { break };
            found_mib += u64::from(group.shape.memory.get());
            found.push((victim, idle));
            self.note_idle(victim);
        }
        if found_mib >= mib && found.len() >= places {
            self.inflation = dearest;
            return Some(found);
        }
        for (victim, idle) in found.into_iter().rev() {
            if let Some(group) = self.groups.get_mut(&victim) {
                group.idle.put_back(idle);
            }
            self.note_idle(victim);
            self.schedule(order, victim);
        }
        None
    }

    /// Whether `taker` may end the longest idle sandbox of `holder` for one of its own.
    pub(super) fn may_take(&self, taker: GroupKey, memory_mib: u64, holder: GroupKey, now: Timestamp) -> bool {
        let idles = self.groups.get(&holder).and_then(|holder| holder.idle.oldest());
        if idles.is_some_and(|idle| now.since(idle.since) >= FRESH) {
            return true;
        }
        let ((has, held), (_, holds)) = (self.stakes(taker, holder), self.stakes(holder, taker));
        let would_hold = held + memory_mib;
        has == 0 || would_hold <= self.fair_share(taker, holder) || holds >= would_hold
    }

    /// What one has at stake against another: sandboxes, and what they hold, MiB. Tenants of one version stand for
    /// themselves, against anybody else for their version.
    fn stakes(&self, one: GroupKey, against: GroupKey) -> (usize, u64) {
        let siblings = one.generation == against.generation;
        let group = self.groups.get(&if siblings { one } else { one.version() });
        match group {
            Some(group) if siblings => (group.sandboxes(), group.held_mib()),
            Some(group) => (group.all_sandboxes(), group.all_held_mib()),
            None => (0, 0),
        }
    }

    /// What each version may hold whatever the others want, and each tenant of what its version holds, MiB.
    fn fair_share(&self, one: GroupKey, against: GroupKey) -> u64 {
        let version = self.groups.get(&one.version()).filter(|_| one.generation == against.generation);
        match version.and_then(|version| Some((version.all_held_mib(), version.family.as_ref()?.tenants.len()))) {
            Some((held, tenants)) => held / tenants.max(1) as u64,
            None => self.options.memory_mib / (self.groups.len() - self.tenants).max(1) as u64,
        }
    }

    /// Whether a sandbox that ended a run should end for a version in line that has the better claim to its room,
    /// instead of serving the next in its own. One that was just started always runs a call first: two versions that
    /// took each other's new ones in turn would serve nobody.
    pub(super) fn yields(&self, place: Place, key: GroupKey, now: Timestamp) -> bool {
        let Some(holder) = self.groups.get(&key).filter(|holder| !holder.waiting.is_empty()) else {
            return false;
        };
        let promised = |member: &Member| member.purpose == Purpose::Provisioned;
        if self.members.get(&place).is_none_or(|member| promised(member) || member.closing.is_some()) {
            return false;
        }
        // One that ends after its calls makes that room already.
        if holder.closing > 0 {
            return false;
        }
        self.hungry.iter().take(CLAIMS_MAX).any(|&generation| {
            let other = self.next_in_line(generation);
            let Some((taker, first)) = self.first_missing(other).filter(|_| other != key) else { return false };
            let memory = u64::from(taker.shape.memory.get());
            let (mib, places) = self.lacks(memory);
            let ((has, held), (_, holds)) = (self.stakes(other, key), self.stakes(key, other));
            let left = holds.saturating_sub(u64::from(holder.shape.memory.get()));
            let better = match (has, left) {
                (0, 0) => now.since(first.since) >= LAST_ONE_KEPT,
                (0, _) => true,
                _ => held + memory <= left,
            };
            better && (mib, places) != (0, 0) && (mib > self.tally.spare_mib || places > self.tally.spare)
        })
    }

    /// A reading of the machine's free memory: where little is left, those that would leave first go.
    pub(super) fn memory(&mut self, free_mib: u64, turn: &mut Turn<'_>) {
        self.free_mib = free_mib;
        if free_mib >= self.options.memory_low_mib {
            return;
        }
        for _ in 0..self.tally.spare.div_ceil(SHED_SHARE) {
            self.end_next(Why::MemoryPressure, turn);
        }
    }

    /// Ends idle sandboxes until what is held is within the bounds again.
    pub(super) fn shrink(&mut self, turn: &mut Turn<'_>) {
        while self.tally.memory_mib > self.options.memory_mib || self.members.len() > self.options.sandboxes_max {
            if !self.end_next(Why::LimitLowered, turn) {
                return;
            }
        }
    }

    fn end_next(&mut self, why: Why, turn: &mut Turn<'_>) -> bool {
        match self.first(self.options.keep_alive.yield_order()) {
            Some((rank, key)) => {
                self.inflation = self.inflation.max(rank);
                self.end_oldest(key, why, turn);
                true
            }
            None => false,
        }
    }

    /// The version whose longest idle sandbox is the first in this order, and its rank.
    pub(super) fn first(&mut self, order: Order) -> Option<(Timestamp, GroupKey)> {
        loop {
            let &Reverse((at, key)) = self.agenda(order).peek()?;
            let Some(group) = self.groups.get_mut(&key).filter(|group| group.noted(order) == Some(at)) else {
                self.agenda(order).pop();
                continue;
            };
            let Some(oldest) = group.idle.oldest() else {
                group.note(order, None);
                self.agenda(order).pop();
                continue;
            };
            let real = self.options.keep_alive.rank(order, &group.idling(oldest));
            if real <= at {
                return Some((at, key));
            }
            // It was used since: its rank is another.
            group.note(order, Some(real));
            self.agenda(order).pop();
            self.agenda(order).push(Reverse((real, key)));
        }
    }

    /// Notes the rank of the version's longest idle sandbox, unless one no later is noted.
    pub(super) fn schedule(&mut self, order: Order, key: GroupKey) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        let Some(oldest) = group.idle.oldest() else {
            group.note(order, None);
            return;
        };
        let at = self.options.keep_alive.rank(order, &group.idling(oldest));
        if group.noted(order).is_none_or(|noted| at < noted) {
            group.note(order, Some(at));
            self.agenda(order).push(Reverse((at, key)));
        }
        // Nobody looks at this agenda while there is room: versions that were forgotten would stay in it.
        if self.yielding.len() > 2 * self.groups.len() + STALE_MAX {
            let groups = &self.groups;
            let counts = |at, of| groups.get(&of).is_some_and(|group| group.yields == Some(at));
            self.yielding.retain(|&Reverse((at, of))| counts(at, of));
        }
    }

    fn agenda(&mut self, order: Order) -> &mut Agenda {
        match order {
            Order::Leave => &mut self.leaving,
            Order::Yield => &mut self.yielding,
        }
    }
}
