//! Reads what a former process kept, and mends what it left.

use crate::CatalogError;
use crate::entry::{Entry, Serving, VersionEntry};
use crate::prepare::lay_out;
use crate::publish::described;
use crate::registry::Registry;
use crate::view::Snapshot;
use lacewing_artifact::{Artifacts, Package};
use lacewing_model::{FailReason, Lifecycle, Provisioned, Version, VersionNumber};
use lacewing_store::{FunctionKey, Generation, Store, StoredFunction, StoredVersion};
use std::sync::Arc;

/// All functions of the store, their code claimed. Packages and trees that no function needs are removed.
pub(crate) fn read(store: &Store, artifacts: &Artifacts) -> Result<Registry, CatalogError> {
    let mut registry = Registry::default();
    for function in store.functions()? {
        let entry = entry(artifacts, &function);
        let mended = entry.stored();
        if mended != function {
            store.replace(&function, &mended)?;
        }
        registry.put(Arc::new(entry));
    }
    artifacts.sweep()?;
    Ok(registry)
}

fn entry(artifacts: &Artifacts, function: &StoredFunction) -> Entry {
    let as_latest = |generation: &Generation| Version {
        number: VersionNumber::Latest,
        revision: function.revision,
        ..version(&function.key, generation)
    };
    let shown = Arc::new(as_latest(&function.latest));
    let serving = function.serving.as_ref().map(|serving| {
        let version = if serving.id == function.latest.id { shown.clone() } else { Arc::new(as_latest(serving)) };
        (version, serving.clone())
    });
    let latest =
        Kept { shown, generation: &function.latest, lifecycle: &function.lifecycle, serving, provisioned: None };
    Entry {
        latest: Arc::new(latest.revive(artifacts)),
        tags: function.tags.clone(),
        published: function.published,
        reserved: function.reserved,
        versions: function.versions.iter().map(|one| Arc::new(published(artifacts, &function.key, one))).collect(),
        aliases: function.aliases.iter().cloned().map(Arc::new).collect(),
    }
}

fn published(artifacts: &Artifacts, key: &FunctionKey, stored: &StoredVersion) -> VersionEntry {
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
    let serves = matches!(stored.lifecycle, Lifecycle::Active { .. });
    Kept {
        serving: serves.then(|| (shown.clone(), stored.generation.clone())),
        shown,
        generation: &stored.generation,
        lifecycle: &stored.lifecycle,
        provisioned: stored.provisioned,
    }
    .revive(artifacts)
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
    shown: Arc<Version>,
    generation: &'a Arc<Generation>,
    lifecycle: &'a Lifecycle,
    serving: Option<(Arc<Version>, Arc<Generation>)>,
    provisioned: Option<Provisioned>,
}

impl Kept<'_> {
    /// The version with its code in place, or failed where that is lost.
    fn revive(self, artifacts: &Artifacts) -> VersionEntry {
        let claim = |generation: &Generation| {
            let package = artifacts.claim(&generation.code_sha256, generation.code_bytes);
            package.keep();
            package
        };
        let claim_layers = |generation: &Generation| -> Vec<_> {
            let layers = generation.config.layers.iter();
            let packages = layers.map(|layer| artifacts.claim(&layer.code_sha256, layer.code_bytes));
            packages.inspect(Package::keep).collect()
        };
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
        // The tree lies there, unless somebody removed it: then it is made again from the package, now, because
        // the version is Active and may be called the moment we are open.
        match lay_out(&claim(&generation), claim_layers(&generation)) {
            Ok((code, layers)) => {
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
