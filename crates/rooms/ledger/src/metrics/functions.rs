//! Counters by function and version, of which there are only so many.

use super::{Desk, RUN_SECONDS, Unsound};
use crate::UsageOutcome;
use lacewing_model::{FunctionName, Region, Version, VersionNumber};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Versions with series of their own. Beyond it the one unused for longest gives its series up; where every one
/// has sandboxes, new ones are counted together under `other`. 500 make some 12,000 lines, 1.5 MB a scrape.
const VERSIONS_MAX: usize = 500;
/// What stands in the place of names that found no room.
const OTHER: &str = "other";

const LABELS: &[&str] = &["region", "function", "version"];

/// The counters of one version, shared by its sandboxes.
pub struct FunctionMetrics {
    /// In the order of [`UsageOutcome::ALL`], which is the order of its variants.
    outcomes: [IntCounter; UsageOutcome::ALL.len()],
    duration: Histogram,
    labels: [String; 3],
}

impl FunctionMetrics {
    /// Counts one finished invocation. The hot path: atomics only.
    pub fn ended(&self, outcome: UsageOutcome, duration: Duration) {
        self.outcomes[outcome as usize].inc();
        self.duration.observe(duration.as_secs_f64());
    }
}

/// Every version's counters.
pub(super) struct Functions {
    invocations: IntCounterVec,
    durations: HistogramVec,
    throttles: IntCounterVec,
    known: Mutex<Known>,
}

type Key = (Region, FunctionName, VersionNumber);

#[derive(Default)]
struct Known {
    versions: HashMap<Key, (Arc<FunctionMetrics>, u64)>,
    other: Option<Arc<FunctionMetrics>>,
    /// Reasons of throttles seen so far.
    reasons: Vec<&'static str>,
    /// Counts asks: the higher a version's, the later it was used.
    asked: u64,
}

impl Functions {
    pub fn new(desk: &Desk) -> Result<Self, Unsound> {
        let with = |more: &'static str| [LABELS, &[more]].concat();
        Ok(Self {
            invocations: desk.counters(
                "lacewing_invocations_total",
                "Finished invocations by outcome: success, error (the handler's), timeout, crash, out_of_memory.",
                &with("outcome"),
            )?,
            durations: desk.histograms(
                "lacewing_invocation_duration_seconds",
                "From handing an event to the runtime until it was done, without INIT.",
                LABELS,
                RUN_SECONDS,
            )?,
            throttles: desk.counters(
                "lacewing_throttles_total",
                "Calls turned away with 429, by the Reason that the caller was told.",
                &with("reason"),
            )?,
            known: Mutex::default(),
        })
    }

    /// The version's counters, or those of `other`.
    pub fn of(&self, version: &Version) -> Arc<FunctionMetrics> {
        let key = (version.region.clone(), version.name.clone(), version.number);
        let mut known = self.lock();
        known.asked += 1;
        let asked = known.asked;
        if let Some((found, used)) = known.versions.get_mut(&key) {
            *used = asked;
            return Arc::clone(found);
        }
        if known.versions.len() >= VERSIONS_MAX && !self.make_room(&mut known) {
            let make = || self.make([OTHER, OTHER, OTHER].map(str::to_owned));
            return Arc::clone(known.other.get_or_insert_with(make));
        }
        let made = self.make([version.region.to_string(), version.name.to_string(), version.number.to_string()]);
        known.versions.insert(key, (Arc::clone(&made), asked));
        made
    }

    pub fn throttled(&self, version: &Version, reason: &'static str) {
        let metrics = self.of(version);
        let mut known = self.lock();
        if !known.reasons.contains(&reason) {
            known.reasons.push(reason);
        }
        let [region, function, number] = &metrics.labels;
        self.throttles.with_label_values(&[region.as_str(), function, number, reason]).inc();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, labels: [String; 3]) -> Arc<FunctionMetrics> {
        let [region, function, version] = labels.each_ref().map(String::as_str);
        let outcomes = UsageOutcome::ALL
            .map(|outcome| self.invocations.with_label_values(&[region, function, version, outcome.as_str()]));
        let duration = self.durations.with_label_values(&[region, function, version]);
        Arc::new(FunctionMetrics { outcomes, duration, labels })
    }

    /// Takes the series from the version that was asked for longest ago and has no sandbox. Prometheus takes a
    /// series that ends, and later begins anew, as what it is.
    fn make_room(&self, known: &mut Known) -> bool {
        let idle = known.versions.iter().filter(|(_, (metrics, _))| Arc::strong_count(metrics) == 1);
        let Some(oldest) = idle.min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone()) else { return false };
        if let Some((gone, _)) = known.versions.remove(&oldest) {
            let [region, function, version] = gone.labels.each_ref().map(String::as_str);
            // Series that never were cannot be removed, and that is all these errors say.
            let _ = self.durations.remove_label_values(&[region, function, version]);
            for outcome in UsageOutcome::ALL.map(UsageOutcome::as_str) {
                let _ = self.invocations.remove_label_values(&[region, function, version, outcome]);
            }
            for reason in &known.reasons {
                let _ = self.throttles.remove_label_values(&[region, function, version, reason]);
            }
        }
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Metrics, Moment};
    use lacewing_testkit::version_named;

    #[test]
    fn versions_beyond_the_limit_take_the_place_of_the_longest_unused() {
        let metrics = Metrics::new().unwrap();
        for n in 0..=VERSIONS_MAX {
            let version = version_named(&format!("f{n}"));
            metrics.function(&version).ended(UsageOutcome::Success, Duration::ZERO);
            metrics.throttled(&version, "ConcurrentInvocationLimitExceeded");
        }
        let text = metrics.expose(&Moment::default());
        assert!(!text.contains("\"f0\""), "{text}");
        assert!(text.contains("\"f1\"") && !text.contains("\"other\""));
    }

    #[test]
    fn versions_that_find_no_room_are_counted_together() {
        let metrics = Metrics::new().unwrap();
        let held: Vec<_> = (0..VERSIONS_MAX + 2).map(|n| metrics.function(&version_named(&format!("f{n}")))).collect();
        for one in &held {
            one.ended(UsageOutcome::Timeout, Duration::from_secs(1));
        }
        let text = metrics.expose(&Moment::default());
        let other =
            r#"lacewing_invocations_total{function="other",outcome="timeout",region="other",version="other"} 2"#;
        assert!(text.contains(other), "{text}");
    }
}
