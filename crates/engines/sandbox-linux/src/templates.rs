//! The server's side of snapshots: which versions have a template, how one is taken, and how a start forks from it.
//!
//! ```text
//! snapshot(spec) ─► a sandbox, INIT as ever, `restore/next` waits ─ attach ─► Attached, it is answered ─► Held: kept
//! start ─ of(generation) ─► restore ─► a sandbox in which the copy goes on from `restore/next`
//! a template that is lost ─► renew() takes it again, once; its version starts as others do meanwhile
//!                            └ refused, or lost again and again: given up, and told (next_given_up)
//! forget(generation) ─► its process ends at once, its sandbox when the last copy has
//! ```

use crate::driver::LinuxDriver;
use crate::launching::Launch;
use crate::making::{Made, Unmade, gone_or_no_room, in_time, next_report, of_function};
use crate::protocol::Report;
use crate::sandbox::LinuxSandbox;
use crate::starts::Begun;
use lacewing_model::{Egress, Language, RevisionId};
use lacewing_sandbox::{
    Built, InitEnding, Rung, SnapshotRefused, SnapshotReport, StartError, StartPhases, StartSpec, Started,
};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long a restore may take, hooks included. Source: Lambda documentation, "Lambda SnapStart", runtime hooks.
const RESTORE_MAX: Duration = Duration::from_secs(10);
/// Tells our bootstrap that it is to become a template.
const MARK: &str = "LACEWING_TEMPLATE";
/// Templates of one generation that may be lost in a row. More will be too: INIT itself makes them useless.
const LOSSES_MAX: u32 = 3;
/// A variable that a copy keeps as it was in INIT: that is what it tells.
const KEPT: &str = "AWS_LAMBDA_INITIALIZATION_TYPE";

/// A sandbox whose runtime has finished INIT and stands still.
pub(crate) struct Template {
    /// Locked only for a moment. Its drop ends the sandbox.
    sandbox: Mutex<LinuxSandbox>,
    /// How it was made, to make it again.
    spec: StartSpec,
    environment: Vec<(String, String)>,
}

/// All templates of one driver, by the generation of their version.
#[derive(Default)]
pub(crate) struct Templates {
    state: Mutex<State>,
    /// Rung when one was lost.
    lost: Notify,
    /// Rung when one was given up.
    given_up: Notify,
}

#[derive(Default)]
struct State {
    templates: HashMap<RevisionId, Arc<Template>>,
    /// Those to be taken again, and the one that is.
    lost: Vec<StartSpec>,
    renewed: Option<RevisionId>,
    /// Losses since the last copy that was made.
    losses: HashMap<RevisionId, u32>,
    /// Generations that were given up, and why, until somebody has asked. Each at most once: without a template none
    /// is lost.
    given_up: VecDeque<(RevisionId, String)>,
    /// Sandboxes that hold one, until they have ended.
    held: Vec<Weak<Template>>,
    closed: bool,
}

impl Templates {
    /// That of a generation, if there is one.
    pub(crate) fn of(&self, generation: RevisionId) -> Option<Arc<Template>> {
        self.state().templates.get(&generation).cloned()
    }

    /// Lets go of one. Copies live on.
    pub(crate) fn forget(&self, generation: RevisionId) {
        let mut state = self.state();
        state.lost.retain(|spec| spec.version.generation != generation);
        state.renewed.take_if(|renewed| *renewed == generation);
        state.losses.remove(&generation);
        state.given_up.retain(|(given_up, _)| *given_up != generation);
        let known = state.templates.remove(&generation);
        drop(state);
        if let Some(template) = known {
            template.sandbox().cell.forget();
        }
    }

    /// Sandboxes that are held for templates.
    pub(crate) fn held(&self) -> usize {
        let mut state = self.state();
        state.held.retain(|held| held.strong_count() > 0);
        state.held.len()
    }

    /// Lets go of all; from now on none is kept.
    pub(crate) fn close(&self) {
        let templates = {
            let mut state = self.state();
            state.closed = true;
            state.lost.clear();
            std::mem::take(&mut state.templates)
        };
        drop(templates);
        self.lost.notify_one();
    }

    fn keep(&self, generation: RevisionId, template: Arc<Template>) {
        let mut state = self.state();
        if state.closed {
            return;
        }
        state.held.push(Arc::downgrade(&template));
        let former = state.templates.insert(generation, template);
        drop(state);
        drop(former);
    }

