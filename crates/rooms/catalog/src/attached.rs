//! Records in memory, and their changes: policies, URL configurations and all the other small documents.
//!
//! The table is immutable and swapped whole, as the registry of functions is; the catalog's writer makes every
//! change, so that a decision that was taken on what lay there is still right when it is written:
//!
//! ```text
//! change(key, decide) ──► writer: what lies there ─ decide ─ store ─ table ──► answered
//! delete a function   ──► writer: store (one transaction) ─ registry ─ its records leave the table
//! ```

use crate::writer::Writer;
use crate::{Catalog, CatalogError, Scope};
use lacewing_model::{FunctionName, RevisionId};
use lacewing_store::records::{Document, Family, Record, RecordKey, StoredRecord, UrlConfig};
use lacewing_store::{Store, StoreError};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// All records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    table: BTreeMap<Arc<RecordKey>, StoredRecord>,
    /// The ids of URLs, which requests come with instead of names.
    urls: HashMap<Box<str>, Arc<RecordKey>>,
}

/// A function's URL, found by its id.
#[derive(Clone, Debug)]
pub struct UrlTarget {
    /// Whose function, and where.
    pub scope: Scope,
    /// The function.
    pub function: FunctionName,
    /// The alias that calls go to; `None` is the function itself.
    pub alias: Option<Box<str>>,
    /// How the URL is set up.
    pub config: Arc<UrlConfig>,
}

impl Scope {
    /// The key of a record that goes with a function; `qualifier` is empty for the function itself.
    #[must_use]
    pub fn function_record(&self, family: Family, function: &FunctionName, qualifier: &str) -> RecordKey {
        RecordKey { function: Some(function.clone()), ..self.record(family, qualifier) }
    }

    /// The key of a record that goes with no function.
    #[must_use]
    pub fn record(&self, family: Family, name: &str) -> RecordKey {
        let (account, region) = (self.account.clone(), self.region.clone());
        RecordKey { account, region, family, function: None, name: name.into() }
    }
}

impl Records {
    /// Reads what a former process kept.
    pub(crate) fn read(store: &Store) -> Result<Self, StoreError> {
        let mut records = Self::default();
        store.records()?.into_iter().for_each(|record| records.put(record));
        Ok(records)
    }

    fn put(&mut self, record: StoredRecord) {
        if let Some(url) = UrlConfig::of(&record.record) {
            self.urls.insert(url.id.as_str().into(), record.key.clone());
        }
        self.table.insert(record.key.clone(), record);
    }

    fn remove(&mut self, key: &RecordKey) {
        if let Some(url) = self.table.remove(key).as_ref().and_then(|gone| UrlConfig::of(&gone.record)) {
            self.urls.remove(url.id.as_str());
        }
    }

    /// All but those that go with a function.
    pub(crate) fn without(&self, owner: &Scope, function: &FunctionName) -> Self {
        let mut rest = self.clone();
        let own = |key: &RecordKey| {
            key.function.as_ref() == Some(function) && key.account == owner.account && key.region == owner.region
        };
        for key in self.table.keys().filter(|key| own(key)) {
            rest.remove(key);
        }
        rest
    }

    fn get<T: Document>(&self, key: &RecordKey) -> Option<&Arc<T>> {
        self.table.get(key).and_then(|stored| T::of(&stored.record))
    }

    /// The documents of one family, ordered by function and name.
    fn all<'a, T: Document>(&'a self, owner: &Scope) -> impl Iterator<Item = (&'a Arc<RecordKey>, &'a Arc<T>)> {
        let first = owner.record(T::FAMILY, "");
        let (account, region) = (owner.account.clone(), owner.region.clone());
        self.table
            .range::<RecordKey, _>(first..)
            .take_while(move |(key, _)| key.family == T::FAMILY && key.account == account && key.region == region)
            .filter_map(|(key, stored)| T::of(&stored.record).map(|document| (key, document)))
    }
}

impl Catalog {
    /// The document under `key`.
    #[must_use]
    pub fn record<T: Document>(&self, key: &RecordKey) -> Option<Arc<T>> {
        self.0.records.load().get(key).cloned()
    }

