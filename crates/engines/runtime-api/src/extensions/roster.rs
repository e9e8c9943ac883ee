//! Which extensions there are and what each may do next: pure, without I/O.
//!
//! ```text
//! external: Started ─ registers ─► Registered ─ asks ─► Ready ─ is sent an event ─► Running ─ asks ─► Ready
//! internal:           registers ─► Registered      (each may report an error instead: InitError, ExitError)
//! ```
//!
//! An external extension is a program that the platform has started; its name is that of its file. An internal one
//! lives in the runtime's processes and comes by itself. Source: AWS's open sandbox agent.

use crate::refusal::Refusal;
use std::fmt;
use uuid::Uuid;

/// Extensions of one sandbox, both kinds together. Source: Lambda documentation, "Extensions API".
pub const EXTENSIONS_MAX: usize = 10;

/// Where one stands; the names are those of Lambda's `EXTENSION` log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ExtensionState {
    Started,
    Registered,
    Ready,
    Running,
    InitError,
    ExitError,
    LaunchError,
    Exited,
}

impl fmt::Display for ExtensionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What an extension can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subscription {
    Invoke,
    Shutdown,
}

impl Subscription {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Invoke => "INVOKE",
            Self::Shutdown => "SHUTDOWN",
        }
    }
}

/// One extension.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) external: bool,
    pub(crate) state: ExtensionState,
    pub(crate) events: Vec<Subscription>,
    /// What it said of its own failure.
    pub(crate) error: Option<String>,
}

impl Member {
    pub(crate) fn hears(&self, event: Subscription) -> bool {
        self.events.contains(&event)
    }

    fn refuse(&self, to: ExtensionState) -> Refusal {
        let Self { state, id, .. } = self;
        Refusal::extension(
            "Extension.InvalidExtensionState",
            format!(
                "State transition from {state} to {to} failed for extension {id}. Error: State transition is not allowed"
            ),
        )
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    pub(crate) members: Vec<Member>,
    /// The runtime has asked for its first event: nobody registers any more.
    closed: bool,
}

impl Roster {
    /// Another INIT begins: these programs are about to be started.
    pub(crate) fn expect(&mut self, names: &[String]) {
        let member = |name: &String| Member {
            name: name.clone(),
            id: Uuid::new_v4(),
            external: true,
            state: ExtensionState::Started,
            events: Vec::new(),
            error: None,
        };
        *self = Self { members: names.iter().map(member).collect(), closed: false };
    }

    /// From now on nobody registers.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// An extension registers under `name`. Returns its id.
    ///
    /// # Errors
    /// 403 with the agent's own types and words.
    pub(crate) fn register(&mut self, name: &str, events: &[String]) -> Result<Uuid, Refusal> {
        if name.is_empty() {
            return Err(Refusal::extension("Extension.InvalidExtensionName", "Empty extension name"));
        }
        let external = self.members.iter_mut().find(|member| member.external && member.name == name);
        let wanted = subscriptions(events, external.is_some())?;
        if let Some(member) = external {
            if member.state != ExtensionState::Started {
                return Err(member.refuse(ExtensionState::Registered));
            }
            (member.state, member.events) = (ExtensionState::Registered, wanted);
            return Ok(member.id);
        }
        if self.closed {
            return Err(Refusal::extension("Extension.RegistrationClosed", "Extension registration closed already"));
        }
        if self.members.iter().any(|member| member.name == name) {
            let message = "Extension with this name already registered";
            return Err(Refusal::extension("Extension.InvalidExtensionState", message));
        }
        if self.members.len() >= EXTENSIONS_MAX {
            let message = format!("Extension limit ({EXTENSIONS_MAX}) reached");
            return Err(Refusal::extension("Extension.TooManyExtensions", message));
        }
        let (id, state) = (Uuid::new_v4(), ExtensionState::Registered);
        self.members.push(Member { name: name.to_owned(), id, external: false, state, events: wanted, error: None });
        Ok(id)
    }

    /// It asks for its next event. `again`: the connection on which it asked before is gone. Returns its place.
    ///
    /// # Errors
    /// 403 when there is no such extension, or it may not ask now.
    pub(crate) fn ask(&mut self, id: Uuid, again: bool) -> Result<usize, Refusal> {
        let at = self.place_of(id)?;
        let member = &mut self.members[at];
        match member.state {
            ExtensionState::Registered | ExtensionState::Running => member.state = ExtensionState::Ready,
            ExtensionState::Ready if again => {}
            _ => return Err(member.refuse(ExtensionState::Ready)),
        }
        Ok(at)
    }

    /// It says that it failed: while it began (`InitError`) or later (`ExitError`).
    ///
    /// # Errors
    /// 403 when there is no such extension, or it may not say so now.
    pub(crate) fn fail(&mut self, id: Uuid, state: ExtensionState, kind: &str) -> Result<(), Refusal> {
        let at = self.place_of(id)?;
        let member = &mut self.members[at];
        let may = match (member.state, state) {
            (known, said) if known == said => return Ok(()), // the first word counts
            (ExtensionState::Registered, _) => true,
            (ExtensionState::Ready | ExtensionState::Running, ExtensionState::ExitError) => true,
            _ => false,
        };
        if !may {
            return Err(member.refuse(state));
        }
        (member.state, member.error) = (state, Some(kind.to_owned()));
        Ok(())
    }

