//! Log records as our bootstraps and AWS's clients frame them.
//!
//! A frame is 4 bytes of type (`0xA55A` and the kind, with bits of the level), 4 of length, 8 of time in
//! microseconds, all big-endian, then the text. Source: AWS's Python runtime client.

use lacewing_model::{LogLevel, Timestamp};

const HEADER_BYTES: usize = 16;
const MAGIC: u32 = 0xA55A_0000;
/// The types that clients write: text 3, JSON 2, and 1 from older ones; the rest of the low half is the level.
const MAGIC_MASK: u32 = 0xFFFF_0000;
const LEVEL_MASK: u32 = 0x0000_001C;

/// Takes frames apart.
pub(super) struct Frames {
    buffer: Vec<u8>,
    bytes_max: usize,
    /// Bytes of a frame that was too long and is passed over.
    skip: usize,
}

impl Frames {
    /// Texts of at most `bytes_max` bytes; the rest of a longer one is cut off.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { buffer: Vec::new(), bytes_max, skip: 0 }
    }

    /// Takes the next bytes and hands out the records that are complete.
    pub(super) fn feed(&mut self, mut bytes: &[u8], take: &mut dyn FnMut(String, Option<Timestamp>, Option<LogLevel>)) {
        while !bytes.is_empty() {
            let passed = self.skip.min(bytes.len());
            self.skip -= passed;
            bytes = &bytes[passed..];
            let wanted = self.wanted();
            let taken = (wanted - self.buffer.len()).min(bytes.len());
            self.buffer.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.buffer.len() == HEADER_BYTES && !self.is_frame() {
                // Not written by a bootstrap: look for a frame one byte further on.
                self.buffer.remove(0);
            } else if self.buffer.len() >= HEADER_BYTES && self.buffer.len() == self.wanted() {
                self.hand_out(take);
            }
        }
    }

    fn number(&self, at: usize) -> u32 {
        self.buffer.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes)
    }

    fn is_frame(&self) -> bool {
        self.number(0) & MAGIC_MASK == MAGIC
    }

    /// Bytes until the present frame is complete, as far as known.
    fn wanted(&self) -> usize {
        if self.buffer.len() < HEADER_BYTES {
            return HEADER_BYTES;
        }
        HEADER_BYTES + (self.number(4) as usize).min(self.bytes_max)
    }

    fn hand_out(&mut self, take: &mut dyn FnMut(String, Option<Timestamp>, Option<LogLevel>)) {
        let kind = self.number(0);
        self.skip = (self.number(4) as usize).saturating_sub(self.bytes_max);
        let micros = (u64::from(self.number(8)) << 32) | u64::from(self.number(12));
        let level = match kind & LEVEL_MASK {
            0x04 => Some(LogLevel::Trace),
            0x08 => Some(LogLevel::Debug),
            0x0C => Some(LogLevel::Info),
            0x10 => Some(LogLevel::Warn),
            0x14 => Some(LogLevel::Error),
            0x18 => Some(LogLevel::Fatal),
            _ => None,
        };
        let text = String::from_utf8_lossy(&self.buffer[HEADER_BYTES..]);
        let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
        take(text, (micros > 0).then_some(Timestamp(micros / 1_000)), level);
        self.buffer.clear();
        self.buffer.shrink_to(4_096);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u32, micros: u64, text: &[u8]) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        [&kind.to_be_bytes()[..], &length.to_be_bytes(), &micros.to_be_bytes(), text].concat()
    }

    fn read(bytes: &[u8], step: usize, max: usize) -> Vec<(String, Option<Timestamp>, Option<LogLevel>)> {
        let mut frames = Frames::new(max);
        let mut all = Vec::new();
        for piece in bytes.chunks(step) {
            frames.feed(piece, &mut |text, time, level| all.push((text, time, level)));
        }
        all
    }

    #[test]
    fn frames_are_read_wherever_reads_fall() {
        let bytes = [frame(0xA55A_0003 | 0x14, 1_500_000, b"one\ntwo\n"), frame(0xA55A_0002, 0, b"{}")].concat();
        for step in 1..bytes.len() {
            let all = read(&bytes, step, 100);
            assert_eq!(all[0], ("one\ntwo".to_owned(), Some(Timestamp(1_500)), Some(LogLevel::Error)));
            assert_eq!(all[1], ("{}".to_owned(), None, None));
            assert_eq!(all.len(), 2);
        }
    }

    #[test]
    fn a_long_record_is_cut_and_noise_is_passed_over() {
        let bytes =
            [&b"noise noise noise noise"[..], &frame(0xA55A_0003, 0, b"abcdefgh"), &frame(0xA55A_0003, 0, b"ij")]
                .concat();
        let texts: Vec<String> = read(&bytes, 5, 3).into_iter().map(|(text, ..)| text).collect();
        assert_eq!(texts, ["abc", "ij"]);
    }
}
