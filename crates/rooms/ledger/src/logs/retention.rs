//! What goes when: a group's oldest segments beyond its bound, all events beyond their age, and the oldest
//! segments of all beyond the bound on the whole.

use super::batch::{BatchView, time_of_id};
use super::segment::{self, Segment};
use crate::LogOptions;
use lacewing_model::Timestamp;
use std::io;
use std::path::{Path, PathBuf};

/// Removes the oldest segments of a group that is about to get another one.
pub(crate) fn trim_group(dir: &Path, bytes_max: u64) -> io::Result<()> {
    let mut bytes = 0;
    for segment in segment::list(dir)?.iter().rev() {
        bytes += segment.bytes();
        if bytes > bytes_max {
            remove(segment)?;
        }
    }
    Ok(())
}

/// Removes what is too old or too much in all groups of all accounts.
pub(crate) fn sweep(logs: &Path, options: &LogOptions, now: Timestamp) -> io::Result<()> {
    let oldest = Timestamp(now.0.saturating_sub(u64::try_from(options.retention.as_millis()).unwrap_or(u64::MAX)));
    let mut left = Vec::new();
    for account in folders(logs)? {
        for region in folders(&account)? {
            for group in folders(&region)? {
                for segment in segment::list(&group)? {
                    if is_expired(&segment, oldest) { remove(&segment)? } else { left.push(segment) }
                }
            }
        }
    }
    left.sort_unstable();
    let mut bytes = 0;
    for segment in left.iter().rev() {
        bytes += segment.bytes();
        if bytes > options.total_bytes_max {
            remove(segment)?;
        }
    }
    Ok(())
}

/// True when every event in it is older than `oldest`.
fn is_expired(segment: &Segment, oldest: Timestamp) -> bool {
    if time_of_id(segment.first_id) >= oldest {
        return false;
    }
    let Ok(content) = std::fs::read(&segment.path) else { return false };
    BatchView::last(&content).is_some_and(|last| time_of_id(last.last_id) < oldest)
}

fn folders(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn remove(segment: &Segment) -> io::Result<()> {
    match std::fs::remove_file(&segment.path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::batch::{Batch, first_id_at};
    use super::*;
    use std::time::Duration;

    fn write(dir: &Path, at: u64) {
        std::fs::create_dir_all(dir).unwrap();
        let id = first_id_at(Timestamp(at));
        let mut batch = Batch::default();
        let stream = batch.declare("s", Timestamp(1));
        batch.push(stream, id, Timestamp(at), &"x".repeat(900));
        let mut bytes = Vec::new();
        batch.encode(&mut bytes);
        Segment::new(dir, id).append(&bytes, 0).unwrap();
    }

    fn times(dir: &Path) -> Vec<u64> {
        segment::list(dir).unwrap().iter().map(|segment| time_of_id(segment.first_id).0).collect()
    }

    #[test]
    fn the_oldest_go_first_by_age_and_by_size() {
        let logs = tempfile::tempdir().unwrap();
        let (a, b) = (logs.path().join("1/r/a"), logs.path().join("2/r/b"));
        for at in [1_000, 3_000, 5_000] {
            write(&a, at);
            write(&b, at + 500);
        }
        let options = LogOptions { retention: Duration::from_secs(4), ..LogOptions::default() };
        sweep(logs.path(), &options, Timestamp(6_000)).unwrap();
        assert_eq!((times(&a), times(&b)), (vec![3_000, 5_000], vec![3_500, 5_500]), "by age");
        sweep(logs.path(), &LogOptions { total_bytes_max: 3_500, ..options }, Timestamp(6_000)).unwrap();
        assert_eq!((times(&a), times(&b)), (vec![5_000], vec![3_500, 5_500]), "of all groups the oldest");
        trim_group(&b, 1_500).unwrap();
        assert_eq!(times(&b), [5_500], "of one group the oldest");
    }
}
