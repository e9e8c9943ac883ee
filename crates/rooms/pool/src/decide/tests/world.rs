//! A world around the decisions: it does what they say, keeps books of its own, and checks after every step that
//! no promise is broken.

use super::*;
use std::collections::BTreeMap;

/// A version as the world knows it.
pub(super) struct Known {
    pub(super) generation: RevisionId,
    pub(super) shape: Shape,
    pub(super) provisioned: u32,
    /// How many tenants call it; 0 where it has none.
    pub(super) tenants: u32,
}

/// A call in line.
#[derive(Debug, Clone, Copy)]
pub(super) struct InLine {
    key: GroupKey,
    since: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Lives {
    version: usize,
    /// What it was started for.
    key: GroupKey,
    /// Whose calls it has served: never those of two.
    served: Option<GroupKey>,
    calls: usize,
    /// Set once a run in it ended badly: it must not get another.
    broken: bool,
    frozen: bool,
    provisioned: bool,
}

pub(super) struct World {
    pub(super) state: PoolState,
    pub(super) now: Timestamp,
    pub(super) versions: Vec<Known>,
    pub(super) waiting: BTreeMap<CallId, InLine>,
    pub(super) starting: BTreeMap<Place, (GroupKey, Purpose)>,
    alive: BTreeMap<Place, Lives>,
    next_call: u64,
    /// Starts that each generation may still make, thousandths, and when that was true.
    allowances: BTreeMap<RevisionId, (u64, Timestamp)>,
    pub(super) given: Vec<(CallId, Place, Duration)>,
    pub(super) refused: Vec<(CallId, Refusal)>,
    pub(super) failed: Vec<CallId>,
    pub(super) ended: Vec<Place>,
    pub(super) prepared: BTreeMap<Preparation, usize>,
    pub(super) draining: bool,
    actions: Vec<Action>,
    forgotten: Vec<GroupKey>,
    /// Set while more is held than newly lowered limits grant.
    over: bool,
}

impl World {
    pub(super) fn new(options: PoolOptions, memories: &[u32]) -> Self {
        Self::of(options, memories.iter().map(|&mib| shape(mib)))
    }

    pub(super) fn of(options: PoolOptions, shapes: impl Iterator<Item = Shape>) -> Self {
        let version = |(number, shape): (usize, Shape)| Known {
            generation: RevisionId::from_u128(number as u128 + 1),
            shape,
            provisioned: 0,
            tenants: 0,
        };
        Self {
            versions: shapes.enumerate().map(version).collect(),
            state: PoolState::new(options),
            now: Timestamp(1_000),
            waiting: BTreeMap::new(),
            starting: BTreeMap::new(),
            alive: BTreeMap::new(),
            next_call: 0,
            allowances: BTreeMap::new(),
            given: Vec::new(),
            refused: Vec::new(),
            failed: Vec::new(),
            ended: Vec::new(),
            prepared: BTreeMap::new(),
            draining: false,
            actions: Vec::new(),
            forgotten: Vec::new(),
            over: false,
        }
    }

    pub(super) fn arrive(&mut self, version: usize) -> CallId {
        self.arrive_at(version, self.versions[version].generation.into())
    }

    /// A call of one of the version's tenants, numbered from 1.
    pub(super) fn arrive_for(&mut self, version: usize, tenant: u64) -> CallId {
        self.arrive_at(version, self.key(version, tenant))
    }

    pub(super) fn key(&self, version: usize, tenant: u64) -> GroupKey {
        let tenant = NonZeroU64::new(tenant).map(TenantNumber);
        GroupKey { generation: self.versions[version].generation, tenant }
    }

    fn arrive_at(&mut self, version: usize, key: GroupKey) -> CallId {
        let call = CallId(self.next_call);
        self.next_call += 1;
        let shape = self.versions[version].shape;
        self.waiting.insert(call, InLine { key, since: self.now });
        self.play(Event::Arrive { call, key, shape });
        call
    }

    pub(super) fn abandon(&mut self, call: CallId) {
        let Some(InLine { key, .. }) = self.waiting.remove(&call) else { return };
        self.play(Event::Abandon { call, key });
    }

    pub(super) fn started(&mut self, place: Place) {
        let (key, purpose) = self.starting.remove(&place).unwrap();
        let (version, provisioned) = (self.version_of(key), purpose == Purpose::Provisioned);
        let (calls, broken, frozen) = (0, false, false);
        self.alive.insert(place, Lives { version, key, served: None, calls, broken, frozen, provisioned });
        self.play(Event::Started { place, rung: lacewing_sandbox::Rung::Full });
    }

    pub(super) fn start_failed(&mut self, place: Place) {
        self.starting.remove(&place).unwrap();
        self.play(Event::StartFailed(place));
    }

