//! What is asked of the catalog without changing anything: all of it from memory, but for packages.

use crate::catalog::{Catalog, blocking};
use crate::entry::{Entry, VersionEntry};
use crate::registry::Registry;
use crate::view::state_word;
use crate::{CatalogError, FunctionView, Page, Runnable, Scope, Totals};
use lacewing_model::{Alias, FunctionName, Qualifier, Version, VersionNumber};
use std::sync::Arc;

impl Catalog {
    /// Shows a function.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn get(
        &self,
        owner: &Scope,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Result<FunctionView, CatalogError> {
        let registry = self.0.registry.load();
        find(&registry, owner, name, qualifier).map(|(entry, version)| entry.view(version))
    }

    /// Lists up to `max` functions whose names come after `after`.
    #[must_use]
    pub fn list(&self, owner: &Scope, after: Option<&FunctionName>, max: usize) -> Page<FunctionView> {
        let registry = self.0.registry.load();
        let mut found: Vec<_> =
            registry.of(owner).filter(|entry| after.is_none_or(|after| entry.name() > after)).collect();
        let more = found.len() > max;
        if more && max > 0 {
            found.select_nth_unstable_by(max - 1, |one, other| one.name().cmp(other.name()));
        }
        found.truncate(max);
        found.sort_unstable_by(|one, other| one.name().cmp(other.name()));
        Page { items: found.into_iter().map(|entry| entry.view(&entry.latest)).collect(), more }
    }

    /// Lists up to `max` versions of all functions that come after `after`, ordered by name and number.
    #[must_use]
    pub fn list_versions(
        &self,
        owner: &Scope,
        after: Option<&(FunctionName, VersionNumber)>,
        max: usize,
    ) -> Page<FunctionView> {
        let registry = self.0.registry.load();
        let mut found: Vec<_> =
            registry.of(owner).filter(|entry| after.is_none_or(|(name, _)| entry.name() >= name)).collect();
        found.sort_unstable_by(|one, other| one.name().cmp(other.name()));
        let comes_after = |version: &VersionEntry| {
            after.is_none_or(|(name, number)| (&version.shown.name, &version.shown.number) > (name, number))
        };
        let mut left = found
            .into_iter()
            .flat_map(|entry| entry.all().map(move |version| (entry, version)))
            .filter(|(_, version)| comes_after(version));
        let items = left.by_ref().take(max).map(|(entry, version)| entry.view(version)).collect();
        Page { items, more: left.next().is_some() }
    }

    /// What all functions of `owner` add up to: each version counts with its whole package, as on AWS, unless that stays
    /// elsewhere.
    #[must_use]
    pub fn totals(&self, owner: &Scope) -> Totals {
        self.0.registry.load().of(owner).fold(Totals::default(), |totals, entry| Totals {
            functions: totals.functions + 1,
            code_bytes: totals.code_bytes + entry.all().map(|version| counted(&version.shown)).sum::<u64>(),
        })
    }

    /// What the functions of `owner` have reserved together.
    #[must_use]
    pub fn reserved(&self, owner: &Scope) -> u64 {
        self.0.registry.load().of(owner).filter_map(|entry| entry.reserved).map(u64::from).sum()
    }

    /// Shows every function's newest version and what it has reserved, for those who look at all of them.
    pub fn survey(&self, mut see: impl FnMut(&Version, Option<u32>)) {
        self.0.registry.load().iter().for_each(|entry| see(&entry.latest.shown, entry.reserved));
    }

    /// What a call to the function runs now. The hot path: no lock, no allocation.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] (with `$LATEST` where no qualifier was given, as AWS answers invocations),
    /// [`CatalogError::NotReady`] before its first code lies ready.
    pub fn resolve(
        &self,
        owner: &Scope,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Result<Runnable, CatalogError> {
        let registry = self.0.registry.load();
        let qualifier = qualifier.unwrap_or(&Qualifier::Latest);
        let not_found = || CatalogError::NotFound { arn: owner.arn(name, Some(qualifier)) };
        let entry = registry.find(owner, name).ok_or_else(not_found)?;
        let version = entry.meant(Some(qualifier), |alias| alias.pick(fastrand::f64)).ok_or_else(not_found)?;
        let Some(serving) = &version.serving else {
            return Err(CatalogError::NotReady { arn: owner.arn(name, None), state: state_word(&version.lifecycle) });
        };
        Ok(serving.runnable(entry.reserved))
    }

    /// A package of the function as it was uploaded, read from the disk and checked against its hash.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] where no version has a package of this hash; [`CatalogError::Internal`] when it
    /// cannot be read.
    pub async fn package(&self, owner: &Scope, name: &FunctionName, sha256: &str) -> Result<Vec<u8>, CatalogError> {
        let package = {
            let registry = self.0.registry.load();
            let (entry, _) = find(&registry, owner, name, None)?;
            let is_here = |version: &&Arc<VersionEntry>| version.shown.config.object.is_none();
            let found = entry.all().filter(is_here).find(|version| version.shown.code_sha256.as_str() == sha256);
            found.map(|version| version.package.clone())
        };
        let package = package.ok_or_else(|| CatalogError::NotFound { arn: owner.arn(name, None) })?;
        blocking(move || Ok(package.read()?)).await
    }
}

/// What a version counts for in the account's storage.
fn counted(version: &Version) -> u64 {
    if version.config.object.is_some() { 0 } else { version.code_bytes }
}

/// The function, and the version that the qualifier means: of an alias, its first one.
pub(crate) fn find<'a>(
    registry: &'a Registry,
    owner: &Scope,
    name: &FunctionName,
    qualifier: Option<&Qualifier>,
) -> Result<(&'a Arc<Entry>, &'a Arc<VersionEntry>), CatalogError> {
    let first = |alias: &Alias| alias.version;
    let found = registry.find(owner, name).and_then(|entry| Some((entry, entry.meant(qualifier, first)?)));
    found.ok_or_else(|| CatalogError::NotFound { arn: owner.arn(name, qualifier) })
}
