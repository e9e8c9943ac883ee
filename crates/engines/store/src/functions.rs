//! Functions and their generations.

use crate::document::{read_config, read_lifecycle, read_tags, write_config, write_lifecycle, write_tags};
use crate::{FunctionKey, Generation, Store, StoreError, StoredFunction};
use lacewing_model::{FailReason, RevisionId, Timestamp};
use rusqlite::{Connection, ErrorCode, Row, TransactionBehavior, params};
use std::collections::HashMap;
use std::sync::Arc;

const ALL: &str = "SELECT account, region, name, revision, state, reason_code, reason, tags, latest, serving \
     FROM functions ORDER BY account, region, name";
const GENERATIONS: &str = "SELECT id, config, code_sha256, code_bytes, modified_ms FROM generations";
const INSERT: &str = "INSERT INTO functions \
     (account, region, name, revision, state, reason_code, reason, tags, latest, serving) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
const UPDATE: &str = "UPDATE functions SET revision = ?4, state = ?5, reason_code = ?6, reason = ?7, tags = ?8, \
     latest = ?9, serving = ?10 WHERE account = ?1 AND region = ?2 AND name = ?3 AND revision = ?11";
const INSERT_GENERATION: &str = "INSERT INTO generations (id, config, code_sha256, code_bytes, modified_ms) \
     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO NOTHING";
/// A generation that nothing points at is never asked for again.
const DELETE_UNUSED: &str = "DELETE FROM generations WHERE id = ?1 \
     AND NOT EXISTS (SELECT 1 FROM functions WHERE latest = ?1) \
     AND NOT EXISTS (SELECT 1 FROM functions WHERE serving = ?1)";

impl Store {
    /// All functions, ordered by account, region and name.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`], [`StoreError::Database`].
    pub fn functions(&self) -> Result<Vec<StoredFunction>, StoreError> {
        let connection = self.lock();
        let mut generations = HashMap::new();
        let mut statement = connection.prepare_cached(GENERATIONS)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let generation = read_generation(row)?;
            generations.insert(generation.id, Arc::new(generation));
        }
        let mut functions = Vec::new();
        let mut statement = connection.prepare_cached(ALL)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            functions.push(read_function(row, &generations)?);
        }
        Ok(functions)
    }

    /// Adds a function with its generations.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], [`StoreError::Database`].
    pub fn insert(&self, function: &StoredFunction) -> Result<(), StoreError> {
        self.write(|connection| {
            write_generations(connection, function)?;
            match write_function(connection, INSERT, function, None) {
                Err(StoreError::Database(rusqlite::Error::SqliteFailure(error, _)))
                    if error.code == ErrorCode::ConstraintViolation =>
                {
                    Err(StoreError::AlreadyExists)
                }
                other => other.map(drop),
            }
        })
    }

    /// Replaces `before` by `after`, the same function in its next state.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when the function no longer has the revision of `before`.
    pub fn replace(&self, before: &StoredFunction, after: &StoredFunction) -> Result<(), StoreError> {
        self.write(|connection| {
            write_generations(connection, after)?;
            if write_function(connection, UPDATE, after, Some(before.revision))? == 0 {
                return Err(StoreError::Changed);
            }
            delete_unused(connection, before)
        })
    }

    /// Removes a function.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when it no longer has the revision of `function`.
    pub fn remove(&self, function: &StoredFunction) -> Result<(), StoreError> {
        self.write(|connection| {
            let FunctionKey { account, region, name } = &function.key;
            let removed = connection
                .prepare_cached(
                    "DELETE FROM functions WHERE account = ?1 AND region = ?2 AND name = ?3 AND revision = ?4",
                )?
                .execute(params![account.as_str(), region.as_str(), name.as_str(), function.revision.to_string()])?;
            if removed == 0 {
                return Err(StoreError::Changed);
            }
            delete_unused(connection, function)
        })
    }

    /// Runs `work` in a transaction: all of it is durable when this returns, or none of it.
    fn write(&self, work: impl FnOnce(&Connection) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        work(&transaction)?;
        Ok(transaction.commit()?)
    }
}

