//! Rows of aliases. A write of a function writes those that differ.

use crate::column::{parse, provisioned, provisioned_columns, signed, unsigned};
use crate::versions::changed;
use crate::{FunctionKey, StoreError};
use lacewing_model::{Alias, Routing, VersionNumber};
use rusqlite::{Connection, Row, params};
use std::collections::HashMap;

const ALL: &str = "SELECT account, region, name, alias, revision, description, version, other, weight, provisioned, \
     provisioned_since_ms FROM aliases ORDER BY account, region, name, alias";
const INSERT: &str = "INSERT INTO aliases (account, region, name, alias, revision, description, version, other, \
     weight, provisioned, provisioned_since_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
const DELETE: &str =
    "DELETE FROM aliases WHERE account = ?1 AND region = ?2 AND name = ?3 AND alias = ?4 AND revision = ?5";

/// All aliases, by their functions.
pub(crate) fn read(connection: &Connection) -> Result<HashMap<FunctionKey, Vec<Alias>>, StoreError> {
    let mut aliases: HashMap<_, Vec<_>> = HashMap::new();
    let mut statement = connection.prepare_cached(ALL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let key = FunctionKey { account: parse(row, 0)?, region: parse(row, 1)?, name: parse(row, 2)? };
        aliases.entry(key).or_default().push(read_alias(row)?);
    }
    Ok(aliases)
}

fn read_alias(row: &Row<'_>) -> Result<Alias, StoreError> {
    let version: Option<i64> = row.get(6)?;
    let routing = match (row.get::<_, Option<i64>>(7)?, row.get(8)?) {
        (Some(other), Some(weight)) => Some(Routing { number: unsigned(other), weight }),
        _ => None,
    };
    Ok(Alias {
        name: parse(row, 3)?,
        revision: parse(row, 4)?,
        description: row.get(5)?,
        version: version.map_or(VersionNumber::Latest, |number| VersionNumber::Published(unsigned(number))),
        routing,
        provisioned: provisioned(row, 9)?,
    })
}

/// Makes the rows of `before` those of `after`; both are ordered.
pub(crate) fn write(
    connection: &Connection,
    key: &FunctionKey,
    before: &[Alias],
    after: &[Alias],
) -> Result<(), StoreError> {
    let same = |alias: &Alias, others: &[Alias]| {
        others.binary_search_by(|other| other.name.cmp(&alias.name)).is_ok_and(|place| others[place] == *alias)
    };
    // A row is small: one that differs is written anew.
    for alias in before.iter().filter(|alias| !same(alias, after)) {
        let (account, region, name) = (key.account.as_str(), key.region.as_str(), key.name.as_str());
        let removed = connection.prepare_cached(DELETE)?.execute(params![
            account,
            region,
            name,
            alias.name.as_str(),
            alias.revision.to_string()
        ])?;
        changed(removed)?;
    }
    after.iter().filter(|alias| !same(alias, before)).try_for_each(|alias| insert(connection, key, alias))
}

fn insert(connection: &Connection, key: &FunctionKey, alias: &Alias) -> Result<(), StoreError> {
    let (provisioned, since) = provisioned_columns(alias.provisioned);
    connection.prepare_cached(INSERT)?.execute(params![
        key.account.as_str(),
        key.region.as_str(),
        key.name.as_str(),
        alias.name.as_str(),
        alias.revision.to_string(),
        alias.description,
        match alias.version {
            VersionNumber::Latest => None,
            VersionNumber::Published(number) => Some(signed(number)),
        },
        alias.routing.map(|routing| signed(routing.number)),
        alias.routing.map(|routing| routing.weight),
        provisioned,
        since,
    ])?;
    Ok(())
}
