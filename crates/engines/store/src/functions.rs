//! Functions and their generations.

use crate::column::{parse, reason, signed, unsigned};
use crate::document::{read_config, read_lifecycle, read_tags, write_config, write_lifecycle, write_tags};
use crate::records::{DELETE_OF_FUNCTION, DELETE_OF_QUALIFIER};
use crate::{FunctionKey, Generation, Store, StoreError, StoredFunction, StoredVersion, aliases, versions};
use lacewing_model::{Alias, RevisionId, Timestamp};
use rusqlite::{Connection, ErrorCode, Row, TransactionBehavior, params};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

const ALL: &str = "SELECT account, region, name, revision, state, reason_code, reason, tags, latest, serving, \
     published, reserved FROM functions ORDER BY account, region, name";
const GENERATIONS: &str = "SELECT id, config, code_sha256, code_bytes, modified_ms FROM generations";
const INSERT: &str = "INSERT INTO functions \
     (account, region, name, revision, state, reason_code, reason, tags, latest, serving, published, reserved) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
const UPDATE: &str = "UPDATE functions SET revision = ?4, state = ?5, reason_code = ?6, reason = ?7, tags = ?8, \
     latest = ?9, serving = ?10, published = ?11, reserved = ?12 \
     WHERE account = ?1 AND region = ?2 AND name = ?3 AND revision = ?13";
const INSERT_GENERATION: &str = "INSERT INTO generations (id, config, code_sha256, code_bytes, modified_ms) \
     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO NOTHING";
/// A generation that nothing points at is never asked for again.
const DELETE_UNUSED: &str = "DELETE FROM generations WHERE id = ?1 \
     AND NOT EXISTS (SELECT 1 FROM functions WHERE latest = ?1) \
     AND NOT EXISTS (SELECT 1 FROM functions WHERE serving = ?1) \
     AND NOT EXISTS (SELECT 1 FROM versions WHERE generation = ?1)";

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
        let mut versions = versions::read(&connection, &generations)?;
        let mut aliases = aliases::read(&connection)?;
        let mut functions = Vec::new();
        let mut statement = connection.prepare_cached(ALL)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let mut function = read_function(row, &generations)?;
            function.versions = versions.remove(&function.key).unwrap_or_default();
            function.aliases = aliases.remove(&function.key).unwrap_or_default();
            functions.push(function);
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
            }?;
            write_members(connection, &[], &[], function)
        })
    }

    /// Replaces `before` by `after`, the same function in its next state. Only rows that differ are written.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when what is to be written no longer has the revision that it has in `before`.
    pub fn replace(&self, before: &StoredFunction, after: &StoredFunction) -> Result<(), StoreError> {
        self.write(|connection| {
            write_generations(connection, after)?;
            if !same_row(before, after) {
                versions::changed(write_function(connection, UPDATE, after, Some(before.revision))?)?;
            }
            write_members(connection, &before.versions, &before.aliases, after)?;
            delete_records_of_qualifiers(connection, before, after)?;
            delete_unused(connection, before)
        })
    }

    /// Removes a function with all that belongs to it.
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
            versions::changed(removed)?;
            let mut statement = connection.prepare_cached(DELETE_OF_FUNCTION)?;
            statement.execute(params![account.as_str(), region.as_str(), name.as_str()])?;
            delete_unused(connection, function)
        })
    }

    /// Runs `work` in a transaction: all of it is durable when this returns, or none of it.
    pub(crate) fn write(&self, work: impl FnOnce(&Connection) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        work(&transaction)?;
        Ok(transaction.commit()?)
    }
}

/// What goes with a version or an alias that is there no more.
fn delete_records_of_qualifiers(
    connection: &Connection,
    before: &StoredFunction,
    after: &StoredFunction,
) -> Result<(), StoreError> {
    let FunctionKey { account, region, name } = &before.key;
    let left: HashSet<String> = after.qualifiers().collect();
    for gone in before.qualifiers().filter(|qualifier| !left.contains(qualifier)) {
        let mut statement = connection.prepare_cached(DELETE_OF_QUALIFIER)?;
        statement.execute(params![account.as_str(), region.as_str(), name.as_str(), gone])?;
    }
    Ok(())
}

fn generations(function: &StoredFunction) -> impl Iterator<Item = &Generation> {
    let published = function.versions.iter().map(|version| &version.generation);
    std::iter::once(&function.latest).chain(&function.serving).chain(published).map(AsRef::as_ref)
}

/// True if nothing differs that lies in the function's own row.
fn same_row(before: &StoredFunction, after: &StoredFunction) -> bool {
    let ids = |function: &StoredFunction| (function.latest.id, function.serving.as_ref().map(|serving| serving.id));
    before.revision == after.revision
        && before.lifecycle == after.lifecycle
        && before.tags == after.tags
        && ids(before) == ids(after)
        && (before.published, before.reserved) == (after.published, after.reserved)
}

/// Writes the rows of what belongs to a function, as far as they differ.
fn write_members(
    connection: &Connection,
    versions: &[StoredVersion],
    aliases: &[Alias],
    after: &StoredFunction,
) -> Result<(), StoreError> {
    versions::write(connection, &after.key, versions, &after.versions)?;
    aliases::write(connection, &after.key, aliases, &after.aliases)
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
    let (published, reserved) = (signed(function.published), function.reserved);
    let mut statement = connection.prepare_cached(sql)?;
    let written = match before.map(|before| before.to_string()) {
        None => statement.execute(params![
            account, region, name, revision, state, code, message, tags, latest, serving, published, reserved
        ]),
        Some(before) => statement.execute(params![
            account, region, name, revision, state, code, message, tags, latest, serving, published, reserved, before
        ]),
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
    let config = row.get_ref(1)?.as_str().map_err(|error| StoreError::unreadable("configuration", error))?;
    Ok(Generation {
        id: parse(row, 0)?,
        config: Arc::new(read_config(config)?),
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
    let serving: Option<String> = row.get(9)?;
    Ok(StoredFunction {
        key: FunctionKey { account: parse(row, 0)?, region: parse(row, 1)?, name: parse(row, 2)? },
        revision: parse(row, 3)?,
        lifecycle: read_lifecycle(&state, reason(row, 5)?)?,
        tags: Arc::new(read_tags(&row.get::<_, String>(7)?)?),
        latest: generation(parse(row, 8)?)?,
        serving: serving.is_some().then(|| parse(row, 9)).transpose()?.map(generation).transpose()?,
        published: unsigned(row.get(10)?),
        reserved: row.get(11)?,
        versions: Vec::new(),
        aliases: Vec::new(),
    })
}
