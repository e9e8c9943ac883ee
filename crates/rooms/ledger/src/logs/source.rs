//! A group as it is read: its segments from disk, then what memory still holds.
//!
//! The memory is copied before the segments are listed. What is written in between lies in both and is taken
//! from memory; what was written before is on disk. So every event is met once, in the order of ids.

use super::batch::{BatchView, EventView, time_of_id};
use super::segment::{self, Segment};
use lacewing_model::Timestamp;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

/// A group's events at one moment.
pub(crate) struct Source {
    parts: Vec<Part>,
    /// Events from this id on are in memory.
    memory_from: u64,
}

enum Part {
    Disk(Segment),
    Memory(Vec<u8>),
}

/// An event with its stream.
pub(crate) struct Found<'a> {
    pub event: EventView<'a>,
    /// Its stream's creation and name.
    pub stream: (Timestamp, &'a str),
}

/// Which batches are looked into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range<'a> {
    /// Only events after this id.
    pub after: Option<u64>,
    /// Only events before this id.
    pub before: Option<u64>,
    /// Only events at this time or later.
    pub start: Option<Timestamp>,
    /// Only events at this time or earlier.
    pub last: Option<Timestamp>,
    /// Only this stream's.
    pub stream: Option<&'a str>,
}

impl Range<'_> {
    /// Everything.
    pub const ALL: Self = Self { after: None, before: None, start: None, last: None, stream: None };

    fn wants(&self, found: &Found<'_>) -> bool {
        let EventView { id, time, .. } = found.event;
        self.after.is_none_or(|after| id > after)
            && self.before.is_none_or(|before| id < before)
            && self.start.is_none_or(|start| time >= start)
            && self.last.is_none_or(|last| time <= last)
            && self.stream.is_none_or(|stream| found.stream.1 == stream)
    }

    fn skips(&self, batch: &BatchView<'_>) -> bool {
        self.after.is_some_and(|after| batch.last_id <= after)
            || self.start.is_some_and(|start| batch.last_time < start)
            || self.last.is_some_and(|last| batch.first_time > last)
            || self.stream.is_some_and(|stream| !batch.streams.iter().any(|(_, name)| *name == stream))
    }
}

impl Source {
    /// The group below `dir` and its part in memory; `None` when it has no folder and no memory.
    pub fn open(dir: &Path, in_memory: Option<(u64, Vec<u8>)>) -> io::Result<Option<Self>> {
        if in_memory.is_none() && !dir.exists() {
            return Ok(None);
        }
        let mut parts: Vec<Part> = segment::list(dir)?.into_iter().map(Part::Disk).collect();
        let memory_from = in_memory.as_ref().map_or(u64::MAX, |(first_id, _)| *first_id);
        parts.extend(in_memory.map(|(_, bytes)| Part::Memory(bytes)));
        Ok(Some(Self { parts, memory_from }))
    }

    /// Hands over the events of the range, oldest first, until told to stop. Returns the bytes read.
    pub fn forward(&self, range: Range<'_>, mut each: impl FnMut(Found<'_>, u64) -> ControlFlow<()>) -> io::Result<()> {
        let mut read_bytes = 0;
        for (index, part) in self.parts.iter().enumerate() {
            if self.is_before(index, range) {
                continue;
            }
            if let (Part::Disk(segment), Some(before)) = (part, range.before)
                && segment.first_id >= before
            {
                return Ok(());
            }
            let content = part.content()?;
            if self.walk(part, &content, range, read_bytes, &mut each).is_break() {
                return Ok(());
            }
            read_bytes += content.len() as u64;
        }
        Ok(())
    }

    /// Hands over each part's events of the range, oldest first, the newest part first: `part_done` tells
    /// after each whether to go on.
    pub fn backward(
        &self,
        range: Range<'_>,
        mut each: impl FnMut(Found<'_>),
        mut part_done: impl FnMut() -> ControlFlow<()>,
    ) -> io::Result<()> {
        for (index, part) in self.parts.iter().enumerate().rev() {
            if self.is_before(index, range) {
                return Ok(());
            }
            if let (Part::Disk(segment), Some(before)) = (part, range.before)
                && segment.first_id >= before
            {
                continue;
            }
            let content = part.content()?;
            let mut go_on = |found: Found<'_>, _| {
                each(found);
                ControlFlow::Continue(())
            };
            // Only a batch beyond the range breaks off here: older parts may still hold more.
            _ = self.walk(part, &content, range, 0, &mut go_on);
            if part_done().is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// True when the next part begins so early that nothing of this one lies in the range.
    fn is_before(&self, index: usize, range: Range<'_>) -> bool {
        let next = match self.parts.get(index + 1) {
            Some(Part::Disk(segment)) => segment.first_id,
            Some(Part::Memory(_)) => self.memory_from,
            None => return false,
        };
        range.after.is_some_and(|after| next <= after)
            // An event's time is never later than that of its id.
            || range.start.is_some_and(|start| time_of_id(next) < start)
    }

    fn walk(
        &self,
        part: &Part,
        content: &[u8],
        range: Range<'_>,
        read_before: u64,
        each: &mut impl FnMut(Found<'_>, u64) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let id_max = if matches!(part, Part::Disk(_)) { self.memory_from } else { u64::MAX };
        let mut rest = content;
        while let Some(batch) = BatchView::next(&mut rest) {
            // Times never fall within a group: whatever follows is later still.
            if range.last.is_some_and(|last| batch.first_time > last) {
                return ControlFlow::Break(());
            }
            if range.skips(&batch) {
                continue;
            }
            for event in batch.events() {
                let Some(stream) = batch.streams.get(event.stream) else { continue };
                let found = Found { stream: *stream, event };
                if found.event.id < id_max && range.wants(&found) {
                    each(found, read_before + (content.len() - rest.len()) as u64)?;
                }
            }
        }
        ControlFlow::Continue(())
    }
}

impl Part {
    /// Its bytes; none where retention removed it meanwhile.
    fn content(&self) -> io::Result<std::borrow::Cow<'_, [u8]>> {
        match self {
            Self::Memory(bytes) => Ok(bytes.into()),
            Self::Disk(segment) => match std::fs::read(&segment.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new().into()),
                read => Ok(read?.into()),
            },
        }
    }
}
