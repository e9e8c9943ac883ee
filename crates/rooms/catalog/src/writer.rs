//! The writer: the one thread that changes anything. Store first, then registry, then the answer.

use crate::prepare::{Job, Prepared, Preparers};
use crate::registry::{Entry, Registry};
use crate::view::{FunctionView, Runnable, Scope, state_word};
use crate::{CanRun, CatalogError, ConfigChange};
use arc_swap::ArcSwap;
use lacewing_artifact::Package;
use lacewing_model::{
    Architecture, Clock, FunctionConfig, FunctionName, Lifecycle, LifecycleEvent, RevisionId, Version, VersionNumber,
};
use lacewing_store::Store;
use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::sync::{broadcast, oneshot};

/// How long after the store refused a result it is offered again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What the writer is told.
pub(crate) enum Request {
    Create(Scope, FunctionName, Box<Draft>, Reply<FunctionView>),
    Code(Scope, FunctionName, NewCode, Reply<FunctionView>),
    Config(Scope, FunctionName, Box<ConfigChange>, Reply<FunctionView>),
    Delete(Scope, FunctionName, Reply<()>),
    Prepared(Prepared),
    Stop,
}

type Reply<T> = oneshot::Sender<Result<T, CatalogError>>;

/// A function to be made.
pub(crate) struct Draft {
    pub(crate) config: FunctionConfig,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) package: Package,
}

/// A function's new code.
pub(crate) struct NewCode {
    pub(crate) package: Package,
    pub(crate) architecture: Option<Architecture>,
    pub(crate) revision: Option<RevisionId>,
    pub(crate) dry_run: bool,
}

pub(crate) struct Writer {
    pub(crate) store: Store,
    pub(crate) registry: Arc<ArcSwap<Registry>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) can_run: CanRun,
    pub(crate) retired: broadcast::Sender<RevisionId>,
    pub(crate) preparers: Preparers,
    /// Results that the store refused.
    pub(crate) refused: Vec<Prepared>,
}

impl Writer {
    pub(crate) fn run(mut self, inbox: &mpsc::Receiver<Request>) {
        self.resume();
        loop {
            let request = if self.refused.is_empty() {
                inbox.recv().ok()
            } else {
                match inbox.recv_timeout(RETRY_AFTER) {
                    Err(mpsc::RecvTimeoutError::Timeout) => {
                        for prepared in std::mem::take(&mut self.refused) {
                            self.prepared(prepared);
                        }
                        continue;
                    }
                    other => other.ok(),
                }
            };
            // A reply that nobody waits for any more is no fault: the change is made.
            match request {
                Some(Request::Create(owner, name, draft, reply)) => drop(reply.send(self.create(&owner, name, *draft))),
                Some(Request::Code(owner, name, code, reply)) => drop(reply.send(self.code(&owner, &name, code))),
                Some(Request::Config(owner, name, change, reply)) => {
                    drop(reply.send(self.config(&owner, &name, *change)));
                }
                Some(Request::Delete(owner, name, reply)) => drop(reply.send(self.delete(&owner, &name))),
                Some(Request::Prepared(prepared)) => self.prepared(prepared),
                Some(Request::Stop) | None => return,
            }
        }
    }

    /// Takes up what was under way when the last process ended.
    fn resume(&self) {
        let registry = self.registry.load_full();
        registry.iter().filter(|entry| is_under_way(&entry.lifecycle)).for_each(|entry| self.prepare(entry));
    }

    fn create(&mut self, owner: &Scope, name: FunctionName, draft: Draft) -> Result<FunctionView, CatalogError> {
        if self.registry.load().find(owner, &name).is_some() {
            return Err(CatalogError::AlreadyExists { name });
        }
        let shown = Version {
            account: owner.account.clone(),
            region: owner.region.clone(),
            name,
            number: VersionNumber::Latest,
            config: draft.config,
            code_sha256: draft.package.sha256().clone(),
            code_bytes: draft.package.bytes(),
            revision: RevisionId::random(),
            generation: RevisionId::random(),
            last_modified: self.clock.now(),
        };
        (self.can_run)(&shown).map_err(CatalogError::Invalid)?;
        let entry = Entry {
            shown: Arc::new(shown),
            lifecycle: Lifecycle::Creating,
            tags: Arc::new(draft.tags),
            package: draft.package,
            runnable: None,
        };
        self.write(None, Some(entry))
    }

