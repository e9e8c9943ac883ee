//! How many sandboxes are kept prepared, by kind.
//!
//! The number follows the busiest second of late: a burst as large as the last one finds that many waiting. It
//! halves each minute, down to a few for kinds that may be called, and to none for dear ones after long disuse.
//! A number that stays costs nothing: an idle machine prepares nothing.

use super::options::StockOptions;
use super::record::Why;
use lacewing_model::{Language, Timestamp};
use lacewing_sandbox::Preparation;
use std::collections::BTreeMap;

/// Kinds that are known at once; the one used least lately gives way.
const KINDS_MAX: usize = 64;
/// The share of the machine's free memory that all stock together may take: one in so many.
const MEMORY_SHARE: u64 = 8;
/// What is left of the busiest second's count after a second, thousandths: a half after a minute.
const LEFT_AFTER_A_SECOND: u64 = 989;
/// Seconds after which nothing is left of any count.
const FORGOTTEN_AFTER: u64 = 1_200;

/// What one prepared sandbox holds of its own, MiB, rounded up. Source: measured, see `bench/`.
fn cost_mib(kind: Preparation) -> u64 {
    match kind.language {
        Language::Provided | Language::Foreign | Language::Image => 1,
        Language::Python(_) => 6,
        Language::Node(_) => 16,
    }
}

#[derive(Debug)]
struct Kind {
    /// Starts since the last tick.
    starts: u64,
    /// The busiest second, decayed, thousandths of starts.
    peak: u64,
    used: Timestamp,
    count: usize,
}

/// The stock.
#[derive(Debug, Default)]
pub(super) struct Stock {
    kinds: BTreeMap<Preparation, Kind>,
    /// Kinds that gave way and of which none are to be kept any more.
    dropped: Vec<Preparation>,
    ticked: Timestamp,
}

/// A number that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) kind: Preparation,
    pub(super) count: usize,
    pub(super) why: Why,
}

impl Stock {
    /// A sandbox of this kind is started.
    pub(super) fn started(&mut self, kind: Preparation, now: Timestamp) {
        if !kind.can_wait() {
            return;
        }
        let kind = self.know(kind, now);
        kind.starts += 1;
        kind.used = now;
    }

    /// Functions of this kind are deployed.
    pub(super) fn expect(&mut self, kind: Preparation, now: Timestamp) {
        if kind.can_wait() {
            self.know(kind, now);
        }
    }

    fn know(&mut self, kind: Preparation, now: Timestamp) -> &mut Kind {
        if self.kinds.len() >= KINDS_MAX && !self.kinds.contains_key(&kind) {
            let oldest = self.kinds.iter().min_by_key(|(_, state)| state.used).map(|(&kind, _)| kind);
            let gone = oldest.and_then(|oldest| Some((oldest, self.kinds.remove(&oldest)?)));
            self.dropped.extend(gone.filter(|(_, state)| state.count > 0).map(|(kind, _)| kind));
        }
        self.kinds.entry(kind).or_insert(Kind { starts: 0, peak: 0, used: now, count: 0 })
    }

    /// Adjusts the numbers; looks once a second. `free_mib` is what the machine has left, above its reserve.
    pub(super) fn tick(
        &mut self,
        now: Timestamp,
        free_mib: u64,
        options: StockOptions,
        changes: &mut impl FnMut(Change),
    ) {
        let seconds = match self.ticked {
            Timestamp(0) => 1,
            ticked => now.since(ticked).as_secs(),
        };
        if seconds == 0 {
            return;
        }
        self.ticked = now;
        for kind in self.dropped.drain(..) {
            changes(Change { kind, count: 0, why: Why::Disused });
        }
        // Those used last choose first.
        let mut budget_mib = free_mib / MEMORY_SHARE;
        let mut kinds: Vec<_> = self.kinds.iter_mut().collect();
        kinds.sort_by_key(|(_, state)| std::cmp::Reverse(state.used));
        for (&kind, state) in kinds {
            for _ in 0..seconds.min(FORGOTTEN_AFTER) {
                state.peak = state.peak * LEFT_AFTER_A_SECOND / 1_000;
            }
            let starts = std::mem::take(&mut state.starts).saturating_mul(1_000) / seconds;
            let grew = starts > state.peak;
            state.peak = state.peak.max(starts);
            let (count, why) = state.wanted(kind, now, budget_mib, grew, options);
            budget_mib = budget_mib.saturating_sub(count as u64 * cost_mib(kind));
            if count != state.count {
                state.count = count;
                changes(Change { kind, count, why });
            }
        }
    }