    pub(super) fn done(&mut self, place: Place, usable: bool) {
        let lives = self.alive.get_mut(&place).unwrap();
        lives.calls -= 1;
        lives.broken |= !usable;
        self.play(Event::Done { place, usable });
    }

    pub(super) fn retire(&mut self, version: usize) {
        self.versions[version].provisioned = 0;
        self.play(Event::Retire(self.versions[version].generation));
        // What comes after it is another generation.
        let known = &mut self.versions[version];
        known.generation = RevisionId::from_u128(known.generation.as_u128() + 1_000);
    }

    pub(super) fn provision(&mut self, version: usize, count: u32) {
        self.versions[version].provisioned = count;
        let Known { generation, shape, .. } = self.versions[version];
        self.play(Event::Provision { generation, shape, count });
    }

    pub(super) fn set_options(&mut self, options: PoolOptions) {
        self.over = true;
        self.allowances.clear();
        self.play(Event::Options(Box::new(options)));
    }

    pub(super) fn drain(&mut self) {
        self.draining = true;
        self.versions.iter_mut().for_each(|known| known.provisioned = 0);
        self.play(Event::Drain);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now.plus(time);
        self.play(Event::Tick);
    }

    /// The first start under way, the first sandbox at work: enough to play a table.
    pub(super) fn finish_start(&mut self, well: bool) {
        if let Some(&place) = self.starting.keys().next() {
            if well { self.started(place) } else { self.start_failed(place) }
        }
    }

    pub(super) fn finish_run(&mut self, usable: bool) {
        let first = self.busy().next();
        first.into_iter().for_each(|place| self.done(place, usable));
    }

    pub(super) fn busy(&self) -> impl Iterator<Item = Place> {
        self.alive.iter().filter(|(_, lives)| lives.calls > 0).map(|(&place, _)| place)
    }

    pub(super) fn idle(&self) -> impl Iterator<Item = Place> {
        self.alive.iter().filter(|(_, lives)| lives.calls == 0).map(|(&place, _)| place)
    }

    pub(super) fn busy_of(&self, version: usize) -> usize {
        self.alive.values().filter(|lives| lives.version == version && lives.calls > 0).count()
    }

    pub(super) fn alive_of(&self, version: usize) -> usize {
        self.alive.values().filter(|lives| lives.version == version).count()
    }

    /// How many sandboxes live for one tenant.
    pub(super) fn alive_for(&self, version: usize, tenant: u64) -> usize {
        self.alive.values().filter(|lives| lives.key == self.key(version, tenant)).count()
    }

    pub(super) fn waited(&self, call: CallId) -> Option<Duration> {
        self.given.iter().find(|(given, ..)| *given == call).map(|&(_, _, waited)| waited)
    }

    pub(super) fn play(&mut self, event: Event) {
        let mut actions = std::mem::take(&mut self.actions);
        self.state.on(event, self.now, &mut actions);
        for action in actions.drain(..) {
            self.perform(action);
        }
        self.actions = actions;
        for key in std::mem::take(&mut self.forgotten) {
            // A version outlasts its tenants.
            let of = |other: GroupKey| other == key || other.version() == key;
            let starting = self.starting.values().map(|&(key, _)| key);
            let left = self.waiting.values().map(|call| call.key).chain(starting);
            assert!(!left.chain(self.alive.values().map(|lives| lives.key)).any(of), "forgotten with something left");
        }
        self.check();
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Start { place, key, purpose } => {
                assert!(!self.draining || purpose == Purpose::Call, "a stopping node starts nothing ahead");
                assert!(key.tenant.is_none() || purpose == Purpose::Call, "nothing is started ahead for a tenant");
                self.take_allowance(key.generation);
                assert!(self.starting.insert(place, (key, purpose)).is_none() && !self.alive.contains_key(&place));
            }
            Action::Give { call, place } => {
                let InLine { key, since } = self.waiting.remove(&call).expect("the call waits");
                let lives = self.alive.get_mut(&place).expect("the sandbox lives");
                assert_eq!(lives.key, key, "a sandbox of another version or tenant");
                assert_eq!(*lives.served.get_or_insert(key), key, "a sandbox that has served another tenant");
                let most = self.versions[lives.version].shape.concurrency.get() as usize;
                assert!(lives.calls < most, "{} calls in {place:?}, and one more", lives.calls);
                assert!(!lives.broken, "a call in {place:?}, which is broken");
                lives.calls += 1;
                lives.frozen = false;
                self.given.push((call, place, self.now.since(since)));
            }
            Action::Refuse { call, refusal } => {
                self.waiting.remove(&call).expect("a call is answered once");
                self.refused.push((call, refusal));
            }
            Action::Fail { call, .. } => {
                self.waiting.remove(&call).expect("a call is answered once");
                self.failed.push(call);
            }
            Action::Freeze(place) => {
                let lives = self.alive.get_mut(&place).expect("it lives");
                assert!(lives.calls == 0 && !lives.frozen, "frozen only when idle, and once");
                lives.frozen = true;
            }
            Action::End(place) => {
                let lives = self.alive.remove(&place).expect("it lives");
                assert_eq!(lives.calls, 0, "{place:?} ended under a call");
                self.ended.push(place);
            }
            Action::KeepPrepared { kind, count } => drop(self.prepared.insert(kind, count)),
            Action::Forget(key) => self.forgotten.push(key),
        }
    }

