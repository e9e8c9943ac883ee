//! Bytes on disk: little-endian numbers, text with its length, and frames with a checksum.
//!
//! ```text
//! frame = body length (u32) | CRC-32 of the body (u32) | body
//! ```
//!
//! A frame is written by one append, so a crash leaves whole frames and at most one torn one at the end.
//! An empty body is no frame: a file system may leave zeros behind after a power cut.

/// Bytes before a frame's body.
pub(crate) const HEADER_BYTES: usize = 8;

/// Appends values to a buffer.
pub(crate) trait Put {
    fn put_u8(&mut self, value: u8);
    fn put_u32(&mut self, value: u32);
    fn put_u64(&mut self, value: u64);
    fn put_u128(&mut self, value: u128);
    /// Text of at most `u32::MAX` bytes.
    fn put_text(&mut self, text: &str);
}

impl Put for Vec<u8> {
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }

    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u128(&mut self, value: u128) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_text(&mut self, text: &str) {
        self.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.extend_from_slice(text.as_bytes());
    }
}

/// Takes values from bytes; `None` once they do not suffice.
#[derive(Clone, Copy)]
pub(crate) struct Take<'a>(pub &'a [u8]);

impl<'a> Take<'a> {
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    pub fn text(&mut self) -> Option<&'a str> {
        let count = usize::try_from(self.u32()?).ok()?;
        std::str::from_utf8(self.bytes(count)?).ok()
    }
}

/// Leaves room for a frame's header at the end of `buffer`; the body goes behind it, then [`close`].
pub(crate) fn open(buffer: &mut Vec<u8>) -> usize {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEADER_BYTES]);
    start
}

/// Fills in the header of the frame that was opened at `start`.
pub(crate) fn close(buffer: &mut [u8], start: usize) {
    let (header, body) = buffer[start..].split_at_mut(HEADER_BYTES);
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
}

/// Cuts the first frame off `bytes`: its body, or `None` where no whole, sound frame begins.
pub(crate) fn next<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut take = Take(bytes);
    let length = take.u32()?;
    let crc = take.u32()?;
    if length == 0 {
        return None;
    }
    let body = take.bytes(usize::try_from(length).ok()?)?;
    if crc32fast::hash(body) != crc {
        return None;
    }
    *bytes = take.0;
    Some(body)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(bodies: &[Vec<u8>]) -> Vec<u8> {
        let mut file = Vec::new();
        for body in bodies {
            let start = open(&mut file);
            file.extend_from_slice(body);
            close(&mut file, start);
        }
        file
    }

    proptest! {
        #[test]
        fn a_cut_file_gives_its_whole_frames_and_no_other(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..6), cut in any::<prop::sample::Index>()
        ) {
            let file = framed(&bodies);
            let cut = cut.index(file.len() + 1);
            let mut rest = &file[..cut];
            let mut found = Vec::new();
            while let Some(body) = next(&mut rest) {
                found.push(body.to_vec());
            }
            let mut end = 0;
            let whole = bodies.iter().take_while(|body| { end += HEADER_BYTES + body.len(); end <= cut }).count();
            prop_assert_eq!(&found[..], &bodies[..whole]);
        }
    }

    #[test]
    fn zeros_and_changed_bytes_are_no_frames() {
        assert_eq!(next(&mut &[0u8; 64][..]), None);
        let mut file = framed(&[b"hello".to_vec()]);
        *file.last_mut().unwrap() ^= 1;
        assert_eq!(next(&mut &file[..]), None);
    }
}
