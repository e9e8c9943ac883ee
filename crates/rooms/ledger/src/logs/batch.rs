//! A batch: the lines of one group that are written to disk together.
//!
//! ```text
//! batch = frame{ first id | last id | first time | last time | streams | stream table | events } | frame length (u32)
//! ```
//!
//! A batch names its streams itself, so segments can come and go without one another, and its length stands
//! behind it too, so the newest one is found from the end of a file. Ids rise within a group and hold the
//! millisecond of their making in their upper bits: an id is also the event's ingestion time.

use crate::frame::{self, Put, Take};
use lacewing_model::Timestamp;

/// Bits of an id below its millisecond: a million events of one group in one millisecond.
const ID_BITS: u32 = 20;

/// Bytes behind a batch that repeat its length.
const TRAILER_BYTES: usize = 4;

/// The least id that can be made at `time`.
pub(crate) fn first_id_at(time: Timestamp) -> u64 {
    time.0.saturating_mul(1 << ID_BITS)
}

/// When the event of this id was taken in.
pub(crate) fn time_of_id(id: u64) -> Timestamp {
    Timestamp(id >> ID_BITS)
}

/// Lines on their way to disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    first_id: u64,
    last_id: u64,
    first_time: u64,
    last_time: u64,
    streams: Vec<u8>,
    stream_count: u32,
    events: Vec<u8>,
}

impl Batch {
    /// True without events.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Size in memory and about on disk.
    pub fn bytes(&self) -> usize {
        self.streams.len() + self.events.len()
    }

    /// The id of the oldest event.
    pub fn first_id(&self) -> u64 {
        self.first_id
    }

    /// Names a stream; returns its place in the table.
    pub fn declare(&mut self, name: &str, created: Timestamp) -> u32 {
        self.streams.put_u64(created.0);
        self.streams.put_text(name);
        self.stream_count += 1;
        self.stream_count - 1
    }

    /// Adds an event; ids and times must not fall.
    pub fn push(&mut self, stream: u32, id: u64, time: Timestamp, text: &str) {
        if self.events.is_empty() {
            self.first_id = id;
            self.first_time = time.0;
        }
        self.last_id = id;
        self.last_time = time.0;
        self.events.put_u32(stream);
        self.events.put_u64(id);
        self.events.put_u64(time.0);
        self.events.put_text(text);
    }

    /// Appends the batch as it lies on disk.
    pub fn encode(&self, file: &mut Vec<u8>) {
        let start = frame::open(file);
        for number in [self.first_id, self.last_id, self.first_time, self.last_time] {
            file.put_u64(number);
        }
        file.put_u32(self.stream_count);
        file.extend_from_slice(&self.streams);
        file.extend_from_slice(&self.events);
        frame::close(file, start);
        let length = u32::try_from(file.len() - start).unwrap_or(u32::MAX);
        file.put_u32(length);
    }
}

/// A batch as it is read.
pub(crate) struct BatchView<'a> {
    /// Of its newest event.
    pub last_id: u64,
    /// Of its oldest event.
    pub first_time: Timestamp,
    /// Of its newest event.
    pub last_time: Timestamp,
    /// Creation and name of each stream.
    pub streams: Vec<(Timestamp, &'a str)>,
    events: Take<'a>,
}

/// An event as it is read.
pub(crate) struct EventView<'a> {
    /// Its stream's place in the batch's table.
    pub stream: usize,
    pub id: u64,
    pub time: Timestamp,
    pub text: &'a str,
}

impl<'a> BatchView<'a> {
    /// Cuts the first batch off `bytes`; `None` where no whole, sound one begins.
    pub fn next(bytes: &mut &'a [u8]) -> Option<Self> {
        let mut rest = *bytes;
        let mut take = Take(frame::next(&mut rest)?);
        let trailer = Take(rest).u32()?;
        if usize::try_from(trailer).ok()? != bytes.len() - rest.len() {
            return None;
        }
        let (_first_id, last_id) = (take.u64()?, take.u64()?);
        let (first_time, last_time) = (Timestamp(take.u64()?), Timestamp(take.u64()?));
        let mut streams = Vec::new();
        for _ in 0..take.u32()? {
            streams.push((Timestamp(take.u64()?), take.text()?));
        }
        *bytes = rest.get(TRAILER_BYTES..)?;
        Some(Self { last_id, first_time, last_time, streams, events: take })
    }

    /// The newest batch of a file that ends in `bytes`, if it is whole.
    pub fn last(bytes: &'a [u8]) -> Option<Self> {
        let (_, trailer) = bytes.split_last_chunk::<TRAILER_BYTES>()?;
        let length = usize::try_from(u32::from_le_bytes(*trailer)).ok()?;
        let mut batch = bytes.get(bytes.len().checked_sub(length + TRAILER_BYTES)?..)?;
        Self::next(&mut batch).filter(|_| batch.is_empty())
    }

    /// Bytes that must be read from a file's end for [`Self::last`], told by its last four.
    pub fn last_bytes(trailer: [u8; TRAILER_BYTES]) -> u64 {
        u64::from(u32::from_le_bytes(trailer)) + TRAILER_BYTES as u64
    }

    /// Its events, oldest first.
    pub fn events(&self) -> impl Iterator<Item = EventView<'a>> + use<'a> {
        let mut take = self.events;
        std::iter::from_fn(move || {
            Some(EventView {
                stream: usize::try_from(take.u32()?).ok()?,
                id: take.u64()?,
                time: Timestamp(take.u64()?),
                text: take.text()?,
            })
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn batch(texts: &[(u64, &str)]) -> Batch {
        let mut batch = Batch::default();
        let stream = batch.declare("s", Timestamp(5));
        for (id, text) in texts {
            batch.push(stream, *id, Timestamp(id * 10), text);
        }
        batch
    }

    #[test]
    fn batches_are_found_from_both_ends() {
        let mut file = Vec::new();
        batch(&[(1, "one"), (2, "two\nlines")]).encode(&mut file);
        batch(&[(3, "three")]).encode(&mut file);

        let mut rest = &file[..];
        let first = BatchView::next(&mut rest).unwrap();
        assert_eq!((first.last_id, first.first_time, first.last_time), (2, Timestamp(10), Timestamp(20)));
        assert_eq!(first.streams, [(Timestamp(5), "s")]);
        assert_eq!(first.events().map(|event| event.text).collect::<Vec<_>>(), ["one", "two\nlines"]);
        assert_eq!(BatchView::next(&mut rest).unwrap().last_id, 3);
        assert!(rest.is_empty());

        assert_eq!(BatchView::last(&file).unwrap().last_id, 3);
        for cut in 1..20 {
            assert!(BatchView::last(&file[..file.len() - cut]).is_none(), "{cut}");
        }
    }

    proptest::proptest! {
        #[test]
        fn foreign_bytes_are_read_without_harm(body in proptest::collection::vec(proptest::num::u8::ANY, 1..120)) {
            let mut file = Vec::new();
            let start = frame::open(&mut file);
            file.extend_from_slice(&body);
            frame::close(&mut file, start);
            file.put_u32(u32::try_from(file.len()).unwrap());
            if let Some(batch) = BatchView::next(&mut &file[..]) {
                assert!(batch.events().count() <= body.len());
            }
            BatchView::last(&body);
        }
    }

    #[test]
    fn an_id_tells_when_it_was_made() {
        let now = Timestamp(1_795_000_000_000);
        assert_eq!(time_of_id(first_id_at(now)), now);
        assert_eq!(time_of_id(first_id_at(now) + 999_999), now);
    }
}
