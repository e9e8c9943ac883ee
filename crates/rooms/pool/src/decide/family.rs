//! Tenants of one version. Each has a group of its own, so that nothing of a tenant is ever lent to another; what the
//! version has as a whole stands in the version's group: its starts, its places in line, its fair share. A version
//! with a thousand tenants is one version to its neighbours.

use super::group::{Bucket, Group, Waiting};
use super::words::{GroupKey, Shape, TenantNumber};
use super::{PoolState, Turn};
use lacewing_model::{RevisionId, Timestamp};
use std::collections::{BTreeSet, VecDeque};

/// Tenants whose idle sandboxes are looked at where one of them needs room.
const RELATIVES_MAX: usize = 32;

/// What the tenants of a version have together.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) tenants: BTreeSet<TenantNumber>,
    /// Their sandboxes, those being started among them.
    pub(super) sandboxes: usize,
    /// Their calls in line.
    pub(super) waiting: usize,
    /// Those that need starts, in the order they asked.
    pub(super) hungry: VecDeque<TenantNumber>,
    /// Those with idle sandboxes.
    pub(super) idle: BTreeSet<TenantNumber>,
}

impl Group {
    /// The calls in line of a version and its tenants.
    pub(super) fn all_waiting(&self) -> usize {
        self.waiting.len() + self.family.as_ref().map_or(0, |family| family.waiting)
    }

    /// The sandboxes of a version and its tenants.
    pub(super) fn all_sandboxes(&self) -> usize {
        self.sandboxes() + self.family.as_ref().map_or(0, |family| family.sandboxes)
    }

    /// What these hold together, MiB.
    pub(super) fn all_held_mib(&self) -> u64 {
        self.all_sandboxes() as u64 * u64::from(self.shape.memory.get())
    }
}

impl PoolState {
    /// A tenant that is not known yet gets a group, and its version one too. It learns no rhythm: tenants come and
    /// go, and nothing is to be remembered of one that has gone.
    pub(super) fn add_tenant(&mut self, key: GroupKey, tenant: TenantNumber, shape: Shape, now: Timestamp) {
        let version = self.group(key.version(), shape, now);
        let retired = version.retired;
        version.family.get_or_insert_default().tenants.insert(tenant);
        self.groups.insert(key, Group::new(shape, Bucket::full(None, now), false, retired));
        self.tenants += 1;
    }

    /// A tenant's group went.
    pub(super) fn lose_tenant(&mut self, key: GroupKey, tenant: TenantNumber, turn: &mut Turn<'_>) {
        self.tenants -= 1;
        if let Some(family) = self.family(key) {
            family.tenants.remove(&tenant);
            family.idle.remove(&tenant);
            family.hungry.retain(|&other| other != tenant);
        }
        self.forget_if_bare(key.version(), turn);
    }

    /// The groups of a version and of its tenants.
    pub(super) fn with_tenants(&self, generation: RevisionId) -> Vec<GroupKey> {
        let version = GroupKey::from(generation);
        let family = self.groups.get(&version).and_then(|group| group.family.as_ref());
        let tenants = family.into_iter().flat_map(|family| &family.tenants);
        let keys = tenants.map(|&tenant| GroupKey { generation, tenant: Some(tenant) });
        keys.chain([version]).collect()
    }

    fn family(&mut self, key: GroupKey) -> Option<&mut Family> {
        self.groups.get_mut(&key.version())?.family.as_deref_mut()
    }

    /// So many calls more, or less, wait.
    pub(super) fn count_waiting(&mut self, key: GroupKey, more: isize) {
        if key.tenant.is_some()
            && let Some(family) = self.family(key)
        {
            family.waiting = family.waiting.saturating_add_signed(more);
        }
    }

    /// A sandbox more, or less, is there.
    pub(super) fn count_sandboxes(&mut self, key: GroupKey, more: isize) {
        if key.tenant.is_some()
            && let Some(family) = self.family(key)
        {
            family.sandboxes = family.sandboxes.saturating_add_signed(more);
        }
    }

    /// An idle sandbox of a tenant came or went: notes whether it has any.
    pub(super) fn note_idle(&mut self, key: GroupKey) {
        let Some(tenant) = key.tenant else { return };
        let none = self.groups.get(&key).is_none_or(|group| group.idle.is_empty());
        if let Some(family) = self.family(key) {
            if none {
                family.idle.remove(&tenant)
            } else {
                family.idle.insert(tenant)
            };
        }
    }

    /// Puts a version in line whose calls need more starts. Its tenants stand in a line of their own within its place.
    pub(super) fn line_up(&mut self, key: GroupKey) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        if !group.is_short() || group.hungry {
            return;
        }
        group.hungry = true;
        let Some(tenant) = key.tenant else { return self.hungry.push_back(key.generation) };
        let Some(version) = self.groups.get_mut(&key.version()) else { return };
        version.family.get_or_insert_default().hungry.push_back(tenant);
        if !std::mem::replace(&mut version.hungry, true) {
            self.hungry.push_back(key.generation);
        }
    }

    /// Whose turn it is at a version's place in line.
    pub(super) fn next_in_line(&self, generation: RevisionId) -> GroupKey {
        let version = GroupKey::from(generation);
        let family = self.groups.get(&version).and_then(|group| group.family.as_ref());
        GroupKey { tenant: family.and_then(|family| family.hungry.front().copied()), ..version }
    }

    /// All that stand at a version's place in line.
    pub(super) fn in_line(&self, generation: RevisionId) -> Vec<GroupKey> {
        let version = GroupKey::from(generation);
        match self.groups.get(&version).and_then(|group| group.family.as_ref()) {
            Some(family) => family.hungry.iter().map(|&tenant| GroupKey { tenant: Some(tenant), ..version }).collect(),
            None => vec![version],
        }
    }

    /// One had its turn. Says whether its version still needs starts; of several tenants the next one's turn comes.
    pub(super) fn had_turn(&mut self, key: GroupKey) -> bool {
        let short = self.groups.get_mut(&key).is_some_and(|group| {
            group.hungry = group.is_short();
            group.hungry
        });
        let (Some(tenant), Some(version)) = (key.tenant, self.groups.get_mut(&key.version())) else { return short };
        let Some(family) = version.family.as_deref_mut() else { return false };
        family.hungry.pop_front();
        if short {
            family.hungry.push_back(tenant);
        }
        version.hungry = !family.hungry.is_empty();
        version.hungry
    }

    /// A tenant of the same version whose longest idle sandbox may end for one of `taker`'s: of some, the one that
    /// has not been used for longest.
    pub(super) fn relative_to_end(&self, taker: GroupKey, now: Timestamp) -> Option<GroupKey> {
        taker.tenant?;
        let version = self.groups.get(&taker.version())?;
        let memory = u64::from(version.shape.memory.get());
        let some = version.family.as_ref()?.idle.iter().take(RELATIVES_MAX);
        let keys = some.map(|&tenant| GroupKey { tenant: Some(tenant), ..taker });
        let allowed = keys.filter(|&holder| self.may_take(taker, memory, holder, now));
        allowed
            .min_by_key(|holder| self.groups.get(holder).and_then(|group| group.idle.oldest()).map(|idle| idle.since))
    }

    /// The oldest call of a group that a start is missing for.
    pub(super) fn first_missing(&self, key: GroupKey) -> Option<(&Group, Waiting)> {
        let group = self.groups.get(&key)?;
        let first = group.waiting.front().filter(|_| group.is_short())?;
        Some((group, *first))
    }
}
