//! Segments: files of batches. A segment is named by the id of its first event, so names sort by age and
//! tell which events cannot be in it.

use super::batch::BatchView;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Names of segments end in this.
const EXTENSION: &str = "log";

/// One segment of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    /// The id of its first event.
    pub first_id: u64,
    pub path: PathBuf,
}

impl Segment {
    /// The segment below `dir` that begins with `first_id`.
    pub fn new(dir: &Path, first_id: u64) -> Self {
        Self { first_id, path: dir.join(format!("{first_id:020}.{EXTENSION}")) }
    }

    /// Appends `batch` by one write; cuts half of it off again if the disk refuses the rest.
    pub fn append(&self, batch: &[u8], bytes_before: u64) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
        file.write_all(batch).inspect_err(|_| {
            if let Err(error) = file.set_len(bytes_before) {
                tracing::error!(path = %self.path.display(), %error, "half a log batch could not be cut off");
            }
        })
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }
}

/// The segments below `dir`, oldest first; none where it does not exist.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<Segment>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION)
            && let Some(first_id) = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok())
        {
            found.push(Segment { first_id, path });
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// What a group's newest segment ends in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    pub segment: Option<Segment>,
    pub bytes: u64,
    pub last_id: u64,
    pub last_time: u64,
}

/// Finds the end of the newest segment below `dir`, cutting off what a crash left half written.
pub(crate) fn end(dir: &Path) -> io::Result<End> {
    let Some(segment) = list(dir)?.pop() else { return Ok(End::default()) };
    let file = OpenOptions::new().read(true).write(true).open(&segment.path)?;
    let bytes = file.metadata()?.len();
    if let Some(last) = last_batch(&file, bytes)?
        && let Some(batch) = BatchView::last(&last)
    {
        let (last_id, last_time) = (batch.last_id, batch.last_time.0);
        return Ok(End { segment: Some(segment), bytes, last_id, last_time });
    }
    // Torn: the whole batches tell where to go on.
    let content = std::fs::read(&segment.path)?;
    let mut rest = &content[..];
    let mut end = End { last_id: segment.first_id, ..End::default() };
    while let Some(batch) = BatchView::next(&mut rest) {
        (end.last_id, end.last_time) = (batch.last_id, batch.last_time.0);
    }
    end.bytes = (content.len() - rest.len()) as u64;
    file.set_len(end.bytes)?;
    tracing::warn!(path = %segment.path.display(), cut_bytes = rest.len(), "cut a torn log batch off");
    end.segment = Some(segment);
    Ok(end)
}

/// The bytes of the last batch, as far as the file's last four tell the truth.
fn last_batch(file: &File, bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let mut trailer = [0; 4];
    if bytes < 4 {
        return Ok(None);
    }
    file.read_exact_at(&mut trailer, bytes - 4)?;
    let length = BatchView::last_bytes(trailer);
    if length > bytes {
        return Ok(None);
    }
    let mut last = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut last, bytes - length)?;
    Ok(Some(last))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::batch::Batch;
    use super::*;
    use lacewing_model::Timestamp;

    fn encoded(id: u64) -> Vec<u8> {
        let mut batch = Batch::default();
        let stream = batch.declare("s", Timestamp(1));
        batch.push(stream, id, Timestamp(id), "text");
        let mut bytes = Vec::new();
        batch.encode(&mut bytes);
        bytes
    }

    #[test]
    fn a_segment_goes_on_where_its_whole_batches_end() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(end(&dir.path().join("absent")).unwrap(), End::default());
        let segment = Segment::new(dir.path(), 1);
        segment.append(&encoded(1), 0).unwrap();
        let whole = segment.bytes();
        segment.append(&encoded(2), whole).unwrap();
        let found = end(dir.path()).unwrap();
        assert_eq!((found.bytes, found.last_id), (segment.bytes(), 2));

        for torn in [whole + 1, whole + 30, segment.bytes() - 1] {
            let content = std::fs::read(&segment.path).unwrap();
            std::fs::write(&segment.path, &content[..usize::try_from(torn).unwrap()]).unwrap();
            let found = end(dir.path()).unwrap();
            assert_eq!((found.bytes, found.last_id), (whole, 1), "torn at {torn}");
            assert_eq!(segment.bytes(), whole);
            segment.append(&encoded(2), whole).unwrap();
        }
    }

    #[test]
    fn segments_are_listed_by_age() {
        let dir = tempfile::tempdir().unwrap();
        for id in [20, 3, 100] {
            Segment::new(dir.path(), id).append(&encoded(id), 0).unwrap();
        }
        std::fs::write(dir.path().join("name"), "1\nx").unwrap();
        let ids: Vec<u64> = list(dir.path()).unwrap().iter().map(|segment| segment.first_id).collect();
        assert_eq!(ids, [3, 20, 100]);
    }
}