    /// Keeps none any more.
    pub(super) fn drain(&mut self, changes: &mut impl FnMut(Change)) {
        for (kind, state) in std::mem::take(&mut self.kinds) {
            if state.count > 0 {
                changes(Change { kind, count: 0, why: Why::Draining });
            }
        }
    }
}

impl Kind {
    fn wanted(
        &self,
        kind: Preparation,
        now: Timestamp,
        budget_mib: u64,
        grew: bool,
        options: StockOptions,
    ) -> (usize, Why) {
        let cost = cost_mib(kind);
        let affordable = usize::try_from(budget_mib / cost).unwrap_or(usize::MAX);
        let peak = usize::try_from(self.peak.div_ceil(1_000)).unwrap_or(usize::MAX);
        let disused = cost > 1 && now.since(self.used) >= options.disuse;
        let (wanted, why) = match () {
            () if disused => (0, Why::Disused),
            () if peak > options.least && grew => (peak, Why::RecentStarts),
            () if peak > options.least => (peak, Why::FewerStarts),
            () if self.count == 0 => (options.least, Why::Deployed),
            () => (options.least, Why::FewerStarts),
        };
        match wanted.min(options.most) {
            wanted if wanted > affordable => (affordable, Why::MemoryPressure),
            wanted => (wanted, why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lacewing_model::Egress;

    const PYTHON: Preparation = Preparation { language: Language::Python(13), egress: Egress::Internet, memory: None };
    const PLENTY: u64 = 16_384;

    fn play(stock: &mut Stock, from: u64, to: u64, free_mib: u64) -> Vec<(u64, usize, Why)> {
        let mut seen = Vec::new();
        for second in from..=to {
            let note = &mut |change: Change| seen.push((second, change.count, change.why));
            stock.tick(Timestamp(second * 1_000), free_mib, StockOptions::default(), note);
        }
        seen
    }

    #[test]
    fn a_deployed_kind_has_a_few_and_a_burst_brings_more_for_some_minutes() {
        let mut stock = Stock::default();
        stock.expect(PYTHON, Timestamp(0));
        assert_eq!(play(&mut stock, 1, 10, PLENTY), [(1, 2, Why::Deployed)]);
        for _ in 0..100 {
            stock.started(PYTHON, Timestamp(10_500));
        }
        let seen = play(&mut stock, 11, 1_500, PLENTY);
        assert_eq!(seen[0], (11, 16, Why::RecentStarts), "at most so many");
        let (quiet, last, why) = seen[seen.len() - 1];
        assert_eq!((last, why), (2, Why::FewerStarts));
        assert!((120..600).contains(&quiet), "settled after {quiet} s");
        assert!(seen.len() < 20, "and does not tremble: {}", seen.len());
    }

    #[test]
    fn a_disused_kind_costs_nothing_in_the_end() {
        let mut stock = Stock::default();
        stock.started(PYTHON, Timestamp(0));
        let seen = play(&mut stock, 1, 4_000, PLENTY);
        assert_eq!(seen.last(), Some(&(3_600, 0, Why::Disused)));
    }

    #[test]
    fn a_machine_short_of_memory_keeps_fewer_or_none() {
        let mut stock = Stock::default();
        stock.expect(PYTHON, Timestamp(0));
        assert_eq!(play(&mut stock, 1, 1, 50), [(1, 1, Why::MemoryPressure)]);
        assert_eq!(play(&mut stock, 2, 2, 0), [(2, 0, Why::MemoryPressure)]);
    }
}