    fn version_of(&self, key: GroupKey) -> usize {
        // A retired generation's version has moved on by 1,000 for each retirement.
        usize::try_from(key.generation.as_u128() % 1_000).unwrap() - 1
    }

    fn take_allowance(&mut self, generation: RevisionId) {
        let Some(rate) = self.state.options.scaling_rate else { return };
        let most = u64::from(rate.burst) * 1_000;
        let (level, at) = self.allowances.entry(generation).or_insert((most, self.now));
        let gained = self.now.since(*at).as_millis() as u64 * u64::from(rate.per_second);
        (*level, *at) = ((*level + gained).min(most), self.now);
        *level = level.checked_sub(1_000).expect("the scaling rate is passed");
    }

    fn check(&mut self) {
        let (census, options) = (self.state.census(), &self.state.options);
        let mib = |version: usize| u64::from(self.versions[version].shape.memory.get());
        let held: u64 = self.alive.values().map(|lives| mib(lives.version)).sum::<u64>()
            + self.starting.values().map(|&(key, _)| mib(self.version_of(key))).sum::<u64>();
        let sandboxes = self.alive.len() + self.starting.len();
        self.over &= held > options.memory_mib
            || sandboxes > options.sandboxes_max
            || self.starting.len() > options.starts_at_once;
        if !self.over {
            assert!(held <= options.memory_mib, "memory: {held} MiB");
            assert!(sandboxes <= options.sandboxes_max, "{sandboxes} sandboxes");
            assert!(self.starting.len() <= options.starts_at_once, "starts at once");
        }
        assert!(self.waiting.len() <= options.waiting.in_all, "calls in line");
        let frozen = self.alive.values().filter(|lives| lives.frozen).count();
        let provisioned = self.alive.values().filter(|lives| lives.provisioned).count();
        let (busy, idle) = (self.busy().count(), self.idle().count());
        let starting = self.starting.len();
        let waiting = self.waiting.len();
        assert!(self.idle().all(|place| !self.alive[&place].broken), "a broken sandbox is kept");
        assert_eq!(census, Census { idle, frozen, provisioned, busy, starting, waiting, memory_mib: held });
        for group in self.state.groups.values() {
            let idle = !group.idle.is_empty() || !group.ready.is_empty();
            assert!(group.waiting.is_empty() || !idle, "a call waits while a sandbox idles");
            assert!(group.waiting.is_empty() || group.open.is_empty(), "a call waits while a sandbox has room for it");
            assert!(group.closing <= group.busy);
            assert!(!group.is_short() || group.hungry, "a call waits and nobody sees to it");
            assert!(group.all_waiting() <= self.state.options.waiting.of_a_version, "calls in a version's line");
            assert!(group.provision.alive as usize <= self.alive.len());
        }
        self.check_families();
    }

    /// What versions keep of their tenants is what these come to.
    fn check_families(&self) {
        let groups = &self.state.groups;
        assert_eq!(self.state.tenants, groups.keys().filter(|key| key.tenant.is_some()).count());
        for (key, group) in groups.iter().filter(|(key, _)| key.tenant.is_some()) {
            let version = groups.get(&key.version()).expect("a version outlasts its tenants");
            let (family, tenant) = (version.family.as_ref().unwrap(), key.tenant.unwrap());
            assert!(family.tenants.contains(&tenant));
            assert_eq!(family.idle.contains(&tenant), !group.idle.is_empty(), "who has idle sandboxes");
            assert_eq!(family.hungry.iter().filter(|&&other| other == tenant).count(), usize::from(group.hungry));
            assert!(!group.hungry || version.hungry && self.state.hungry.contains(&key.generation));
        }
        for (key, family) in groups.iter().filter_map(|(key, group)| Some((key, group.family.as_ref()?))) {
            let of = |other: &GroupKey| other.tenant.is_some() && other.version() == *key;
            let alive = self.alive.values().filter(|lives| of(&lives.key)).count();
            let starting = self.starting.values().filter(|(key, _)| of(key)).count();
            assert_eq!(family.sandboxes, alive + starting);
            assert_eq!(family.waiting, self.waiting.values().filter(|call| of(&call.key)).count());
            assert_eq!(family.tenants.len(), groups.keys().filter(|key| of(key)).count());
        }
    }
}
