//! A function's states.
//!
//! ```text
//! Creating -prepared-> Active        Updating: Active stays, the update ends Successful or Failed
//!    ├------failed---> Failed
//!    └-source lost---> Inactive
//! ```
//!
//! An Active function becomes Creating again where its code is not on this disk any more and has to be fetched.

/// Where a function stands. Source: "Lambda function states".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// Its code is being prepared; the API says Pending.
    Creating,
    /// It can be invoked.
    Active {
        /// How the newest change of code or configuration went.
        update: UpdateStatus,
    },
    /// Preparing it failed: it cannot be invoked.
    Failed(FailReason),
    /// Its code is kept elsewhere and cannot be had from there: it cannot be invoked until that is mended.
    /// Source: Lambda developer guide, "Self-managed S3 code storage".
    Inactive(FailReason),
}

/// The API's `LastUpdateStatus`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateStatus {
    /// The newest code and configuration are in force.
    Successful,
    /// They are being prepared; the former ones still serve.
    InProgress,
    /// They could not be prepared; the former ones still serve.
    Failed(FailReason),
}

/// Why a preparation failed: AWS's code (`StateReasonCode`) and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailReason {
    /// For example `InvalidZipFileException` or `InternalError`.
    pub code: String,
    /// For people; ends in what to do.
    pub message: String,
}

/// What can happen to a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LifecycleEvent {
    /// Its newest code lies ready.
    Prepared,
    /// Its newest code could not be made ready.
    PrepareFailed(FailReason),
    /// Its newest code could not be had from where it is kept.
    SourceLost(FailReason),
    /// Its code, which was ready, is to be fetched again.
    Fetching,
    /// New code or configuration was given.
    Changed,
}

/// `event` cannot happen in `state`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot happen in {state:?}")]
pub struct Denied {
    /// The state, unchanged.
    pub state: Lifecycle,
    /// What was asked.
    pub event: LifecycleEvent,
}

impl Lifecycle {
    /// True while newest code and configuration are being made ready.
    #[must_use]
    pub fn is_in_progress(&self) -> bool {
        matches!(self, Self::Creating | Self::Active { update: UpdateStatus::InProgress })
    }

    /// The one way to change state. The catalog stores the result, then acts on it.
    ///
    /// # Errors
    /// [`Denied`] when `event` cannot happen in this state.
    pub fn after(self, event: LifecycleEvent) -> Result<Self, Denied> {
        use LifecycleEvent::{Changed, Fetching, PrepareFailed, Prepared, SourceLost};
        use UpdateStatus::{Failed, InProgress, Successful};
        match (self, event) {
            (Self::Creating, Prepared) => Ok(Self::Active { update: Successful }),
            (Self::Creating, PrepareFailed(reason)) => Ok(Self::Failed(reason)),
            (Self::Creating, SourceLost(reason)) => Ok(Self::Inactive(reason)),
            (Self::Active { update: InProgress }, Prepared) => Ok(Self::Active { update: Successful }),
            (Self::Active { update: InProgress }, PrepareFailed(reason) | SourceLost(reason)) => {
                Ok(Self::Active { update: Failed(reason) })
            }
            (Self::Active { update: Successful | Failed(_) }, Changed) => Ok(Self::Active { update: InProgress }),
            // New code may mend a function whose first code was broken.
            (Self::Failed(_) | Self::Inactive(_), Changed) => Ok(Self::Creating),
            (Self::Active { update: Successful | Failed(_) } | Self::Inactive(_), Fetching) => Ok(Self::Creating),
            (state, event) => Err(Denied { state, event }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_function_walks_its_states() {
        let active = Lifecycle::Creating.after(LifecycleEvent::Prepared).unwrap();
        assert_eq!(active, Lifecycle::Active { update: UpdateStatus::Successful });
        let updating = active.after(LifecycleEvent::Changed).unwrap();
        assert!(updating.clone().after(LifecycleEvent::Changed).is_err(), "one update at a time");
        assert_eq!(
            updating.after(LifecycleEvent::Prepared).unwrap(),
            Lifecycle::Active { update: UpdateStatus::Successful }
        );
        assert!(Lifecycle::Creating.after(LifecycleEvent::Changed).is_err());
    }

    #[test]
    fn a_function_whose_code_is_lost_elsewhere_waits_for_it_or_for_a_change() {
        let reason = || FailReason { code: "DependencyError".into(), message: "m".into() };
        let lost = Lifecycle::Creating.after(LifecycleEvent::SourceLost(reason())).unwrap();
        assert_eq!(lost, Lifecycle::Inactive(reason()));
        for event in [LifecycleEvent::Changed, LifecycleEvent::Fetching] {
            assert_eq!(lost.clone().after(event).unwrap(), Lifecycle::Creating);
        }
        let updating = Lifecycle::Active { update: UpdateStatus::InProgress };
        let after = updating.after(LifecycleEvent::SourceLost(reason())).unwrap();
        assert_eq!(after, Lifecycle::Active { update: UpdateStatus::Failed(reason()) }, "the former code still serves");
    }
}
