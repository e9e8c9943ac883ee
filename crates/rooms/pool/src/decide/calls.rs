//! Calls: who gets an idle sandbox, who waits, who is turned away.

use super::group::Waiting;
use super::starts::Fed;
use super::words::{Action, CallId, Place, Refusal, Shape};
use super::{PoolState, Turn, What, Why};
use lacewing_model::{RevisionId, Timestamp};

impl PoolState {
    pub(super) fn arrive(&mut self, call: CallId, generation: RevisionId, shape: Shape, turn: &mut Turn<'_>) {
        let group = self.group(generation, shape, turn.now);
        if let Some(quiet) = group.quiet_since.take() {
            group.prewarm_at = None;
            if let Some(rhythm) = &mut group.rhythm {
                rhythm.note(turn.now.since(quiet));
            }
        }
        let taken = self.take_open(generation, turn.now).or_else(|| self.take_idle(generation, turn.now));
        if let Some(place) = taken {
            turn.actions.push(Action::Give { call, place });
            return;
        }
        match self.refusal(generation, turn.now) {
            Some(refusal) => self.refuse(call, generation, refusal, turn),
            None => self.wait(call, generation, turn),
        }
        self.note_quiet(generation, turn.now);
        self.forget_if_bare(generation, turn);
    }

    /// Lends one that runs calls and would run another: the fullest, so that the others come to idle.
    fn take_open(&mut self, generation: RevisionId, now: Timestamp) -> Option<Place> {
        if self.draining {
            return None;
        }
        let group = self.groups.get_mut(&generation)?;
        let (_, place) = group.open.pop_last()?;
        self.add_call(place, now);
        Some(place)
    }

    /// Notes a call that begins in a sandbox which is on no shelf, nor among the open ones.
    fn add_call(&mut self, place: Place, now: Timestamp) {
        let Some(member) = self.members.get_mut(&place) else { return };
        member.take_call(now);
        let (generation, calls) = (member.generation, member.calls);
        if let Some(group) = self.groups.get_mut(&generation).filter(|group| (calls as usize) < group.at_once()) {
            group.open.insert((calls, place));
        }
    }

    /// Lends the version's warmest idle sandbox, a provisioned one before any other.
    fn take_idle(&mut self, generation: RevisionId, now: Timestamp) -> Option<Place> {
        let group = self.groups.get_mut(&generation)?;
        let spare = group.ready.is_empty();
        let idle = if spare { group.idle.take()? } else { group.ready.take()? };
        group.busy += 1;
        let memory = group.shape.memory;
        self.tally.busy += 1;
        self.tally.left_shelf(idle, spare.then_some(memory));
        self.add_call(idle.place, now);
        Some(idle.place)
    }

    /// Why a call that finds nothing idle may not even wait. Looks at counts only.
    fn refusal(&mut self, generation: RevisionId, now: Timestamp) -> Option<Refusal> {
        let limits = self.options.waiting;
        let group = self.groups.get_mut(&generation)?;
        if self.draining {
            return Some(Refusal::Stopping);
        }
        if group.waiting.len() >= limits.of_a_version || self.tally.waiting >= limits.in_all {
            return Some(Refusal::QueueFull);
        }
        if u64::from(group.shape.memory.get()) > self.options.memory_mib || self.options.sandboxes_max == 0 {
            return Some(Refusal::NoRoom);
        }
        let starts_needed = group.starts_missing(1) as u64;
        if group.bucket.starts(now) < starts_needed {
            return Some(Refusal::ScalingRate);
        }
        let cramped = group.fed == Fed::NoRoom && starts_needed > 0;
        (cramped && group.expected_wait().is_some_and(|wait| wait > limits.longest)).then_some(Refusal::TooLong)
    }

    fn wait(&mut self, call: CallId, generation: RevisionId, turn: &mut Turn<'_>) {
        if let Some(group) = self.groups.get_mut(&generation) {
            group.waiting.push_back(Waiting { call, since: turn.now });
            self.tally.waiting += 1;
        }
        self.line_up(generation);
        self.feed(turn);
    }

    pub(super) fn abandon(&mut self, call: CallId, generation: RevisionId, turn: &mut Turn<'_>) {
        if let Some(group) = self.groups.get_mut(&generation) {
            let before = group.waiting.len();
            group.waiting.retain(|waiting| waiting.call != call);
            self.tally.waiting -= before - group.waiting.len();
        }
        self.note_quiet(generation, turn.now);
        self.forget_if_bare(generation, turn);
    }

    /// Gives a sandbox that is on no shelf, nor among the open ones, to the calls that have waited longest: to as many
    /// as it runs at once. Where it would run more, it is open afterwards.
    pub(super) fn give_to_waiting(&mut self, place: Place, turn: &mut Turn<'_>) {
        let Some(member) = self.members.get_mut(&place) else { return };
        let Some(group) = self.groups.get_mut(&member.generation) else { return };
        while (member.calls as usize) < group.at_once() {
            let Some(Waiting { call, .. }) = group.waiting.pop_front() else {
                if member.calls > 0 {
                    group.open.insert((member.calls, place));
                }
                return;
            };
            self.tally.waiting -= 1;
            member.take_call(turn.now);
            turn.actions.push(Action::Give { call, place });
        }
    }

    /// Turns away calls that have waited longer than calls may and for which no start is under way.
    pub(super) fn lose_patience(&mut self, turn: &mut Turn<'_>) {
        let longest = self.options.waiting.longest;
        for turns in 0..self.hungry.len() {
            let Some(&generation) = self.hungry.get(turns) else { break };
            while let Some(group) = self.groups.get_mut(&generation) {
                let late = group.waiting.front().filter(|first| turn.now.since(first.since) > longest);
                let Some(&Waiting { call, .. }) = late.filter(|_| group.is_short()) else { break };
                group.waiting.pop_front();
                self.tally.waiting -= 1;
                self.refuse(call, generation, Refusal::TooLong, turn);
                self.note_quiet(generation, turn.now);
                self.forget_if_bare(generation, turn);
            }
        }
    }

    pub(super) fn refuse(&mut self, call: CallId, generation: RevisionId, refusal: Refusal, turn: &mut Turn<'_>) {
        turn.actions.push(Action::Refuse { call, refusal });
        self.record(generation, None, What::Refuse, refusal.why(), turn.now);
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
