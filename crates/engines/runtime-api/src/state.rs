//! What the runtime in a sandbox may do next: pure, without I/O.
//!
//! ```text
//! Starting ─ asks ─► Asked ─ is handed an event ─► Busy(id) ─ begins its answer ─► Answering(id) ─► Answered(id)
//!    │                 ▲  ▲                          ▲                                │ cut short        │
//!    │                 │  └── withdraws: Starting or Answered, where it came from     │                  │
//!    │                 └──────────────────────────── asks ◄───────────────────────────┼──────────────────┘
//!    └─ reports a failed INIT ─► InitFailed          └────────────────────────────────┘
//! ```

use crate::refusal::Refusal;
use lacewing_model::RequestId;

/// Where the runtime stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    /// Its process was started; it has asked for nothing yet.
    #[default]
    Starting,
    /// It reported that its INIT failed. It is expected to exit.
    InitFailed,
    /// It waits for an event. `after` is the invocation it answered last.
    Asked { after: Option<RequestId> },
    /// It works on this invocation.
    Busy(RequestId),
    /// The bytes of its answer are arriving.
    Answering(RequestId),
    /// It has answered and not asked again.
    Answered(RequestId),
}

impl Phase {
    /// The name of the state in refusals.
    fn name(self) -> &'static str {
        match self {
            Self::Starting => "RuntimeStarted",
            Self::InitFailed => "RuntimeInitError",
            Self::Asked { .. } => "RuntimeReady",
            Self::Busy(_) => "RuntimeRunning",
            Self::Answering(_) => "RuntimeInvocationResponse",
            Self::Answered(_) => "RuntimeResponseSent",
        }
    }

    fn refuse(self, to: &str) -> Refusal {
        Refusal::state(self.name(), to)
    }

    /// The runtime asks for an event (`/next`).
    ///
    /// # Errors
    /// 403 while it waits already, works on one, or after a failed INIT.
    pub(crate) fn ask(self) -> Result<Self, Refusal> {
        match self {
            Self::Starting => Ok(Self::Asked { after: None }),
            Self::Answered(id) => Ok(Self::Asked { after: Some(id) }),
            _ => Err(self.refuse("RuntimeReady")),
        }
    }

    /// The connection on which it asked is gone: as if it had not.
    pub(crate) fn withdraw(self) -> Self {
        match self {
            Self::Asked { after: Some(id) } => Self::Answered(id),
            Self::Asked { after: None } => Self::Starting,
            other => other,
        }
    }

    /// It is handed the event that it asked for. In any other state nothing changes: the event waits.
    pub(crate) fn hand_over(self, id: RequestId) -> Self {
        if matches!(self, Self::Asked { .. }) { Self::Busy(id) } else { self }
    }

    /// The event that it was handed did not reach it: as if it had not asked.
    pub(crate) fn give_back(self, id: RequestId) -> Self {
        if self == Self::Busy(id) { Self::Starting } else { self }
    }

    /// It begins to send the answer of an invocation (`/response`, `/error`). One at a time, so no more
    /// than one answer is ever held for a sandbox.
    ///
    /// # Errors
    /// 400 when `id` is not the open invocation's, 403 when that one is being or has been answered.
    pub(crate) fn begin_answer(self, id: Option<RequestId>, to: &str) -> Result<Self, Refusal> {
        match (self, id) {
            (Self::Busy(open), Some(id)) if open == id => Ok(Self::Answering(open)),
            (Self::Answering(open) | Self::Answered(open) | Self::Asked { after: Some(open) }, Some(id))
                if open == id =>
            {
                Err(self.refuse(to))
            }
            (Self::InitFailed, _) => Err(self.refuse(to)),
            _ => Err(Refusal::request_id()),
        }
    }

    /// Whether an answer is arriving.
    pub(crate) fn is_answering(self) -> bool {
        matches!(self, Self::Answering(_))
    }

    /// The answer is complete.
    pub(crate) fn end_answer(self) -> Self {
        if let Self::Answering(id) = self { Self::Answered(id) } else { self }
    }

    /// The answer was cut short: the invocation is open again.
    pub(crate) fn drop_answer(self) -> Self {
        if let Self::Answering(id) = self { Self::Busy(id) } else { self }
    }

    /// It reports that its INIT failed.
    ///
    /// # Errors
    /// 403 once it has asked for work or has reported it before.
    pub(crate) fn fail_init(self) -> Result<Self, Refusal> {
        match self {
            Self::Starting => Ok(Self::InitFailed),
            _ => Err(self.refuse("RuntimeInitError")),
        }
    }

    /// It asks to be told of the restore.
    ///
    /// # Errors
    /// 403 outside of INIT.
    pub(crate) fn restore(self) -> Result<(), Refusal> {
        match self {
            Self::Starting => Ok(()),
            _ => Err(self.refuse("RuntimeRestoreReady")),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_goes_round() {
        let (one, two) = (RequestId::random(), RequestId::random());
        let mut phase = Phase::Starting;
        for id in [one, two] {
            phase = phase.ask().unwrap().hand_over(id);
            assert_eq!(phase, Phase::Busy(id));
            phase = phase.begin_answer(Some(id), "x").unwrap().end_answer();
            assert_eq!(phase, Phase::Answered(id));
        }
    }

    #[test]
    fn each_step_out_of_turn_is_refused_with_its_reason() {
        let (id, other) = (RequestId::random(), RequestId::random());
        let asked = Phase::Asked { after: Some(id) };
        for (why, refusal, status, kind) in [
            ("asks twice", asked.ask().unwrap_err(), 403, "InvalidStateTransition"),
            ("asks while it works", Phase::Busy(id).ask().unwrap_err(), 403, "InvalidStateTransition"),
            ("asks after a failed INIT", Phase::InitFailed.ask().unwrap_err(), 403, "InvalidStateTransition"),
            ("a forged id", Phase::Busy(id).begin_answer(Some(other), "x").unwrap_err(), 400, "InvalidRequestID"),
            ("no id at all", Phase::Busy(id).begin_answer(None, "x").unwrap_err(), 400, "InvalidRequestID"),
            (
                "an answer before any event",
                Phase::Starting.begin_answer(Some(id), "x").unwrap_err(),
                400,
                "InvalidRequestID",
            ),
            (
                "two answers at once",
                Phase::Answering(id).begin_answer(Some(id), "x").unwrap_err(),
                403,
                "InvalidStateTransition",
            ),
            (
                "a second answer",
                Phase::Answered(id).begin_answer(Some(id), "x").unwrap_err(),
                403,
                "InvalidStateTransition",
            ),
            ("a second answer, late", asked.begin_answer(Some(id), "x").unwrap_err(), 403, "InvalidStateTransition"),
            ("a second init error", Phase::InitFailed.fail_init().unwrap_err(), 403, "InvalidStateTransition"),
            ("an init error after INIT", Phase::Busy(id).fail_init().unwrap_err(), 403, "InvalidStateTransition"),
            ("a restore after INIT", Phase::Busy(id).restore().unwrap_err(), 403, "InvalidStateTransition"),
        ] {
            assert_eq!((refusal.status, refusal.kind), (status, kind), "{why}");
        }
    }

    #[test]
    fn a_refusal_names_both_states() {
        let text = Phase::InitFailed.ask().unwrap_err().message;
        assert!(text.contains("RuntimeInitError") && text.contains("RuntimeReady"), "{text}");
    }

    #[test]
    fn an_answer_cut_short_leaves_the_invocation_open() {
        let id = RequestId::random();
        let phase = Phase::Busy(id).begin_answer(Some(id), "x").unwrap().drop_answer();
        assert_eq!(phase, Phase::Busy(id));
    }

    #[test]
    fn who_withdraws_may_ask_again() {
        let id = RequestId::random();
        assert_eq!(Phase::Starting.ask().unwrap().withdraw(), Phase::Starting);
        assert_eq!(Phase::Answered(id).ask().unwrap().withdraw(), Phase::Answered(id));
        assert_eq!(Phase::Busy(id).withdraw(), Phase::Busy(id));
        assert_eq!(Phase::Busy(id).give_back(id), Phase::Starting);
        assert_eq!(Phase::Busy(id).give_back(RequestId::random()), Phase::Busy(id));
    }
}