    /// A copy could not be made of it. If it is the one that is known, it is taken again.
    fn lose(&self, generation: RevisionId, template: &Arc<Template>) {
        let mut state = self.state();
        if state.templates.get(&generation).is_some_and(|known| Arc::ptr_eq(known, template)) {
            let gone = state.templates.remove(&generation);
            let losses = state.losses.entry(generation).or_default();
            *losses += 1;
            if *losses > LOSSES_MAX {
                tracing::warn!(name = %template.spec.version.name, "its snapshots are lost again and again; it starts without");
                let reason =
                    format!("its process was lost {losses} times in a row; publish a new version to try again");
                state.give_up(generation, reason);
            } else if !state.closed {
                state.lost.push(template.spec.clone());
            }
            drop(state);
            drop(gone);
            self.lost.notify_one();
            self.given_up.notify_one();
        }
    }

    /// One that was lost could not be taken again.
    fn give_up(&self, generation: RevisionId, reason: String) {
        self.state().give_up(generation, reason);
        self.given_up.notify_one();
    }

    /// The next generation that is given up.
    ///
    /// # Cancel safety
    /// Complete.
    pub(crate) async fn next_given_up(&self) -> (RevisionId, String) {
        loop {
            if let Some(next) = self.state().given_up.pop_front() {
                return next;
            }
            self.given_up.notified().await;
        }
    }

    /// A copy was made.
    fn serves(&self, generation: RevisionId) {
        self.state().losses.remove(&generation);
    }

    fn next_lost(&self) -> Option<StartSpec> {
        let mut state = self.state();
        let next = state.lost.pop();
        state.renewed = next.as_ref().map(|spec| spec.version.generation);
        next
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn give_up(&mut self, generation: RevisionId, reason: String) {
        self.losses.remove(&generation);
        self.given_up.push_back((generation, reason));
    }
}

impl Template {
    fn sandbox(&self) -> MutexGuard<'_, LinuxSandbox> {
        self.sandbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What differs for a copy that is started with `environment`.
    fn changes(&self, environment: &[(String, String)]) -> Vec<(String, String)> {
        let same = |pair: &&(String, String)| pair.0 == KEPT || self.environment.contains(pair);
        environment.iter().filter(|pair| !same(pair)).cloned().collect()
    }
}

/// Takes again what was lost, until the templates are closed. To be spawned once.
pub(crate) async fn renew(driver: Weak<LinuxDriver>, templates: Arc<Templates>) {
    loop {
        templates.lost.notified().await;
        if templates.state().closed {
            return;
        }
        while let Some(spec) = templates.next_lost() {
            let Some(driver) = driver.upgrade() else { return };
            let (name, generation) = (spec.version.name.clone(), spec.version.generation);
            let taken = driver.take_template(spec).await;
            if templates.state().renewed != Some(generation) {
                // Forgotten meanwhile.
                templates.forget(generation);
            } else if let Err(refused) = taken {
                tracing::warn!(%name, %refused, "a snapshot was lost and could not be taken again");
                templates.give_up(generation, format!("it was lost and could not be taken again: {refused}"));
            }
        }
    }
}

impl LinuxDriver {
    /// Runs INIT of a version in a sandbox of its own, and keeps its process.
    ///
    /// # Errors
    /// [`SnapshotRefused`].
    pub(crate) async fn take_template(&self, spec: StartSpec) -> Result<SnapshotReport, SnapshotRefused> {
        let unsupported = |why: &str| Err(SnapshotRefused::Unsupported(why.to_owned()));
        if !matches!(spec.version.config.runtime.language(), Language::Python(_)) {
            return unsupported("this runtime has no snapshots here; Python has");
        }
        if !self.standing.privileged {
            return unsupported("snapshots need a server that runs as root");
        }
        if spec.version.config.web().is_some() {
            return unsupported("a web function's own server knows nothing of snapshots");
        }
        let interpreter = self.interpreters.choose(&spec.version)?;
        let mut launch = Launch::of(&spec, self.service_urls());
        if !launch.extensions.is_empty() {
            return unsupported("its extensions run beside the runtime, and cannot be forked with it");
        }
        let environment = launch.env.clone();
        launch.env.push((MARK.to_owned(), "1".to_owned()));
        let (made, _) = self.make(&spec, interpreter, (false, true)).await.map_err(StartError::from)?;
        let begun = self.furnish(&spec, launch, made, (Instant::now(), Rung::Full)).await?;
        let Begun { mut sandbox, at, .. } = begun;
        sandbox.door.hold_restore();
        let broken = |error: &dyn std::fmt::Display| StartError::Broken(error.to_string());
        let init = sandbox.see_through_init(None, at, at + spec.init_max).await.map_err(|error| broken(&error))?;
        match init.ending {
            InitEnding::Ready if sandbox.door.waits_for_restore() => {}
            InitEnding::Ready => {
                return Err(SnapshotRefused::NotForkable("its runtime did not wait for a restore".to_owned()));
            }
            InitEnding::Failed(error) => {
                return Err(SnapshotRefused::InitFailed(String::from_utf8_lossy(&error.payload).into_owned()));
            }
            InitEnding::TimedOut => {
                return Err(SnapshotRefused::InitFailed(format!("it took more than {} s", spec.init_max.as_secs())));
            }
        }
        let mut mounts = of_function(&spec, None)?;
        mounts.extend(self.of_interpreter(interpreter)?);
        sandbox.cell.attach(mounts).map_err(|error| broken(&error))?;
        hold(&mut sandbox, Report::Attached { id: 0 }).await?;
        sandbox.door.restored();
        hold(&mut sandbox, Report::Held { id: 0 }).await?;
        sandbox.logs.drain();
        let held_bytes = sandbox.meter.usage_bytes().unwrap_or(0);
        let generation = spec.version.generation;
        let template = Arc::new(Template { sandbox: Mutex::new(sandbox), spec, environment });
        self.templates.keep(generation, template);
        Ok(SnapshotReport { init: init.duration, held_bytes })
    }

