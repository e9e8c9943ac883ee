//! Concurrency that is set aside: for a function, and for sandboxes that stand ready before they are called.

use crate::entry::{Entry, VersionEntry};
use crate::lookup::find;
use crate::view::Scope;
use crate::writer::Writer;
use crate::{Catalog, CatalogError, Page, Runnable, refuse_with_tenants};
use lacewing_model::{Alias, FunctionName, Provisioned, Qualifier, RevisionId, VersionNumber};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// What must stay unreserved of an account's concurrency. Source: Lambda documentation, "reserved concurrency".
const UNRESERVED_MIN: u32 = 100;

/// How many sandboxes of a version are to stand ready, whether they are called or not.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The version, and its code.
    pub runnable: Runnable,
    /// How many: at least 1.
    pub sandboxes: u32,
}

/// All that is wanted, by generation.
pub type AllWanted = Arc<BTreeMap<RevisionId, Wanted>>;

/// One provisioned concurrency, with what its sandboxes run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvisionedView {
    /// The version or alias that it was asked for.
    pub qualifier: Qualifier,
    /// What was asked for.
    pub provisioned: Provisioned,
    /// The generations that it is kept for, and how many sandboxes of each.
    pub shares: Vec<(RevisionId, u32)>,
}

impl Catalog {
    /// Reserves concurrency for a function, or takes the reservation away; `account_max` is what its account has.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`]; [`CatalogError::BadConcurrency`] where too little would be left for others, or
    /// less than is provisioned.
    ///
    /// # Cancel safety
    /// The reservation may be made all the same.
    pub async fn reserve(
        &self,
        owner: &Scope,
        name: &FunctionName,
        reserved: Option<u32>,
        account_max: u32,
    ) -> Result<(), CatalogError> {
        let (owner, name) = (owner.clone(), name.clone());
        self.ask(move |writer| writer.reserve(&owner, &name, reserved, account_max)).await
    }

    /// Has sandboxes of a version or an alias kept ready, or no longer where `requested` is `None`.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`], [`CatalogError::Missing`] without the alias; [`CatalogError::Conflict`] where the
    /// same version is provisioned by another name; [`CatalogError::Invalid`] where it is more than there is.
    ///
    /// # Cancel safety
    /// The change may be made all the same.
    pub async fn provision(
        &self,
        owner: &Scope,
        name: &FunctionName,
        qualifier: &Qualifier,
        requested: Option<u32>,
        account_max: u32,
    ) -> Result<(), CatalogError> {
        let (owner, name, qualifier) = (owner.clone(), name.clone(), qualifier.clone());
        self.ask(move |writer| writer.provision(&owner, &name, &qualifier, requested, account_max)).await
    }

    /// The provisioned concurrency of a version or an alias.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`], [`CatalogError::Missing`] without the alias.
    pub fn provisioned_of(
        &self,
        owner: &Scope,
        name: &FunctionName,
        qualifier: &Qualifier,
    ) -> Result<Option<ProvisionedView>, CatalogError> {
        let registry = self.0.registry.load();
        let (entry, _) = find(&registry, owner, name, None)?;
        check_qualifier(entry, qualifier)?;
        Ok(views(entry).find(|view| view.qualifier == *qualifier))
    }

    /// Lists up to `max` provisioned concurrencies of a function that come after `after`: those of versions, then
    /// those of aliases.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn provisioned_list(
        &self,
        owner: &Scope,
        name: &FunctionName,
        after: Option<&Qualifier>,
        max: usize,
    ) -> Result<Page<ProvisionedView>, CatalogError> {
        let registry = self.0.registry.load();
        let (entry, _) = find(&registry, owner, name, None)?;
        let mut left = views(entry).filter(|view| after.is_none_or(|after| view.qualifier > *after));
        let items = left.by_ref().take(max).collect();
        Ok(Page { items, more: left.next().is_some() })
    }

    /// What is to be kept ready, as it is now and whenever it changes.
    #[must_use]
    pub fn provisioned(&self) -> watch::Receiver<AllWanted> {
        self.0.wanted.subscribe()
    }
}

