//! One finished invocation, as it is kept.

use crate::frame::{Put, Take};
use lacewing_model::{
    AccountId, Architecture, EphemeralMib, FunctionName, MemoryMib, Region, RequestId, SandboxId, TenantId, Timestamp,
    VersionNumber,
};
use lacewing_sandbox::{PhaseTimes, Rung, StartPhases};
use std::time::Duration;

/// How an invocation ended, for the books. All cost the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UsageOutcome {
    /// It answered.
    Success,
    /// The handler reported an error.
    FunctionError,
    /// It ran into its timeout.
    Timeout,
    /// Its process ended.
    Crash,
    /// It needed more memory than it had.
    OutOfMemory,
}

impl UsageOutcome {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Success, Self::FunctionError, Self::Timeout, Self::Crash, Self::OutOfMemory];

    /// Its name in metrics and listings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::FunctionError => "error",
            Self::Timeout => "timeout",
            Self::Crash => "crash",
            Self::OutOfMemory => "out_of_memory",
        }
    }
}

/// One finished attempt of an invocation.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageRecord {
    /// Who pays.
    pub account: AccountId,
    /// Where the function lives.
    pub region: Region,
    /// The function.
    pub function: FunctionName,
    /// The version that ran.
    pub version: VersionNumber,
    /// The invocation.
    pub request_id: RequestId,
    /// 1 for the first attempt; retries of an asynchronous event count up.
    pub attempt: u32,
    /// How its sandbox came about.
    pub rung: Rung,
    /// INIT that this invocation is billed for.
    pub init: Option<Duration>,
    /// From handing the event over until the runtime was done or stopped.
    pub duration: Duration,
    /// [`billed_ms`] of the two.
    pub billed_ms: u64,
    /// Configured memory.
    pub memory: MemoryMib,
    /// Configured `/tmp`.
    pub ephemeral: EphemeralMib,
    /// The processor it ran on.
    pub architecture: Architecture,
    /// Most memory that the sandbox held.
    pub memory_peak_bytes: u64,
    /// Processor time used.
    pub cpu: Duration,
    /// The event's size.
    pub bytes_in: u64,
    /// The answer's size.
    pub bytes_out: u64,
    /// Bytes of a streamed answer beyond its first 6 MiB; 0 for buffered ones.
    pub streamed_bytes: u64,
    /// How it ended.
    pub outcome: UsageOutcome,
    /// The times of its phases.
    pub phases: PhaseTimes,
    /// When it ended: the hour it is billed in.
    pub ended: Timestamp,
    /// Where it ran; `None` in records of the first format.
    pub sandbox: Option<SandboxId>,
    /// Its part of the time that its sandbox was at work, where others ran in it beside it: the parts of all add up
    /// to that time. `None` where it ran alone by rule.
    pub share: Option<Duration>,
    /// For which tenant it ran, where its function isolates them.
    pub tenant: Option<TenantUse>,
}

/// A call for a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantUse {
    /// Which.
    pub id: TenantId,
    /// Whether its environment was made for it: no call of the tenant had run there before. Source: Lambda pricing,
    /// which charges an environment's memory then, once.
    pub new_environment: bool,
}

impl UsageRecord {
    /// Milliseconds for which it is charged what its sandbox really held: its share of them where it had one, else
    /// those that are billed.
    pub(crate) fn held_ms(&self) -> u64 {
        match self.share {
            Some(share) => billed_ms(self.init, share),
            None => self.billed_ms,
        }
    }
}