    fn code(&mut self, owner: &Scope, name: &FunctionName, code: NewCode) -> Result<FunctionView, CatalogError> {
        let entry = self.changeable(owner, name, code.revision)?;
        let mut config = entry.shown.config.clone();
        config.architecture = code.architecture.unwrap_or(config.architecture);
        self.change(&entry, config, code.package, code.dry_run)
    }

    fn config(
        &mut self,
        owner: &Scope,
        name: &FunctionName,
        change: ConfigChange,
    ) -> Result<FunctionView, CatalogError> {
        let entry = self.changeable(owner, name, change.revision)?;
        let config = change.apply(entry.shown.config.clone());
        self.change(&entry, config, entry.package.clone(), false)
    }

    /// The function, if a change may begin now.
    fn changeable(
        &self,
        owner: &Scope,
        name: &FunctionName,
        revision: Option<RevisionId>,
    ) -> Result<Arc<Entry>, CatalogError> {
        let entry = self.registry.load().find(owner, name).cloned();
        let entry = entry.ok_or_else(|| CatalogError::NotFound { arn: owner.arn(name, None) })?;
        check_changeable(&entry, revision)?;
        Ok(entry)
    }

    fn change(
        &mut self,
        entry: &Arc<Entry>,
        config: FunctionConfig,
        package: Package,
        dry_run: bool,
    ) -> Result<FunctionView, CatalogError> {
        let before = &*entry.shown;
        // A change that changes nothing keeps the generation, and with it the warm sandboxes.
        let same = before.config == config && before.code_sha256 == *package.sha256();
        let shown = Version {
            config,
            code_sha256: package.sha256().clone(),
            code_bytes: package.bytes(),
            revision: RevisionId::random(),
            generation: if same { before.generation } else { RevisionId::random() },
            last_modified: self.clock.now(),
            ..before.clone()
        };
        (self.can_run)(&shown).map_err(CatalogError::Invalid)?;
        let lifecycle = after(entry, LifecycleEvent::Changed)?;
        let after = Entry { shown: Arc::new(shown), lifecycle, package, ..(**entry).clone() };
        if dry_run {
            return Ok(FunctionView { lifecycle: entry.lifecycle.clone(), ..after.view() });
        }
        self.write(Some(entry), Some(after))
    }

    fn delete(&mut self, owner: &Scope, name: &FunctionName) -> Result<(), CatalogError> {
        let entry = self.registry.load().find(owner, name).cloned();
        let entry = entry.ok_or_else(|| CatalogError::NotFound { arn: owner.arn(name, None) })?;
        self.write(Some(&entry), None).map(drop)
    }

    /// Puts a prepared generation in force, unless the function has moved on or is gone.
    fn prepared(&mut self, prepared: Prepared) {
        let Some(entry) = self.registry.load().find(&prepared.owner, &prepared.name).cloned() else { return };
        if entry.shown.generation != prepared.generation || !is_under_way(&entry.lifecycle) {
            return;
        }
        let event = match &prepared.code {
            Ok(_) => LifecycleEvent::Prepared,
            Err(reason) => LifecycleEvent::PrepareFailed(reason.clone()),
        };
        let Ok(lifecycle) = after(&entry, event) else { return };
        // States are seen too, so the revision changes once more; nothing that runs has changed.
        let shown = Arc::new(Version { revision: RevisionId::random(), ..(*entry.shown).clone() });
        let runnable = match &prepared.code {
            Ok(code) => Some(Runnable { version: shown.clone(), code: code.clone() }),
            Err(_) => entry.runnable.clone(),
        };
        let after = Entry { shown, lifecycle, runnable, ..(*entry).clone() };
        if let Err(error) = self.write(Some(&entry), Some(after)) {
            tracing::error!(function = %entry.shown.arn(), %error, "cannot put a prepared function in force yet");
            self.refused.push(prepared);
        }
    }

