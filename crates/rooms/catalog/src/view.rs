//! What the catalog shows of a function: to the gateway for replies, to the corridor for running it.

use lacewing_artifact::CodeDir;
use lacewing_model::{AccountId, FunctionArn, FunctionName, Lifecycle, Qualifier, Region, UpdateStatus, Version};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whose functions, and where: names are unique within it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
}

impl Scope {
    pub(crate) fn of(version: &Version) -> Self {
        Self { account: version.account.clone(), region: version.region.clone() }
    }

    /// The ARN of a function, of any name, in it.
    #[must_use]
    pub fn arn(&self, name: &FunctionName, qualifier: Option<&Qualifier>) -> FunctionArn {
        FunctionArn {
            region: self.region.clone(),
            account: self.account.clone(),
            name: name.clone(),
            qualifier: qualifier.cloned(),
        }
    }
}

/// A version of a function as replies show it: of `$LATEST` the newest configuration, even while the former one
/// still serves.
#[derive(Clone, Debug)]
pub struct FunctionView {
    /// Configuration, code, revision, last modified.
    pub version: Arc<Version>,
    /// Where it stands.
    pub lifecycle: Lifecycle,
    /// The user's tags.
    pub tags: Arc<BTreeMap<String, String>>,
    /// The function's reserved concurrency.
    pub reserved: Option<u32>,
    /// Whether the version starts from a snapshot.
    pub snapshot: Snapshot,
}

/// How far a version's snapshot is. It is of this process: each start of the server takes it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Snapshot {
    /// None is wanted, or it is not there yet.
    #[default]
    None,
    /// Starts take it.
    Taken,
    /// There is none, for this reason: the version starts as others do.
    Refused(Arc<str>),
}

/// A state's reason: AWS's code and a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason<'a> {
    /// For example `Creating`.
    pub code: &'a str,
    /// For people.
    pub text: &'a str,
}

/// AWS gives it for a new function and for an update alike.
const CREATING: Reason<'static> = Reason { code: "Creating", text: "The function is being created." };

impl FunctionView {
    /// The API's `State`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        state_word(&self.lifecycle)
    }

    /// The API's `StateReason` and `StateReasonCode`.
    #[must_use]
    pub fn state_reason(&self) -> Option<Reason<'_>> {
        match &self.lifecycle {
            Lifecycle::Creating => Some(CREATING),
            Lifecycle::Active { .. } => None,
            Lifecycle::Failed(reason) | Lifecycle::Inactive(reason) => {
                Some(Reason { code: &reason.code, text: &reason.message })
            }
        }
    }

    /// The API's `LastUpdateStatus`: absent until the function was first active.
    #[must_use]
    pub fn update_status(&self) -> Option<&'static str> {
        match &self.lifecycle {
            Lifecycle::Active { update: UpdateStatus::Successful } => Some("Successful"),
            Lifecycle::Active { update: UpdateStatus::InProgress } => Some("InProgress"),
            Lifecycle::Active { update: UpdateStatus::Failed(_) } => Some("Failed"),
            Lifecycle::Creating | Lifecycle::Failed(_) | Lifecycle::Inactive(_) => None,
        }
    }

    /// The API's `LastUpdateStatusReason` and `LastUpdateStatusReasonCode`.
    #[must_use]
    pub fn update_reason(&self) -> Option<Reason<'_>> {
        match &self.lifecycle {
            Lifecycle::Active { update: UpdateStatus::InProgress } => Some(CREATING),
            Lifecycle::Active { update: UpdateStatus::Failed(reason) } => {
                Some(Reason { code: &reason.code, text: &reason.message })
            }
            _ => None,
        }
    }
}

pub(crate) fn state_word(lifecycle: &Lifecycle) -> &'static str {
    match lifecycle {
        Lifecycle::Creating => "Pending",
        Lifecycle::Active { .. } => "Active",
        Lifecycle::Failed(_) => "Failed",
        Lifecycle::Inactive(_) => "Inactive",
    }
}

/// One page of a listing, in its order.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// True when there is more: ask again after the last item.
    pub more: bool,
}

/// What all functions of an account in a region add up to; for `GetAccountSettings`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many there are.
    pub functions: u64,
    /// Their packages together, bytes.
    pub code_bytes: u64,
}

/// What a call runs: a version, and its code held on the disk for as long as this value lives.
#[derive(Clone, Debug)]
pub struct Runnable {
    /// The version, with its generation.
    pub version: Arc<Version>,
    /// The unpacked package. Keep it as long as a sandbox may read it: the tree is removed after the last one.
    pub code: CodeDir,
    /// Its layers, merged; held likewise.
    pub layers: Option<CodeDir>,
    /// The function's reserved concurrency: what all its versions together may have in flight.
    pub reserved: Option<u32>,
}
