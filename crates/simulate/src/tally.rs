//! What one policy's play adds up.

use crate::report::{Latency, Memory, PolicyReport, Refused, Rungs};
use hdrhistogram::Histogram;
use lacewing_sandbox::Rung;

/// Significant figures of latencies.
const FIGURES: u8 = 3;
/// The longest wait that is told from longer ones, µs: an hour.
const WAIT_US_MAX: u64 = 3_600_000_000;
/// Points of a quantile curve: they are the shares 0, 1, .., 100 %.
const CURVE_POINTS: usize = 101;

/// Where a call's sandbox came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It idled when the call came.
    Idle,
    /// The call waited until another was done with it.
    Freed,
    /// The call waited until it had started, on this rung.
    Started(Rung),
}

/// Sums of one play.
#[derive(Debug)]
pub struct Tally {
    /// Calls and cold starts, by function.
    functions: Vec<(u32, u32)>,
    rungs: Rungs,
    refused: Refused,
    queued: u64,
    /// Added latency of calls that waited, µs; the others had none.
    waited: Histogram<u64>,
    waited_sum_us: u64,
    starts: u64,
    prewarmed: u64,
    alive: u64,
    alive_peak: u64,
    memory: Held,
    idle: Held,
    /// Until when memory counts, µs.
    end_us: u64,
}

/// An amount of memory over time.
#[derive(Debug, Default)]
struct Held {
    mib: u64,
    since_us: u64,
    mib_us: u128,
    peak_mib: u64,
}

impl Held {
    fn until(&mut self, now_us: u64) {
        self.mib_us += u128::from(self.mib) * u128::from(now_us - self.since_us);
        self.since_us = now_us;
    }

    fn add(&mut self, mib: u64, now_us: u64) {
        self.until(now_us);
        self.mib += mib;
        self.peak_mib = self.peak_mib.max(self.mib);
    }

    fn take(&mut self, mib: u64, now_us: u64) {
        self.until(now_us);
        self.mib -= mib;
    }

    fn gib_seconds(&self) -> f64 {
        #[allow(clippy::cast_precision_loss)]
        let mib_us = self.mib_us as f64;
        mib_us / 1_024.0 / 1e6
    }
}

impl Tally {
    /// Nothing yet; memory counts until `end_us`.
    pub fn new(functions: usize, end_us: u64) -> Self {
        Self {
            functions: vec![(0, 0); functions],
            rungs: Rungs::default(),
            refused: Refused::default(),
            queued: 0,
            waited: latencies(),
            waited_sum_us: 0,
            starts: 0,
            prewarmed: 0,
            alive: 0,
            alive_peak: 0,
            memory: Held::default(),
            idle: Held::default(),
            end_us,
        }
    }

    /// A call begins to run, so long after it came.
    pub fn served(&mut self, function: u32, origin: Origin, waited_us: u64) {
        let counts = &mut self.functions[function as usize];
        counts.0 += 1;
        match origin {
            Origin::Idle | Origin::Started(Rung::Warm) => {
                self.rungs.warm += 1;
                return;
            }
            Origin::Freed => {
                self.rungs.warm += 1;
                self.queued += 1;
            }
            Origin::Started(rung) => {
                counts.1 += 1;
                *match rung {
                    Rung::Snapshot => &mut self.rungs.snapshot,
                    Rung::Prepared => &mut self.rungs.prepared,
                    Rung::Warm | Rung::Full => &mut self.rungs.full,
                } += 1;
            }
        }
        self.waited.saturating_record(waited_us);
        self.waited_sum_us += waited_us;
    }

    /// The account has as many calls in flight as it may.
    pub fn refused_by_account(&mut self) {
        self.refused.account += 1;
    }

    /// No node has room.
    pub fn refused_by_machine(&mut self) {
        self.refused.machine += 1;
    }

    /// A sandbox is being started.
    pub fn started(&mut self, mib: u64, for_a_call: bool, now_us: u64) {
        self.starts += 1;
        self.prewarmed += u64::from(!for_a_call);
        self.alive += 1;
        self.alive_peak = self.alive_peak.max(self.alive);
        self.memory.add(mib, now_us.min(self.end_us));
    }

    /// A sandbox is gone; if it idled, [`Tally::idles_no_more`] was told before.
    pub fn ended(&mut self, mib: u64, now_us: u64) {
        self.alive -= 1;
        self.memory.take(mib, now_us.min(self.end_us));
    }

    /// A sandbox idles from now on.
    pub fn idles(&mut self, mib: u64, now_us: u64) {
        self.idle.add(mib, now_us.min(self.end_us));
    }

    /// It does no more.
    pub fn idles_no_more(&mut self, mib: u64, now_us: u64) {
        self.idle.take(mib, now_us.min(self.end_us));
    }

    /// The sums, at the end.
    pub fn report(mut self, policy: String) -> PolicyReport {
        self.idle.until(self.end_us);
        self.memory.until(self.end_us);
        let rungs = self.rungs;
        let served = rungs.warm + rungs.snapshot + rungs.prepared + rungs.full;
        let mut shares: Vec<f64> = self.functions.iter().filter(|(calls, _)| *calls > 0).map(share).collect();
        shares.sort_by(f64::total_cmp);
        let curve: Vec<f64> = (0..CURVE_POINTS).map(|percent| at_percent(&shares, percent)).collect();
        PolicyReport {
            policy,
            calls: served + self.refused.account + self.refused.machine,
            served,
            cold: served - rungs.warm,
            cold_share: ratio(served - rungs.warm, served),
            function_cold_share_p50: curve[50],
            function_cold_share_p75: curve[75],
            function_cold_share_curve: curve,
            rungs,
            queued: self.queued,
            latency: self.latency(served),
            memory: Memory {
                idle_gib_s: self.idle.gib_seconds(),
                idle_against_fixed_600: None,
                held_gib_s: self.memory.gib_seconds(),
                peak_mib: self.memory.peak_mib,
            },
            sandboxes: self.starts,
            sandboxes_peak: self.alive_peak,
            prewarmed: self.prewarmed,
            refused: self.refused,
        }
    }

    fn latency(&self, served: u64) -> Latency {
        let at_once = served - self.waited.len();
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let at = |share: f64| {
            let rank = (share * served as f64).ceil() as u64;
            let among = rank.saturating_sub(at_once) as f64 / self.waited.len().max(1) as f64;
            if rank <= at_once { 0.0 } else { self.waited_ms(among) }
        };
        #[allow(clippy::cast_precision_loss)]
        let mean = self.waited_sum_us as f64 / 1_000.0 / served.max(1) as f64;
        Latency {
            mean_ms: mean,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            waited_p50_ms: self.waited_ms(0.5),
        }
    }

    fn waited_ms(&self, share: f64) -> f64 {
        if self.waited.is_empty() {
            return 0.0;
        }
        #[allow(clippy::cast_precision_loss)]
        let us = self.waited.lowest_equivalent(self.waited.value_at_quantile(share)) as f64;
        us / 1_000.0
    }
}

fn latencies() -> Histogram<u64> {
    match Histogram::new_with_max(WAIT_US_MAX, FIGURES) {
        Ok(histogram) => histogram,
        Err(error) => unreachable!("these are bounds that a histogram can have: {error}"),
    }
}

fn share((calls, cold): &(u32, u32)) -> f64 {
    f64::from(*cold) / f64::from(*calls)
}

fn ratio(part: u64, whole: u64) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let ratio = part as f64 / whole.max(1) as f64;
    ratio
}

/// The value that `percent` of the sorted values do not exceed.
fn at_percent(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}