    /// A start from a template.
    ///
    /// # Errors
    /// Why there was none: the next rung is taken then.
    pub(crate) async fn restore(&self, spec: &StartSpec, template: &Arc<Template>) -> Result<Started, String> {
        let began = Instant::now();
        let launch = Launch::of(spec, self.service_urls());
        let made = self.copy(spec, &launch, template).await;
        let made = made.inspect_err(|_| self.templates.lose(spec.version.generation, template));
        let made = made.map_err(|error| StartError::from(error).to_string())?;
        self.templates.serves(spec.version.generation);
        let at = Instant::now();
        let begun = self.furnish(spec, launch, made, (at, Rung::Snapshot)).await;
        let Begun { mut sandbox, .. } = begun.map_err(|error| error.to_string())?;
        sandbox.template = Some(Arc::clone(template));
        let init = sandbox.see_through_init(None, at, began + RESTORE_MAX).await;
        let mut init = init.map_err(|error| error.to_string())?;
        let mut phases = StartPhases { sandbox: at - began, ..StartPhases::default() };
        phases.boot = sandbox.boot_time(at).unwrap_or(init.duration);
        phases.init = init.duration.saturating_sub(phases.boot);
        init.duration = began.elapsed();
        sandbox.logs.drain();
        Ok(Started { sandbox: Built::Single(Box::new(sandbox)), init, rung: Rung::Snapshot, missed: None, phases })
    }

    async fn copy(&self, spec: &StartSpec, launch: &Launch, template: &Template) -> Result<Made, Unmade> {
        let egress = spec.version.config.egress == Egress::Internet;
        let begun = template.sandbox().cell.restore(egress, self.bounds(&spec.version));
        let mut cell = begun.map_err(gone_or_no_room)?;
        in_time(async {
            let reported = next_report(&mut cell).await?;
            let mut made = Made::take(cell, reported)?;
            if let Some(waiting) = &mut made.waiting {
                waiting.change(&template.changes(&launch.env)).await.map_err(gone_or_no_room)?;
            }
            Ok(made)
        })
        .await
    }
}

/// Waits for the next word about a template that is being taken.
async fn hold(sandbox: &mut LinuxSandbox, wanted: Report) -> Result<(), SnapshotRefused> {
    match sandbox.cell.report().await {
        Some((report, _)) if std::mem::discriminant(&report) == std::mem::discriminant(&wanted) => Ok(()),
        Some((Report::NotHeld { reason, .. }, _)) => Err(SnapshotRefused::NotForkable(reason)),
        Some((report, _)) => Err(StartError::Broken(format!("the spawner says {report:?}")).into()),
        None => Err(StartError::Broken("the spawner ended".to_owned()).into()),
    }
}
