//! Reads what a former process kept, and mends what it left.

use crate::CatalogError;
use crate::entry::{Entry, Serving, VersionEntry};
use crate::objects::Sources;
use crate::prepare::lay_out;
use crate::publish::described;
use crate::registry::Registry;
use crate::view::Snapshot;
use lacewing_artifact::{Artifacts, Package};
use lacewing_model::{FailReason, Lifecycle, LifecycleEvent, Provisioned, UpdateStatus, Version, VersionNumber};
use lacewing_store::{FunctionKey, Generation, Store, StoredFunction, StoredVersion};
use std::sync::Arc;

/// All functions of the store, their code claimed. Packages and trees that no function needs are removed.
pub(crate) fn read(store: &Store, artifacts: &Artifacts, sources: &Sources) -> Result<Registry, CatalogError> {
    let claims = Claims { artifacts, sources };
    let mut registry = Registry::default();
    for function in store.functions()? {
        let entry = entry(claims, &function);
        let mended = entry.stored();
        if mended != function {
            store.replace(&function, &mended)?;
        }
        registry.put(Arc::new(entry));
    }
    artifacts.sweep()?;
    Ok(registry)
}

/// What takes hold of packages.
#[derive(Clone, Copy)]
struct Claims<'a> {
    artifacts: &'a Artifacts,
    sources: &'a Sources,
}

impl Claims<'_> {
    /// The package of a generation.
    fn package(self, key: &FunctionKey, generation: &Generation) -> Package {
        let package = self.artifacts.claim(&generation.code_sha256, generation.code_bytes);
        self.sources.stays_in(&package, &key.region, generation.config.object.as_ref());
        package.keep();
        package
    }

    /// And of its layers.
    fn layers(self, key: &FunctionKey, generation: &Generation) -> Vec<Package> {
        let claim = |layer: &lacewing_model::LayerUse| {
            let package = self.artifacts.claim(&layer.code_sha256, layer.code_bytes);
            self.sources.stays_in(&package, &key.region, layer.object.as_ref());
            package.keep();
            package
        };
        generation.config.layers.iter().map(claim).collect()
    }
}

fn entry(claims: Claims<'_>, function: &StoredFunction) -> Entry {
    let as_latest = |generation: &Generation| Version {
        number: VersionNumber::Latest,
        revision: function.revision,
        ..version(&function.key, generation)
    };
    let shown = Arc::new(as_latest(&function.latest));
    // One that lost its code tries again.
    let is_lost = matches!(function.lifecycle, Lifecycle::Inactive(_));
    let serving = function.serving.as_ref().or(Some(&function.latest).filter(|_| is_lost)).map(|serving| {
        let version = if serving.id == function.latest.id { shown.clone() } else { Arc::new(as_latest(serving)) };
        (version, serving.clone())
    });
    let latest = Kept {
        key: &function.key,
        shown,
        generation: &function.latest,
        lifecycle: &function.lifecycle,
        serving,
        provisioned: None,
    };
    Entry {
        latest: Arc::new(latest.revive(claims)),
        tags: function.tags.clone(),
        published: function.published,
        reserved: function.reserved,
        versions: function.versions.iter().map(|one| Arc::new(published(claims, &function.key, one))).collect(),
        aliases: function.aliases.iter().cloned().map(Arc::new).collect(),
    }
}

fn published(claims: Claims<'_>, key: &FunctionKey, stored: &StoredVersion) -> VersionEntry {
    let frozen = version(key, &stored.generation);
    let same_words = frozen.config.description == stored.description;
    let shown = Arc::new(Version {
        number: VersionNumber::Published(stored.number),
        config: if same_words { frozen.config } else { described(&frozen.config, stored.description.clone()) },
        revision: stored.revision,
        generation: stored.id,
        last_modified: stored.modified,
        ..frozen
    });
    let serves = matches!(stored.lifecycle, Lifecycle::Active { .. } | Lifecycle::Inactive(_));
    Kept {
        key,
        serving: serves.then(|| (shown.clone(), stored.generation.clone())),
        shown,
        generation: &stored.generation,
        lifecycle: &stored.lifecycle,
        provisioned: stored.provisioned,
    }
    .revive(claims)
}

/// A generation as a version of its function.
fn version(key: &FunctionKey, generation: &Generation) -> Version {
    Version {
        account: key.account.clone(),
        region: key.region.clone(),
        name: key.name.clone(),
        number: VersionNumber::Latest,
        config: generation.config.clone(),
        code_sha256: generation.code_sha256.clone(),
        code_bytes: generation.code_bytes,
        revision: generation.id,
        generation: generation.id,
        last_modified: generation.modified,
    }
}

/// A version as the store kept it.
struct Kept<'a> {
    key: &'a FunctionKey,
    shown: Arc<Version>,
    generation: &'a Arc<Generation>,
    lifecycle: &'a Lifecycle,
    serving: Option<(Arc<Version>, Arc<Generation>)>,
    provisioned: Option<Provisioned>,
}

impl Kept<'_> {
    /// The version with its code in place, or failed where that is lost.
    fn revive(self, claims: Claims<'_>) -> VersionEntry {
        let claim = |generation: &Generation| claims.package(self.key, generation);
        let claim_layers = |generation: &Generation| claims.layers(self.key, generation);
        let mut entry = VersionEntry {
            shown: self.shown,
            lifecycle: self.lifecycle.clone(),
            generation: self.generation.clone(),
            package: claim(self.generation),
            layers: claim_layers(self.generation),
            serving: None,
            provisioned: self.provisioned,
            snapshot: Snapshot::None,
        };
        let Some((version, generation)) = self.serving else { return entry };
        let (package, layers) = (claim(&generation), claim_layers(&generation));
        let is_newest = generation.id == self.generation.id;
        if is_newest && std::iter::once(&package).chain(&layers).any(Package::has_to_be_fetched) {
            return fetched_later(entry);
        }
        // The tree lies there, unless somebody removed it: then it is made again from the package, now, because
        // the version is Active and may be called the moment we are open.
        match lay_out(&package, layers) {
            Ok((code, layers)) => {
                if let Lifecycle::Inactive(_) = entry.lifecycle {
                    entry = entry.in_state(Lifecycle::Active { update: UpdateStatus::Successful });
                }
                layers.tree.iter().for_each(|tree| tree.package().keep());
                entry.serving = Some(Serving { version, generation, code, layers });
            }
            Err(error) => {
                tracing::error!(function = %entry.shown.arn(), %error, "the code of a function is lost");
                // A newer generation may be being prepared: then its end decides.
                if !entry.is_under_way() {
                    let reason = FailReason { code: "InternalError".into(), message: error.to_string() };
                    entry = entry.in_state(Lifecycle::Failed(reason));
                }
            }
        }
        entry
    }
}

/// A version whose code has to be fetched from where it stays: that is owed, like the preparation of a new one, because
/// nobody should wait at the start for an object store or a registry. An update that is under way fetches its own.
fn fetched_later(entry: VersionEntry) -> VersionEntry {
    match entry.lifecycle.clone().after(LifecycleEvent::Fetching) {
        Ok(state) => entry.in_state(state),
        Err(_) => entry,
    }
}
