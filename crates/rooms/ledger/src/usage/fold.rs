//! Hourly sums: whole numbers only, so that the order of adding never matters.

use super::{UsageOutcome, UsageRecord};
use lacewing_model::{AccountId, Architecture, FunctionName, Region, Timestamp};
use lacewing_sandbox::Rung;
use std::collections::HashMap;

/// What sums are kept by, next to the hour.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct FunctionKey {
    pub account: AccountId,
    pub region: Region,
    pub function: FunctionName,
    pub architecture: Architecture,
}

impl FunctionKey {
    pub(crate) fn of(record: &UsageRecord) -> Self {
        Self {
            account: record.account.clone(),
            region: record.region.clone(),
            function: record.function.clone(),
            architecture: record.architecture,
        }
    }
}

/// Exact sums of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Attempts started.
    pub requests: u64,
    /// Those that did not end in an answer.
    pub failed: u64,
    /// Those that had to wait for a start.
    pub cold: u64,
    /// Billed milliseconds.
    pub billed_ms: u64,
    /// Configured memory in MiB times billed milliseconds.
    pub memory_mib_ms: u128,
    /// `/tmp` above 512 MiB, in MiB, times billed milliseconds.
    pub ephemeral_mib_ms: u128,
    /// Streamed bytes beyond the first 6 MiB of each answer.
    pub streamed_bytes: u128,
    /// Processor time used, nanoseconds.
    pub cpu_nanos: u128,
    /// Peak memory in bytes times billed milliseconds.
    pub memory_used_byte_ms: u128,
    /// Configured memory in MiB of the environments that were made for tenants.
    pub tenant_environments_mib: u128,
    /// Sizes of events.
    pub bytes_in: u64,
    /// Sizes of answers.
    pub bytes_out: u64,
}

/// Free `/tmp` of every function, MiB. Source: Lambda pricing.
const EPHEMERAL_FREE_MIB: u32 = 512;

impl Sums {
    /// The sums of one record alone.
    #[must_use]
    pub fn of(record: &UsageRecord) -> Self {
        let billed = u128::from(record.billed_ms);
        let ephemeral = record.ephemeral.get().saturating_sub(EPHEMERAL_FREE_MIB);
        Self {
            requests: 1,
            failed: u64::from(record.outcome != UsageOutcome::Success),
            cold: u64::from(record.rung != Rung::Warm),
            billed_ms: record.billed_ms,
            memory_mib_ms: u128::from(record.memory.get()) * billed,
            ephemeral_mib_ms: u128::from(ephemeral) * billed,
            streamed_bytes: u128::from(record.streamed_bytes),
            cpu_nanos: record.cpu.as_nanos(),
            memory_used_byte_ms: u128::from(record.memory_peak_bytes) * u128::from(record.held_ms()),
            tenant_environments_mib: match &record.tenant {
                Some(tenant) if tenant.new_environment => record.memory.get().into(),
                _ => 0,
            },
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
        }
    }

    /// Adds `other` to these.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.failed = self.failed.saturating_add(other.failed);
        self.cold = self.cold.saturating_add(other.cold);
        self.billed_ms = self.billed_ms.saturating_add(other.billed_ms);
        self.memory_mib_ms = self.memory_mib_ms.saturating_add(other.memory_mib_ms);
        self.ephemeral_mib_ms = self.ephemeral_mib_ms.saturating_add(other.ephemeral_mib_ms);
        self.streamed_bytes = self.streamed_bytes.saturating_add(other.streamed_bytes);
        self.cpu_nanos = self.cpu_nanos.saturating_add(other.cpu_nanos);
        self.memory_used_byte_ms = self.memory_used_byte_ms.saturating_add(other.memory_used_byte_ms);
        self.tenant_environments_mib = self.tenant_environments_mib.saturating_add(other.tenant_environments_mib);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
    }
}

/// Hours since the epoch.
pub(crate) type Hour = u64;

/// Milliseconds of an hour.
pub(crate) const HOUR_MS: u64 = 3_600_000;

/// The hour that `time` lies in.
pub(crate) fn hour_of(time: Timestamp) -> Hour {
    time.0 / HOUR_MS
}

/// Sums by hour and function.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fold {
    pub rows: HashMap<(Hour, FunctionKey), Sums>,
}

impl Fold {
    /// Adds one record.
    pub fn add(&mut self, record: &UsageRecord) {
        let place = (hour_of(record.ended), FunctionKey::of(record));
        self.rows.entry(place).or_default().add(&Sums::of(record));
    }
}

/// The sums of one function on one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionUsage {
    /// Which function.
    pub key: FunctionKey,
    /// Its sums.
    pub sums: Sums,
}