fn generations(function: &StoredFunction) -> impl Iterator<Item = &Generation> {
    std::iter::once(&function.latest).chain(&function.serving).map(AsRef::as_ref)
}

fn write_generations(connection: &Connection, function: &StoredFunction) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(INSERT_GENERATION)?;
    for generation in generations(function) {
        statement.execute(params![
            generation.id.to_string(),
            write_config(&generation.config)?,
            generation.code_sha256.as_str(),
            signed(generation.code_bytes),
            signed(generation.modified.0),
        ])?;
    }
    Ok(())
}

fn write_function(
    connection: &Connection,
    sql: &str,
    function: &StoredFunction,
    before: Option<RevisionId>,
) -> Result<usize, StoreError> {
    let FunctionKey { account, region, name } = &function.key;
    let (state, reason) = write_lifecycle(&function.lifecycle);
    let (account, region, name) = (account.as_str(), region.as_str(), name.as_str());
    let revision = function.revision.to_string();
    let code = reason.map(|reason| reason.code.as_str());
    let message = reason.map(|reason| reason.message.as_str());
    let tags = write_tags(&function.tags)?;
    let latest = function.latest.id.to_string();
    let serving = function.serving.as_ref().map(|generation| generation.id.to_string());
    let mut statement = connection.prepare_cached(sql)?;
    let written = match before.map(|before| before.to_string()) {
        None => {
            statement.execute(params![account, region, name, revision, state, code, message, tags, latest, serving])
        }
        Some(before) => statement
            .execute(params![account, region, name, revision, state, code, message, tags, latest, serving, before]),
    };
    Ok(written?)
}

fn delete_unused(connection: &Connection, function: &StoredFunction) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(DELETE_UNUSED)?;
    for generation in generations(function) {
        statement.execute([generation.id.to_string()])?;
    }
    Ok(())
}

fn read_generation(row: &Row<'_>) -> Result<Generation, StoreError> {
    Ok(Generation {
        id: parse(row, 0)?,
        config: read_config(row.get_ref(1)?.as_str().map_err(|error| StoreError::unreadable("configuration", error))?)?,
        code_sha256: parse(row, 2)?,
        code_bytes: unsigned(row.get(3)?),
        modified: Timestamp(unsigned(row.get(4)?)),
    })
}

fn read_function(
    row: &Row<'_>,
    generations: &HashMap<RevisionId, Arc<Generation>>,
) -> Result<StoredFunction, StoreError> {
    let generation = |id: RevisionId| {
        generations.get(&id).cloned().ok_or_else(|| StoreError::unreadable("functions", "a generation is missing"))
    };
    let state: String = row.get(4)?;
    let reason = match (row.get(5)?, row.get(6)?) {
        (Some(code), Some(message)) => Some(FailReason { code, message }),
        _ => None,
    };
    let serving: Option<String> = row.get(9)?;
    Ok(StoredFunction {
        key: FunctionKey { account: parse(row, 0)?, region: parse(row, 1)?, name: parse(row, 2)? },
        revision: parse(row, 3)?,
        lifecycle: read_lifecycle(&state, reason)?,
        tags: Arc::new(read_tags(&row.get::<_, String>(7)?)?),
        latest: generation(parse(row, 8)?)?,
        serving: serving.is_some().then(|| parse(row, 9)).transpose()?.map(generation).transpose()?,
    })
}

/// A text column as the model's type.
fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(row: &Row<'_>, column: usize) -> Result<T, StoreError> {
    let text = row.get_ref(column)?.as_str().map_err(|error| StoreError::unreadable("functions", error))?;
    text.parse().map_err(|error| StoreError::unreadable("functions", error))
}

/// SQLite's integers are signed; sizes and times never come near the top half.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}