/// Milliseconds that are billed: INIT and run together, rounded up once.
/// Source: Lambda pricing; INIT is billed since August 2025.
#[must_use]
pub fn billed_ms(init: Option<Duration>, duration: Duration) -> u64 {
    let nanos = (init.unwrap_or_default() + duration).as_nanos();
    u64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// The first byte of every record: which fields follow.
const FORMAT: u8 = 4;
/// The one before, without a tenant.
const FORMAT_WITHOUT_TENANT: u8 = 3;
/// The one before that, without a share too.
const FORMAT_WITHOUT_SHARE: u8 = 2;
/// The first one, without the sandbox too.
const FORMAT_WITHOUT_SANDBOX: u8 = 1;

impl UsageRecord {
    /// Appends the record's bytes to `body`.
    pub(crate) fn encode(&self, body: &mut Vec<u8>) {
        body.put_u8(FORMAT);
        body.put_text(self.account.as_str());
        body.put_text(self.region.as_str());
        body.put_text(self.function.as_str());
        body.put_u64(match self.version {
            VersionNumber::Latest => 0,
            VersionNumber::Published(number) => number,
        });
        body.put_u128(self.request_id.as_u128());
        body.put_u32(self.attempt);
        body.put_u8(match self.rung {
            Rung::Warm => 0,
            Rung::Snapshot => 1,
            Rung::Prepared => 2,
            Rung::Full => 3,
        });
        body.put_u8(u8::from(self.init.is_some()));
        put_duration(body, self.init.unwrap_or_default());
        put_duration(body, self.duration);
        body.put_u64(self.billed_ms);
        body.put_u32(self.memory.get());
        body.put_u32(self.ephemeral.get());
        body.put_u8(encode_architecture(self.architecture));
        body.put_u64(self.memory_peak_bytes);
        put_duration(body, self.cpu);
        body.put_u64(self.bytes_in);
        body.put_u64(self.bytes_out);
        body.put_u64(self.streamed_bytes);
        body.put_u8(match self.outcome {
            UsageOutcome::Success => 0,
            UsageOutcome::FunctionError => 1,
            UsageOutcome::Timeout => 2,
            UsageOutcome::Crash => 3,
            UsageOutcome::OutOfMemory => 4,
        });
        put_duration(body, self.phases.queue);
        put_duration(body, self.phases.run);
        body.put_u8(u8::from(self.phases.start.is_some()));
        if let Some(start) = self.phases.start {
            for phase in [start.sandbox, start.mount, start.boot, start.init] {
                put_duration(body, phase);
            }
        }
        body.put_u64(self.ended.0);
        body.put_u128(self.sandbox.map_or(0, SandboxId::as_u128));
        body.put_u8(u8::from(self.share.is_some()));
        put_duration(body, self.share.unwrap_or_default());
        body.put_u8(self.tenant.as_ref().map_or(0, |tenant| 1 + u8::from(tenant.new_environment)));
        if let Some(tenant) = &self.tenant {
            body.put_text(tenant.id.as_str());
        }
    }

    /// The record of these bytes, `None` when they are none of this format.
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut take = Take(body);
        let format = take.u8()?;
        if !(FORMAT_WITHOUT_SANDBOX..=FORMAT).contains(&format) {
            return None;
        }
        Some(Self {
            account: take.text()?.parse().ok()?,
            region: take.text()?.parse().ok()?,
            function: take.text()?.parse().ok()?,
            version: match take.u64()? {
                0 => VersionNumber::Latest,
                number => VersionNumber::Published(number),
            },
            request_id: RequestId::from_u128(take.u128()?),
            attempt: take.u32()?,
            rung: match take.u8()? {
                0 => Rung::Warm,
                1 => Rung::Snapshot,
                2 => Rung::Prepared,
                3 => Rung::Full,
                _ => return None,
            },
            init: {
                let some = take.u8()? != 0;
                let init = take_duration(&mut take)?;
                some.then_some(init)
            },
            duration: take_duration(&mut take)?,
            billed_ms: take.u64()?,
            memory: MemoryMib::new(take.u32()?).ok()?,
            ephemeral: EphemeralMib::new(take.u32()?).ok()?,
            architecture: decode_architecture(take.u8()?)?,
            memory_peak_bytes: take.u64()?,
            cpu: take_duration(&mut take)?,
            bytes_in: take.u64()?,
            bytes_out: take.u64()?,
            streamed_bytes: take.u64()?,
            outcome: match take.u8()? {
                0 => UsageOutcome::Success,
                1 => UsageOutcome::FunctionError,
                2 => UsageOutcome::Timeout,
                3 => UsageOutcome::Crash,
                4 => UsageOutcome::OutOfMemory,
                _ => return None,
            },
            phases: PhaseTimes {
                queue: take_duration(&mut take)?,
                run: take_duration(&mut take)?,
                start: match take.u8()? {
                    0 => None,
                    _ => Some(StartPhases {
                        sandbox: take_duration(&mut take)?,
                        mount: take_duration(&mut take)?,
                        boot: take_duration(&mut take)?,
                        init: take_duration(&mut take)?,
                    }),
                },
            },
            ended: Timestamp(take.u64()?),
            sandbox: match format {
                FORMAT_WITHOUT_SANDBOX => None,
                _ => Some(take.u128()?).filter(|bits| *bits != 0).map(SandboxId::from_u128),
            },
            share: match format {
                FORMAT_WITHOUT_SANDBOX | FORMAT_WITHOUT_SHARE => None,
                _ => {
                    let some = take.u8()? != 0;
                    let share = take_duration(&mut take)?;
                    some.then_some(share)
                }
            },
            tenant: match format {
                FORMAT_WITHOUT_SANDBOX | FORMAT_WITHOUT_SHARE | FORMAT_WITHOUT_TENANT => None,
                _ => match take.u8()? {
                    0 => None,
                    some => Some(TenantUse { id: take.text()?.parse().ok()?, new_environment: some == 2 }),
                },
            },
        })
    }
}