    /// All documents of a family in an account and region, ordered by function and name.
    #[must_use]
    pub fn all_records<T: Document>(&self, owner: &Scope) -> Vec<(Arc<RecordKey>, Arc<T>)> {
        self.0.records.load().all::<T>(owner).map(|(key, document)| (key.clone(), document.clone())).collect()
    }

    /// The documents of a family that go with one function, ordered by qualifier.
    #[must_use]
    pub fn function_records<T: Document>(
        &self,
        owner: &Scope,
        function: &FunctionName,
    ) -> Vec<(Arc<RecordKey>, Arc<T>)> {
        let records = self.0.records.load();
        let own = records.all::<T>(owner).filter(|(key, _)| key.function.as_ref() == Some(function));
        own.map(|(key, document)| (key.clone(), document.clone())).collect()
    }

    /// The function whose URL has this id.
    #[must_use]
    pub fn url(&self, id: &str) -> Option<UrlTarget> {
        let records = self.0.records.load();
        let key = records.urls.get(id)?;
        let config = records.get::<UrlConfig>(key)?.clone();
        Some(UrlTarget {
            scope: Scope { account: key.account.clone(), region: key.region.clone() },
            function: key.function.clone()?,
            alias: (!key.name.is_empty()).then(|| key.name.clone()),
            config,
        })
    }

    /// Puts a document under `key`, whatever lies there.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the function of the key is not there.
    ///
    /// # Cancel safety
    /// The change may be made all the same.
    pub async fn put_record<T: Document>(&self, key: RecordKey, document: T) -> Result<(), CatalogError> {
        let put = |lying: &mut Option<T>| {
            *lying = Some(document);
            Ok(())
        };
        self.change_record(key, put).await
    }

    /// Changes the document under `key`: `decide` is shown what lies there and leaves what shall lie there, or
    /// refuses. It runs on the writer's thread, so nothing changes between its look and its word. Answered when
    /// it is on the disk.
    ///
    /// # Errors
    /// What `decide` refuses with; [`CatalogError::NotFound`] when the function of the key is not there.
    ///
    /// # Cancel safety
    /// The change may be made all the same.
    pub async fn change_record<T: Document, R: Send + 'static>(
        &self,
        key: RecordKey,
        decide: impl FnOnce(&mut Option<T>) -> Result<R, CatalogError> + Send + 'static,
    ) -> Result<R, CatalogError> {
        self.ask(move |writer| writer.change_record(key, decide)).await
    }
}

impl Writer {
    fn change_record<T: Document, R>(
        &mut self,
        key: RecordKey,
        decide: impl FnOnce(&mut Option<T>) -> Result<R, CatalogError>,
    ) -> Result<R, CatalogError> {
        debug_assert!(key.family == T::FAMILY);
        if let Some(function) = &key.function {
            let owner = Scope { account: key.account.clone(), region: key.region.clone() };
            if self.registry.load().find(&owner, function).is_none() {
                return Err(CatalogError::NotFound { arn: owner.arn(function, None) });
            }
        }
        let before = self.records.load().table.get(&key).cloned();
        let lying = before.as_ref().and_then(|stored| T::of(&stored.record));
        let mut document = lying.map(|document| T::clone(document));
        let answer = decide(&mut document)?;
        if document.as_ref() == lying.map(|document| &**document) {
            return Ok(answer);
        }
        let mut records = (**self.records.load()).clone();
        match (before, document) {
            (before, Some(document)) => {
                let key = before.as_ref().map_or_else(|| Arc::new(key), |before| before.key.clone());
                let record: Record = T::wrap(Arc::new(document));
                let after = StoredRecord { key, revision: RevisionId::random(), record };
                self.store.put_record(&after, before.map(|before| before.revision))?;
                records.put(after);
            }
            (Some(before), None) => {
                self.store.remove_record(&before)?;
                records.remove(&before.key);
            }
            (None, None) => {}
        }
        self.records.store(Arc::new(records));
        Ok(answer)
    }
}
