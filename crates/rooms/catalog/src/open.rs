//! Reads what a former process kept, and mends what it left.

use crate::CatalogError;
use crate::registry::{Entry, Registry, version};
use crate::view::Runnable;
use crate::writer::is_under_way;
use lacewing_artifact::Artifacts;
use lacewing_model::{FailReason, Lifecycle, RevisionId};
use lacewing_store::{Store, StoredFunction};
use std::sync::Arc;

/// All functions of the store, their code claimed. Packages and trees that no function needs are removed.
pub(crate) fn read(store: &Store, artifacts: &Artifacts) -> Result<Registry, CatalogError> {
    let mut registry = Registry::default();
    for function in store.functions()? {
        registry.put(Arc::new(entry(store, artifacts, function)?));
    }
    artifacts.sweep()?;
    Ok(registry)
}

fn entry(store: &Store, artifacts: &Artifacts, function: StoredFunction) -> Result<Entry, CatalogError> {
    let latest = &*function.latest;
    let package = artifacts.claim(&latest.code_sha256, latest.code_bytes);
    package.keep();
    let shown = Arc::new(version(&function, latest));
    let mut entry =
        Entry { shown, lifecycle: function.lifecycle.clone(), tags: function.tags.clone(), package, runnable: None };
    let Some(serving) = &function.serving else { return Ok(entry) };
    let shared = serving.id == latest.id;
    let package =
        if shared { entry.package.clone() } else { artifacts.claim(&serving.code_sha256, serving.code_bytes) };
    package.keep();
    // The tree lies there, unless somebody removed it: then it is made again from the package, now, because
    // the function is Active and may be called the moment we are open.
    match package.unpack() {
        Ok(code) => {
            let version = if shared { entry.shown.clone() } else { Arc::new(version(&function, serving)) };
            entry.runnable = Some(Runnable { version, code });
            Ok(entry)
        }
        Err(error) => {
            tracing::error!(function = %entry.shown.arn(), %error, "the code of a function is lost");
            // A newer generation is being prepared: its end decides.
            if is_under_way(&entry.lifecycle) {
                return Ok(entry);
            }
            let reason = FailReason { code: "InternalError".into(), message: error.to_string() };
            entry.lifecycle = Lifecycle::Failed(reason);
            entry.shown =
                Arc::new(lacewing_model::Version { revision: RevisionId::random(), ..(*entry.shown).clone() });
            store.replace(&function, &entry.stored())?;
            Ok(entry)
        }
    }
}
