//! Columns, between SQL's types and the model's.

use crate::StoreError;
use lacewing_model::{FailReason, Provisioned, Timestamp};
use rusqlite::Row;

/// A text column as the model's type.
pub(crate) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    row: &Row<'_>,
    column: usize,
) -> Result<T, StoreError> {
    let text = row.get_ref(column)?.as_str().map_err(|error| StoreError::unreadable("functions", error))?;
    text.parse().map_err(|error| StoreError::unreadable("functions", error))
}

/// Two columns as the reason of a failure.
pub(crate) fn reason(row: &Row<'_>, column: usize) -> Result<Option<FailReason>, StoreError> {
    Ok(match (row.get(column)?, row.get(column + 1)?) {
        (Some(code), Some(message)) => Some(FailReason { code, message }),
        _ => None,
    })
}

/// Two columns as provisioned concurrency.
pub(crate) fn provisioned(row: &Row<'_>, column: usize) -> Result<Option<Provisioned>, StoreError> {
    let since = |since: Option<i64>| Timestamp(unsigned(since.unwrap_or_default()));
    let requested: Option<u32> = row.get(column)?;
    let since = since(row.get(column + 1)?);
    Ok(requested.map(|requested| Provisioned { requested, since }))
}

/// Provisioned concurrency as two columns.
pub(crate) fn provisioned_columns(provisioned: Option<Provisioned>) -> (Option<u32>, Option<i64>) {
    (provisioned.map(|it| it.requested), provisioned.map(|it| signed(it.since.0)))
}

/// SQLite's integers are signed; sizes, times and numbers never come near the top half.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}
