//! Extensions: programs and threads beside the runtime that are told of each invocation and of the end.
//!
//! ```text
//!  driver: expect ► registered() ► ready() ─ INIT is over ─ invoke ► done() … shut_down
//!                                   ▲                                  ▲
//!  guest:  POST register ───────────┘   GET event/next ────────────────┘   POST init/error, exit/error
//! ```
//!
//! A sandbox that has none pays for one look at a flag.

mod calls;
mod event;
mod roster;

pub(crate) use calls::{ExtensionCall, answer, identifier, read};
pub use roster::{EXTENSIONS_MAX, ExtensionState};

use crate::desk::EventResponse;
use crate::refusal::Refusal;
use lacewing_model::Timestamp;
use lacewing_sandbox::Work;
use roster::{Member, Roster, Subscription};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

/// What extensions are told of their function when they register.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Subject {
    pub function_name: String,
    pub function_version: String,
    pub handler: String,
    pub account: String,
}

/// Why a sandbox ends, as its extensions are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownReason {
    /// It is not needed any more.
    Spindown,
    /// An invocation ran out of time.
    Timeout,
    /// The runtime or an extension ended or failed.
    Failure,
}

impl ShutdownReason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Spindown => "spindown",
            Self::Timeout => "timeout",
            Self::Failure => "failure",
        }
    }
}

/// One extension, for the platform's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionInfo {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: ExtensionState,
    /// The events that it hears.
    pub events: Vec<&'static str>,
    /// What it said of its failure.
    pub error: Option<String>,
}

/// The extensions of one sandbox: a cheap handle.
#[derive(Clone, Default)]
pub struct Extensions(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    /// Whether there are any: all that a call of a function without extensions asks.
    any: AtomicBool,
    news: Notify,
    subject: Mutex<Subject>,
}

#[derive(Default)]
struct State {
    roster: Roster,
    /// For each member: who waits for its next event.
    waiting: Vec<Waiting>,
}

/// The way to one extension.
#[derive(Default)]
struct Waiting {
    asker: Option<oneshot::Sender<EventResponse>>,
    /// An event that it has not asked for yet.
    event: Option<EventResponse>,
}

impl Extensions {
    /// Says what they are told of their function.
    pub fn describe(&self, subject: Subject) {
        *self.0.subject.lock().unwrap_or_else(PoisonError::into_inner) = subject;
    }

    /// An INIT begins: these programs, by name, are about to be started. All earlier ones are forgotten.
    pub fn expect(&self, names: &[String]) {
        let mut state = self.lock();
        state.roster.expect(names);
        state.waiting = names.iter().map(|_| Waiting::default()).collect();
        self.0.any.store(!names.is_empty(), Ordering::Release);
    }

    /// Whether there are any.
    #[must_use]
    pub fn any(&self) -> bool {
        self.0.any.load(Ordering::Acquire)
    }

    /// Whether there are any that are programs of their own.
    #[must_use]
    pub fn any_external(&self) -> bool {
        self.any() && self.lock().roster.members.iter().any(|member| member.external)
    }

    /// Nobody registers any more: the runtime has asked for its first event.
    pub fn close(&self) {
        self.lock().roster.close();
    }

    /// Resolves when every program has registered.
    ///
    /// # Cancel safety
    /// Complete, as of all that wait here.
    pub async fn registered(&self) {
        self.until(Roster::all_registered).await;
    }

    /// Resolves when each of them waits for its next event.
    pub async fn ready(&self) {
        if self.any() {
            self.until(Roster::all_ready).await;
        }
    }

    /// Whether each of them waits for its next event.
    #[must_use]
    pub fn are_ready(&self) -> bool {
        !self.any() || self.lock().roster.all_ready()
    }

