//! A streamed answer on our bootstraps' stream: its chunks, on their way to the caller or thrown away.

use crate::answer::GuestAnswer;
use crate::chunks::{Chunks, Step};
use crate::desk::{AnswerTicket, Desk};
use crate::door::DoorOptions;
use crate::intake::Intake;
use crate::parse::Head;
use crate::refusal::Refusal;
use bytes::BytesMut;

/// One streamed body, from its head to its last chunk.
pub(crate) struct Flow {
    chunks: Chunks,
    end: End,
}

/// What becomes of the body.
enum End {
    /// It is an answer. The ticket of this generation was put away.
    Answer { generation: u64, intake: Intake },
    /// Its last chunk has come; what it holds back goes out, then it is settled.
    Last { generation: u64, intake: Intake, answer: GuestAnswer },
    /// It is thrown away, and refused when it has ended.
    Refusal(Refusal),
}

impl Flow {
    pub(crate) fn answer(mut ticket: AnswerTicket<'_>, head: &Head, options: &DoorOptions) -> Self {
        let intake = Intake::new(ticket.stream(), head.content_type.as_deref(), options);
        Self { chunks: Chunks::default(), end: End::Answer { generation: ticket.put_away(), intake } }
    }

    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self { chunks: Chunks::default(), end: End::Refusal(refusal) }
    }

    /// Takes in what `input` holds of the body. `None`: more must come. Otherwise the body has ended, well or with a
    /// refusal.
    ///
    /// # Errors
    /// The stream cannot be followed any further.
    ///
    /// # Cancel safety
    /// Complete.
    pub(crate) async fn pour(
        &mut self,
        input: &mut BytesMut,
        desk: &Desk,
        options: &DoorOptions,
    ) -> Result<Option<Result<(), Refusal>>, Refusal> {
        loop {
            if let End::Answer { intake, .. } | End::Last { intake, .. } = &mut self.end {
                intake.pass().await;
            }
            if let End::Last { generation, answer, .. } = &self.end {
                desk.take_up(*generation).settle(answer.clone());
                return Ok(Some(Ok(())));
            }
            match self.chunks.step(input, options.request_header_bytes_max)? {
                Step::More => return Ok(None),
                Step::Piece(piece) => {
                    if let End::Answer { generation, intake } = &mut self.end
                        && let Err(answer) = intake.take(piece)
                    {
                        desk.take_up(*generation).settle(answer);
                        self.end = End::Refusal(Refusal::too_large(intake.bytes_max));
                    }
                }
                Step::End(trailers) => match std::mem::replace(&mut self.end, End::Refusal(Refusal::truncated())) {
                    End::Answer { generation, mut intake } => {
                        let answer = intake.end(&trailers);
                        self.end = End::Last { generation, intake, answer };
                    }
                    End::Refusal(refusal) => return Ok(Some(Err(refusal))),
                    last @ End::Last { .. } => self.end = last,
                },
            }
        }
    }

    /// Its connection has ended before it.
    pub(crate) fn break_off(self, desk: &Desk) {
        if let End::Answer { generation, .. } | End::Last { generation, .. } = self.end {
            drop(desk.take_up(generation));
        }
    }
}
