//! The framing of `application/vnd.amazon.eventstream`. Source: the Smithy specification, "Amazon event stream".
//!
//! ```text
//! u32 total length │ u32 headers length │ u32 CRC of those │ headers │ payload │ u32 CRC of all before
//! header: u8 name length, name, u8 7 (a string), u16 value length, value
//! ```

use bytes::{BufMut, Bytes, BytesMut};

/// The type of a string value.
const STRING: u8 = 7;
/// Lengths and their checksum.
const PRELUDE_BYTES: usize = 12;

/// One message in three pieces, so that the payload is not copied: what goes before it, itself, its checksum.
pub(crate) fn message(headers: &[(&str, &str)], payload: Bytes) -> [Bytes; 3] {
    let headers_bytes: usize = headers.iter().map(|(name, value)| 4 + name.len() + value.len()).sum();
    let total = PRELUDE_BYTES + headers_bytes + payload.len() + 4;
    let mut head = BytesMut::with_capacity(PRELUDE_BYTES + headers_bytes);
    head.put_u32(u32::try_from(total).unwrap_or(u32::MAX));
    head.put_u32(u32::try_from(headers_bytes).unwrap_or(u32::MAX));
    head.put_u32(crc32fast::hash(&head));
    for (name, value) in headers {
        head.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        head.put_slice(name.as_bytes());
        head.put_u8(STRING);
        head.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        head.put_slice(value.as_bytes());
    }
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&head);
    checksum.update(&payload);
    [head.freeze(), payload, Bytes::copy_from_slice(&checksum.finalize().to_be_bytes())]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_as_specified() {
        let bytes = message(&[("a", "bc")], Bytes::from_static(b"xyz")).concat();
        let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((word(0), word(4)), (bytes.len() as u32, 7));
        assert_eq!(word(8), crc32fast::hash(&bytes[..8]));
        assert_eq!(&bytes[12..19], b"\x01a\x07\x00\x02bc");
        assert_eq!(&bytes[19..22], b"xyz");
        assert_eq!(word(22), crc32fast::hash(&bytes[..22]));
    }
}
