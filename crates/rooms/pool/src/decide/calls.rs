//! Calls: who gets an idle sandbox, who waits, who is turned away.

use super::group::Waiting;
use super::starts::Fed;
use super::words::{Action, CallId, GroupKey, Place, Refusal, Shape};
use super::{PoolState, Turn, What, Why};
use lacewing_model::Timestamp;

impl PoolState {
    pub(super) fn arrive(&mut self, call: CallId, key: GroupKey, shape: Shape, turn: &mut Turn<'_>) {
        let group = self.group(key, shape, turn.now);
        if let Some(quiet) = group.quiet_since.take() {
            group.prewarm_at = None;
            if let Some(rhythm) = &mut group.rhythm {
                rhythm.note(turn.now.since(quiet));
            }
        }
        let taken = self.take_open(key, turn.now).or_else(|| self.take_idle(key, turn.now));
        if let Some(place) = taken {
            turn.actions.push(Action::Give { call, place });
            return;
        }
        match self.refusal(key, turn.now) {
            Some(refusal) => self.refuse(call, key, refusal, turn),
            None => self.wait(call, key, turn),
        }
        self.note_quiet(key, turn.now);
        self.forget_if_bare(key, turn);
    }

    /// Lends one that runs calls and would run another: the fullest, so that the others come to idle.
    fn take_open(&mut self, key: GroupKey, now: Timestamp) -> Option<Place> {
        if self.draining {
            return None;
        }
        let group = self.groups.get_mut(&key)?;
        let (_, place) = group.open.pop_last()?;
        self.add_call(place, now);
        Some(place)
    }

    /// Notes a call that begins in a sandbox which is on no shelf, nor among the open ones.
    fn add_call(&mut self, place: Place, now: Timestamp) {
        let Some(member) = self.members.get_mut(&place) else { return };
        member.take_call(now);
        let (key, calls) = (member.key, member.calls);
        if let Some(group) = self.groups.get_mut(&key).filter(|group| (calls as usize) < group.at_once()) {
            group.open.insert((calls, place));
        }
    }

    /// Lends the version's warmest idle sandbox, a provisioned one before any other.
    fn take_idle(&mut self, key: GroupKey, now: Timestamp) -> Option<Place> {
        let group = self.groups.get_mut(&key)?;
        let spare = group.ready.is_empty();
        let idle = if spare { group.idle.take()? } else { group.ready.take()? };
        group.busy += 1;
        let memory = group.shape.memory;
        self.tally.busy += 1;
        self.tally.left_shelf(idle, spare.then_some(memory));
        self.note_idle(key);
        self.add_call(idle.place, now);
        Some(idle.place)
    }

    /// Why a call that finds nothing idle may not even wait. Looks at counts only.
    fn refusal(&mut self, key: GroupKey, now: Timestamp) -> Option<Refusal> {
        let limits = self.options.waiting;
        if self.draining {
            return Some(Refusal::Stopping);
        }
        let version = self.groups.get_mut(&key.version())?;
        if version.all_waiting() >= limits.of_a_version || self.tally.waiting >= limits.in_all {
            return Some(Refusal::QueueFull);
        }
        let starts_left = version.bucket.starts(now);
        let group = self.groups.get(&key)?;
        if u64::from(group.shape.memory.get()) > self.options.memory_mib || self.options.sandboxes_max == 0 {
            return Some(Refusal::NoRoom);
        }
        let starts_needed = group.starts_missing(1) as u64;
        if starts_left < starts_needed {
            return Some(Refusal::ScalingRate);
        }
        let cramped = group.fed == Fed::NoRoom && starts_needed > 0;
        (cramped && group.expected_wait().is_some_and(|wait| wait > limits.longest)).then_some(Refusal::TooLong)
    }

    fn wait(&mut self, call: CallId, key: GroupKey, turn: &mut Turn<'_>) {
        if let Some(group) = self.groups.get_mut(&key) {
            group.waiting.push_back(Waiting { call, since: turn.now });
            self.tally.waiting += 1;
            self.count_waiting(key, 1);
        }
        self.line_up(key);
        self.feed(turn);
    }

    pub(super) fn abandon(&mut self, call: CallId, key: GroupKey, turn: &mut Turn<'_>) {
        if let Some(group) = self.groups.get_mut(&key) {
            let before = group.waiting.len();
            group.waiting.retain(|waiting| waiting.call != call);
            let gone = before - group.waiting.len();
            self.tally.waiting -= gone;
            self.count_waiting(key, -(gone as isize));
        }
        self.note_quiet(key, turn.now);
        self.forget_if_bare(key, turn);
    }

    /// Gives a sandbox that is on no shelf, nor among the open ones, to the calls that have waited longest: to as many
    /// as it runs at once. Where it would run more, it is open afterwards.
    pub(super) fn give_to_waiting(&mut self, place: Place, turn: &mut Turn<'_>) {
        let Some(member) = self.members.get_mut(&place) else { return };
        let key = member.key;
        let Some(group) = self.groups.get_mut(&key) else { return };
        let mut given = 0;
        while (member.calls as usize) < group.at_once() {
            let Some(Waiting { call, .. }) = group.waiting.pop_front() else {
                if member.calls > 0 {
                    group.open.insert((member.calls, place));
                }
                break;
            };
            given += 1;
            member.take_call(turn.now);
            turn.actions.push(Action::Give { call, place });
        }
        self.tally.waiting -= given;
        self.count_waiting(key, -(given as isize));
    }

    /// Turns away calls that have waited longer than calls may and for which no start is under way.
    pub(super) fn lose_patience(&mut self, turn: &mut Turn<'_>) {
        let line: Vec<GroupKey> = self.hungry.iter().flat_map(|&generation| self.in_line(generation)).collect();
        line.into_iter().for_each(|key| self.lose_patience_of(key, turn));
    }

    fn lose_patience_of(&mut self, key: GroupKey, turn: &mut Turn<'_>) {
        let longest = self.options.waiting.longest;
        while let Some(group) = self.groups.get_mut(&key) {
            let late = group.waiting.front().filter(|first| turn.now.since(first.since) > longest);
            let Some(&Waiting { call, .. }) = late.filter(|_| group.is_short()) else { break };
            group.waiting.pop_front();
            self.tally.waiting -= 1;
            self.count_waiting(key, -1);
            self.refuse(call, key, Refusal::TooLong, turn);
            self.note_quiet(key, turn.now);
            self.forget_if_bare(key, turn);
        }
    }

    pub(super) fn refuse(&mut self, call: CallId, key: GroupKey, refusal: Refusal, turn: &mut Turn<'_>) {
        turn.actions.push(Action::Refuse { call, refusal });
        self.record(key, None, What::Refuse, refusal.why(), turn.now);
    }
}

impl Refusal {
    /// The reason that its record bears.
    #[must_use]
    pub fn why(self) -> Why {
        match self {
            Self::NoRoom => Why::NoRoom,
            Self::QueueFull => Why::QueueFull,
            Self::TooLong => Why::TooLong,
            Self::ScalingRate => Why::ScalingRate,
            Self::Stopping => Why::Draining,
        }
    }
}
