//! One log group: the lines not yet on disk, and the segment that they go to.
//!
//! ```text
//! push ─► batch (memory) ─ take ─► being written (memory) ─ append ─► newest segment ─ full ─► next segment
//! ```
//!
//! Within a group ids rise and times never fall, whatever the functions' own stamps say: so a reader that
//! follows by time, as `aws logs tail --follow` does, meets each event once and misses none.

use super::batch::{Batch, first_id_at};
use super::segment::{self, Segment};
use super::{LogScope, place, retention};
use crate::LogOptions;
use lacewing_model::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A group that has been opened for writing.
#[derive(Debug)]
pub(crate) struct Group {
    name: String,
    dir: PathBuf,
    buffer: Mutex<Buffer>,
    /// Held by whoever writes; never together with `buffer` while the disk works.
    disk: Mutex<Disk>,
}

#[derive(Debug, Default)]
struct Buffer {
    batch: Batch,
    batch_number: u64,
    being_written: Option<Arc<Batch>>,
    last_id: u64,
    last_time: u64,
}

#[derive(Debug, Default)]
struct Disk {
    newest: Option<Segment>,
    bytes: u64,
}

/// A stream's place in the batch that it wrote to last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    batch_number: u64,
    stream: u32,
}

/// What a push did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pushed {
    /// Bytes by which the memory in use grew.
    pub bytes: usize,
    /// True for a batch's first event: the writer has to hear of it.
    pub first: bool,
    /// Bytes of the whole batch.
    pub batch_bytes: usize,
}

impl Group {
    /// Opens the group's end. A group without a folder gets one with its first batch.
    pub fn open(logs: &Path, scope: &LogScope, name: &str) -> Self {
        let dir = place::group_dir(logs, scope, name);
        let end = segment::end(&dir).unwrap_or_else(|error| {
            tracing::error!(group = name, %error, "the newest log segment cannot be read; a new one is begun");
            segment::End::default()
        });
        let buffer = Buffer { batch_number: 1, last_id: end.last_id, last_time: end.last_time, ..Buffer::default() };
        let disk = Disk { newest: end.segment, bytes: end.bytes };
        Self { name: name.to_owned(), dir, buffer: Mutex::new(buffer), disk: Mutex::new(disk) }
    }

    /// Adds one event of the stream of that name. `time` is moved to where it keeps the group's order.
    pub fn push(
        &self,
        mark: &mut Mark,
        stream: (&str, Timestamp),
        now: Timestamp,
        time: Timestamp,
        text: &str,
    ) -> Pushed {
        let mut buffer = lock(&self.buffer);
        let buffer = &mut *buffer;
        let before = buffer.batch.bytes();
        if mark.batch_number != buffer.batch_number {
            let stream = buffer.batch.declare(stream.0, stream.1);
            *mark = Mark { batch_number: buffer.batch_number, stream };
        }
        let first = buffer.batch.is_empty();
        buffer.last_id = (buffer.last_id + 1).max(first_id_at(now));
        buffer.last_time = time.min(now).0.max(buffer.last_time);
        buffer.batch.push(mark.stream, buffer.last_id, Timestamp(buffer.last_time), text);
        let batch_bytes = buffer.batch.bytes();
        Pushed { bytes: batch_bytes - before, first, batch_bytes }
    }

    /// Writes what is in memory; returns its bytes there, and the bytes that disk took.
    pub fn flush(&self, options: &LogOptions) -> (usize, u64) {
        let mut disk = lock(&self.disk);
        let batch = {
            let mut buffer = lock(&self.buffer);
            if buffer.batch.is_empty() {
                return (0, 0);
            }
            let batch = Arc::new(std::mem::take(&mut buffer.batch));
            buffer.batch_number += 1;
            buffer.being_written = Some(Arc::clone(&batch));
            batch
        };
        let mut bytes = Vec::with_capacity(batch.bytes() + 128);
        batch.encode(&mut bytes);
        let written = disk.append(&self.dir, &self.name, batch.first_id(), &bytes, options);
        lock(&self.buffer).being_written = None;
        match written {
            Ok(()) => (batch.bytes(), bytes.len() as u64),
            Err(error) => {
                let hint = "check the data dir's permissions and free space";
                tracing::error!(group = self.name, %error, lost_bytes = batch.bytes(), "log lines lost; {hint}");
                (batch.bytes(), 0)
            }
        }
    }

    /// What is not yet on disk, as it will lie there, and the id it begins with.
    pub fn in_memory(&self) -> Option<(u64, Vec<u8>)> {
        let buffer = lock(&self.buffer);
        let parts = [buffer.being_written.as_deref(), Some(&buffer.batch)];
        let mut bytes = Vec::new();
        let mut first_id = None;
        for batch in parts.into_iter().flatten().filter(|batch| !batch.is_empty()) {
            first_id = first_id.or(Some(batch.first_id()));
            batch.encode(&mut bytes);
        }
        first_id.map(|first_id| (first_id, bytes))
    }

    /// Removes what is on disk. The next lines begin a new segment, in a folder made anew.
    pub fn remove(&self) -> std::io::Result<()> {
        let mut disk = lock(&self.disk);
        *disk = Disk::default();
        match std::fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// True with nothing left to write.
    pub fn is_idle(&self) -> bool {
        let buffer = lock(&self.buffer);
        buffer.batch.is_empty() && buffer.being_written.is_none()
    }
}

impl Disk {
    fn append(
        &mut self,
        dir: &Path,
        name: &str,
        first_id: u64,
        bytes: &[u8],
        options: &LogOptions,
    ) -> std::io::Result<()> {
        let full = self.bytes + bytes.len() as u64 > options.segment_bytes_max;
        let segment = match self.newest.take() {
            Some(segment) if !full || self.bytes == 0 => segment,
            _ => {
                place::make(dir, name, super::batch::time_of_id(first_id))?;
                retention::trim_group(dir, options.group_bytes_max.saturating_sub(options.segment_bytes_max))?;
                self.bytes = 0;
                Segment::new(dir, first_id)
            }
        };
        segment.append(bytes, self.bytes)?;
        self.bytes += bytes.len() as u64;
        self.newest = Some(segment);
        Ok(())
    }
}

/// No code that can panic runs under these locks: a poisoned one is as good as any.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
