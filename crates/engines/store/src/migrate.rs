//! Brings a database's tables up to date, one numbered step after the other.
//!
//! A step that was released is never edited: a mistake is mended by the next step.

use crate::StoreError;
use rusqlite::{Connection, TransactionBehavior};

/// All steps: step `n` stands at index `n - 1`.
const STEPS: [&str; 6] = [
    include_str!("migrations/0001_functions.sql"),
    include_str!("migrations/0002_versions.sql"),
    include_str!("migrations/0003_records.sql"),
    include_str!("migrations/0004_identities.sql"),
    include_str!("migrations/0005_events.sql"),
    include_str!("migrations/0006_event_tenants.sql"),
];

/// Applies the steps that the database has not seen, each whole or not at all.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let found = version(connection)?;
    if found == known {
        return Ok(());
    }
    // Immediate, so that of two processes that open the same file only one migrates it.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS migrations (step INTEGER NOT NULL PRIMARY KEY, applied_at TEXT NOT NULL)",
    )?;
    let found = version(&transaction)?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for (step, sql) in (1_i64..).zip(STEPS).filter(|(step, _)| *step > found) {
        transaction.execute_batch(sql)?;
        transaction.execute("INSERT INTO migrations (step, applied_at) VALUES (?1, datetime('now'))", [step])?;
    }
    transaction.commit()?;
    Ok(())
}

fn version(connection: &Connection) -> Result<i64, StoreError> {
    if !connection.table_exists(None, "migrations")? {
        return Ok(0);
    }
    Ok(connection.query_row("SELECT coalesce(max(step), 0) FROM migrations", [], |row| row.get(0))?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn migrating_twice_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        let first = version(&connection).unwrap();
        migrate(&mut connection).unwrap();
        assert_eq!(version(&connection).unwrap(), first);
    }

    #[test]
    fn a_database_of_a_newer_release_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection.execute("INSERT INTO migrations VALUES (999, 'later')", []).unwrap();
        assert!(matches!(migrate(&mut connection), Err(StoreError::Newer { found: 999, .. })));
    }
}
