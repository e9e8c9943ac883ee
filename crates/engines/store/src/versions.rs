//! Rows of published versions. A write of a function writes those that differ.

use crate::column::{parse, provisioned, provisioned_columns, reason, signed, unsigned};
use crate::document::{read_lifecycle, write_lifecycle};
use crate::{FunctionKey, Generation, StoreError, StoredVersion};
use lacewing_model::{RevisionId, Timestamp};
use rusqlite::{Connection, Row, params};
use std::collections::HashMap;
use std::sync::Arc;

const ALL: &str = "SELECT account, region, name, number, id, generation, revision, description, state, reason_code, \
     reason, modified_ms, provisioned, provisioned_since_ms FROM versions ORDER BY account, region, name, number";
const INSERT: &str = "INSERT INTO versions (account, region, name, number, id, generation, revision, description, \
     state, reason_code, reason, modified_ms, provisioned, provisioned_since_ms) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
/// What a version froze is not among what changes.
const UPDATE: &str = "UPDATE versions SET revision = ?5, state = ?6, reason_code = ?7, reason = ?8, provisioned = ?9, \
     provisioned_since_ms = ?10 WHERE account = ?1 AND region = ?2 AND name = ?3 AND number = ?4 AND revision = ?11";
const DELETE: &str =
    "DELETE FROM versions WHERE account = ?1 AND region = ?2 AND name = ?3 AND number = ?4 AND revision = ?5";

/// All versions, by their functions.
pub(crate) fn read(
    connection: &Connection,
    generations: &HashMap<RevisionId, Arc<Generation>>,
) -> Result<HashMap<FunctionKey, Vec<StoredVersion>>, StoreError> {
    let mut versions: HashMap<_, Vec<_>> = HashMap::new();
    let mut statement = connection.prepare_cached(ALL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let key = FunctionKey { account: parse(row, 0)?, region: parse(row, 1)?, name: parse(row, 2)? };
        versions.entry(key).or_default().push(read_version(row, generations)?);
    }
    Ok(versions)
}

fn read_version(
    row: &Row<'_>,
    generations: &HashMap<RevisionId, Arc<Generation>>,
) -> Result<StoredVersion, StoreError> {
    let generation = generations.get(&parse(row, 5)?).cloned();
    Ok(StoredVersion {
        number: unsigned(row.get(3)?),
        id: parse(row, 4)?,
        generation: generation.ok_or_else(|| StoreError::unreadable("versions", "a generation is missing"))?,
        revision: parse(row, 6)?,
        description: row.get(7)?,
        lifecycle: read_lifecycle(&row.get::<_, String>(8)?, reason(row, 9)?)?,
        modified: Timestamp(unsigned(row.get(11)?)),
        provisioned: provisioned(row, 12)?,
    })
}

/// Makes the rows of `before` those of `after`; both are ordered.
pub(crate) fn write(
    connection: &Connection,
    key: &FunctionKey,
    before: &[StoredVersion],
    after: &[StoredVersion],
) -> Result<(), StoreError> {
    let find = |versions: &[StoredVersion], number| versions.binary_search_by_key(&number, |version| version.number);
    for version in after {
        match find(before, version.number) {
            Err(_) => insert(connection, key, version)?,
            Ok(place) if before[place] == *version => {}
            Ok(place) => update(connection, key, &before[place], version)?,
        }
    }
    for version in before.iter().filter(|version| find(after, version.number).is_err()) {
        let FunctionKey { account, region, name } = key;
        let removed = connection.prepare_cached(DELETE)?.execute(params![
            account.as_str(),
            region.as_str(),
            name.as_str(),
            signed(version.number),
            version.revision.to_string()
        ])?;
        changed(removed)?;
    }
    Ok(())
}

fn insert(connection: &Connection, key: &FunctionKey, version: &StoredVersion) -> Result<(), StoreError> {
    let (state, reason) = write_lifecycle(&version.lifecycle);
    let (provisioned, since) = provisioned_columns(version.provisioned);
    connection.prepare_cached(INSERT)?.execute(params![
        key.account.as_str(),
        key.region.as_str(),
        key.name.as_str(),
        signed(version.number),
        version.id.to_string(),
        version.generation.id.to_string(),
        version.revision.to_string(),
        version.description,
        state,
        reason.map(|reason| reason.code.as_str()),
        reason.map(|reason| reason.message.as_str()),
        signed(version.modified.0),
        provisioned,
        since,
    ])?;
    Ok(())
}

fn update(
    connection: &Connection,
    key: &FunctionKey,
    before: &StoredVersion,
    after: &StoredVersion,
) -> Result<(), StoreError> {
    let (state, reason) = write_lifecycle(&after.lifecycle);
    let (provisioned, since) = provisioned_columns(after.provisioned);
    let updated = connection.prepare_cached(UPDATE)?.execute(params![
        key.account.as_str(),
        key.region.as_str(),
        key.name.as_str(),
        signed(after.number),
        after.revision.to_string(),
        state,
        reason.map(|reason| reason.code.as_str()),
        reason.map(|reason| reason.message.as_str()),
        provisioned,
        since,
        before.revision.to_string(),
    ])?;
    changed(updated)
}

/// A row that was not as the caller believes was not written.
pub(crate) fn changed(rows: usize) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::Changed) } else { Ok(()) }
}