impl Writer {
    fn reserve(
        &mut self,
        owner: &Scope,
        name: &FunctionName,
        reserved: Option<u32>,
        account_max: u32,
    ) -> Result<(), CatalogError> {
        let entry = self.find(owner, name)?;
        if let Some(reserved) = reserved {
            let provisioned = total(&entry, None);
            if reserved < provisioned {
                // AWS's words have these blanks.
                return Err(CatalogError::BadConcurrency(format!(
                    " ReservedConcurrentExecutions  {reserved} should not be lower than function's total provisioned \
                     concurrency [{provisioned}]."
                )));
            }
            if self.set_aside(owner, name) + u64::from(reserved) + u64::from(UNRESERVED_MIN) > u64::from(account_max) {
                return Err(CatalogError::BadConcurrency(too_much("ReservedConcurrentExecutions")));
            }
        }
        let after = Entry { reserved, ..(*entry).clone() };
        self.write(Some(&entry), Some(after))
    }

    fn provision(
        &mut self,
        owner: &Scope,
        name: &FunctionName,
        qualifier: &Qualifier,
        requested: Option<u32>,
        account_max: u32,
    ) -> Result<(), CatalogError> {
        let entry = self.find(owner, name)?;
        check_qualifier(&entry, qualifier)?;
        if let Some(requested) = requested {
            refuse_with_tenants(&entry.latest.shown.config, "Provisioned Concurrency")?;
            check_alone(&entry, qualifier)?;
            let wanted = total(&entry, Some(qualifier)) + requested;
            match entry.reserved {
                Some(reserved) => check_within(wanted, reserved)?,
                None => check_left(wanted, u64::from(account_max).saturating_sub(self.set_aside(owner, name)))?,
            }
        }
        let provisioned = requested.map(|requested| Provisioned { requested, since: self.clock.now() });
        let after = match qualifier {
            Qualifier::Alias(alias) => entry.alias(alias).map(|alias| {
                let alias = Alias { provisioned, revision: RevisionId::random(), ..(**alias).clone() };
                entry.with_alias(Arc::new(alias))
            }),
            Qualifier::Number(number) => entry.version(VersionNumber::Published(*number)).map(|version| {
                let same_state = version.in_state(version.lifecycle.clone());
                entry.with(VersionEntry { provisioned, ..same_state })
            }),
            Qualifier::Latest => None,
        };
        match after {
            Some(after) => self.write(Some(&entry), Some(after)),
            None => Ok(()),
        }
    }

    /// What all functions of `owner` but one have set aside.
    fn set_aside(&self, owner: &Scope, but: &FunctionName) -> u64 {
        let registry = self.registry.load();
        let others = registry.of(owner).filter(|entry| entry.name() != but);
        others.map(|entry| u64::from(entry.reserved.unwrap_or_else(|| total(entry, None)))).sum()
    }

    /// Tells the pool what is wanted now.
    pub(crate) fn publish_wanted(&self) {
        let mut all: BTreeMap<RevisionId, Wanted> = BTreeMap::new();
        for (generation, wanted) in self.registry.load().iter().flat_map(|entry| wanted_of(entry)) {
            // An alias that moved may share a version with what is provisioned for that.
            all.entry(generation).and_modify(|one| one.sandboxes += wanted.sandboxes).or_insert(wanted);
        }
        self.wanted.send_replace(Arc::new(all));
    }
}

/// Provisioned concurrency of a function that has its own is part of it.
fn check_within(wanted: u32, reserved: u32) -> Result<(), CatalogError> {
    if wanted <= reserved {
        return Ok(());
    }
    let text =
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function";
    Err(CatalogError::Invalid(text.into()))
}

/// Other provisioned concurrency comes out of what nobody has reserved. Source: recorded AWS replies.
fn check_left(wanted: u32, unreserved: u64) -> Result<(), CatalogError> {
    if u64::from(wanted) > unreserved {
        return Err(CatalogError::BadConcurrency(format!(
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{unreserved}]."
        )));
    }
    if u64::from(wanted) + u64::from(UNRESERVED_MIN) > unreserved {
        return Err(CatalogError::BadConcurrency(too_much("ConcurrentExecutions")));
    }
    Ok(())
}

