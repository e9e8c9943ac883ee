//! Aliases: names of versions that move while their callers stay.

use crate::entry::Entry;
use crate::functions::check_revision;
use crate::lookup::find;
use crate::view::Scope;
use crate::writer::Writer;
use crate::{Catalog, CatalogError, Page};
use lacewing_model::{Alias, AliasName, FunctionName, Qualifier, RevisionId, Routing, VersionNumber};
use std::sync::Arc;

/// What an alias is to lead to, and what is said of it: what is `None` stays, or takes its default.
#[derive(Clone, Debug, Default)]
pub struct AliasChange {
    /// Its first version.
    pub version: Option<VersionNumber>,
    /// Its second version; `Some(None)` for none.
    pub routing: Option<Option<Routing>>,
    /// The user's words.
    pub description: Option<String>,
    /// Change only if the alias still has this revision.
    pub revision: Option<RevisionId>,
}

impl Catalog {
    /// Shows an alias.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] without the function, [`CatalogError::Missing`] without the alias.
    pub fn alias(&self, owner: &Scope, name: &FunctionName, alias: &str) -> Result<Arc<Alias>, CatalogError> {
        let registry = self.0.registry.load();
        let (entry, _) = find(&registry, owner, name, None)?;
        let arn = || owner.arn(name, Some(&Qualifier::Alias(alias.into())));
        entry.alias(alias).cloned().ok_or_else(|| CatalogError::Missing(format!("Cannot find alias arn: {}", arn())))
    }

    /// Lists up to `max` aliases that come after `after`, by name; only those whose first version is `of`.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn aliases(
        &self,
        owner: &Scope,
        name: &FunctionName,
        of: Option<VersionNumber>,
        after: Option<&AliasName>,
        max: usize,
    ) -> Result<Page<Arc<Alias>>, CatalogError> {
        let registry = self.0.registry.load();
        let (entry, _) = find(&registry, owner, name, None)?;
        let mut left = entry
            .aliases
            .iter()
            .filter(|alias| after.is_none_or(|after| alias.name > *after))
            .filter(|alias| of.is_none_or(|version| alias.version == version));
        let items = left.by_ref().take(max).cloned().collect();
        Ok(Page { items, more: left.next().is_some() })
    }

    /// Makes an alias.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] without the function or a version, [`CatalogError::Conflict`] where the name is
    /// taken, [`CatalogError::Invalid`] for a routing that leads nowhere.
    ///
    /// # Cancel safety
    /// The alias may be made all the same.
    pub async fn create_alias(
        &self,
        owner: &Scope,
        name: &FunctionName,
        alias: AliasName,
        change: AliasChange,
    ) -> Result<Arc<Alias>, CatalogError> {
        let (owner, name) = (owner.clone(), name.clone());
        self.ask(move |writer| writer.create_alias(&owner, &name, alias, change)).await
    }

    /// Changes an alias.
    ///
    /// # Errors
    /// As [`Catalog::create_alias`]; [`CatalogError::Missing`] without the alias, [`CatalogError::StaleRevision`].
    ///
    /// # Cancel safety
    /// The alias may be changed all the same.
    pub async fn update_alias(
        &self,
        owner: &Scope,
        name: &FunctionName,
        alias: &str,
        change: AliasChange,
    ) -> Result<Arc<Alias>, CatalogError> {
        let (owner, name, alias) = (owner.clone(), name.clone(), alias.to_owned());
        self.ask(move |writer| writer.update_alias(&owner, &name, &alias, change)).await
    }

    /// Deletes an alias; one that is not there is deleted already.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] without the function.
    ///
    /// # Cancel safety
    /// The alias may be deleted all the same.
    pub async fn delete_alias(&self, owner: &Scope, name: &FunctionName, alias: &str) -> Result<(), CatalogError> {
        let (owner, name, alias) = (owner.clone(), name.clone(), alias.to_owned());
        self.ask(move |writer| writer.delete_alias(&owner, &name, &alias)).await
    }
}

