//! One file of usage records: appended to, never changed.

use super::{UsageError, UsageRecord};
use crate::frame;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Names of files of records end in this; those of their sums in [`SUMS`].
pub(crate) const RECORDS: &str = "records";
/// See [`RECORDS`].
pub(crate) const SUMS: &str = "sums";

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
    /// Opens or makes the file, hands each whole record in it to `each` and cuts a torn end off.
    ///
    /// What is cut is kept in a file beside it: should it ever be more than one torn record, nothing is gone.
    pub fn open(path: PathBuf, each: impl FnMut(UsageRecord)) -> Result<Self, UsageError> {
        let disk = |source| UsageError::Disk { path: path.clone(), source };
        let file = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(&path).map_err(disk)?;
        let content = std::fs::read(&path).map_err(disk)?;
        let whole = scan(&content, each);
        if whole < content.len() {
            let torn = path.with_extension(format!("torn-at-{whole}"));
            std::fs::write(&torn, &content[whole..]).map_err(disk)?;
            file.set_len(whole as u64).map_err(disk)?;
            tracing::warn!(path = %path.display(), kept = %torn.display(), "cut a torn usage record off");
        }
        Ok(Self { path, file, bytes: whole as u64, buffer: Vec::new() })
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

/// Hands each record of the first `bytes` bytes of a file to `each`.
pub(crate) fn read(path: &Path, bytes: Option<u64>, each: impl FnMut(UsageRecord)) -> Result<(), UsageError> {
    let mut content = std::fs::read(path).map_err(|source| UsageError::Disk { path: path.to_owned(), source })?;
    if let Some(bytes) = bytes {
        content.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    let whole = scan(&content, each);
    if whole < content.len() {
        return Err(UsageError::Damaged { path: path.to_owned(), offset: whole as u64 });
    }
    Ok(())
}

/// Hands over whole records; returns where they end.
fn scan(content: &[u8], mut each: impl FnMut(UsageRecord)) -> usize {
    let mut rest = content;
    loop {
        let end = content.len() - rest.len();
        match frame::next(&mut rest).and_then(UsageRecord::decode) {
            Some(record) => each(record),
            None => return end,
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
        let mut file = Appender::open(path.clone(), |_| panic!("new")).unwrap();
        let (first, second, third) = (record("a", 1), record("b", 2), record("c", 3));
        file.append(&first).unwrap();
        let whole = file.bytes;
        file.append(&second).unwrap();
        drop(file);
        OpenOptions::new().write(true).open(&path).unwrap().set_len(whole + 9).unwrap();

        let mut found = Vec::new();
        let mut file = Appender::open(path.clone(), |record| found.push(record)).unwrap();
        assert_eq!(found, std::slice::from_ref(&first));
        assert_eq!(std::fs::read(path.with_extension(format!("torn-at-{whole}"))).unwrap().len(), 9);
        file.append(&third).unwrap();
        let mut found = Vec::new();
        read(&path, None, |record| found.push(record)).unwrap();
        assert_eq!(found, [first, third]);
    }

    #[test]
    fn a_closed_file_that_changed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.records");
        let mut file = Appender::open(path.clone(), |_| {}).unwrap();
        file.append(&record("a", 1)).unwrap();
        let mut content = std::fs::read(&path).unwrap();
        content[20] ^= 1;
        std::fs::write(&path, content).unwrap();
        assert!(matches!(read(&path, None, |_| {}), Err(UsageError::Damaged { offset: 0, .. })));
    }
}
