//! Changes of functions themselves, as the writer makes them.

use crate::entry::{Entry, VersionEntry};
use crate::images::{check_settings, check_size};
use crate::tenancy::check_tenancy;
use crate::view::{FunctionView, Scope, Snapshot};
use crate::writer::Writer;
use crate::{CatalogError, ConfigChange};
use lacewing_artifact::Package;
use lacewing_model::{
    Architecture, FunctionConfig, FunctionName, ImageCode, Lifecycle, LifecycleEvent, ObjectCode, RevisionId, Version,
    VersionNumber,
};
use lacewing_store::Generation;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A function to be made.
pub(crate) struct Draft {
    pub(crate) config: FunctionConfig,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) package: Package,
    pub(crate) layers: Vec<String>,
    pub(crate) publish: bool,
    pub(crate) code_signing: Option<String>,
}

/// A function's new code.
pub(crate) struct NewCode {
    pub(crate) package: Package,
    pub(crate) image: Option<ImageCode>,
    pub(crate) object: Option<ObjectCode>,
    pub(crate) source_kms_key: Option<String>,
    pub(crate) architecture: Option<Architecture>,
    pub(crate) revision: Option<RevisionId>,
    pub(crate) dry_run: bool,
    pub(crate) publish: bool,
}

impl Writer {
    pub(crate) fn create(
        &mut self,
        owner: &Scope,
        name: FunctionName,
        draft: Draft,
    ) -> Result<FunctionView, CatalogError> {
        if self.registry.load().find(owner, &name).is_some() {
            return Err(CatalogError::AlreadyExists { name });
        }
        let mut config = draft.config;
        check_tenancy(&config)?;
        config.layers = self.layers(owner, &draft.layers)?;
        let signed = std::iter::once(name.as_str()).chain(draft.layers.iter().map(String::as_str));
        self.check_signatures(owner, &name, draft.code_signing.as_deref(), signed)?;
        let shown = Version {
            account: owner.account.clone(),
            region: owner.region.clone(),
            name,
            number: VersionNumber::Latest,
            config: Arc::new(config),
            code_sha256: draft.package.sha256().clone(),
            code_bytes: draft.package.bytes(),
            revision: RevisionId::random(),
            generation: RevisionId::random(),
            last_modified: self.clock.now(),
        };
        (self.can_run)(&shown).map_err(CatalogError::Invalid)?;
        let latest = VersionEntry {
            layers: self.layer_packages(&shown.config.layers, &[])?,
            generation: Arc::new(generation(&shown)),
            shown: Arc::new(shown),
            lifecycle: Lifecycle::Creating,
            package: draft.package,
            serving: None,
            provisioned: None,
            snapshot: Snapshot::None,
        };
        let (entry, view) = self.published_if(draft.publish, Entry::new(latest, draft.tags));
        let name = entry.name().clone();
        self.write(None, Some(entry))?;
        // A crash in between loses a configuration that warns: one that enforces has let nothing be made.
        draft.code_signing.map_or(Ok(()), |config_arn| self.sign(owner, &name, config_arn))?;
        Ok(view)
    }

    pub(crate) fn code(
        &mut self,
        owner: &Scope,
        name: &FunctionName,
        code: NewCode,
    ) -> Result<FunctionView, CatalogError> {
        let entry = self.changeable(owner, name, code.revision)?;
        let signing = self.signing_of(owner, name);
        self.check_signatures(owner, name, signing.as_deref(), std::iter::once(name.as_str()))?;
        let mut config = entry.latest.shown.config.clone();
        if let Some(architecture) = code.architecture.filter(|new| *new != config.architecture) {
            Arc::make_mut(&mut config).architecture = architecture;
        }
        if entry.latest.shown.config.image.is_some() != code.image.is_some() {
            // It was deleted and made anew while the code was being fetched.
            return Err(CatalogError::Conflict("The function is another one meanwhile: try again.".to_owned()));
        }
        if let (Some(former), Some(image)) = (&entry.latest.shown.config.image, code.image) {
            let image = ImageCode { overrides: former.overrides.clone(), ..image };
            check_size(&image)?;
            if *former != image {
                Arc::make_mut(&mut config).image = Some(image);
            }
        }
        if config.object != code.object || config.source_kms_key != code.source_kms_key {
            let config = Arc::make_mut(&mut config);
            (config.object, config.source_kms_key) = (code.object, code.source_kms_key);
        }
        let after = self.changed(&entry, config, code.package)?;
        if code.dry_run {
            // As it would look; nothing of it begins.
            return Ok(FunctionView { lifecycle: entry.latest.lifecycle.clone(), ..after.view(&after.latest) });
        }
        let (after, view) = self.published_if(code.publish, after);
        self.write(Some(&entry), Some(after))?;
        Ok(view)
    }

