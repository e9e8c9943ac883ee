//! Published versions: `$LATEST` frozen under a number that is never given again.

use crate::entry::{Entry, Serving, VersionEntry};
use crate::functions::check_revision;
use crate::lookup::find;
use crate::view::{FunctionView, Scope, Snapshot};
use crate::writer::Writer;
use crate::{Catalog, CatalogError, Page, Publication};
use lacewing_model::{FunctionConfig, FunctionName, Lifecycle, RevisionId, UpdateStatus, Version, VersionNumber};
use std::sync::Arc;

impl Catalog {
    /// Publishes `$LATEST`: Active at once, because its code lies ready, unless a snapshot has to be taken first.
    /// Where nothing has changed since the newest version was published, that one is answered again.
    /// Source: Lambda API, `PublishVersion`, and recorded AWS replies.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`], [`CatalogError::StaleRevision`], [`CatalogError::Invalid`] when `$LATEST` has
    /// other code, [`CatalogError::NotReady`] and [`CatalogError::UpdateInProgress`] while it is being changed.
    ///
    /// # Cancel safety
    /// The version may be published all the same.
    pub async fn publish(
        &self,
        owner: &Scope,
        name: &FunctionName,
        publication: Publication,
    ) -> Result<FunctionView, CatalogError> {
        let (owner, name) = (owner.clone(), name.clone());
        self.ask(move |writer| writer.publish(&owner, &name, publication)).await
    }

    /// Lists up to `max` versions of a function that come after `after`: `$LATEST`, then the others by number.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn versions(
        &self,
        owner: &Scope,
        name: &FunctionName,
        after: Option<VersionNumber>,
        max: usize,
    ) -> Result<Page<FunctionView>, CatalogError> {
        let registry = self.0.registry.load();
        let (entry, _) = find(&registry, owner, name, None)?;
        let mut left = entry.all().filter(|version| after.is_none_or(|after| version.shown.number > after));
        let items = left.by_ref().take(max).map(|version| entry.view(version)).collect();
        Ok(Page { items, more: left.next().is_some() })
    }
}

impl Writer {
    fn publish(
        &mut self,
        owner: &Scope,
        name: &FunctionName,
        publication: Publication,
    ) -> Result<FunctionView, CatalogError> {
        let entry = self.find(owner, name)?;
        let Publication { code_sha256, revision, description } = publication;
        let latest = &entry.latest;
        check_publishable(latest)?;
        check_revision(latest.shown.revision, revision)?;
        if let Some(given) = code_sha256.filter(|given| *given != latest.shown.code_sha256_shown()) {
            return Err(CatalogError::Invalid(format!(
                "CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({}). Please try again with the \
                 CodeSHA256 in $LATEST.",
                latest.shown.code_sha256_shown()
            )));
        }
        if let Some(newest) = unchanged(&entry) {
            return Ok(entry.view(newest));
        }
        let version = ready(self.frozen(&entry, description), latest);
        let view = entry.view(&version);
        // Publishing is seen on `$LATEST` too: its revision changes.
        let after = entry.with(latest.in_state(latest.lifecycle.clone())).with(version);
        self.write(Some(&entry), Some(after))?;
        Ok(view)
    }

    /// `entry`, with a version of its newest state where one is wanted; and what its user is shown.
    pub(crate) fn published_if(&self, wanted: bool, entry: Entry) -> (Entry, FunctionView) {
        if !wanted {
            let view = entry.view(&entry.latest);
            return (entry, view);
        }
        if let Some(newest) = unchanged(&entry) {
            let view = entry.view(newest);
            return (entry, view);
        }
        let version = self.frozen(&entry, None);
        let view = entry.view(&version);
        (entry.with(version), view)
    }

    /// `$LATEST` under the next number, still to be prepared.
    fn frozen(&self, entry: &Entry, description: Option<String>) -> VersionEntry {
        let latest = &*entry.latest;
        let config = match description.filter(|text| *text != latest.shown.config.description) {
            None => latest.shown.config.clone(),
            Some(description) => described(&latest.shown.config, description),
        };
        let shown = Version {
            number: VersionNumber::Published(entry.published + 1),
            config,
            revision: RevisionId::random(),
            generation: RevisionId::random(),
            last_modified: self.clock.now(),
            ..(*latest.shown).clone()
        };
        VersionEntry {
            shown: Arc::new(shown),
            lifecycle: Lifecycle::Creating,
            generation: latest.generation.clone(),
            package: latest.package.clone(),
            layers: latest.layers.clone(),
            serving: None,
            provisioned: None,
            snapshot: Snapshot::None,
        }
    }

    pub(crate) fn delete_version(
        &mut self,
        owner: &Scope,
        name: &FunctionName,
        number: u64,
    ) -> Result<(), CatalogError> {
        let entry = self.find(owner, name)?;
        // One that is not there is deleted already.
        if entry.version(VersionNumber::Published(number)).is_none() {
            return Ok(());
        }
        let aliases: Vec<_> =
            entry.aliases.iter().filter(|alias| alias.leads_to(number)).map(|alias| alias.name.as_str()).collect();
        if !aliases.is_empty() {
            return Err(CatalogError::Conflict(format!(
                "Unable to delete version because the following aliases reference it: [{}]",
                aliases.join(", ")
            )));
        }
        self.write(Some(&entry), Some(entry.without(number)))
    }
}

/// `version` Active, if the code that it froze from `latest` is in its place and nothing more is wanted.
fn ready(mut version: VersionEntry, latest: &VersionEntry) -> VersionEntry {
    let lies_there = latest.serving.as_ref().filter(|serving| serving.generation.id == version.generation.id);
    if let Some(serving) = lies_there.filter(|_| !version.wants_snapshot()) {
        version.lifecycle = Lifecycle::Active { update: UpdateStatus::Successful };
        version.serving = Some(Serving {
            version: version.shown.clone(),
            generation: version.generation.clone(),
            code: serving.code.clone(),
            layers: serving.layers.clone(),
        });
    }
    version
}

/// Only what serves can be published.
fn check_publishable(latest: &VersionEntry) -> Result<(), CatalogError> {
    let arn = latest.shown.arn();
    match &latest.lifecycle {
        Lifecycle::Active { update: UpdateStatus::InProgress } => Err(CatalogError::UpdateInProgress { arn }),
        Lifecycle::Active { .. } => Ok(()),
        state => Err(CatalogError::NotReady { arn, state: crate::view::state_word(state) }),
    }
}

/// The newest version, if `$LATEST` has the same code and configuration.
fn unchanged(entry: &Entry) -> Option<&VersionEntry> {
    let (newest, latest) = (entry.versions.last()?, &entry.latest);
    let same = newest.generation.config == latest.generation.config
        && newest.generation.code_sha256 == latest.generation.code_sha256;
    same.then_some(newest)
}

/// `config` under another description.
pub(crate) fn described(config: &FunctionConfig, description: String) -> Arc<FunctionConfig> {
    Arc::new(FunctionConfig { description, ..config.clone() })
}
