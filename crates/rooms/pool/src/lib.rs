//! Live sandboxes and the places left for more; their one owner.
//!
//! [`decide`](PoolState) says what to do, [`Pool`] does it: it starts sandboxes through the driver, lends
//! them as [`Lease`]s, and ends them. The state is a monitor, not a task: a warm lease is one short lock
//! and no hop to another thread (measured: a mailbox task adds two wake-ups, 10 to 20 us a call).

mod decide;
mod lease;
mod pool;

pub use decide::{
    Action, CallId, Census, Cost, Event, GroupKey, HistoryLimits, KeepAlive, Place, PoolOptions, PoolState,
    ProvisionFailure, Provisioned, Purpose, Rate, Record, Refusal, Shape, StockOptions, TenantNumber, WaitingLimits,
    What, Why,
};
pub use lease::{Lease, Story};
pub use pool::{Pool, PoolError, ProvisionStatus, Recipe};
