//! The parsers of this crate, opened to `cargo fuzz` (`fuzz/` at the root). They must not panic, and must not take more
//! than there is.

use crate::answer::error_in_body;
use crate::chunks::{Chunks, Step};
use crate::parse;
use bytes::BytesMut;

/// Reads `said` as a head, as chunks and as a body that may end in an error.
///
/// # Panics
/// When a parser does not keep its word.
pub fn guest_stream(said: &[u8]) {
    const BYTES_MAX: usize = 4096;
    if let Ok(Some((length, _))) = parse::head(said, BYTES_MAX) {
        assert!(length <= said.len());
    }
    let (mut chunks, mut input, mut body) = (Chunks::default(), BytesMut::from(said), 0);
    while let Ok(Step::Piece(piece)) = chunks.step(&mut input, BYTES_MAX) {
        body += piece.len();
    }
    assert!(body <= said.len());
    if let Some((kept, _)) = error_in_body(said) {
        assert!(kept <= said.len());
    }
}

#[cfg(test)]
mod tests {
    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(said: Vec<u8>, near in "(POST /|[0-9a-f]{1,4}\r\n|Lambda-Runtime-Function-Error-(Type|Body): |\r\n|[ -~]{0,9}){0,12}") {
            super::guest_stream(&said);
            super::guest_stream(near.as_bytes());
        }
    }
}