    /// Resolves when one of them has said that it failed: with what kind of error.
    pub async fn failed(&self) -> &'static str {
        self.until(|roster| roster.failed().is_some()).await;
        self.failure_of(None)
    }

    /// The kind of error that a sandbox ends with whose program at `place` has ended.
    #[must_use]
    pub fn failure_of(&self, place: Option<usize>) -> &'static str {
        let state = self.lock();
        let member = match place {
            Some(place) => state.roster.members.get(place),
            None => state.roster.failed(),
        };
        match member.map(|member| member.state) {
            Some(ExtensionState::InitError) => "Extension.InitError",
            Some(ExtensionState::ExitError) => "Extension.ExitError",
            Some(ExtensionState::LaunchError) => "Extension.LaunchError",
            _ => "Extension.Crash",
        }
    }

    /// The program at this place has ended or could not be started.
    pub fn gone(&self, place: usize, state: ExtensionState) {
        self.lock().roster.gone(place, state);
        self.0.news.notify_waiters();
    }

    /// Tells those that want to know of an invocation.
    pub fn invoke(&self, work: &Work) {
        if self.any() {
            self.tell(Subscription::Invoke, |_| true, || event::invoke(work));
        }
    }

    /// Tells the programs that want to know of the end. Returns the places of those that were told.
    pub fn shut_down(&self, reason: ShutdownReason, deadline: Timestamp) -> Vec<usize> {
        self.tell(Subscription::Shutdown, |member| member.external, || event::shutdown(reason, deadline))
    }

    /// All of them, in the order of their registration.
    #[must_use]
    pub fn list(&self) -> Vec<ExtensionInfo> {
        let describe = |member: &Member| ExtensionInfo {
            name: member.name.clone(),
            state: member.state,
            events: member.events.iter().map(|event| event.as_str()).collect(),
            error: member.error.clone(),
        };
        self.lock().roster.members.iter().map(describe).collect()
    }

    fn tell(
        &self,
        what: Subscription,
        whom: impl Fn(&Member) -> bool,
        event: impl Fn() -> EventResponse,
    ) -> Vec<usize> {
        let mut state = self.lock();
        let State { roster, waiting } = &mut *state;
        let mut told = Vec::new();
        for (at, (member, waiting)) in roster.members.iter_mut().zip(waiting).enumerate() {
            if !member.hears(what) || !whom(member) || member.error.is_some() {
                continue;
            }
            told.push(at);
            let heard = match waiting.asker.take() {
                Some(asker) => asker.send(event()).is_ok(),
                None => false,
            };
            if !heard {
                // It works, or its connection closed between: it may ask for it.
                waiting.event = Some(event());
            }
            if member.state == ExtensionState::Ready {
                member.state = ExtensionState::Running;
            }
        }
        told
    }

    /// The name of the one with this id.
    ///
    /// # Errors
    /// 403 when there is none.
    pub(crate) fn name_of(&self, id: Uuid) -> Result<String, Refusal> {
        let state = self.lock();
        let at = state.roster.place_of(id)?;
        Ok(state.roster.members[at].name.clone())
    }

    fn register(&self, name: &str, events: &[String]) -> Result<(Uuid, Subject), Refusal> {
        let mut state = self.lock();
        let id = state.roster.register(name, events)?;
        let members = state.roster.members.len();
        state.waiting.resize_with(members, Waiting::default);
        self.0.any.store(true, Ordering::Release);
        drop(state);
        self.0.news.notify_waiters();
        Ok((id, self.0.subject.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }

    fn ask(&self, id: Uuid) -> Result<oneshot::Receiver<EventResponse>, Refusal> {
        let (sender, event) = oneshot::channel();
        let mut state = self.lock();
        let State { roster, waiting } = &mut *state;
        let at = roster.place_of(id)?;
        let way = &mut waiting[at];
        let again = way.asker.as_ref().is_some_and(oneshot::Sender::is_closed) || way.event.is_some();
        roster.ask(id, again)?;
        match way.event.take() {
            Some(waited) => {
                roster.members[at].state = ExtensionState::Running;
                // The receiver is alive: it is returned below.
                let _ = sender.send(waited);
            }
            None => way.asker = Some(sender),
        }
        drop(state);
        self.0.news.notify_waiters();
        Ok(event)
    }

    fn fail(&self, id: Uuid, state: ExtensionState, kind: &str) -> Result<(), Refusal> {
        self.lock().roster.fail(id, state, kind)?;
        self.0.news.notify_waiters();
        Ok(())
    }

    async fn until(&self, reached: impl Fn(&Roster) -> bool) {
        loop {
            let news = self.0.news.notified();
            if reached(&self.lock().roster) {
                return;
            }
            news.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No step can be left half done.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::event::tests::work;

    fn one(name: &str, events: &[&str]) -> (Extensions, Uuid) {
        let all = Extensions::default();
        all.expect(&[name.to_owned()]);
        let events: Vec<_> = events.iter().map(|event| (*event).to_owned()).collect();
        let (id, _) = all.register(name, &events).unwrap();
        (all, id)
    }

    #[tokio::test]
    async fn init_and_invocation_are_over_when_each_has_asked() {
        let (all, id) = one("a", &["INVOKE"]);
        all.registered().await;
        assert!(!all.are_ready());
        let mut event = all.ask(id).unwrap();
        all.ready().await;
        all.invoke(&work(b"1"));
        assert!(event.try_recv().is_ok() && !all.are_ready());
        let _next = all.ask(id).unwrap();
        all.ready().await;
    }

    #[test]
    fn who_does_not_want_to_know_is_not_told_and_not_waited_for() {
        let (all, id) = one("a", &["SHUTDOWN"]);
        let mut event = all.ask(id).unwrap();
        all.invoke(&work(b"1"));
        assert!(event.try_recv().is_err() && all.are_ready());
        assert_eq!(all.shut_down(ShutdownReason::Spindown, Timestamp(1)), [0]);
        assert!(event.try_recv().is_ok());
    }

    #[test]
    fn an_event_waits_for_one_that_works_or_lost_its_connection() {
        let (all, id) = one("a", &["INVOKE", "SHUTDOWN"]);
        let first = all.ask(id).unwrap();
        drop(first);
        all.invoke(&work(b"1"));
        assert!(all.ask(id).unwrap().try_recv().is_ok(), "asked again");
        all.shut_down(ShutdownReason::Failure, Timestamp(1));
        assert!(all.ask(id).unwrap().try_recv().is_ok(), "asked after its work");
    }

    #[test]
    fn without_extensions_everything_is_ready() {
        let all = Extensions::default();
        all.expect(&[]);
        assert!(all.are_ready() && !all.any() && !all.any_external());
        assert!(all.shut_down(ShutdownReason::Spindown, Timestamp(1)).is_empty());
    }

    #[test]
    fn what_ends_a_sandbox_has_its_kind() {
        let (all, id) = one("a", &[]);
        assert_eq!(all.failure_of(Some(0)), "Extension.Crash");
        all.fail(id, ExtensionState::ExitError, "x").unwrap();
        all.gone(0, ExtensionState::Exited);
        assert_eq!((all.failure_of(Some(0)), all.failure_of(None)), ("Extension.ExitError", "Extension.ExitError"));
    }
}
