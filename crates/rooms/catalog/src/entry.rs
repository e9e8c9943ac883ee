//! One function in memory: `$LATEST`, its published versions and its aliases.

use crate::CatalogError;
use crate::view::{FunctionView, Runnable, Scope, Snapshot, state_word};
use lacewing_artifact::{CodeDir, Package};
use lacewing_model::{
    Alias, FunctionName, Lifecycle, LifecycleEvent, Provisioned, Qualifier, RevisionId, SnapStart, UpdateStatus,
    Version, VersionNumber,
};
use lacewing_store::{FunctionKey, Generation, StoredFunction, StoredVersion};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One function, immutable: a change makes a new one, which shares what did not change.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) latest: Arc<VersionEntry>,
    pub(crate) tags: Arc<BTreeMap<String, String>>,
    /// The newest number that was ever given.
    pub(crate) published: u64,
    /// Reserved concurrency.
    pub(crate) reserved: Option<u32>,
    /// By number.
    pub(crate) versions: Vec<Arc<VersionEntry>>,
    /// By name.
    pub(crate) aliases: Vec<Arc<Alias>>,
}

/// One version of a function, `$LATEST` or published.
#[derive(Clone, Debug)]
pub(crate) struct VersionEntry {
    /// What replies show.
    pub(crate) shown: Arc<Version>,
    pub(crate) lifecycle: Lifecycle,
    /// What `shown` is made of, as the store keeps it.
    pub(crate) generation: Arc<Generation>,
    /// The package of `shown`.
    pub(crate) package: Package,
    /// The packages of its layers, in their order.
    pub(crate) layers: Vec<Package>,
    /// What calls get: of a former generation while an update of `$LATEST` is in progress.
    pub(crate) serving: Option<Serving>,
    pub(crate) provisioned: Option<Provisioned>,
    pub(crate) snapshot: Snapshot,
}

/// What calls to a version get.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    pub(crate) version: Arc<Version>,
    pub(crate) generation: Arc<Generation>,
    pub(crate) code: CodeDir,
    pub(crate) layers: LaidOut,
}

/// The layers of what serves, on the disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct LaidOut {
    /// What the tree was made of; it is made again from these.
    pub(crate) packages: Vec<Package>,
    /// All of them on top of each other; `None` without layers.
    pub(crate) tree: Option<CodeDir>,
}

impl Entry {
    /// A function that begins.
    pub(crate) fn new(latest: VersionEntry, tags: BTreeMap<String, String>) -> Self {
        Self {
            latest: Arc::new(latest),
            tags: Arc::new(tags),
            published: 0,
            reserved: None,
            versions: Vec::new(),
            aliases: Vec::new(),
        }
    }

    pub(crate) fn name(&self) -> &FunctionName {
        &self.latest.shown.name
    }

    pub(crate) fn owner(&self) -> Scope {
        Scope::of(&self.latest.shown)
    }

    pub(crate) fn is(&self, owner: &Scope, name: &FunctionName) -> bool {
        let shown = &*self.latest.shown;
        shown.name == *name && shown.account == owner.account && shown.region == owner.region
    }

