//! Records: small documents that go with a function, a layer or an account. One table for all families; each
//! family's document is typed in a file of its own.
//!
//! A document is written as JSON with the fields that its type names; an unknown field is refused when it is read,
//! since reading on would lose it at the next write. A new field gets `#[serde(default)]`.

mod capacity_provider;
mod code_signing;
mod event_invoke;
mod layer;
mod mapping;
mod policy;
mod settings;
mod url;

pub use crate::document::ObjectDocument;
pub use capacity_provider::CapacityProvider;
pub use code_signing::{CodeSigning, FunctionSigning};
pub use event_invoke::EventInvoke;
pub use layer::{Layer, LayerVersion};
pub use mapping::Mapping;
pub use policy::{Policy, Statement};
pub use settings::{FunctionScaling, Recursion, RuntimeManagement};
pub use url::{Cors, UrlConfig};

use crate::column::parse;
use crate::{Store, StoreError};
use lacewing_model::{AccountId, FunctionName, Region, RevisionId};
use rusqlite::{ErrorCode, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordKey {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// What kind.
    pub family: Family,
    /// The function that it goes with, and is removed with.
    pub function: Option<FunctionName>,
    /// The qualifier within the function (empty for the function itself), or the name within the account.
    pub name: Box<str>,
}

/// What one family's document can do.
pub trait Document: Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync + 'static {
    /// Its family.
    const FAMILY: Family;

    /// As one of all documents.
    fn wrap(document: Arc<Self>) -> Record;

    /// Out of all documents: `None` for one of another family.
    fn of(record: &Record) -> Option<&Arc<Self>>;
}

/// A document with tags of its own.
pub trait Tagged: Document {
    /// The tags.
    fn tags(&self) -> &BTreeMap<String, String>;

    /// The tags, to be changed.
    fn tags_mut(&mut self) -> &mut BTreeMap<String, String>;
}

macro_rules! tagged {
    ($($name:ident),*) => {
        $(impl Tagged for $name {
            fn tags(&self) -> &BTreeMap<String, String> {
                &self.tags
            }

            fn tags_mut(&mut self) -> &mut BTreeMap<String, String> {
                &mut self.tags
            }
        })*
    };
}
tagged!(CodeSigning, CapacityProvider, Mapping);

macro_rules! families {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// The kinds of records.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Family {
            $($(#[$doc])* $name,)*
        }

        /// A document of any family.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Record {
            $($(#[$doc])* $name(Arc<$name>),)*
        }

        impl Family {
            /// Whether its records go with the version or alias that they belong to.
            #[must_use]
            pub fn goes_with_qualifier(self) -> bool {
                !matches!(self, Self::UrlConfig)
            }

            /// Its word in the table.
            fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            fn of(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$name),)*
                    _ => None,
                }
            }
        }

        impl Record {
            fn write(&self) -> serde_json::Result<String> {
                match self {
                    $(Self::$name(document) => serde_json::to_string(&**document),)*
                }
            }

            fn read(family: Family, json: &str) -> serde_json::Result<Self> {
                match family {
                    $(Family::$name => serde_json::from_str(json).map(Arc::new).map(Self::$name),)*
                }
            }
        }

        $(impl Document for $name {
            const FAMILY: Family = Family::$name;

            fn wrap(document: Arc<Self>) -> Record {
                Record::$name(document)
            }

            fn of(record: &Record) -> Option<&Arc<Self>> {
                match record {
                    Record::$name(document) => Some(document),
                    _ => None,
                }
            }
        })*
    };
}

families! {
    /// Who else may call a function: one per function, version and alias.
    Policy = "policy",
    /// How asynchronous events are retried and where they end.
    EventInvoke = "event_invoke",
    /// A function's own HTTP address.
    UrlConfig = "url",
    /// What happens to calls that go in circles.
    Recursion = "recursion",
    /// When a runtime's patches are taken.
    RuntimeManagement = "runtime_management",
    /// How many environments a function on a capacity provider has.
    FunctionScaling = "function_scaling",
    /// Packages that functions share.
    Layer = "layer",
    /// Whose packages are trusted.
    CodeSigning = "code_signing",
    /// Which of these a function has.
    FunctionSigning = "function_signing",
    /// Machines that functions can be bound to.
    CapacityProvider = "capacity_provider",
    /// Which source feeds which function.
    Mapping = "mapping",
}

