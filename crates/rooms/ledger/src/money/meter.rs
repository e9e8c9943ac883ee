//! What is counted, and in which unit it is priced.

use crate::Sums;
use std::fmt;
use std::str::FromStr;

/// A meter of a rate card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Meter {
    /// Started attempts.
    Requests,
    /// Configured memory over billed time.
    Duration,
    /// Configured `/tmp` above 512 MiB over billed time.
    EphemeralStorage,
    /// Streamed answers beyond the first 6 MiB of each.
    StreamedBytes,
    /// Configured memory of environments that were made for tenants, once each.
    TenantEnvironments,
    /// Processor time really used.
    CpuTime,
    /// Peak memory really used over billed time.
    MemoryUsed,
}

impl Meter {
    /// All of them, in the order of a bill.
    pub const ALL: [Self; 7] = [
        Self::Requests,
        Self::Duration,
        Self::EphemeralStorage,
        Self::StreamedBytes,
        Self::TenantEnvironments,
        Self::CpuTime,
        Self::MemoryUsed,
    ];

    /// Its name in rate cards and on bills.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Duration => "duration",
            Self::EphemeralStorage => "ephemeral-storage",
            Self::StreamedBytes => "streamed-bytes",
            Self::TenantEnvironments => "tenant-environments",
            Self::CpuTime => "cpu-time",
            Self::MemoryUsed => "memory-used",
        }
    }

    /// The unit that quantities and prices are in. A GB is 1,024 MiB, as in AWS's worked examples.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Duration | Self::EphemeralStorage | Self::MemoryUsed => "GB-seconds",
            Self::StreamedBytes | Self::TenantEnvironments => "GB",
            Self::CpuTime => "CPU-seconds",
        }
    }

    /// What `sums` hold of it, in whole counts.
    pub(crate) fn counts(self, sums: &Sums) -> u128 {
        match self {
            Self::Requests => u128::from(sums.requests),
            Self::Duration => sums.memory_mib_ms,
            Self::EphemeralStorage => sums.ephemeral_mib_ms,
            Self::StreamedBytes => sums.streamed_bytes,
            Self::TenantEnvironments => sums.tenant_environments_mib,
            Self::CpuTime => sums.cpu_nanos,
            Self::MemoryUsed => sums.memory_used_byte_ms,
        }
    }

    /// Whole counts that make one unit: quantities are summed as whole numbers and divided once.
    pub(crate) fn counts_per_unit(self) -> u64 {
        match self {
            Self::Requests => 1,
            // MiB-milliseconds.
            Self::Duration | Self::EphemeralStorage => 1_024 * 1_000,
            Self::StreamedBytes => 1 << 30,
            // MiB.
            Self::TenantEnvironments => 1_024,
            // Nanoseconds.
            Self::CpuTime => 1_000_000_000,
            // Byte-milliseconds.
            Self::MemoryUsed => (1 << 30) * 1_000,
        }
    }
}

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Meter {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|meter| meter.as_str() == s).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|meter| meter.as_str()).collect();
            format!("'{s}' is no meter; there are {}", names.join(", "))
        })
    }
}