    /// `$LATEST`, then the published versions by number.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<VersionEntry>> {
        std::iter::once(&self.latest).chain(&self.versions)
    }

    pub(crate) fn version(&self, number: VersionNumber) -> Option<&Arc<VersionEntry>> {
        match number {
            VersionNumber::Latest => Some(&self.latest),
            VersionNumber::Published(number) => self.place(number).ok().map(|place| &self.versions[place]),
        }
    }

    pub(crate) fn alias(&self, name: &str) -> Option<&Arc<Alias>> {
        let place = self.aliases.binary_search_by(|alias| alias.name.as_str().cmp(name));
        place.ok().map(|place| &self.aliases[place])
    }

    /// The version that `qualifier` means; `pick` chooses between those of an alias.
    pub(crate) fn meant(
        &self,
        qualifier: Option<&Qualifier>,
        pick: impl FnOnce(&Alias) -> VersionNumber,
    ) -> Option<&Arc<VersionEntry>> {
        match qualifier {
            None | Some(Qualifier::Latest) => Some(&self.latest),
            Some(Qualifier::Number(number)) => self.version(VersionNumber::Published(*number)),
            Some(Qualifier::Alias(name)) => self.alias(name).and_then(|alias| self.version(pick(alias))),
        }
    }

    /// The names under which its published versions and aliases are called.
    pub(crate) fn qualifiers(&self) -> impl Iterator<Item = String> {
        let versions = self.versions.iter().map(|version| version.shown.number.to_string());
        versions.chain(self.aliases.iter().map(|alias| alias.name.to_string()))
    }

    /// The same function, with another revision of what `qualifier` means.
    pub(crate) fn revised(&self, qualifier: Option<&Qualifier>, revision: RevisionId) -> Self {
        let alias = match qualifier {
            Some(Qualifier::Alias(name)) => self.alias(name),
            _ => None,
        };
        if let Some(alias) = alias {
            return self.with_alias(Arc::new(Alias { revision, ..(**alias).clone() }));
        }
        let Some(version) = self.meant(qualifier, |alias| alias.version) else { return self.clone() };
        let shown = Arc::new(Version { revision, ..(*version.shown).clone() });
        self.with(VersionEntry { shown, ..(**version).clone() })
    }

    /// The revision of what `qualifier` means.
    pub(crate) fn revision(&self, qualifier: Option<&Qualifier>) -> Option<RevisionId> {
        match qualifier {
            Some(Qualifier::Alias(name)) => self.alias(name).map(|alias| alias.revision),
            _ => self.meant(qualifier, |alias| alias.version).map(|version| version.shown.revision),
        }
    }

    /// The same function with `version` in the place of the one with its number.
    pub(crate) fn with(&self, version: VersionEntry) -> Self {
        let mut entry = self.clone();
        match version.shown.number {
            VersionNumber::Latest => entry.latest = Arc::new(version),
            VersionNumber::Published(number) => match self.place(number) {
                Ok(place) => entry.versions[place] = Arc::new(version),
                Err(place) => {
                    entry.versions.insert(place, Arc::new(version));
                    entry.published = entry.published.max(number);
                }
            },
        }
        entry
    }

    /// The same function with `alias` in the place of the one with its name.
    pub(crate) fn with_alias(&self, alias: Arc<Alias>) -> Self {
        let mut entry = self.clone();
        match entry.aliases.binary_search_by(|other| other.name.cmp(&alias.name)) {
            Ok(place) => entry.aliases[place] = alias,
            Err(place) => entry.aliases.insert(place, alias),
        }
        entry
    }

    /// The same function without a published version.
    pub(crate) fn without(&self, number: u64) -> Self {
        let mut entry = self.clone();
        entry.versions.retain(|version| version.shown.number != VersionNumber::Published(number));
        entry
    }

    fn place(&self, number: u64) -> Result<usize, usize> {
        self.versions.binary_search_by_key(&VersionNumber::Published(number), |version| version.shown.number)
    }

    pub(crate) fn view(&self, version: &VersionEntry) -> FunctionView {
        FunctionView {
            version: version.shown.clone(),
            lifecycle: version.lifecycle.clone(),
            tags: self.tags.clone(),
            reserved: self.reserved,
            snapshot: version.snapshot.clone(),
        }
    }

    /// True if the entry needs the package on the disk.
    pub(crate) fn needs(&self, package: &Package) -> bool {
        self.packages().any(|needed| needed.sha256() == package.sha256())
    }

    /// The packages that the entry needs.
    pub(crate) fn packages(&self) -> impl Iterator<Item = Package> {
        self.all().flat_map(|version| {
            let own = std::iter::once(&version.package).chain(&version.layers).cloned();
            own.chain(version.serving.iter().flat_map(Serving::packages))
        })
    }

    /// As the store keeps it.
    pub(crate) fn stored(&self) -> StoredFunction {
        let latest = &*self.latest;
        let shown = &*latest.shown;
        StoredFunction {
            key: FunctionKey { account: shown.account.clone(), region: shown.region.clone(), name: shown.name.clone() },
            revision: shown.revision,
            lifecycle: latest.lifecycle.clone(),
            tags: self.tags.clone(),
            latest: latest.generation.clone(),
            serving: latest.serving.as_ref().map(|serving| serving.generation.clone()),
            published: self.published,
            reserved: self.reserved,
            versions: self.versions.iter().filter_map(|version| version.stored()).collect(),
            aliases: self.aliases.iter().map(|alias| (**alias).clone()).collect(),
        }
    }
}

impl Serving {
    pub(crate) fn runnable(&self, reserved: Option<u32>) -> Runnable {
        let layers = self.layers.tree.clone();
        Runnable { version: self.version.clone(), code: self.code.clone(), layers, reserved }
    }

    fn packages(&self) -> impl Iterator<Item = Package> {
        let trees = std::iter::once(&self.code).chain(&self.layers.tree).map(CodeDir::package);
        trees.chain(self.layers.packages.iter().cloned())
    }
}

impl VersionEntry {
    /// True while a preparation is owed.
    pub(crate) fn is_under_way(&self) -> bool {
        matches!(self.lifecycle, Lifecycle::Creating | Lifecycle::Active { update: UpdateStatus::InProgress })
    }

    /// True where starts are to take a snapshot.
    pub(crate) fn wants_snapshot(&self) -> bool {
        let published = self.shown.number != VersionNumber::Latest;
        published && self.shown.config.snap_start == SnapStart::PublishedVersions
    }

    /// What calls run in: sandboxes are kept by it.
    pub(crate) fn serves(&self) -> Option<RevisionId> {
        self.serving.as_ref().map(|serving| serving.version.generation)
    }

    /// The state after `event`.
    pub(crate) fn after(&self, event: LifecycleEvent) -> Result<Lifecycle, CatalogError> {
        self.lifecycle.clone().after(event).map_err(|denied| match denied.state {
            Lifecycle::Active { .. } => CatalogError::UpdateInProgress { arn: self.shown.arn() },
            state => CatalogError::NotReady { arn: self.shown.arn(), state: state_word(&state) },
        })
    }

    /// The same version in another state and with another revision: states are seen too.
    pub(crate) fn in_state(&self, lifecycle: Lifecycle) -> Self {
        let shown = Arc::new(Version { revision: RevisionId::random(), ..(*self.shown).clone() });
        Self { shown, lifecycle, ..self.clone() }
    }

    /// As the store keeps a published one.
    fn stored(&self) -> Option<StoredVersion> {
        let VersionNumber::Published(number) = self.shown.number else { return None };
        Some(StoredVersion {
            number,
            id: self.shown.generation,
            generation: self.generation.clone(),
            revision: self.shown.revision,
            lifecycle: self.lifecycle.clone(),
            description: self.shown.config.description.clone(),
            modified: self.shown.last_modified,
            provisioned: self.provisioned,
        })
    }
}
