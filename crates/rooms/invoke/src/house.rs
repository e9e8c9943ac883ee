//! What goes on beside the calls: time passes in the pool, the catalog's news reach it, the machine is looked at; and
//! what those see who ask.

use crate::corridor::{Inner, Invoke};
use crate::in_flight::ProvisionedShare;
use crate::starts::StartRecord;
use lacewing_catalog::{AllWanted, Scope, Wanted};
use lacewing_ledger::Moment;
use lacewing_model::{RequestId, RevisionId, Version};
use lacewing_pool::{Census, ProvisionStatus, Record};
use lacewing_sandbox::Preparation;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

/// How often time passes in the pool: idle sandboxes are frozen, ended and started ahead no later than this.
const TICK: Duration = Duration::from_millis(250);
/// How often the machine and the catalog are looked at.
const LOOK: Duration = Duration::from_secs(1);

impl Invoke {
    /// Lets time pass in the pool, follows what the catalog retires, reserves and wants provisioned, and reads the
    /// machine's memory, until dropped.
    pub async fn keep_house(&self) {
        let mut house = House { inner: &self.0, wanted: AllWanted::default(), kinds: BTreeSet::new() };
        let mut retired = self.0.catalog.retired();
        let mut wanted = self.0.catalog.provisioned();
        wanted.mark_changed();
        let (mut tick, mut look) = (interval(TICK), interval(LOOK));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                generation = retired.recv() => match generation {
                    Ok(generation) => {
                        self.0.pool.retire(generation);
                        self.0.driver.forget_snapshot(generation);
                        self.0.kitchen.templates.retire(generation);
                    }
                    // Those missed end by their keep-alive; nothing new resolves to them.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                changed = wanted.changed() => match changed {
                    Ok(()) => {
                        let wanted = Arc::clone(&wanted.borrow_and_update());
                        house.provision(wanted);
                        house.look();
                    }
                    Err(_) => return,
                },
                (generation, reason) = self.0.driver.snapshot_given_up() => {
                    tracing::info!(%generation, %reason, "a version starts without its snapshot from now on");
                    self.0.catalog.lose_snapshot(generation, reason);
                }
                _ = look.tick() => house.look(),
                _ = tick.tick() => self.0.pool.tick(),
            }
        }
    }

    /// Figures of the moment.
    #[must_use]
    pub fn census(&self) -> Census {
        self.0.pool.census()
    }

    /// The same as metrics show them.
    #[must_use]
    pub fn moment(&self) -> Moment {
        let (census, inner) = (self.0.pool.census(), &self.0);
        let prepared = inner.driver.prepared().iter().map(|(_, count)| count).sum();
        Moment {
            in_flight: inner.admission.in_flight(),
            queued: census.waiting,
            sandboxes: vec![
                ("busy", census.busy),
                ("idle", census.idle - census.frozen),
                ("frozen", census.frozen),
                ("starting", census.starting),
                ("prepared", prepared),
            ],
            memory_promised_bytes: census.memory_mib << 20,
            memory_promised_bytes_max: inner.memory_mib_max << 20,
            memory_used_bytes: inner.driver.memory_used_bytes(),
            ..Moment::default()
        }
    }

    /// What the pool did and why in the last hour, for one version's generation or over all, oldest first.
    #[must_use]
    pub fn history(&self, generation: Option<RevisionId>) -> Vec<Record> {
        self.0.pool.history(generation)
    }

    /// The newest starts that calls ran into, oldest first.
    #[must_use]
    pub fn starts(&self) -> Vec<Arc<StartRecord>> {
        self.0.starts.all()
    }

    /// The start that this invocation ran into, if it did and that was not too long ago.
    #[must_use]
    pub fn start_of(&self, request_id: RequestId) -> Option<Arc<StartRecord>> {
        self.0.starts.of(request_id)
    }

    /// How many sandboxes wait prepared at this moment, by kind.
    #[must_use]
    pub fn prepared(&self) -> Vec<(Preparation, usize)> {
        self.0.pool.prepared()
    }

    /// How far the provisioned concurrency of a version is.
    #[must_use]
    pub fn provisioned(&self, generation: RevisionId) -> ProvisionStatus {
        self.0.pool.provisioned(generation)
    }
}

/// What the house has told the pool so far.
struct House<'a> {
    inner: &'a Inner,
    wanted: AllWanted,
    kinds: BTreeSet<Preparation>,
}

impl House<'_> {
    /// Tells the pool what of the provisioned concurrency changed.
    fn provision(&mut self, wanted: AllWanted) {
        let before = std::mem::replace(&mut self.wanted, wanted);
        for (generation, Wanted { runnable, sandboxes }) in &*self.wanted {
            if before.get(generation).is_none_or(|before| before.sandboxes != *sandboxes) {
                let recipe = || Arc::clone(&self.inner.kitchen).recipe(runnable.clone());
                self.inner.pool.provision(&runnable.version, *sandboxes, recipe);
            }
        }
        for (_, gone) in before.iter().filter(|(generation, _)| !self.wanted.contains_key(generation)) {
            let recipe = || Arc::clone(&self.inner.kitchen).recipe(gone.runnable.clone());
            self.inner.pool.provision(&gone.runnable.version, 0, recipe);
        }
    }

    /// Reads the machine's memory, and what is deployed and reserved.
    fn look(&mut self) {
        (self.inner.memory_left)().into_iter().for_each(|mib| self.inner.pool.memory_left(mib));
        let mut reserved: BTreeMap<Scope, u32> = BTreeMap::new();
        self.inner.catalog.survey(|version, own| {
            if let Some(own) = own {
                *reserved.entry(scope(version)).or_default() += own;
            }
            let kind = Preparation::of(version);
            if !self.kinds.contains(&kind) {
                self.kinds.insert(kind);
                self.inner.pool.expect(kind);
            }
        });
        let provisioned = self.wanted.values().map(|Wanted { runnable, sandboxes }| ProvisionedShare {
            scope: scope(&runnable.version),
            name: runnable.version.name.clone(),
            generation: runnable.version.generation,
            count: *sandboxes,
            of_reserved: runnable.reserved.is_some(),
        });
        self.inner.admission.set_aside(&reserved.into_iter().collect::<Vec<_>>(), &provisioned.collect::<Vec<_>>());
    }
}

fn scope(version: &Version) -> Scope {
    Scope { account: version.account.clone(), region: version.region.clone() }
}
