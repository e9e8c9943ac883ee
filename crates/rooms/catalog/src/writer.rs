//! The writer: the one thread that changes anything. Store first, then registry, then the answer.

use crate::attached::Records;
use crate::concurrency::touches_wanted;
use crate::entry::{Entry, Serving, VersionEntry};
use crate::prepare::{Job, Prepared, Preparers};
use crate::registry::Registry;
use crate::view::{Scope, Snapshot};
use crate::{AllWanted, CanRun, CatalogError};
use arc_swap::ArcSwap;
use lacewing_artifact::Package;
use lacewing_model::{Clock, FunctionName, LifecycleEvent, RevisionId};
use lacewing_store::Store;
use std::collections::HashSet;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::sync::{broadcast, watch};

/// How long after the store refused a result it is offered again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What the writer is told.
pub(crate) enum Request {
    /// Make a change and answer whoever asked for it.
    Change(Box<dyn FnOnce(&mut Writer) + Send>),
    /// A preparation ended.
    Prepared(Prepared),
    /// Nothing more is wanted.
    Stop,
}

pub(crate) struct Writer {
    pub(crate) store: Store,
    pub(crate) registry: Arc<ArcSwap<Registry>>,
    pub(crate) records: Arc<ArcSwap<Records>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) can_run: CanRun,
    pub(crate) retired: broadcast::Sender<RevisionId>,
    pub(crate) wanted: watch::Sender<AllWanted>,
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
            match request {
                Some(Request::Change(change)) => change(&mut self),
                Some(Request::Prepared(prepared)) => self.prepared(prepared),
                Some(Request::Stop) | None => return,
            }
        }
    }

    /// Takes up what was under way when the last process ended.
    fn resume(&self) {
        let registry = self.registry.load_full();
        registry.iter().for_each(|entry| self.prepare(None, entry));
        self.publish_wanted();
        // Snapshots are of a process: those of the last one went with it.
        for (entry, version) in registry.iter().flat_map(|entry| entry.all().map(move |version| (entry, version))) {
            if let Some(serving) = version.serving.as_ref().filter(|_| version.wants_snapshot()) {
                let prepared = Prepared {
                    owner: entry.owner(),
                    name: entry.name().clone(),
                    number: version.shown.number,
                    generation: version.shown.generation,
                    code: Ok((serving.code.clone(), serving.layers.clone())),
                    snapshot: None,
                };
                self.preparers.snapshot(prepared, serving.runnable(entry.reserved));
            }
        }
    }

    pub(crate) fn find(&self, owner: &Scope, name: &FunctionName) -> Result<Arc<Entry>, CatalogError> {
        let entry = self.registry.load().find(owner, name).cloned();
        entry.ok_or_else(|| CatalogError::NotFound { arn: owner.arn(name, None) })
    }

    /// Puts a prepared generation in force, unless the version has moved on or is gone.
    fn prepared(&mut self, prepared: Prepared) {
        let Some(entry) = self.registry.load().find(&prepared.owner, &prepared.name).cloned() else { return };
        let Some(version) = entry.version(prepared.number) else { return };
        if version.shown.generation != prepared.generation {
            return;
        }
        if !version.is_under_way() {
            self.snapped(&entry, version, prepared.snapshot);
            return;
        }
        let event = match &prepared.code {
            Ok(_) => LifecycleEvent::Prepared,
            Err(lost) if lost.is_source_lost => LifecycleEvent::SourceLost(lost.reason.clone()),
            Err(failed) => LifecycleEvent::PrepareFailed(failed.reason.clone()),
        };
        let Ok(lifecycle) = version.after(event) else { return };
        let mut next = version.in_state(lifecycle);
        if let Ok((code, layers)) = prepared.code.clone() {
            let (version, generation) = (next.shown.clone(), next.generation.clone());
            let serving = Serving { version, generation, code, layers };
            // A version that starts from a snapshot is ready when that is taken, or cannot be.
            if next.wants_snapshot() && prepared.snapshot.is_none() {
                let runnable = serving.runnable(entry.reserved);
                self.preparers.snapshot(prepared, runnable);
                return;
            }
            next.serving = Some(serving);
        }
        next.snapshot = outcome(prepared.snapshot.clone());
        if let Err(error) = self.write(Some(&entry), Some(entry.with(next))) {
            tracing::error!(function = %version.shown.arn(), %error, "cannot put a prepared version in force yet");
            self.refused.push(prepared);
        }
    }

    /// Notes how the snapshot of a version went that is Active already.
    fn snapped(&self, entry: &Entry, version: &VersionEntry, snapshot: Option<Result<(), String>>) {
        if snapshot.is_some() {
            let next = VersionEntry { snapshot: outcome(snapshot), ..version.clone() };
            let mut registry = (**self.registry.load()).clone();
            registry.put(Arc::new(entry.with(next)));
            self.registry.store(Arc::new(registry));
        }
    }

    /// Notes that a version which serves has no snapshot any more.
    pub(crate) fn lose_snapshot(&self, generation: RevisionId, reason: String) {
        let registry = self.registry.load_full();
        let mut all = registry.iter().flat_map(|entry| entry.all().map(move |version| (entry, version)));
        if let Some((entry, version)) = all.find(|(_, version)| version.serves() == Some(generation)) {
            self.snapped(entry, version, Some(Err(reason)));
        }
    }

    /// Makes a change: in the store, then in the registry, then for what hangs on it.
    pub(crate) fn write(&mut self, before: Option<&Arc<Entry>>, after: Option<Entry>) -> Result<(), CatalogError> {
        // From here on the new packages are wanted, even if nobody else holds them any more.
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
            (Some(before), None) => registry.remove(&before.owner(), before.name()),
            (None, None) => {}
        }
        self.registry.store(Arc::new(registry));
        if let Some(before) = before {
            self.forget_records(before, after.as_deref());
        }
        if touches_wanted(before.map(|before| &**before), after.as_deref()) {
            self.publish_wanted();
        }
        if let Some(before) = before {
            self.retire(before, after.as_deref());
            let kept: HashSet<_> =
                after.iter().flat_map(|after| after.packages()).map(|it| it.sha256().clone()).collect();
            before.packages().filter(|it| !kept.contains(it.sha256())).for_each(|package| self.release(&package));
        }
        if let Some(after) = after {
            self.prepare(before.map(|before| &**before), &after);
        }
        Ok(())
    }

    /// Announces what calls got before and get no more.
    fn retire(&self, before: &Entry, after: Option<&Entry>) {
        let serving = |entry: &Entry| -> HashSet<_> { entry.all().filter_map(|version| version.serves()).collect() };
        let kept = after.map(serving).unwrap_or_default();
        for generation in serving(before).difference(&kept) {
            // Nobody listens: then there are no sandboxes to end.
            let _ = self.retired.send(*generation);
        }
    }

    /// Lets go of a package that no function and no layer needs any more: it goes when the last sandbox has let go too.
    pub(crate) fn release(&self, package: &Package) {
        let wanted = self.records.load().package(package.sha256()).is_some();
        if !wanted && !self.registry.load().iter().any(|entry| entry.needs(package)) {
            package.release();
        }
    }

    /// Has every version prepared that owes a preparation since `before`.
    fn prepare(&self, before: Option<&Entry>, after: &Entry) {
        let owed = |entry: &Entry| -> Vec<Arc<VersionEntry>> {
            entry.all().filter(|version| version.is_under_way()).cloned().collect()
        };
        let begun = before.map(owed).unwrap_or_default();
        for version in owed(after) {
            if begun.iter().any(|begun| begun.shown.generation == version.shown.generation) {
                continue;
            }
            self.preparers.prepare(Job {
                owner: after.owner(),
                name: version.shown.name.clone(),
                number: version.shown.number,
                generation: version.shown.generation,
                package: version.package.clone(),
                layers: version.layers.clone(),
            });
        }
    }
}

/// What is shown of a snapshot that was tried.
fn outcome(snapshot: Option<Result<(), String>>) -> Snapshot {
    match snapshot {
        None => Snapshot::None,
        Some(Ok(())) => Snapshot::Taken,
        Some(Err(reason)) => Snapshot::Refused(reason.into()),
    }
}
