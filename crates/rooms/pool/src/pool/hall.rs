//! What the pool's one lock guards: the decisions' state, and the things that they speak of.

use super::tenants::Tenants;
use super::{PoolError, ProvisionStatus, Recipe};
use crate::decide::{Action, CallId, Census, Event, GroupKey, Place, PoolState, ProvisionFailure, Purpose, Record};
use crate::lease::Held;
use lacewing_model::{RevisionId, TenantId, Timestamp};
use lacewing_sandbox::{Preparation, StartError};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use tokio::sync::oneshot;

pub(super) type Grant<C> = Result<(Place, Held<C>), PoolError>;

/// The state and its things.
pub(super) struct Hall<C> {
    state: PoolState,
    /// Those that idle; of those that run several calls at once also the ones at work.
    home: HashMap<Place, Held<C>>,
    waiting: HashMap<CallId, oneshot::Sender<Grant<C>>>,
    pub(super) tenants: Tenants,
    /// What to start for a version, until it is forgotten.
    recipes: HashMap<RevisionId, Recipe<C>>,
    /// Provisioned starts under way, and the error of the newest that failed.
    provisioning: HashMap<Place, RevisionId>,
    failures: HashMap<RevisionId, StartError>,
    next_call: u64,
    pub(super) stopping: bool,
    /// Kept so that a decision allocates nothing.
    actions: Vec<Action>,
}

/// What is left to do once the lock is gone.
pub(super) enum Errand<C> {
    Start(Place, Recipe<C>, Purpose),
    GiveBack(Place, Held<C>),
    End(Held<C>),
    Freeze(Place),
    KeepPrepared(Preparation, usize),
}