impl Writer {
    fn create_alias(
        &mut self,
        owner: &Scope,
        name: &FunctionName,
        alias: AliasName,
        change: AliasChange,
    ) -> Result<Arc<Alias>, CatalogError> {
        let version = change.version.unwrap_or(VersionNumber::Latest);
        // A missing function is shown with the version that was asked for. Source: recorded AWS replies.
        let entry = self.registry.load().find(owner, name).cloned();
        let entry = entry.ok_or_else(|| CatalogError::NotFound { arn: owner.arn(name, Some(&version.into())) })?;
        check_version(&entry, version)?;
        if entry.alias(alias.as_str()).is_some() {
            let arn = owner.arn(name, Some(&Qualifier::Alias(alias.as_str().into())));
            return Err(CatalogError::Conflict(format!("Alias already exists: {arn}")));
        }
        let alias = Alias {
            name: alias,
            version,
            routing: change.routing.flatten(),
            description: change.description.unwrap_or_default(),
            revision: RevisionId::random(),
            provisioned: None,
        };
        self.put_alias(&entry, alias)
    }

    fn update_alias(
        &mut self,
        owner: &Scope,
        name: &FunctionName,
        alias: &str,
        change: AliasChange,
    ) -> Result<Arc<Alias>, CatalogError> {
        let entry = self.find(owner, name)?;
        let arn = || owner.arn(name, Some(&Qualifier::Alias(alias.into())));
        let before = entry.alias(alias).ok_or_else(|| CatalogError::Missing(format!("Alias not found: {}", arn())))?;
        check_revision(before.revision, change.revision)?;
        let version = change.version.unwrap_or(before.version);
        check_version(&entry, version)?;
        // What is provisioned moves along, and begins anew there.
        let provisioned = before.provisioned.map(|mut provisioned| {
            if version != before.version {
                provisioned.since = self.clock.now();
            }
            provisioned
        });
        let after = Alias {
            name: before.name.clone(),
            version,
            routing: change.routing.unwrap_or(before.routing),
            description: change.description.unwrap_or_else(|| before.description.clone()),
            revision: RevisionId::random(),
            provisioned,
        };
        self.put_alias(&entry, after)
    }

    fn delete_alias(&mut self, owner: &Scope, name: &FunctionName, alias: &str) -> Result<(), CatalogError> {
        let entry = self.find(owner, name)?;
        if entry.alias(alias).is_none() {
            return Ok(());
        }
        let mut after = (*entry).clone();
        after.aliases.retain(|kept| kept.name.as_str() != alias);
        self.write(Some(&entry), Some(after))
    }

    fn put_alias(&mut self, entry: &Arc<Entry>, alias: Alias) -> Result<Arc<Alias>, CatalogError> {
        check_routing(entry, &alias)?;
        let alias = Arc::new(alias);
        self.write(Some(entry), Some(entry.with_alias(alias.clone())))?;
        Ok(alias)
    }
}

fn check_version(entry: &Entry, version: VersionNumber) -> Result<(), CatalogError> {
    let VersionNumber::Published(number) = version else { return Ok(()) };
    let arn = || entry.owner().arn(entry.name(), Some(&Qualifier::Number(number)));
    entry.version(version).map(drop).ok_or_else(|| CatalogError::NotFound { arn: arn() })
}

/// An alias leads to one version, or to two that are both published. Source: recorded AWS replies.
fn check_routing(entry: &Entry, alias: &Alias) -> Result<(), CatalogError> {
    let Some(Routing { number, .. }) = alias.routing else { return Ok(()) };
    if alias.version == VersionNumber::Published(number) {
        return Err(CatalogError::Invalid(format!(
            "Invalid function version {number}. Function version {number} is already included in routing configuration."
        )));
    }
    if alias.version == VersionNumber::Latest {
        let text = "$LATEST is not supported for an alias pointing to more than 1 version";
        return Err(CatalogError::BadRouting(text.into()));
    }
    check_version(entry, VersionNumber::Published(number))
}