pub(crate) fn encode_architecture(architecture: Architecture) -> u8 {
    match architecture {
        Architecture::X86 => 0,
        Architecture::Arm => 1,
    }
}

pub(crate) fn decode_architecture(byte: u8) -> Option<Architecture> {
    match byte {
        0 => Some(Architecture::X86),
        1 => Some(Architecture::Arm),
        _ => None,
    }
}

/// Durations are kept in whole nanoseconds, up to 584 years.
fn put_duration(body: &mut Vec<u8>, duration: Duration) {
    body.put_u64(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
}

fn take_duration(take: &mut Take<'_>) -> Option<Duration> {
    take.u64().map(Duration::from_nanos)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;

    /// A call of `function` that ran 1 s on 128 MiB and ended at `ended_ms`.
    pub(crate) fn record(function: &str, ended_ms: u64) -> UsageRecord {
        UsageRecord {
            account: "123456789012".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            function: function.parse().unwrap(),
            version: VersionNumber::Latest,
            request_id: RequestId::random(),
            attempt: 1,
            rung: Rung::Warm,
            init: None,
            duration: Duration::from_secs(1),
            billed_ms: 1_000,
            memory: MemoryMib::default(),
            ephemeral: EphemeralMib::default(),
            architecture: Architecture::X86,
            memory_peak_bytes: 50 << 20,
            cpu: Duration::from_micros(1_234),
            bytes_in: 10,
            bytes_out: 20,
            streamed_bytes: 0,
            outcome: UsageOutcome::Success,
            phases: PhaseTimes { queue: Duration::from_micros(5), start: None, run: Duration::from_secs(1) },
            ended: Timestamp(ended_ms),
            sandbox: Some(SandboxId::random()),
            share: None,
            tenant: None,
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let warm = record("f", 1);
        let cold = UsageRecord {
            version: VersionNumber::Published(7),
            attempt: 3,
            rung: Rung::Full,
            init: Some(Duration::from_nanos(123_456_789)),
            architecture: Architecture::Arm,
            outcome: UsageOutcome::OutOfMemory,
            share: Some(Duration::from_millis(400)),
            tenant: Some(TenantUse { id: "Blue Tenant".parse().unwrap(), new_environment: true }),
            phases: PhaseTimes {
                start: Some(StartPhases { boot: Duration::from_millis(3), ..StartPhases::default() }),
                ..PhaseTimes::default()
            },
            ..record("g", 2)
        };
        let later = TenantUse { id: "b".parse().unwrap(), new_environment: false };
        for given in [UsageRecord { tenant: Some(later), ..warm.clone() }, warm, cold] {
            let mut body = Vec::new();
            given.encode(&mut body);
            assert_eq!(UsageRecord::decode(&body), Some(given));
            for cut in 0..body.len() {
                assert_eq!(UsageRecord::decode(&body[..cut]), None, "cut at {cut}");
            }
        }
    }

    #[test]
    fn records_of_former_formats_are_still_read() {
        let given = record("f", 1);
        let mut body = Vec::new();
        given.encode(&mut body);
        body.truncate(body.len() - 1);
        body[0] = FORMAT_WITHOUT_TENANT;
        assert_eq!(UsageRecord::decode(&body), Some(given.clone()));
        body.truncate(body.len() - 9);
        body[0] = FORMAT_WITHOUT_SHARE;
        assert_eq!(UsageRecord::decode(&body), Some(given.clone()));
        body.truncate(body.len() - 16);
        body[0] = FORMAT_WITHOUT_SANDBOX;
        assert_eq!(UsageRecord::decode(&body), Some(UsageRecord { sandbox: None, ..given }));
    }

    #[test]
    fn init_and_duration_are_rounded_up_together() {
        let ms = |n: f64| Duration::from_secs_f64(n / 1_000.0);
        for (init, duration, want) in [
            (Some(578.07), 5_000.0, 5_579),
            (Some(402.04), 3_000.0, 3_403),
            (None, 3_000.0, 3_000),
            (None, 0.01, 1),
            (Some(0.4), 0.4, 1),
        ] {
            assert_eq!(billed_ms(init.map(ms), ms(duration)), want, "{init:?} + {duration}");
        }
    }
}