impl<C: Send + Sync + 'static> Hall<C> {
    pub(super) fn new(state: PoolState) -> Self {
        Self {
            state,
            home: HashMap::new(),
            waiting: HashMap::new(),
            tenants: Tenants::default(),
            recipes: HashMap::new(),
            provisioning: HashMap::new(),
            failures: HashMap::new(),
            next_call: 0,
            stopping: false,
            actions: Vec::new(),
        }
    }

    pub(super) fn next_call(&mut self) -> CallId {
        self.next_call += 1;
        CallId(self.next_call)
    }

    /// What a version's sandboxes for this tenant are kept by. To be asked before each arrival: the decisions say when
    /// it can be forgotten.
    pub(super) fn key(&mut self, generation: RevisionId, tenant: Option<&TenantId>) -> GroupKey {
        GroupKey { generation, tenant: tenant.map(|tenant| self.tenants.number(generation, tenant)) }
    }

    /// Asks the state. The actions are to be handed to [`Hall::perform`], or to one of the short ways around it.
    pub(super) fn decide(&mut self, event: Event, now: Timestamp) -> Vec<Action> {
        let mut actions = std::mem::take(&mut self.actions);
        self.state.on(event, now, &mut actions);
        actions
    }

    /// The short way for a call that found a sandbox.
    pub(super) fn take_now(&mut self, place: Place, mut actions: Vec<Action>) -> Option<Held<C>> {
        actions.clear();
        self.actions = actions;
        self.take(place, &mut None)
    }

    /// The short way for a sandbox that nobody waits for.
    pub(super) fn put_back(&mut self, place: Place, held: Held<C>, actions: Vec<Action>) {
        self.actions = actions;
        self.home.insert(place, held);
    }

    /// Freezes one, if it still idles: meanwhile a call may have taken it, and may have given it back. One that runs
    /// several at once sees for itself whether one runs.
    pub(super) fn freeze(&mut self, place: Place) {
        if let Some(held) = self.home.get_mut(&place) {
            held.sandbox.freeze();
        }
    }

    pub(super) fn wait(&mut self, call: CallId, reply: oneshot::Sender<Grant<C>>) {
        self.waiting.insert(call, reply);
    }

    pub(super) fn remember(&mut self, generation: RevisionId, recipe: impl FnOnce() -> Recipe<C>) {
        if let Entry::Vacant(entry) = self.recipes.entry(generation) {
            entry.insert(recipe());
        }
    }

    /// Does what can be done under the lock and returns the rest. `held` is the sandbox that the event
    /// was about: it is given on, ended, or kept idle.
    pub(super) fn perform(&mut self, mut actions: Vec<Action>, mut held: Option<(Place, Held<C>)>) -> Vec<Errand<C>> {
        let mut errands = Vec::new();
        for action in actions.drain(..) {
            match action {
                Action::Start { place, key, purpose } => {
                    if let Some(recipe) = self.recipes.get(&key.generation) {
                        errands.push(Errand::Start(place, recipe.clone(), purpose));
                    }
                    if purpose == Purpose::Provisioned {
                        self.provisioning.insert(place, key.generation);
                    }
                }
                Action::Give { call, place } => {
                    let found = self.take(place, &mut held);
                    let unheard = found.and_then(|found| self.answer(call, Ok((place, found))));
                    errands.extend(unheard.map(|(place, held)| Errand::GiveBack(place, held)));
                }
                Action::Refuse { call, refusal } => {
                    let _unheard = self.answer(call, Err(PoolError::Refused(refusal)));
                }
                Action::Fail { .. } => {} // answered where the reason is known
                Action::Freeze(place) => errands.push(Errand::Freeze(place)),
                Action::End(place) => {
                    let own = held.take_if(|(own, _)| *own == place).map(|(_, held)| held);
                    errands.extend(own.into_iter().chain(self.home.remove(&place)).map(Errand::End));
                }
                Action::KeepPrepared { kind, count } => errands.push(Errand::KeepPrepared(kind, count)),
                Action::Forget(GroupKey { generation, tenant: Some(tenant) }) => {
                    self.tenants.forget(generation, tenant);
                }
                Action::Forget(GroupKey { generation, tenant: None }) => {
                    self.recipes.remove(&generation);
                    self.failures.remove(&generation);
                }
            }
        }
        if let Some((place, held)) = held {
            self.home.insert(place, held);
        }
        self.actions = actions;
        errands
    }

    /// Takes a sandbox for a call: `held` or one at home, which stay where they are if they run several at once.
    fn take(&mut self, place: Place, held: &mut Option<(Place, Held<C>)>) -> Option<Held<C>> {
        match held {
            Some((own, its)) if *own == place => its.share().or_else(|| held.take().map(|(_, held)| held)),
            _ => self.home.get_mut(&place).and_then(Held::share).or_else(|| self.home.remove(&place)),
        }
    }

    /// Tells a waiting call what it gets; returns a sandbox that nobody was there to take.
    pub(super) fn answer(&mut self, call: CallId, grant: Grant<C>) -> Option<(Place, Held<C>)> {
        match self.leave_line(call) {
            Some(reply) => reply.send(grant).err().and_then(Result::ok),
            None => grant.ok(),
        }
    }

    pub(super) fn leave_line(&mut self, call: CallId) -> Option<oneshot::Sender<Grant<C>>> {
        self.waiting.remove(&call)
    }

    pub(super) fn note_success(&mut self, place: Place) {
        if let Some(generation) = self.provisioning.remove(&place) {
            self.failures.remove(&generation);
        }
    }

    /// A start failed: why, for those who ask after provisioned concurrency.
    pub(super) fn note_failure(&mut self, place: Place, error: &StartError) {
        if let Some(generation) = self.provisioning.remove(&place) {
            self.failures.insert(generation, error.clone());
        }
    }

    pub(super) fn provisioned(&self, generation: RevisionId) -> ProvisionStatus {
        let figures = self.state.provisioned(generation);
        let reason = figures.failed.map(|failed| match (failed, self.failures.get(&generation)) {
            (ProvisionFailure::Start, Some(error)) => error.to_string(),
            (ProvisionFailure::Start, None) => "a sandbox could not be started".into(),
            (ProvisionFailure::NoRoom, _) => "no room for another sandbox on this machine".into(),
        });
        ProvisionStatus { figures, reason }
    }

    pub(super) fn census(&self) -> Census {
        self.state.census()
    }

    pub(super) fn history(&self, generation: Option<RevisionId>) -> Vec<Record> {
        self.state.history(generation).copied().collect()
    }
}
