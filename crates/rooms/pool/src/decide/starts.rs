//! Starts: whose is next, and what a start's end means.
//!
//! Versions that need starts stand in one line and get one at a time each, so that one with a thousand waiting calls
//! starves no other. The last quarter of the starts that may be under way at once is kept for versions that have none.

use super::group::{Member, Phase, Waiting};
use super::words::{Action, GroupKey, Place, ProvisionFailure, Purpose};
use super::{PoolState, Turn, What, Why};
use lacewing_sandbox::Rung;

/// Versions that may be asked in vain within one decision: it stays short, and a tick turns the line.
const ASKED_IN_VAIN_MAX: usize = 16;

/// What became of a version's need for starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fed {
    /// Every waiting call has a start under way.
    #[default]
    Enough,
    /// One more was begun.
    Started,
    /// Its turn comes: too many starts are under way, or it gained sandboxes as fast as it may.
    Later,
    /// The machine is full, of sandboxes with at least as good a claim.
    NoRoom,
}

impl PoolState {
    /// Begins the starts that are needed and granted: those that calls wait for, then provisioned ones.
    pub(super) fn feed(&mut self, turn: &mut Turn<'_>) {
        let (mut at, mut reserved_mib) = (0, 0);
        while at < self.hungry.len().min(ASKED_IN_VAIN_MAX) && self.tally.starting < self.options.starts_at_once {
            let Some(&generation) = self.hungry.get(at) else { break };
            let key = self.next_in_line(generation);
            let fed = self.feed_one(key, &mut reserved_mib, turn);
            if let Some(group) = self.groups.get_mut(&key) {
                group.fed = fed;
            }
            let short = self.had_turn(key);
            match fed {
                Fed::Enough | Fed::Started => {
                    self.hungry.remove(at);
                    if short {
                        self.hungry.push_back(generation);
                    }
                }
                Fed::Later | Fed::NoRoom => at += 1,
            }
        }
        if !self.short.is_empty() {
            self.feed_provisioned(turn);
        }
    }

    fn feed_one(&mut self, key: GroupKey, reserved_mib: &mut u64, turn: &mut Turn<'_>) -> Fed {
        let slots = self.options.starts_at_once;
        let Some(group) = self.groups.get(&key).filter(|group| group.is_short()) else { return Fed::Enough };
        let (memory, starting) = (u64::from(group.shape.memory.get()), group.starting > 0);
        let Some(version) = self.groups.get_mut(&key.version()) else { return Fed::Enough };
        if (starting && self.tally.starting + slots / 4 >= slots) || version.bucket.starts(turn.now) == 0 {
            return Fed::Later;
        }
        let first = version.all_sandboxes() == 0;
        if !self.make_room(key, memory, *reserved_mib, turn) {
            // What becomes free is kept for the first in line that has nothing at all, however large it is.
            if first && *reserved_mib == 0 {
                *reserved_mib = memory;
            }
            return Fed::NoRoom;
        }
        self.start(key, Purpose::Call, turn);
        Fed::Started
    }

    pub(super) fn start(&mut self, key: GroupKey, purpose: Purpose, turn: &mut Turn<'_>) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        let place = Place(self.next_place);
        self.next_place += 1;
        let (memory, kind) = (group.shape.memory, group.shape.kind);
        group.starting += 1;
        if purpose == Purpose::Provisioned {
            group.provision.starting += 1;
        }
        if let Some(version) = self.groups.get_mut(&key.version()) {
            version.bucket.take();
        }
        self.count_sandboxes(key, 1);
        self.tally.memory_mib += u64::from(memory.get());
        self.tally.starting += 1;
        self.stock.started(kind, turn.now);
        self.members.insert(place, Member::new(key, memory, purpose, turn.now));
        turn.actions.push(Action::Start { place, key, purpose });
        self.record(key, Some(place), What::Start, purpose.why(), turn.now);
    }

    pub(super) fn started(&mut self, place: Place, rung: Rung, turn: &mut Turn<'_>) {
        let Some(member) = self.members.get_mut(&place).filter(|member| member.phase == Phase::Starting) else {
            return;
        };
        let (key, took) = (member.key, turn.now.since(member.since));
        let purpose = member.purpose;
        (member.phase, member.since) = (Phase::Busy, turn.now);
        self.tally.starting -= 1;
        self.tally.busy += 1;
        if let Some(group) = self.groups.get_mut(&key) {
            group.starting -= 1;
            group.busy += 1;
            group.pace.started(took);
            if purpose == Purpose::Provisioned {
                group.provision.came_up();
                self.tally.provisioned += 1;
            }
        }
        self.record(key, Some(place), What::Started { rung, took }, purpose.why(), turn.now);
        self.free(place, turn);
        self.feed(turn);
    }

    pub(super) fn start_failed(&mut self, place: Place, turn: &mut Turn<'_>) {
        let Some(member) = self.members.remove(&place) else { return };
        let (key, mut failed) = (member.key, 0);
        self.count_sandboxes(key, -1);
        self.tally.memory_mib -= u64::from(member.memory.get());
        self.tally.starting -= 1;
        self.record(key, Some(place), What::StartFailed, Why::StartFailed, turn.now);
        if let Some(group) = self.groups.get_mut(&key) {
            group.starting -= 1;
            if member.purpose == Purpose::Provisioned {
                group.provision.starting -= 1;
                group.provision.came_to_nothing(ProvisionFailure::Start, turn.now);
            }
            // One that calls wait for was begun for all that have nothing else under way: they fail together, once.
            let served_elsewhere = group.servers();
            while member.purpose == Purpose::Call && group.waiting.len() > served_elsewhere {
                let Some(Waiting { call, .. }) = group.waiting.pop_front() else { break };
                failed += 1;
                turn.actions.push(Action::Fail { call, place });
            }
        }
        self.tally.waiting -= failed;
        self.count_waiting(key, -(failed as isize));
        self.miss_provisioned(key);
        self.line_up(key);
        self.note_quiet(key, turn.now);
        self.forget_if_bare(key, turn);
        self.feed(turn);
    }
}

impl Purpose {
    /// The reason that the record of such a start bears.
    #[must_use]
    pub fn why(self) -> Why {
        match self {
            Self::Call => Why::NoIdleSandbox,
            Self::Rhythm => Why::Rhythm,
            Self::Provisioned => Why::Provisioned,
        }
    }
}
