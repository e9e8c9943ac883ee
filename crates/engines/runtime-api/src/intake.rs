//! Takes in a streamed answer, from whichever connection it comes.
//!
//! Its pieces go on to the caller as they come, and its sender waits while the caller does; for a caller that wants
//! the answer whole they are collected.

use crate::answer::{GuestAnswer, GuestError, STREAM_ERROR, error_in_body, stream_error};
use crate::door::DoorOptions;
use crate::pace::Pace;
use bytes::{Bytes, BytesMut};
use lacewing_sandbox::AnswerSink;

/// Rust's client sends an error as the last piece of the body: a piece that begins as one is held back until it is
/// known to be the last. Held at most, bytes.
const HELD_BYTES_MAX: usize = 1024 * 1024;

/// What a stream is when it does not say. Source: AWS's Node client.
pub(crate) const CONTENT_TYPE: &str = "application/octet-stream";

/// One streamed answer on its way in.
pub(crate) struct Intake {
    sink: Option<AnswerSink>,
    /// All of it so far, where there is no sink.
    collected: BytesMut,
    held: BytesMut,
    /// What the sink has not had room for yet.
    waiting: Option<Bytes>,
    bytes: u64,
    pub(crate) bytes_max: u64,
    pace: Pace,
}

/// The error that ended a stream, as its trailers tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamTrailers {
    pub(crate) kind: Option<String>,
    pub(crate) body: Option<Bytes>,
}

impl Intake {
    pub(crate) fn new(sink: Option<AnswerSink>, content_type: Option<&str>, options: &DoorOptions) -> Self {
        let bytes_max = if sink.is_some() { options.stream_bytes_max } else { options.response_bytes_max };
        if let Some(sink) = &sink {
            sink.begin(content_type.unwrap_or(CONTENT_TYPE));
        }
        let pace = Pace::new(options.stream_bytes_per_second.filter(|_| sink.is_some()));
        Self { sink, collected: BytesMut::new(), held: BytesMut::new(), waiting: None, bytes: 0, bytes_max, pace }
    }

    /// Takes one piece. Await [`Intake::pass`] before the next.
    ///
    /// # Errors
    /// The answer is over its limit: what it has come to.
    pub(crate) fn take(&mut self, piece: Bytes) -> Result<(), GuestAnswer> {
        self.bytes += piece.len() as u64;
        if self.bytes > self.bytes_max {
            return Err(GuestAnswer::TooLarge { bytes_max: self.bytes_max });
        }
        if self.sink.is_none() {
            self.collected.extend_from_slice(&piece);
        } else if !self.held.is_empty() || may_be_error(&piece) {
            self.held.extend_from_slice(&piece);
            if !may_be_error(&self.held) || self.held.len() > HELD_BYTES_MAX {
                self.waiting = Some(self.held.split().freeze());
            }
        } else if !piece.is_empty() {
            self.waiting = Some(piece);
        }
        Ok(())
    }

    /// Waits until what was taken is on its way to the caller.
    ///
    /// # Cancel safety
    /// Complete.
    pub(crate) async fn pass(&mut self) {
        if let (Some(sink), Some(waiting)) = (&self.sink, &self.waiting) {
            self.pace.may_pass(waiting.len() as u64).await;
            let room = sink.room().await;
            if let Some(piece) = self.waiting.take() {
                self.pace.passed(piece.len() as u64);
                room.put(piece);
            }
        }
    }

    /// The last piece has come: what the answer is. Await [`Intake::pass`] once more.
    pub(crate) fn end(&mut self, trailers: &StreamTrailers) -> GuestAnswer {
        if trailers.kind.is_some() || trailers.body.is_some() {
            self.waiting = Some(self.held.split().freeze()).filter(|held| !held.is_empty());
            let body = trailers.body.as_deref().unwrap_or_default();
            return GuestAnswer::Error(stream_error(trailers.kind.as_deref(), body));
        }
        if self.sink.is_none() {
            let collected = self.collected.split().freeze();
            let error = error_in_body(&collected).map(|(_, error)| GuestAnswer::Error(error));
            return error.unwrap_or(GuestAnswer::Response(collected));
        }
        if let Some((0, error)) = error_in_body(&self.held) {
            return GuestAnswer::Error(error);
        }
        self.waiting = Some(self.held.split().freeze()).filter(|held| !held.is_empty());
        GuestAnswer::Response(Bytes::new())
    }
}

