//! What goes when: a group's oldest segments beyond its bound, all events beyond their age, and the oldest
//! segments of the largest account beyond the bound on the whole.

use super::batch::{BatchView, time_of_id};
use super::manage;
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
///
/// Where the whole is too much, the account that holds most gives first: nobody's flood drowns another's logs.
pub(crate) fn sweep(logs: &Path, options: &LogOptions, now: Timestamp) -> io::Result<()> {
    let oldest = Timestamp(now.0.saturating_sub(u64::try_from(options.retention.as_millis()).unwrap_or(u64::MAX)));
    let mut accounts = Vec::new();
    for account in folders(logs)? {
        let mut left = Account::default();
        for region in folders(&account)? {
            for group in folders(&region)? {
                let own = manage::read(&group).and_then(|settings| settings.oldest(now));
                let oldest = own.map_or(oldest, |own| own.max(oldest));
                for segment in segment::list(&group)? {
                    if is_expired(&segment, oldest) { remove(&segment)? } else { left.add(segment) }
                }
            }
        }
        left.segments.sort_unstable_by(|one, other| other.cmp(one));
        accounts.push(left);
    }
    let mut bytes: u64 = accounts.iter().map(|account| account.bytes).sum();
    while bytes > options.total_bytes_max {
        let largest = accounts.iter_mut().max_by_key(|account| account.bytes);
        let Some((largest, (segment, size))) = largest.and_then(|it| it.segments.pop().map(|oldest| (it, oldest)))
        else {
            return Ok(());
        };
        remove(&segment)?;
        largest.bytes -= size;
        bytes -= size;
    }
    Ok(())
}

/// What one account holds.
#[derive(Default)]
struct Account {
    /// With their sizes; once sorted the oldest is last.
    segments: Vec<(Segment, u64)>,
    bytes: u64,
}

impl Account {
    fn add(&mut self, segment: Segment) {
        let bytes = segment.bytes();
        self.bytes += bytes;
        self.segments.push((segment, bytes));
    }
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
        write(&a, 5_600);
        write(&a, 5_700);
        sweep(logs.path(), &LogOptions { total_bytes_max: 4_500, ..options }, Timestamp(6_000)).unwrap();
        assert_eq!(times(&a), [5_600, 5_700], "the oldest of the account that holds most");
        assert_eq!(times(&b), [3_500, 5_500]);
        trim_group(&b, 1_500).unwrap();
        assert_eq!(times(&b), [5_500], "of one group the oldest");
    }
}
