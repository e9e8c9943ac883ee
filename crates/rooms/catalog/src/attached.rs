//! Records in memory, and their changes: policies, URL configurations and all the other small documents.
//!
//! The table is immutable and swapped whole, as the registry of functions is; the catalog's writer makes every
//! change, so that a decision that was taken on what lay there is still right when it is written:
//!
//! ```text
//! change(key, decide) ──► writer: what lies there ─ decide ─ store ─ table ──► answered
//! delete a function   ──► writer: store (one transaction) ─ registry ─ its records leave the table
//! ```

use crate::entry::Entry;
use crate::objects::Sources;
use crate::writer::Writer;
use crate::{Catalog, CatalogError, Scope};
use lacewing_artifact::{Artifacts, Package};
use lacewing_model::{CodeSha256, FunctionName, ObjectCode, RevisionId};
use lacewing_store::records::{Document, Family, Layer, Record, RecordKey, StoredRecord, UrlConfig};
use lacewing_store::{Store, StoreError};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// All records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    table: BTreeMap<Arc<RecordKey>, StoredRecord>,
    /// The ids of URLs, which requests come with instead of names.
    urls: HashMap<Box<str>, Arc<RecordKey>>,
    /// The packages of layer versions, held for as long as one has them.
    packages: HashMap<CodeSha256, Package>,
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
    /// Reads what a former process kept, and takes hold of the packages of layers.
    pub(crate) fn read(store: &Store, artifacts: &Artifacts, sources: &Sources) -> Result<Self, StoreError> {
        let mut records = Self::default();
        for record in store.records()? {
            for version in Layer::of(&record.record).iter().flat_map(|layer| &layer.versions) {
                if let Some(sha256) = version.sha256() {
                    let package = artifacts.claim(&sha256, version.code_bytes);
                    package.keep();
                    let object = version.object.clone().map(ObjectCode::from);
                    sources.stays_in(&package, &record.key.region, object.as_ref());
                    records.packages.insert(sha256, package);
                }
            }
            records.put(record);
        }
        Ok(records)
    }

    /// The package of a layer version, if one has it.
    pub(crate) fn package(&self, sha256: &CodeSha256) -> Option<&Package> {
        self.packages.get(sha256)
    }

    fn needs(&self, sha256: &CodeSha256) -> bool {
        let mut layers = self.table.values().filter_map(|stored| Layer::of(&stored.record));
        layers.any(|layer| layer.versions.iter().any(|version| version.code_sha256 == sha256.as_str()))
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

    /// All but those of a function that are `gone`.
    pub(crate) fn without(&self, owner: &Scope, function: &FunctionName, gone: impl Fn(&RecordKey) -> bool) -> Self {
        let mut rest = self.clone();
        let own = |key: &RecordKey| {
            key.function.as_ref() == Some(function) && key.account == owner.account && key.region == owner.region
        };
        for key in self.table.keys().filter(|key| own(key) && gone(key)) {
            rest.remove(key);
        }
        rest
    }

    pub(crate) fn get<T: Document>(&self, key: &RecordKey) -> Option<&Arc<T>> {
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

    /// Gives a function or an alias its URL, unless it has one or the id is another one's, of whatever account: then the
    /// key of that one, and nothing is put.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the function of the key is not there.
    ///
    /// # Cancel safety
    /// The change may be made all the same.
    pub async fn add_url(&self, key: RecordKey, url: UrlConfig) -> Result<Option<Arc<RecordKey>>, CatalogError> {
        self.ask(move |writer| {
            let records = writer.records.load();
            let own = records.table.get_key_value(&key).map(|(key, _)| key);
            if let Some(there) = own.or_else(|| records.urls.get(url.id.as_str())) {
                return Ok(Some(there.clone()));
            }
            writer.change_record(key, |lying| {
                *lying = Some(url);
                Ok(())
            })?;
            Ok(None)
        })
        .await
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

impl Catalog {
    /// Puts a document under a new `key`, unless `taken` says of one of the family, in the same account and region, that
    /// there must be no other: then that one's key, and nothing is put. Looked for on the writer's thread, so that of
    /// two at once only one is put.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the function of the key is not there.
    ///
    /// # Cancel safety
    /// The change may be made all the same.
    pub async fn add_record<T: Document>(
        &self,
        key: RecordKey,
        document: T,
        taken: impl Fn(&T) -> bool + Send + 'static,
    ) -> Result<Option<Arc<RecordKey>>, CatalogError> {
        self.ask(move |writer| {
            let owner = Scope { account: key.account.clone(), region: key.region.clone() };
            let records = writer.records.load();
            let twin = records.all::<T>(&owner).find(|(_, other)| taken(other)).map(|(key, _)| key.clone());
            if twin.is_some() {
                return Ok(twin);
            }
            writer.change_record(key, |lying| {
                *lying = Some(document);
                Ok(())
            })?;
            Ok(None)
        })
        .await
    }
}

impl Writer {
    /// Drops the records of what is there no more; the store let them go with it.
    pub(crate) fn forget_records(&self, before: &Entry, after: Option<&Entry>) {
        let left: HashSet<String> = after.iter().flat_map(|after| after.qualifiers()).collect();
        let gone: HashSet<String> = before.qualifiers().filter(|qualifier| !left.contains(qualifier)).collect();
        let is_gone =
            |key: &RecordKey| after.is_none() || (key.family.goes_with_qualifier() && gone.contains(key.name.as_ref()));
        if after.is_none() || !gone.is_empty() {
            let rest = self.records.load().without(&before.owner(), before.name(), is_gone);
            self.records.store(Arc::new(rest));
        }
    }

    /// Holds the package of a layer version.
    pub(crate) fn hold(&self, package: Package) {
        let mut records = (**self.records.load()).clone();
        records.packages.insert(package.sha256().clone(), package);
        self.records.store(Arc::new(records));
    }

    /// Lets go of the package of a layer version that was deleted, unless another one has it.
    pub(crate) fn let_go(&self, sha256: &CodeSha256) {
        let mut records = (**self.records.load()).clone();
        if records.needs(sha256) {
            return;
        }
        if let Some(package) = records.packages.remove(sha256) {
            self.records.store(Arc::new(records));
            self.release(&package);
        }
    }

    pub(crate) fn change_record<T: Document, R>(
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
