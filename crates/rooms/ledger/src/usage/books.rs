//! The books: files of records, one of them open, and their sums.

use super::file::{self, Appender, RECORDS, SUMS};
use super::fold::{Fold, HOUR_MS, Hour, hour_of};
use super::recent::Recent;
use super::{FunctionKey, FunctionUsage, Sums, UsageError, UsageQuery, UsageRecord, hours};
use crate::{LedgerOptions, UsageOptions};
use lacewing_model::{FunctionName, Region};
use prometheus::IntCounter;
use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many files are looked through for a single record: two hold the newest 400,000 invocations or more.
const FILES_SEARCHED_MAX: usize = 2;

/// All records, the open file among them.
pub(crate) struct Usage {
    pub(super) dir: PathBuf,
    options: UsageOptions,
    open: Mutex<Open>,
    /// Bytes of records.
    written: IntCounter,
}

/// The open file and what is known of it.
pub(super) struct Open {
    number: u64,
    file: Appender,
    fold: Fold,
    /// The bytes that the sums on disk cover.
    covered: u64,
    pub(super) recent: Recent,
}

/// Takes one row of sums: a whole hour's, or one record's.
type Visit<'a> = &'a mut dyn FnMut(Hour, &FunctionKey, &Sums);

impl Usage {
    /// Opens the newest file and sums it.
    pub fn open(options: &LedgerOptions, written: IntCounter) -> Result<Self, UsageError> {
        let dir = options.dir.join("usage");
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(|source| UsageError::Disk { path: dir.clone(), source })?;
        let number = numbers(&dir)?.last().copied().unwrap_or(1);
        let records = path(&dir, number, RECORDS);
        let length = std::fs::metadata(&records).map_or(0, |metadata| metadata.len());
        let sums = hours::read(&path(&dir, number, SUMS)).filter(|(covered, _)| *covered <= length);
        let (covered, mut fold) = sums.unwrap_or_default();
        let mut recent = Recent::new(options.usage.recent_ids_max);
        let file = Appender::open(records, covered, |record| {
            recent.insert(&record);
            fold.add(&record);
        })?;
        let open = Mutex::new(Open { number, file, fold, covered, recent });
        Ok(Self { dir, options: options.usage.clone(), open, written })
    }

    /// Appends `record`, unless it is one of the newest already.
    pub fn record(&self, record: &UsageRecord) -> Result<(), UsageError> {
        let mut open = self.lock();
        if open.recent.contains(record) {
            return Ok(());
        }
        let full = open.file.bytes >= self.options.segment_bytes_max
            || open.fold.rows.len() >= self.options.open_rows_max.max(1);
        if full {
            self.close(&mut open)?;
        }
        if open.file.bytes - open.covered >= self.options.sums_every_bytes {
            self.keep_sums(&mut open);
        }
        let before = open.file.bytes;
        open.file.append(record)?;
        self.written.inc_by(open.file.bytes - before);
        open.recent.insert(record);
        open.fold.add(record);
        Ok(())
    }

    /// Sums by function and architecture.
    pub fn sum(&self, query: &UsageQuery) -> Result<Vec<FunctionUsage>, UsageError> {
        let mut sums = BySortedKey::default();
        self.visit(query, &mut |_, key, row| sums.add(key, row))?;
        Ok(sums.into_usage())
    }

    /// The same from the records alone, without the shortcut over hourly sums.
    pub fn recount(&self, query: &UsageQuery) -> Result<Vec<FunctionUsage>, UsageError> {
        let mut sums = BySortedKey::default();
        let (open_number, open_bytes) = {
            let open = self.lock();
            (open.number, open.file.bytes)
        };
        for number in numbers(&self.dir)?.into_iter().filter(|number| *number <= open_number) {
            let bytes = (number == open_number).then_some(open_bytes);
            self.visit_records(number, bytes, query, |_| true, &mut |_, key, row| sums.add(key, row))?;
        }
        Ok(sums.into_usage())
    }