    /// Makes a change: in the store, then in the registry, then for what hangs on it.
    fn write(&mut self, before: Option<&Arc<Entry>>, after: Option<Entry>) -> Result<FunctionView, CatalogError> {
        // From here on the new package is wanted, even if nobody else holds it any more.
        if let Some(after) = &after {
            after.packages().for_each(|package| package.keep());
        }
        let written = match (before, &after) {
            (None, Some(after)) => self.store.insert(&after.stored()),
            (Some(before), Some(after)) => self.store.replace(&before.stored(), &after.stored()),
            (Some(before), None) => self.store.remove(&before.stored()),
            (None, None) => Ok(()),
        };
        if let Err(error) = written {
            after.iter().flat_map(Entry::packages).for_each(|package| self.release(&package));
            return Err(error.into());
        }
        let after = after.map(Arc::new);
        let mut registry = (**self.registry.load()).clone();
        match (before, &after) {
            (_, Some(after)) => registry.put(after.clone()),
            (Some(before), None) => registry.remove(&Scope::of(&before.shown), &before.shown.name),
            (None, None) => {}
        }
        self.registry.store(Arc::new(registry));
        if let Some(before) = before {
            self.retire(before, after.as_deref());
            before.packages().for_each(|package| self.release(&package));
        }
        let shown = after.as_ref().or(before).ok_or_else(|| CatalogError::Internal("nothing to write".into()))?;
        if let Some(after) = after.as_ref().filter(|after| is_under_way(&after.lifecycle)) {
            self.prepare(after);
        }
        Ok(shown.view())
    }

    /// Announces the generation that calls got before and get no more.
    fn retire(&self, before: &Entry, after: Option<&Entry>) {
        let serving = |entry: &Entry| entry.runnable.as_ref().map(|runnable| runnable.version.generation);
        if let Some(generation) = serving(before)
            && after.and_then(serving) != Some(generation)
        {
            // Nobody listens: then there are no sandboxes to end.
            let _ = self.retired.send(generation);
        }
    }

    /// Lets go of a package that no function needs any more: it goes when the last sandbox has let go too.
    fn release(&self, package: &Package) {
        if !self.registry.load().iter().any(|entry| entry.needs(package)) {
            package.release();
        }
    }

    fn prepare(&self, entry: &Entry) {
        self.preparers.prepare(Job {
            owner: Scope::of(&entry.shown),
            name: entry.shown.name.clone(),
            generation: entry.shown.generation,
            package: entry.package.clone(),
        });
    }
}

/// True while a preparation is owed.
pub(crate) fn is_under_way(lifecycle: &Lifecycle) -> bool {
    use lacewing_model::UpdateStatus::InProgress;
    matches!(lifecycle, Lifecycle::Creating | Lifecycle::Active { update: InProgress })
}

/// Refuses a change that cannot begin now.
pub(crate) fn check_changeable(entry: &Entry, revision: Option<RevisionId>) -> Result<(), CatalogError> {
    after(entry, LifecycleEvent::Changed)?;
    match revision {
        Some(revision) if revision != entry.shown.revision => Err(CatalogError::StaleRevision),
        _ => Ok(()),
    }
}

fn after(entry: &Entry, event: LifecycleEvent) -> Result<Lifecycle, CatalogError> {
    entry.lifecycle.clone().after(event).map_err(|denied| match denied.state {
        Lifecycle::Active { .. } => CatalogError::UpdateInProgress { arn: entry.shown.arn() },
        state => CatalogError::NotReady { arn: entry.shown.arn(), state: state_word(&state) },
    })
}
