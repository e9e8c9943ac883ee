//! The vocabulary of the decisions: what happened, and what has to be done.

use super::options::PoolOptions;
use lacewing_model::{Concurrency, MemoryMib, RevisionId};
use lacewing_sandbox::{Preparation, Rung};
use std::hash::{Hash, Hasher};
use std::num::NonZeroU64;

/// One waiting or running call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// One sandbox, from the decision to start it; never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place(pub u64);

/// A tenant, as the decisions know it: a number for its name among those of one version. While anything is left of
/// the tenant here its number is never another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantNumber(pub NonZeroU64);

/// What sandboxes are kept by: one version and, where it isolates its tenants, one of these. No sandbox ever serves
/// calls of two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// The version's generation.
    pub generation: RevisionId,
    /// One of its tenants; `None` where it serves all alike. A version is always called with tenants, or never.
    pub tenant: Option<TenantNumber>,
}

impl GroupKey {
    /// The version as a whole.
    #[must_use]
    pub fn version(self) -> Self {
        self.generation.into()
    }
}

impl Hash for GroupKey {
    /// One word for both: a warm call looks groups up several times, and a generation is random by itself.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let tenant = self.tenant.map_or(0, |tenant| tenant.0.get());
        state.write_u128(self.generation.as_u128() ^ (u128::from(tenant) << 64));
    }
}

impl From<RevisionId> for GroupKey {
    fn from(generation: RevisionId) -> Self {
        Self { generation, tenant: None }
    }
}

/// What every sandbox of one version is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What one of them holds.
    pub memory: MemoryMib,
    /// What it can be prepared as.
    pub kind: Preparation,
    /// How many calls one of them runs at once.
    pub concurrency: Concurrency,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A call wants a sandbox of a version.
    Arrive {
        /// The call.
        call: CallId,
        /// The version's generation, and for which tenant.
        key: GroupKey,
        /// What its sandboxes are like.
        shape: Shape,
    },
    /// A waiting call is no longer wanted.
    Abandon {
        /// The call.
        call: CallId,
        /// What it waited for.
        key: GroupKey,
    },
    /// A start came to its end, INIT included.
    Started {
        /// Which.
        place: Place,
        /// The rung of the ladder that it took.
        rung: Rung,
    },
    /// A start failed.
    StartFailed(Place),
    /// A run ended; `usable` says whether the sandbox can take another. One that cannot ends, once its other calls
    /// have ended too.
    Done {
        /// Where it ran.
        place: Place,
        /// Whether it can run again.
        usable: bool,
    },
    /// Code or configuration changed, or the function went: its sandboxes take no more calls.
    Retire(RevisionId),
    /// From now on this many sandboxes of the version are kept initialised, whether called or not.
    Provision {
        /// The version's generation.
        generation: RevisionId,
        /// What its sandboxes are like.
        shape: Shape,
        /// How many; 0 ends it.
        count: u32,
    },
    /// Functions of this kind are deployed: calls may come.
    Expect(Preparation),
    /// A reading of the memory that the machine has left, MiB.
    Memory(u64),
    /// Other bounds from now on.
    Options(Box<PoolOptions>),
    /// Time went by.
    Tick,
    /// The node stops: nothing idle is kept, nothing new starts.
    Drain,
}

/// What has to be done. The driver does them in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a sandbox of this version.
    Start {
        /// Its place.
        place: Place,
        /// The version's generation, and the tenant that will have it.
        key: GroupKey,
        /// What for.
        purpose: Purpose,
    },
    /// Let this call run here.
    Give {
        /// The call.
        call: CallId,
        /// The sandbox.
        place: Place,
    },
    /// Turn this call away.
    Refuse {
        /// The call.
        call: CallId,
        /// What is in its way.
        refusal: Refusal,
    },
    /// Tell this call that the start it waited for failed.
    Fail {
        /// The call.
        call: CallId,
        /// The start whose reason it gets.
        place: Place,
    },
    /// Stop the processes of this idle sandbox where they stand; its next run lets them go on.
    Freeze(Place),
    /// End this sandbox.
    End(Place),
    /// Keep this many sandboxes of a kind prepared from now on.
    KeepPrepared {
        /// The kind.
        kind: Preparation,
        /// How many.
        count: usize,
    },
    /// Nothing of this version, or of this tenant of it, is left, nor waited for: what was kept for it can go. A version
    /// outlasts its tenants.
    Forget(GroupKey),
}

/// What a sandbox is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A call waits for it.
    Call,
    /// The rhythm of the function's calls says that one is near.
    Rhythm,
    /// Provisioned concurrency.
    Provisioned,
}

/// Why a call gets no sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The machine's memory or descriptors are taken by sandboxes at work.
    NoRoom,
    /// As many calls wait as may, for this version or in all.
    QueueFull,
    /// It would wait, or has waited, longer than calls may.
    TooLong,
    /// The version has gained as many sandboxes in the last seconds as it may.
    ScalingRate,
    /// The node is stopping.
    Stopping,
}

/// Figures of the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Sandboxes that wait for a call, frozen ones included.
    pub idle: usize,
    /// Those of them whose processes stand still.
    pub frozen: usize,
    /// Those of them, and of the busy ones, that are provisioned.
    pub provisioned: usize,
    /// Sandboxes that run calls.
    pub busy: usize,
    /// Starts under way.
    pub starting: usize,
    /// Calls that wait.
    pub waiting: usize,
    /// What all sandboxes together were given, MiB.
    pub memory_mib: u64,
}

/// How far a version's provisioned concurrency is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Provisioned {
    /// How many were asked for.
    pub requested: u32,
    /// How many are initialised, idle or busy.
    pub available: u32,
    /// How many have been allocated: these, and those being started.
    pub allocated: u32,
    /// Why the newest attempt came to nothing, until one succeeds.
    pub failed: Option<ProvisionFailure>,
}

/// Why provisioned sandboxes are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProvisionFailure {
    /// There is no room for them.
    NoRoom,
    /// Their start failed: the driver's error says more.
    Start,
}