/// A record as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRecord {
    /// Which one.
    pub key: Arc<RecordKey>,
    /// Changes with every write.
    pub revision: RevisionId,
    /// What it says.
    pub record: Record,
}

const ALL: &str = "SELECT account, region, family, function, name, revision, document FROM records";
const INSERT: &str = "INSERT INTO records (account, region, family, function, name, revision, document) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const UPDATE: &str = "UPDATE records SET revision = ?6, document = ?7 WHERE account = ?1 AND region = ?2 \
     AND family = ?3 AND function = ?4 AND name = ?5 AND revision = ?8";
const DELETE: &str = "DELETE FROM records WHERE account = ?1 AND region = ?2 AND family = ?3 AND function = ?4 \
     AND name = ?5 AND revision = ?6";
/// With a function go the records that are its own.
pub(crate) const DELETE_OF_FUNCTION: &str = "DELETE FROM records WHERE account = ?1 AND region = ?2 AND function = ?3";

/// With a version or an alias go its own; an alias's URL stays, and answers that there is nothing behind it.
pub(crate) const DELETE_OF_QUALIFIER: &str =
    "DELETE FROM records WHERE account = ?1 AND region = ?2 AND function = ?3 AND name = ?4 AND family <> 'url'";

impl Store {
    /// All records.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`], [`StoreError::Database`].
    pub fn records(&self) -> Result<Vec<StoredRecord>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(ALL)?;
        let mut rows = statement.query([])?;
        let mut records = Vec::new();
        while let Some(row) = rows.next()? {
            records.push(read(row)?);
        }
        Ok(records)
    }

    /// Adds a record, or replaces the one that has the revision `before`.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when there is one and none was believed to be; [`StoreError::Changed`] when it
    /// no longer has that revision.
    pub fn put_record(&self, record: &StoredRecord, before: Option<RevisionId>) -> Result<(), StoreError> {
        let document = record.record.write().map_err(|error| StoreError::unreadable("records", error))?;
        self.write(|connection| {
            let RecordKey { account, region, family, function, name } = &*record.key;
            let function = function.as_ref().map_or("", FunctionName::as_str);
            let (account, region, family) = (account.as_str(), region.as_str(), family.word());
            let revision = record.revision.to_string();
            let Some(before) = before else {
                let mut statement = connection.prepare_cached(INSERT)?;
                return match statement.execute(params![account, region, family, function, name, revision, document]) {
                    Err(rusqlite::Error::SqliteFailure(error, _)) if error.code == ErrorCode::ConstraintViolation => {
                        Err(StoreError::AlreadyExists)
                    }
                    other => other.map(drop).map_err(StoreError::from),
                };
            };
            let before = before.to_string();
            let mut statement = connection.prepare_cached(UPDATE)?;
            match statement.execute(params![account, region, family, function, name, revision, document, before])? {
                0 => Err(StoreError::Changed),
                _ => Ok(()),
            }
        })
    }

    /// Removes a record.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when it no longer has the revision of `record`.
    pub fn remove_record(&self, record: &StoredRecord) -> Result<(), StoreError> {
        self.write(|connection| {
            let RecordKey { account, region, family, function, name } = &*record.key;
            let function = function.as_ref().map_or("", FunctionName::as_str);
            let (account, region, family) = (account.as_str(), region.as_str(), family.word());
            let mut statement = connection.prepare_cached(DELETE)?;
            match statement.execute(params![account, region, family, function, name, record.revision.to_string()])? {
                0 => Err(StoreError::Changed),
                _ => Ok(()),
            }
        })
    }
}

fn read(row: &Row<'_>) -> Result<StoredRecord, StoreError> {
    fn bad(error: impl std::fmt::Display) -> StoreError {
        StoreError::unreadable("records", error)
    }
    let word: String = row.get(2)?;
    let family = Family::of(&word).ok_or_else(|| bad(format!("'{word}'")))?;
    let function: String = row.get(3)?;
    let function = (!function.is_empty()).then(|| function.parse()).transpose().map_err(bad)?;
    let name: String = row.get(4)?;
    let key = RecordKey { account: parse(row, 0)?, region: parse(row, 1)?, family, function, name: name.into() };
    let document = row.get_ref(6)?.as_str().map_err(bad)?;
    let record = Record::read(family, document).map_err(bad)?;
    Ok(StoredRecord { key: Arc::new(key), revision: parse(row, 5)?, record })
}
