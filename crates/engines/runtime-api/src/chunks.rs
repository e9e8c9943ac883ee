//! The chunked form of a body on our bootstraps' stream, read piece by piece as it comes.

use crate::intake::StreamTrailers;
use crate::refusal::Refusal;
use bytes::{Buf, Bytes, BytesMut};

/// A chunk's size with whatever stands behind it on its line, bytes.
const SIZE_LINE_BYTES_MAX: usize = 256;

/// Most trailers.
const TRAILERS_MAX: usize = 8;

/// Where in a chunked body the reading stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Chunks {
    /// At a line with a size.
    #[default]
    Size,
    /// So many bytes of a chunk are still to come.
    Data(u64),
    /// At the line break behind a chunk.
    DataEnd,
    /// Behind the last chunk.
    Trailers,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: more must come first.
    More,
    /// Bytes of the body.
    Piece(Bytes),
    /// The end.
    End(StreamTrailers),
}

impl Chunks {
    /// Reads as far as the next piece, and takes what it read out of `input`.
    ///
    /// # Errors
    /// Not chunks: the stream cannot be followed any further.
    pub(crate) fn step(&mut self, input: &mut BytesMut, trailer_bytes_max: usize) -> Result<Step, Refusal> {
        loop {
            match *self {
                Self::Size => match httparse::parse_chunk_size(input) {
                    Ok(httparse::Status::Complete((line, size))) => {
                        input.advance(line);
                        *self = if size == 0 { Self::Trailers } else { Self::Data(size) };
                    }
                    Ok(httparse::Status::Partial) if input.len() <= SIZE_LINE_BYTES_MAX => return Ok(Step::More),
                    Ok(httparse::Status::Partial) | Err(_) => return Err(bad()),
                },
                Self::Data(_) if input.is_empty() => return Ok(Step::More),
                Self::Data(left) => {
                    let piece = input.split_to(usize::try_from(left).unwrap_or(usize::MAX).min(input.len())).freeze();
                    let left = left - piece.len() as u64;
                    *self = if left == 0 { Self::DataEnd } else { Self::Data(left) };
                    return Ok(Step::Piece(piece));
                }
                Self::DataEnd => match &input[..input.len().min(2)] {
                    b"\r\n" => {
                        input.advance(2);
                        *self = Self::Size;
                    }
                    b"" | b"\r" => return Ok(Step::More),
                    _ => return Err(bad()),
                },
                Self::Trailers => {
                    let mut headers = [httparse::EMPTY_HEADER; TRAILERS_MAX];
                    let (length, trailers) = match httparse::parse_headers(input, &mut headers) {
                        Ok(httparse::Status::Complete((length, headers))) => (length, read(headers)),
                        Ok(httparse::Status::Partial) if input.len() <= trailer_bytes_max => return Ok(Step::More),
                        Ok(httparse::Status::Partial) | Err(_) => return Err(bad()),
                    };
                    input.advance(length);
                    return Ok(Step::End(trailers));
                }
            }
        }
    }
}

fn read(headers: &[httparse::Header<'_>]) -> StreamTrailers {
    let value = |name: &str| headers.iter().find(|one| one.name.eq_ignore_ascii_case(name)).map(|one| one.value);
    StreamTrailers {
        kind: value("lambda-runtime-function-error-type").map(|kind| String::from_utf8_lossy(kind).into_owned()),
        body: value("lambda-runtime-function-error-body").map(Bytes::copy_from_slice),
    }
}

fn bad() -> Refusal {
    Refusal::malformed("The body is not made of chunks")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The body, its trailers if it has ended, and what is left.
    type Read = (Vec<u8>, Option<StreamTrailers>, Vec<u8>);

    /// Everything in `said`, given in pieces of `cut` bytes.
    fn read(said: &[u8], cut: usize) -> Result<Read, Refusal> {
        let (mut chunks, mut input, mut body) = (Chunks::default(), BytesMut::new(), Vec::new());
        for (at, piece) in said.chunks(cut).enumerate() {
            input.extend_from_slice(piece);
            loop {
                match chunks.step(&mut input, 1024)? {
                    Step::More => break,
                    Step::Piece(piece) => body.extend_from_slice(&piece),
                    Step::End(trailers) => {
                        let rest = said.iter().skip((at + 1) * cut);
                        return Ok((body, Some(trailers), input.iter().chain(rest).copied().collect()));
                    }
                }
            }
        }
        Ok((body, None, input.to_vec()))
    }

    #[test]
    fn a_body_is_the_same_however_it_is_cut() {
        let said = b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nLambda-Runtime-Function-Error-Type: X\r\n\r\nGET /";
        for cut in 1..=said.len() {
            let (body, trailers, rest) = read(said, cut).unwrap();
            assert_eq!((&body[..], &rest[..]), (&b"abc0123456789"[..], &b"GET /"[..]), "{cut}");
            assert_eq!(trailers.unwrap().kind.as_deref(), Some("X"));
        }
    }

    #[test]
    fn a_body_may_end_without_trailers() {
        let end = Some(StreamTrailers::default());
        assert_eq!(read(b"1\r\na\r\n0\r\n\r\n", 99).unwrap(), (b"a".to_vec(), end.clone(), Vec::new()));
        assert_eq!(read(b"0\r\n\r\nGET", 99).unwrap(), (Vec::new(), end, b"GET".to_vec()));
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for said in [&b"x\r\n"[..], b"-1\r\na", b"1\r\nab\r\n", b"0\r\n\0: x\r\n\r\n", b"11111111111111111\r\n"] {
            assert!(read(said, said.len()).is_err(), "{said:?}");
        }
        assert!(read(format!("1;{}", "x".repeat(300)).as_bytes(), 400).is_err());
        assert!(read(format!("0\r\na: {}", "x".repeat(2000)).as_bytes(), 4000).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(said: Vec<u8>, near in "([0-9a-fA-F]{0,18}(;[ -~]{0,4})?\r\n[ab\r\n]{0,6}){0,4}", cut in 1..9_usize) {
            let _ = read(&said, cut);
            let _ = read(near.as_bytes(), cut);
        }
    }
}