fn too_much(what: &str) -> String {
    format!(
        "Specified {what} for function decreases account's UnreservedConcurrentExecution below its minimum value of \
         [{UNRESERVED_MIN}]."
    )
}

fn check_qualifier(entry: &Entry, qualifier: &Qualifier) -> Result<(), CatalogError> {
    let arn = || entry.owner().arn(entry.name(), Some(qualifier));
    match qualifier {
        Qualifier::Alias(alias) if entry.alias(alias).is_none() => {
            Err(CatalogError::Missing(format!("Cannot find alias arn: {}", arn())))
        }
        Qualifier::Number(number) if entry.version(VersionNumber::Published(*number)).is_none() => {
            Err(CatalogError::NotFound { arn: arn() })
        }
        _ => Ok(()),
    }
}

/// A version is provisioned by one name only. Source: recorded AWS replies.
fn check_alone(entry: &Entry, qualifier: &Qualifier) -> Result<(), CatalogError> {
    let conflict = |text: &str| Err(CatalogError::Conflict(text.to_owned()));
    match qualifier {
        Qualifier::Alias(name) => {
            let alias = entry.alias(name);
            let taken = alias.and_then(|alias| entry.version(alias.version)).is_some_and(|it| it.provisioned.is_some());
            if taken {
                return conflict(
                    "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
                );
            }
        }
        Qualifier::Number(number) => {
            if entry.aliases.iter().any(|alias| alias.provisioned.is_some() && alias.leads_to(*number)) {
                return conflict("Version is pointed by a Provisioned Concurrency alias");
            }
        }
        Qualifier::Latest => {}
    }
    Ok(())
}

/// What a function has provisioned altogether, but for one qualifier.
fn total(entry: &Entry, but: Option<&Qualifier>) -> u32 {
    views(entry).filter(|view| Some(&view.qualifier) != but).map(|view| view.provisioned.requested).sum()
}

fn views(entry: &Entry) -> impl Iterator<Item = ProvisionedView> {
    let versions = entry.versions.iter().filter_map(|version| {
        let VersionNumber::Published(number) = version.shown.number else { return None };
        let provisioned = version.provisioned?;
        let shares = vec![(version.shown.generation, provisioned.requested)];
        Some(ProvisionedView { qualifier: Qualifier::Number(number), provisioned, shares })
    });
    let aliases = entry.aliases.iter().filter_map(|alias| {
        let provisioned = alias.provisioned?;
        let shares = shares(alias, provisioned.requested)
            .filter_map(|(number, share)| entry.version(number).map(|version| (version.shown.generation, share)));
        let qualifier = Qualifier::Alias(alias.name.as_str().into());
        Some(ProvisionedView { qualifier, provisioned, shares: shares.collect() })
    });
    versions.chain(aliases)
}

/// How many of an alias's sandboxes each of its versions gets: by weight, all of them together as many as asked.
fn shares(alias: &Alias, requested: u32) -> impl Iterator<Item = (VersionNumber, u32)> {
    let second = alias.routing.map(|routing| {
        // A share of a `u32` is one.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let share = (f64::from(requested) * routing.weight).round() as u32;
        (VersionNumber::Published(routing.number), share)
    });
    let first = (alias.version, requested - second.map_or(0, |(_, share)| share));
    std::iter::once(first).chain(second).filter(|(_, share)| *share > 0)
}

fn wanted_of(entry: &Entry) -> impl Iterator<Item = (RevisionId, Wanted)> {
    views(entry).flat_map(|view| view.shares).filter_map(|(generation, sandboxes)| {
        let version = entry.versions.iter().find(|version| version.shown.generation == generation)?;
        let serving = version.serving.as_ref()?;
        let runnable = serving.runnable(entry.reserved);
        Some((generation, Wanted { runnable, sandboxes }))
    })
}

/// True where a change from `before` to `after` may change what is wanted.
pub(crate) fn touches_wanted(before: Option<&Entry>, after: Option<&Entry>) -> bool {
    before.into_iter().chain(after).any(|entry| views(entry).next().is_some())
}