    /// Its place in the order of registration; programs come first, as they were started.
    pub(crate) fn place_of(&self, id: Uuid) -> Result<usize, Refusal> {
        // The id of a program that has not registered has been told nobody.
        let known = |member: &Member| member.id == id && member.state != ExtensionState::Started;
        self.members.iter().position(known).ok_or_else(|| {
            Refusal::extension("Extension.UnknownExtensionIdentifier", format!("Unknown extension {id}"))
        })
    }

    /// The program at this place has ended, or could not be started.
    pub(crate) fn gone(&mut self, at: usize, state: ExtensionState) {
        if let Some(member) = self.members.get_mut(at)
            && !matches!(member.state, ExtensionState::InitError | ExtensionState::ExitError)
        {
            member.state = state;
        }
    }

    /// Whether every program has registered.
    pub(crate) fn all_registered(&self) -> bool {
        self.members.iter().all(|member| member.state != ExtensionState::Started)
    }

    /// Whether each of them waits for an event: INIT, or an invocation, is over for them.
    pub(crate) fn all_ready(&self) -> bool {
        self.members.iter().all(|member| member.state == ExtensionState::Ready)
    }

    /// Whose own word it is that it failed.
    pub(crate) fn failed(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.error.is_some())
    }
}

fn subscriptions(events: &[String], external: bool) -> Result<Vec<Subscription>, Refusal> {
    let mut wanted = Vec::new();
    for event in events {
        let (known, fault) = match event.as_str() {
            "INVOKE" => (Some(Subscription::Invoke), ""),
            "SHUTDOWN" if external => (Some(Subscription::Shutdown), ""),
            "SHUTDOWN" => (None, "ShutdownEventNotSupportedForInternalExtension"),
            _ => (None, "ErrorInvalidEventType"),
        };
        let Some(known) = known else {
            return Err(Refusal::extension("Extension.InvalidEventType", format!("{event}: {fault}")));
        };
        if !wanted.contains(&known) {
            wanted.push(known);
        }
    }
    Ok(wanted)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn roster(names: &[&str]) -> Roster {
        let mut roster = Roster::default();
        roster.expect(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        roster
    }

    fn events(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn an_extension_goes_round() {
        let mut roster = roster(&["watch"]);
        assert!(!roster.all_registered());
        let id = roster.register("watch", &events(&["INVOKE", "SHUTDOWN", "INVOKE"])).unwrap();
        assert_eq!(roster.members[0].events, [Subscription::Invoke, Subscription::Shutdown]);
        assert!(roster.all_registered() && !roster.all_ready());
        roster.ask(id, false).unwrap();
        assert!(roster.all_ready());
        roster.members[0].state = ExtensionState::Running;
        assert!(!roster.all_ready());
        roster.ask(id, false).unwrap();
        assert!(roster.all_ready());
    }

    #[test]
    fn each_step_out_of_turn_is_refused_with_its_type() {
        let mut full = roster(&["a"]);
        for name in 1..EXTENSIONS_MAX {
            full.register(&format!("internal-{name}"), &[]).unwrap();
        }
        let mut closed = roster(&["late"]);
        closed.close();
        let mut known = roster(&["a", "silent"]);
        let id = known.register("a", &[]).unwrap();
        known.register("b", &[]).unwrap();
        known.ask(id, false).unwrap();
        let silent = known.members[1].id;
        for (why, refused, kind) in [
            ("no name", known.register("", &[]), "Extension.InvalidExtensionName"),
            ("twice", known.register("a", &[]), "Extension.InvalidExtensionState"),
            ("an internal one twice", known.register("b", &[]), "Extension.InvalidExtensionState"),
            ("no such event", known.register("c", &events(&["RESTORE"])), "Extension.InvalidEventType"),
            ("not for internal ones", known.register("c", &events(&["SHUTDOWN"])), "Extension.InvalidEventType"),
            ("too many", full.register("one-more", &[]), "Extension.TooManyExtensions"),
            ("after INIT", closed.register("internal", &[]), "Extension.RegistrationClosed"),
            ("asks twice", known.ask(id, false).map(|_| id), "Extension.InvalidExtensionState"),
            ("unknown", known.ask(Uuid::nil(), false).map(|_| id), "Extension.UnknownExtensionIdentifier"),
            ("a guess", known.ask(silent, false).map(|_| id), "Extension.UnknownExtensionIdentifier"),
            (
                "an INIT error after INIT",
                known.fail(id, ExtensionState::InitError, "X").map(|()| id),
                "Extension.InvalidExtensionState",
            ),
        ] {
            let refusal = refused.unwrap_err();
            assert_eq!((refusal.status, refusal.kind), (403, kind), "{why}");
        }
    }

    #[test]
    fn the_first_word_of_a_failure_counts() {
        let mut roster = roster(&["a"]);
        let id = roster.register("a", &[]).unwrap();
        roster.fail(id, ExtensionState::InitError, "Extension.NoKey").unwrap();
        roster.fail(id, ExtensionState::InitError, "Extension.Other").unwrap();
        roster.gone(0, ExtensionState::Exited);
        let failed = roster.failed().unwrap();
        assert_eq!((failed.state, failed.error.as_deref()), (ExtensionState::InitError, Some("Extension.NoKey")));
    }

    #[test]
    fn who_lost_its_connection_may_ask_again() {
        let mut roster = roster(&["a"]);
        let id = roster.register("a", &[]).unwrap();
        roster.ask(id, false).unwrap();
        assert!(roster.ask(id, true).is_ok());
    }
}
