//! The parsers of this crate, opened to `cargo fuzz` (`fuzz/` at the root). They must not panic, and must not take more
//! than there is.

use crate::answer::error_in_body;
use crate::chunks::{Chunks, Step};
use crate::parse;
use crate::telemetry::{Api, Buffering, Subscription};
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

/// Reads `said` as the body of a subscription to telemetry, by either API.
///
/// # Panics
/// When one is taken that is not within its bounds.
pub fn subscription(said: &[u8]) {
    for api in [Api::Telemetry, Api::Logs] {
        if let Ok(taken) = Subscription::parse(api, said) {
            let Buffering { items_max, bytes_max, timeout } = taken.buffering;
            assert!((1_000..=10_000).contains(&items_max) && (262_144..=1_048_576).contains(&bytes_max));
            assert!((25..=30_000).contains(&timeout.as_millis()) && !taken.categories.is_empty());
        }
    }
}

#[cfg(test)]
mod tests {
    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(said: Vec<u8>, near in "(POST /|[0-9a-f]{1,4}\r\n|Lambda-Runtime-Function-Error-(Type|Body): |\r\n|[ -~]{0,9}){0,12}") {
            super::guest_stream(&said);
            super::guest_stream(near.as_bytes());
            super::subscription(&said);
        }
    }
}