/// The answer of a stream that broke off. Source: AWS's open sandbox agent.
pub(crate) fn truncated() -> GuestError {
    let body = Bytes::from_static(
        br#"{"errorMessage":"The response stream broke off before its end","errorType":"Runtime.TruncatedResponse"}"#,
    );
    GuestError { kind: "Runtime.TruncatedResponse".to_owned(), body }
}

/// Whether these bytes are the beginning of an error as Rust's client sends it, as far as can be seen.
fn may_be_error(bytes: &[u8]) -> bool {
    let length = bytes.len().min(STREAM_ERROR.len());
    length > 0 && bytes[..length] == STREAM_ERROR[..length]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use lacewing_sandbox::answer_stream;
    use std::future::poll_fn;

    const ERROR: &str =
        "Lambda-Runtime-Function-Error-Type: Function.Bad\r\nLambda-Runtime-Function-Error-Body: eyJlIjoxfQ==\r\n";

    /// What reaches the caller of these pieces, and what they come to.
    async fn flowed(pieces: &[&'static str], trailers: StreamTrailers) -> (String, GuestAnswer) {
        let (sink, mut out) = answer_stream();
        let pieces: Vec<_> = pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect();
        let write = async move {
            let options = DoorOptions { stream_bytes_max: 200, ..DoorOptions::default() };
            let mut intake = Intake::new(Some(sink), None, &options);
            for piece in pieces {
                if let Err(answer) = intake.take(piece) {
                    return answer;
                }
                intake.pass().await;
            }
            let answer = intake.end(&trailers);
            intake.pass().await;
            answer
        };
        let read = async {
            let mut text = String::new();
            while let Some(piece) = poll_fn(|cx| out.poll_next(cx)).await {
                text.push_str(std::str::from_utf8(&piece).unwrap());
            }
            text
        };
        let (answer, text) = tokio::join!(write, read);
        (text, answer)
    }

    #[tokio::test]
    async fn pieces_flow_and_an_error_at_the_end_does_not() {
        let done = GuestAnswer::Response(Bytes::new());
        let bad = || GuestError { kind: "Function.Bad".into(), body: Bytes::from_static(b"{\"e\":1}") };
        let none = StreamTrailers::default;
        let told = StreamTrailers { kind: Some("Function.Bad".into()), body: Some("eyJlIjoxfQ==".into()) };
        for (why, pieces, trailers, text, answer) in [
            ("whole", &["ab", "", "c"][..], none(), "abc", done.clone()),
            ("nothing", &[], none(), "", done.clone()),
            ("an error in the trailers", &["ab"], told, "ab", GuestAnswer::Error(bad())),
            ("an error as a piece", &["ab", ERROR], none(), "ab", GuestAnswer::Error(bad())),
            ("an error in two pieces", &["ab", &ERROR[..5], &ERROR[5..]], none(), "ab", GuestAnswer::Error(bad())),
            ("what looks like one for a while", &["Lambda-", "x", "y"], none(), "Lambda-xy", done.clone()),
            ("what looks like one to the end", &["a", "Lamb"], none(), "aLamb", done),
        ] {
            assert_eq!(flowed(pieces, trailers).await, (text.to_owned(), answer), "{why}");
        }
    }

    #[tokio::test]
    async fn a_stream_over_its_limit_ends_where_it_passes_it() {
        let hundred: &'static str = "0123456789".repeat(10).leak();
        let (text, answer) = flowed(&[hundred, hundred, "x"], StreamTrailers::default()).await;
        assert_eq!((text.len(), answer), (200, GuestAnswer::TooLarge { bytes_max: 200 }));
    }
}
