//! The Unix stream of our own bootstraps.
//!
//! It has no task of its own: whoever awaits the door reads and writes it. A bootstrap sends its answer and
//! its next request in one write; our `202` waits until there is an event to send with it.

use crate::answer::{GuestAnswer, GuestError, normalise_kind};
use crate::desk::Desk;
use crate::door::DoorOptions;
use crate::event;
use crate::flow::Flow;
use crate::parse::{self, Head, Mode};
use crate::refusal::Refusal;
use crate::route::Route;
use bytes::{Buf, Bytes, BytesMut};
use lacewing_sandbox::Work;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::Instant;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

/// Room for what comes in at once.
const INPUT_BYTES: usize = 16 * 1024;

/// Room for what comes in at once of a stream.
const FLOW_BYTES: usize = 256 * 1024;

/// Bodies up to this size are copied out, so that the input's memory is used again.
const COPIED_BYTES_MAX: usize = 4 * 1024;

/// Replies that may wait to be sent: a guest that asks on without reading is cut off.
const WAITING_REPLIES_MAX: usize = 64;

/// What most requests are answered with.
const ACCEPTED: &[u8] =
    b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n{\"status\":\"OK\"}\n";

pub(crate) struct Own {
    stream: UnixStream,
    input: BytesMut,
    /// The request whose body is still arriving.
    head: Option<Head>,
    /// The streamed body that is arriving.
    flow: Option<Flow>,
    /// Bytes of a refused body still to be thrown away.
    skip: u64,
    output: VecDeque<Bytes>,
    /// Bytes of the output up to the end of the last event.
    event_left: usize,
    /// When the first byte came.
    pub(crate) first_sign: Option<Instant>,
}

impl Own {
    pub(crate) fn new(stream: UnixStream) -> Self {
        let input = BytesMut::with_capacity(INPUT_BYTES);
        Self {
            stream,
            input,
            head: None,
            flow: None,
            skip: 0,
            output: VecDeque::new(),
            event_left: 0,
            first_sign: None,
        }
    }

    /// Sends an event.
    pub(crate) fn send_event(&mut self, work: &Work) {
        let (head, body) = event::as_bytes(work);
        self.output.push_back(head);
        if !body.is_empty() {
            self.output.push_back(body);
        }
        self.event_left = self.output.iter().map(Bytes::len).sum();
    }

    /// Whether the last event has not been sent whole: then its runtime has not run it.
    pub(crate) fn owes_event(&self) -> bool {
        self.event_left > 0
    }

    /// Answers `restore/next`.
    pub(crate) fn send_restored(&mut self) {
        self.output.push_back(Bytes::from_static(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    }

    /// Sends what waits, then takes in bytes and answers the requests in them, at least one read's worth.
    ///
    /// # Errors
    /// The stream has ended, or cannot be followed any further.
    ///
    /// # Cancel safety
    /// Complete: what was sent and read is kept.
    pub(crate) async fn turn(&mut self, desk: &Desk, options: &DoorOptions) -> io::Result<()> {
        let turned = self.take_turn(desk, options).await;
        if turned.is_err()
            && let Some(flow) = self.flow.take()
        {
            flow.break_off(desk);
        }
        turned
    }

    async fn take_turn(&mut self, desk: &Desk, options: &DoorOptions) -> io::Result<()> {
        self.flush().await?;
        if self.flow.is_some() {
            // What an abandoned turn has read comes first.
            self.follow(desk, options).await?;
            if self.flow.is_none() {
                return Ok(());
            }
        }
        self.input.reserve(if self.flow.is_some() { FLOW_BYTES } else { INPUT_BYTES / 2 });
        if self.stream.read_buf(&mut self.input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.first_sign.get_or_insert_with(Instant::now);
        self.follow(desk, options).await
    }

    /// Takes in what has been read, as far as it goes.
    async fn follow(&mut self, desk: &Desk, options: &DoorOptions) -> io::Result<()> {
        loop {
            let Some(flow) = &mut self.flow else {
                if self.answer_one(desk, options)? {
                    continue;
                }
                return Ok(());
            };
            match flow.pour(&mut self.input, desk, options).await {
                Ok(None) => return Ok(()),
                Ok(Some(end)) => {
                    self.flow = None;
                    self.let_go_of_large_memory();
                    match end {
                        Ok(()) => self.output.push_back(Bytes::from_static(ACCEPTED)),
                        Err(refusal) => self.refuse(&refusal),
                    }
                }
                Err(refusal) => {
                    self.refuse(&refusal);
                    self.flush_now();
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
        }
    }

    /// Sends what waits as far as that needs no waiting: for a guest that reads its `202` before it asks again.
    pub(crate) fn flush_now(&mut self) {
        while !self.output.is_empty() {
            match self.stream.try_write_vectored(&slices(&self.output)) {
                Ok(written) => self.sent(written),
                Err(_) => return,
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            match self.stream.try_write_vectored(&slices(&self.output)) {
                Ok(written) => self.sent(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn sent(&mut self, mut written: usize) {
        self.event_left = self.event_left.saturating_sub(written);
        while let Some(front) = self.output.front_mut() {
            if written < front.len() {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.output.pop_front();
        }
    }

    /// Answers one request of the input. False when none is complete.
    fn answer_one(&mut self, desk: &Desk, options: &DoorOptions) -> io::Result<bool> {
        let skipped = self.skip.min(self.input.len() as u64);
        self.input.advance(usize::try_from(skipped).unwrap_or_default());
        self.skip -= skipped;
        if self.skip > 0 {
            return Ok(false);
        }
        if self.head.is_none() {
            match parse::head(&self.input, options.request_header_bytes_max) {
                Ok(None) => return Ok(false),
                Ok(Some((length, head))) => {
                    self.input.advance(length);
                    if head.chunked {
                        self.flow = Some(begin_flow(&head, desk, options));
                        return self.within_bounds();
                    }
                    if head.body_bytes > options.response_bytes_max {
                        self.skip = head.body_bytes;
                        self.refuse_large(&head, desk, options);
                        return self.within_bounds();
                    }
                    self.head = Some(head);
                }
                Err(refusal) => {
                    self.refuse(&refusal);
                    self.flush_now();
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
        }
        let body_bytes = self.head.as_ref().map_or(0, |head| usize::try_from(head.body_bytes).unwrap_or(usize::MAX));
        if self.input.len() < body_bytes {
            self.input.reserve(body_bytes - self.input.len());
            return Ok(false);
        }
        if let Some(head) = self.head.take() {
            let body = if body_bytes <= COPIED_BYTES_MAX {
                let body = Bytes::copy_from_slice(&self.input[..body_bytes]);
                self.input.advance(body_bytes);
                body
            } else {
                let body = self.input.split_to(body_bytes).freeze();
                self.let_go_of_large_memory();
                body
            };
            if let Err(refusal) = self.answer(head, body, desk) {
                self.refuse(&refusal);
            }
        }
        self.within_bounds()
    }

    /// The large memory goes with the answer: an idle sandbox shall not hold it.
    fn let_go_of_large_memory(&mut self) {
        let rest = std::mem::replace(&mut self.input, BytesMut::with_capacity(INPUT_BYTES));
        self.input.extend_from_slice(&rest);
    }

    fn within_bounds(&self) -> io::Result<bool> {
        if self.output.len() > WAITING_REPLIES_MAX { Err(io::ErrorKind::InvalidData.into()) } else { Ok(true) }
    }

    fn answer(&mut self, head: Head, body: Bytes, desk: &Desk) -> Result<(), Refusal> {
        match head.route {
            Route::Next => {
                if let Some(work) = desk.ask_own()? {
                    self.send_event(&work);
                }
                return Ok(());
            }
            Route::Response(_) if head.mode == Mode::Unknown => return Err(Refusal::response_mode()),
            Route::Response(id) => {
                desk.begin_answer(id, "RuntimeResponseSent")?.settle(GuestAnswer::Response(body));
            }
            Route::Error(id) => {
                let ticket = desk.begin_answer(id, "RuntimeResponseSent")?;
                ticket.settle(GuestAnswer::Error(error(&head, body)));
            }
            Route::InitError | Route::RestoreError => desk.fail_init(|| error(&head, body))?,
            Route::RestoreNext => {
                if desk.restore_own()? {
                    self.send_restored();
                }
                return Ok(());
            }
            Route::Ping => {
                self.output.push_back(Bytes::from_static(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npong"));
                return Ok(());
            }
            Route::Extension(_) | Route::Subscribe(_) | Route::Unknown | Route::Api => {
                return Err(Refusal::unknown_path());
            }
        }
        self.output.push_back(Bytes::from_static(ACCEPTED));
        Ok(())
    }

    /// A body over the limit is not taken in; the invocation it would have answered is settled at once.
    fn refuse_large(&mut self, head: &Head, desk: &Desk, options: &DoorOptions) {
        let refusal = match head.route {
            Route::Response(id) | Route::Error(id) => match desk.begin_answer(id, "RuntimeResponseSent") {
                Ok(ticket) => {
                    ticket.settle(GuestAnswer::TooLarge { bytes_max: options.response_bytes_max });
                    Refusal::too_large(options.response_bytes_max)
                }
                Err(refusal) => refusal,
            },
            _ => Refusal::too_large(options.response_bytes_max),
        };
        self.refuse(&refusal);
    }

    fn refuse(&mut self, refusal: &Refusal) {
        let body = refusal.body();
        let head = format!(
            "HTTP/1.1 {} Refused\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            refusal.status,
            body.len()
        );
        self.output.push_back(head.into());
        self.output.push_back(body);
    }
}

/// What becomes of a body in chunks.
fn begin_flow(head: &Head, desk: &Desk, options: &DoorOptions) -> Flow {
    let Route::Response(id) = head.route else { return Flow::refused(Refusal::unknown_path()) };
    match desk.begin_answer(id, "RuntimeResponseSent") {
        Ok(ticket) => Flow::answer(ticket, head, options),
        Err(refusal) => Flow::refused(refusal),
    }
}

fn error(head: &Head, body: Bytes) -> GuestError {
    GuestError { kind: normalise_kind(head.error_kind.as_deref()), body }
}

/// The first few pieces of the output, for one write. An event follows at most one reply in practice.
fn slices(output: &VecDeque<Bytes>) -> [IoSlice<'_>; 4] {
    std::array::from_fn(|at| IoSlice::new(output.get(at).map_or(&[], |piece| piece)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::event::tests::work;
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;

    /// What a guest that has lost its way may say.
    fn saying() -> impl Strategy<Value = Vec<u8>> {
        let call = prop_oneof![
            Just("GET /2018-06-01/runtime/invocation/next"),
            Just("POST /2018-06-01/runtime/invocation/ID/response"),
            Just("POST /2018-06-01/runtime/invocation/ID/error"),
            Just("POST /2018-06-01/runtime/init/error"),
            Just("GET /2018-06-01/runtime/restore/next"),
            Just("GET /2018-06-01/ping"),
            Just("DELETE /"),
        ];
        let stream = "POST /2018-06-01/runtime/invocation/ID/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\
             Lambda-Runtime-Function-Response-Mode: streaming\r\n\r\n";
        prop_oneof![
            2 => "([0-9a-f]{1,2}\r\n[ab]{0,20}\r\n){0,3}(0\r\n\r\n)?".prop_map(move |body| format!("{stream}{body}").into_bytes()),
            4 => (call, 0..40_usize, 0..40_usize).prop_map(|(call, told, body)| {
                let body = "b".repeat(body);
                format!("{call} HTTP/1.1\r\nContent-Length: {told}\r\n\r\n{body}").into_bytes()
            }),
            1 => proptest::collection::vec(any::<u8>(), 0..60),
        ]
    }

    #[tokio::test]
    async fn a_large_answer_leaves_no_large_memory_behind() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (desk, mut own, options) = (Desk::default(), Own::new(ours), DoorOptions::default());
        let work = work(b"1");
        desk.hand_over(&work);
        desk.ask_own().unwrap();
        let body = "x".repeat(1_000_000);
        let path = format!("POST /2018-06-01/runtime/invocation/{}/response", work.request_id);
        let said = format!("{path} HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n{body}GET /2018");
        let writing = tokio::spawn(async move {
            theirs.write_all(said.as_bytes()).await.unwrap();
            theirs
        });
        let answer = loop {
            own.turn(&desk, &options).await.unwrap();
            if let Some(answer) = desk.take_answer() {
                break answer;
            }
        };
        assert_eq!(answer, GuestAnswer::Response(body.into()));
        while own.input.len() < 9 {
            own.turn(&desk, &options).await.unwrap();
        }
        assert_eq!(&own.input[..], b"GET /2018");
        assert!(own.input.capacity() <= 2 * INPUT_BYTES, "{}", own.input.capacity());
        drop(writing.await.unwrap());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn whatever_a_guest_says_the_stream_ends_or_goes_on_within_its_bounds(
            said in proptest::collection::vec(saying(), 1..12),
            cut in 1..200_usize,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (ours, mut theirs) = UnixStream::pair().unwrap();
                let (desk, mut own) = (Desk::default(), Own::new(ours));
                let options = DoorOptions { response_bytes_max: 30, request_header_bytes_max: 256, ..DoorOptions::default() };
                let work = work(b"1");
                desk.hand_over(&work);
                let id = work.request_id.to_string();
                let said: Vec<u8> = said.concat();
                let said = String::from_utf8_lossy(&said).replace("ID", &id).into_bytes();
                for piece in said.chunks(cut) {
                    theirs.write_all(piece).await.unwrap();
                    if own.turn(&desk, &options).await.is_err() {
                        break;
                    }
                    own.flush_now();
                    assert!(own.output.len() <= WAITING_REPLIES_MAX + 2);
                    assert!(own.input.capacity() <= 2 * FLOW_BYTES, "{}", own.input.capacity());
                }
                if let Some(GuestAnswer::Response(bytes)) = desk.take_answer() {
                    assert!(bytes.len() <= 30);
                }
            });
        }
    }
}
