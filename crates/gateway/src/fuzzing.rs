//! The parsers of untrusted answers, opened to `cargo fuzz` (`fuzz/` at the root).

use bytes::Bytes;

/// Reads `answer` as what a function may answer on its URL, whole and as a prelude.
pub fn url_answer(answer: &[u8]) {
    let _ = crate::web::read_answer(Bytes::copy_from_slice(answer));
}
