//! One file of usage records: appended to, never changed.

use super::{UsageError, UsageRecord};
use crate::frame;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Names of files of records end in this; those of their sums in [`SUMS`].
pub(crate) const RECORDS: &str = "records";
/// See [`RECORDS`].
pub(crate) const SUMS: &str = "sums";

/// What is read at a time; no record is nearly as long.
const READ_BYTES: u64 = 1 << 20;

/// The file of records that is being written.
#[derive(Debug)]
pub(crate) struct Appender {
    path: PathBuf,
    file: File,
    /// Length up to the last whole record.
    pub bytes: u64,
    buffer: Vec<u8>,
}

impl Appender {
    /// Opens or makes the file, hands each whole record from byte `from` on to `each` and cuts a torn end off.
    ///
    /// What is cut is kept in a file beside it: should it ever be more than one torn record, nothing is gone.
    pub fn open(path: PathBuf, from: u64, each: impl FnMut(UsageRecord)) -> Result<Self, UsageError> {
        let disk = |source| UsageError::Disk { path: path.clone(), source };
        let file = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(&path).map_err(disk)?;
        let length = file.metadata().map_err(disk)?.len();
        let whole = scan(&file, from, length, each).map_err(disk)?;
        if whole < length {
            cut(&path, &file, whole).map_err(disk)?;
        }
        Ok(Self { path, file, bytes: whole, buffer: Vec::new() })
    }

    /// Appends one record by one write. When this returns, it is in the kernel's hands.
    pub fn append(&mut self, record: &UsageRecord) -> Result<(), UsageError> {
        self.buffer.clear();
        let start = frame::open(&mut self.buffer);
        record.encode(&mut self.buffer);
        frame::close(&mut self.buffer, start);
        if let Err(source) = self.file.write_all(&self.buffer) {
            // A full disk may have taken a part: the next record must not stand behind half of this one.
            if let Err(error) = self.file.set_len(self.bytes) {
                tracing::error!(path = %self.path.display(), %error, "half a usage record could not be cut off");
            }
            return Err(UsageError::Disk { path: self.path.clone(), source });
        }
        self.bytes += self.buffer.len() as u64;
        Ok(())
    }
}

fn cut(path: &Path, file: &File, whole: u64) -> std::io::Result<()> {
    let torn = path.with_extension(format!("torn-at-{whole}"));
    let mut end = File::open(path)?;
    end.seek(SeekFrom::Start(whole))?;
    std::io::copy(&mut end, &mut File::create(&torn)?)?;
    file.set_len(whole)?;
    tracing::warn!(path = %path.display(), kept = %torn.display(), "cut a torn usage record off");
    Ok(())
}

/// Hands each record of a file between the bytes `from` and `to` to `each`; returns where they end.
/// Without `to` it is the file's end. Both must lie between records.
pub(crate) fn read(path: &Path, from: u64, to: Option<u64>, each: impl FnMut(UsageRecord)) -> Result<u64, UsageError> {
    let disk = |source| UsageError::Disk { path: path.to_owned(), source };
    let file = File::open(path).map_err(disk)?;
    let to = match to {
        Some(to) => to,
        None => file.metadata().map_err(disk)?.len(),
    };
    let whole = scan(&file, from, to, each).map_err(disk)?;
    if whole < to {
        return Err(UsageError::Damaged { path: path.to_owned(), offset: whole });
    }
    Ok(whole)
}

/// Hands over whole records; returns where they end.
fn scan(file: &File, from: u64, to: u64, mut each: impl FnMut(UsageRecord)) -> std::io::Result<u64> {
    let mut buffer = Vec::new();
    let mut whole = from;
    let mut read = from;
    loop {
        let held = buffer.len();
        let more = to.saturating_sub(read).min(READ_BYTES);
        buffer.resize(held + usize::try_from(more).unwrap_or_default(), 0);
        file.read_exact_at(&mut buffer[held..], read)?;
        read += more;
        let mut rest = &buffer[..];
        let mut progress = false;
        while let Some(record) = frame::next(&mut rest).and_then(UsageRecord::decode) {
            whole = read - rest.len() as u64;
            progress = true;
            each(record);
        }
        let used = buffer.len() - usize::try_from(read - whole).unwrap_or_default();
        buffer.drain(..used);
        if !progress || read >= to {
            return Ok(whole);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    #[test]
    fn a_torn_end_is_cut_kept_aside_and_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.records");
        let mut file = Appender::open(path.clone(), 0, |_| panic!("new")).unwrap();
        let (first, second, third) = (record("a", 1), record("b", 2), record("c", 3));
        file.append(&first).unwrap();
        let whole = file.bytes;
        file.append(&second).unwrap();
        drop(file);
        OpenOptions::new().write(true).open(&path).unwrap().set_len(whole + 9).unwrap();

        let mut found = Vec::new();
        let mut file = Appender::open(path.clone(), 0, |record| found.push(record)).unwrap();
        assert_eq!(found, std::slice::from_ref(&first));
        assert_eq!(std::fs::read(path.with_extension(format!("torn-at-{whole}"))).unwrap().len(), 9);
        file.append(&third).unwrap();
        let mut found = Vec::new();
        read(&path, 0, None, |record| found.push(record)).unwrap();
        assert_eq!(found, [first, third]);
    }

    #[test]
    fn a_closed_file_that_changed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.records");
        let mut file = Appender::open(path.clone(), 0, |_| {}).unwrap();
        file.append(&record("a", 1)).unwrap();
        let mut content = std::fs::read(&path).unwrap();
        content[20] ^= 1;
        std::fs::write(&path, content).unwrap();
        assert!(matches!(read(&path, 0, None, |_| {}), Err(UsageError::Damaged { offset: 0, .. })));
    }
}