    pub(crate) fn config(
        &mut self,
        owner: &Scope,
        name: &FunctionName,
        mut change: ConfigChange,
    ) -> Result<FunctionView, CatalogError> {
        let entry = self.changeable(owner, name, change.revision)?;
        let layers = change.layers.take();
        check_settings(&entry.latest.shown.config, &change, layers.as_deref())?;
        let layers = layers.map(|arns| self.layers(owner, &arns)).transpose()?;
        let had = &entry.latest.shown.config.layers;
        let new_layers = layers.iter().flatten().filter(|layer| !had.contains(layer)).map(|layer| layer.arn.as_str());
        let signing = self.signing_of(owner, name);
        self.check_signatures(owner, name, signing.as_deref(), new_layers)?;
        let mut config = change.apply((*entry.latest.shown.config).clone());
        config.layers = layers.unwrap_or(config.layers);
        config.image.as_ref().map_or(Ok(()), check_size)?;
        check_tenancy(&config)?;
        let after = self.changed(&entry, Arc::new(config), entry.latest.package.clone())?;
        let view = after.view(&after.latest);
        self.write(Some(&entry), Some(after))?;
        Ok(view)
    }

    /// The function, if a change may begin now.
    fn changeable(
        &self,
        owner: &Scope,
        name: &FunctionName,
        revision: Option<RevisionId>,
    ) -> Result<Arc<Entry>, CatalogError> {
        let entry = self.find(owner, name)?;
        check_changeable(&entry, revision)?;
        Ok(entry)
    }

    /// `entry` with new code or configuration, in progress.
    pub(crate) fn changed(
        &self,
        entry: &Entry,
        config: Arc<FunctionConfig>,
        package: Package,
    ) -> Result<Entry, CatalogError> {
        let (latest, before) = (&*entry.latest, &*entry.latest.shown);
        // A change that changes nothing keeps the generation, and with it the warm sandboxes.
        let same = before.config == config && before.code_sha256 == *package.sha256();
        let shown = Version {
            config: if same { before.config.clone() } else { config },
            code_sha256: package.sha256().clone(),
            code_bytes: package.bytes(),
            revision: RevisionId::random(),
            generation: if same { before.generation } else { RevisionId::random() },
            last_modified: self.clock.now(),
            ..before.clone()
        };
        (self.can_run)(&shown).map_err(CatalogError::Invalid)?;
        Ok(entry.with(VersionEntry {
            lifecycle: latest.after(LifecycleEvent::Changed)?,
            layers: self.layer_packages(&shown.config.layers, &latest.layers)?,
            generation: if same { latest.generation.clone() } else { Arc::new(generation(&shown)) },
            shown: Arc::new(shown),
            package,
            ..latest.clone()
        }))
    }

    pub(crate) fn delete(&mut self, owner: &Scope, name: &FunctionName) -> Result<(), CatalogError> {
        let entry = self.find(owner, name)?;
        self.write(Some(&entry), None)
    }
}

/// What `$LATEST` freezes.
fn generation(version: &Version) -> Generation {
    Generation {
        id: version.generation,
        config: version.config.clone(),
        code_sha256: version.code_sha256.clone(),
        code_bytes: version.code_bytes,
        modified: version.last_modified,
    }
}

/// Refuses a change that cannot begin now.
pub(crate) fn check_changeable(entry: &Entry, revision: Option<RevisionId>) -> Result<(), CatalogError> {
    entry.latest.after(LifecycleEvent::Changed)?;
    check_revision(entry.latest.shown.revision, revision)
}

/// Refuses a change that is meant for another revision.
pub(crate) fn check_revision(newest: RevisionId, given: Option<RevisionId>) -> Result<(), CatalogError> {
    match given {
        Some(given) if given != newest => Err(CatalogError::StaleRevision),
        _ => Ok(()),
    }
}