    /// The newest record that `wanted` says yes to, in the newest files.
    pub fn find(&self, mut wanted: impl FnMut(&UsageRecord) -> bool) -> Result<Option<UsageRecord>, UsageError> {
        let (open_number, open_bytes) = {
            let open = self.lock();
            (open.number, open.file.bytes)
        };
        let newest = numbers(&self.dir)?.into_iter().filter(|number| *number <= open_number).rev();
        for number in newest.take(FILES_SEARCHED_MAX) {
            let bytes = (number == open_number).then_some(open_bytes);
            let mut found = None;
            file::read(&path(&self.dir, number, RECORDS), 0, bytes, |record| {
                if wanted(&record) {
                    found = Some(record);
                }
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Hands over all rows of the range: whole hours where the range covers them, else single records.
    pub fn visit(&self, query: &UsageQuery, visit: Visit<'_>) -> Result<(), UsageError> {
        // The open file's part is copied first: one that is closed meanwhile is neither missed nor met twice.
        let (open_number, open_bytes, open_rows) = {
            let open = self.lock();
            let wanted = |((hour, key), _): &(&(Hour, FunctionKey), &Sums)| query.wants(key) && query.touches(*hour);
            let rows: Vec<_> = open.fold.rows.iter().filter(wanted).map(|(key, row)| (key.clone(), *row)).collect();
            (open.number, open.file.bytes, rows)
        };
        let closed: Vec<u64> = self.closed_numbers(open_number)?;
        for number in closed {
            let fold = self.closed_fold(number)?;
            self.visit_rows(number, None, fold.rows.iter(), query, visit)?;
        }
        let open_rows = open_rows.iter().map(|(key, row)| (key, row));
        self.visit_rows(open_number, Some(open_bytes), open_rows, query, visit)
    }

    fn visit_rows<'a>(
        &self,
        number: u64,
        bytes: Option<u64>,
        rows: impl Iterator<Item = (&'a (Hour, FunctionKey), &'a Sums)>,
        query: &UsageQuery,
        visit: Visit<'_>,
    ) -> Result<(), UsageError> {
        let mut cut = HashSet::new();
        let mut cut_rows = Vec::new();
        for ((hour, key), row) in rows.filter(|((hour, key), _)| query.wants(key) && query.touches(*hour)) {
            if query.covers(*hour) {
                visit(*hour, key, row);
            } else {
                cut.insert(*hour);
                cut_rows.push((*hour, key, row));
            }
        }
        if cut.is_empty() {
            return Ok(());
        }
        if path(&self.dir, number, RECORDS).exists() {
            return self.visit_records(number, bytes, query, |hour| cut.contains(&hour), visit);
        }
        // The records are gone: an hour then counts where it begins.
        for (hour, key, row) in cut_rows {
            if query.from.0 <= hour.saturating_mul(HOUR_MS) {
                visit(hour, key, row);
            }
        }
        Ok(())
    }

    fn visit_records(
        &self,
        number: u64,
        bytes: Option<u64>,
        query: &UsageQuery,
        hours: impl Fn(Hour) -> bool,
        visit: Visit<'_>,
    ) -> Result<(), UsageError> {
        file::read(&path(&self.dir, number, RECORDS), 0, bytes, |record| {
            let hour = hour_of(record.ended);
            let key = FunctionKey::of(&record);
            let inside = query.from <= record.ended && record.ended < query.to;
            if inside && hours(hour) && query.wants(&key) {
                visit(hour, &key, &Sums::of(&record));
            }
        })?;
        Ok(())
    }

    /// Numbers of closed files, also of those whose records are gone.
    fn closed_numbers(&self, open_number: u64) -> Result<Vec<u64>, UsageError> {
        Ok(all_numbers(&self.dir)?.into_iter().filter(|number| *number < open_number).collect())
    }

    /// A closed file's sums; made again from its records where they are missing.
    fn closed_fold(&self, number: u64) -> Result<Fold, UsageError> {
        let sums = path(&self.dir, number, SUMS);
        let records = path(&self.dir, number, RECORDS);
        let (covered, mut fold) = hours::read(&sums).unwrap_or_default();
        match std::fs::metadata(&records) {
            Ok(metadata) if metadata.len() == covered => return Ok(fold),
            // Only where the sums are whole are the records ever removed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && covered > 0 => return Ok(fold),
            _ => {}
        }
        let end = file::read(&records, covered, None, |record| fold.add(&record))?;
        if let Err(error) = hours::write(&sums, end, &fold) {
            tracing::warn!(path = %sums.display(), %error, "hourly sums could not be kept; they are made anew each time");
        }
        Ok(fold)
    }

    /// Closes the open file, keeps its sums and opens the next.
    fn close(&self, open: &mut Open) -> Result<(), UsageError> {
        let number = open.number + 1;
        let file = Appender::open(path(&self.dir, number, RECORDS), 0, |_| {})?;
        self.keep_sums(open);
        (open.number, open.file, open.fold, open.covered) = (number, file, Fold::default(), 0);
        self.drop_oldest_records(number)
    }

    /// Writes the open file's sums beside it.
    fn keep_sums(&self, open: &mut Open) {
        let sums = path(&self.dir, open.number, SUMS);
        if let Err(error) = hours::write(&sums, open.file.bytes, &open.fold) {
            tracing::warn!(path = %sums.display(), %error, "hourly sums could not be kept; the next query makes them");
        }
        // Also after a failure: it is tried again after as many bytes, not with every record.
        open.covered = open.file.bytes;
    }

    /// Removes the oldest closed records beyond the bound, never those whose sums are missing.
    fn drop_oldest_records(&self, open_number: u64) -> Result<(), UsageError> {
        let mut bytes = 0;
        for number in numbers(&self.dir)?.into_iter().rev() {
            let records = path(&self.dir, number, RECORDS);
            bytes += std::fs::metadata(&records).map_or(0, |metadata| metadata.len());
            if number < open_number && bytes > self.options.records_bytes_max {
                self.closed_fold(number)?;
                if path(&self.dir, number, SUMS).exists() {
                    std::fs::remove_file(&records).map_err(|source| UsageError::Disk { path: records, source })?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn path(dir: &Path, number: u64, extension: &str) -> PathBuf {
    dir.join(format!("{number:010}.{extension}"))
}

/// Numbers of files of records, rising.
pub(super) fn numbers(dir: &Path) -> Result<Vec<u64>, UsageError> {
    list(dir, &[RECORDS])
}

/// Numbers of files of records or sums, rising.
fn all_numbers(dir: &Path) -> Result<Vec<u64>, UsageError> {
    list(dir, &[RECORDS, SUMS])
}

fn list(dir: &Path, extensions: &[&str]) -> Result<Vec<u64>, UsageError> {
    let disk = |source| UsageError::Disk { path: dir.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(disk)? {
        let path = entry.map_err(disk)?.path();
        let known = path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known));
        if let Some(number) = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok()).filter(|_| known) {
            found.push(number);
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Sums by function, in the order of regions, names and architectures.
#[derive(Default)]
struct BySortedKey(BTreeMap<(Region, FunctionName, &'static str), FunctionUsage>);

impl BySortedKey {
    fn add(&mut self, key: &FunctionKey, row: &Sums) {
        let place = (key.region.clone(), key.function.clone(), key.architecture.as_str());
        let found = self.0.entry(place);
        found.or_insert_with(|| FunctionUsage { key: key.clone(), sums: Sums::default() }).sums.add(row);
    }

    fn into_usage(self) -> Vec<FunctionUsage> {
        self.0.into_values().collect()
    }
}
