//! What is asked of the catalog without changing anything: all of it from memory, but for packages.

use crate::catalog::{Catalog, blocking};
use crate::registry::{Entry, Registry};
use crate::view::state_word;
use crate::{CatalogError, FunctionView, Page, Runnable, Scope, Totals};
use lacewing_model::{FunctionName, Qualifier};
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
        entry(&registry, owner, name, qualifier).map(|entry| entry.view())
    }

    /// Lists up to `max` functions whose names come after `after`.
    #[must_use]
    pub fn list(&self, owner: &Scope, after: Option<&FunctionName>, max: usize) -> Page<FunctionView> {
        let registry = self.0.registry.load();
        let mut found: Vec<_> =
            registry.of(owner).filter(|entry| after.is_none_or(|after| entry.shown.name > *after)).collect();
        let more = found.len() > max;
        if more && max > 0 {
            found.select_nth_unstable_by(max - 1, |one, other| one.shown.name.cmp(&other.shown.name));
        }
        found.truncate(max);
        found.sort_unstable_by(|one, other| one.shown.name.cmp(&other.shown.name));
        Page { items: found.into_iter().map(|entry| entry.view()).collect(), more }
    }

    /// What all functions of `owner` add up to.
    #[must_use]
    pub fn totals(&self, owner: &Scope) -> Totals {
        self.0.registry.load().of(owner).fold(Totals::default(), |totals, entry| Totals {
            functions: totals.functions + 1,
            code_bytes: totals.code_bytes + entry.shown.code_bytes,
        })
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
        let entry = entry(&registry, owner, name, Some(qualifier))?;
        entry
            .runnable
            .clone()
            .ok_or_else(|| CatalogError::NotReady { arn: owner.arn(name, None), state: state_word(&entry.lifecycle) })
    }

    /// The package as it was uploaded, read from the disk and checked against its hash.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`]; [`CatalogError::Internal`] when it cannot be read.
    pub async fn package(
        &self,
        owner: &Scope,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Result<Vec<u8>, CatalogError> {
        let package = entry(&self.0.registry.load(), owner, name, qualifier)?.package.clone();
        blocking(move || Ok(package.read()?)).await
    }
}

/// The function, if the qualifier means one of its versions.
pub(crate) fn entry<'a>(
    registry: &'a Registry,
    owner: &Scope,
    name: &FunctionName,
    qualifier: Option<&Qualifier>,
) -> Result<&'a Arc<Entry>, CatalogError> {
    let not_found = || CatalogError::NotFound { arn: owner.arn(name, qualifier) };
    match qualifier {
        None | Some(Qualifier::Latest) => registry.find(owner, name).ok_or_else(not_found),
        // Published versions and aliases do not exist yet.
        Some(Qualifier::Number(_) | Qualifier::Alias(_)) => Err(not_found()),
    }
}
