//! The report as a table: a row for each figure, a column for each policy.

use super::{Outcome, Path};
use crate::commands::list::{plain_table, right};
use crate::output::milliseconds;
use lacewing_simulate::{BASELINE, PolicyReport, Report, thousands};
use std::time::Duration;

/// A figure's name and how it is shown.
type Figure = (&'static str, fn(&PolicyReport) -> String);

const FIGURES: [Figure; 18] = [
    ("calls", |policy| thousands(policy.calls)),
    ("cold starts", |policy| thousands(policy.cold)),
    ("  of all calls", |policy| percent(policy.cold_share)),
    ("  of a function's calls, p50", |policy| percent(policy.function_cold_share_p50)),
    ("  of a function's calls, p75", |policy| percent(policy.function_cold_share_p75)),
    ("  prepared", |policy| thousands(policy.rungs.prepared)),
    ("  full", |policy| thousands(policy.rungs.full)),
    ("queued for a running sandbox", |policy| thousands(policy.queued)),
    ("added to a call, mean", |policy| milliseconds(policy.latency.mean_ms)),
    ("  p99", |policy| milliseconds(policy.latency.p99_ms)),
    ("  p99.9", |policy| milliseconds(policy.latency.p999_ms)),
    ("  p50 of those that waited", |policy| milliseconds(policy.latency.waited_p50_ms)),
    ("memory held idle, GiB h", |policy| format!("{:.1}", policy.memory.idle_gib_s / 3_600.0)),
    ("  against fixed:600", |policy| policy.memory.idle_against_fixed_600.map_or("-".to_owned(), percent)),
    ("memory at most, GiB", |policy| format!("{:.1}", gib(policy.memory.peak_mib))),
    ("sandboxes started", |policy| thousands(policy.sandboxes)),
    ("  ahead of a call", |policy| thousands(policy.prewarmed)),
    ("refused: account, machine", |policy| format!("{}, {}", policy.refused.account, policy.refused.machine)),
];

/// The report as lines for people.
pub fn report(report: &Report) -> Vec<String> {
    let header = std::iter::once("").chain(report.policies.iter().map(|policy| policy.policy.as_str()));
    let mut table = plain_table(header.collect::<Vec<_>>());
    for (name, shown) in FIGURES {
        let skipped = name.contains(BASELINE) && report.policies.iter().all(|policy| policy.policy != BASELINE);
        if !skipped {
            table.add_row(std::iter::once(name.to_owned()).chain(report.policies.iter().map(shown)));
        }
    }
    right(&mut table, &(1..=report.policies.len()).collect::<Vec<_>>());
    let nodes = if report.nodes == 1 { String::new() } else { format!(", {} nodes", report.nodes) };
    vec![format!("{}{nodes}", report.workload), String::new(), table.trim_fmt()]
}

/// How fast it was, and what lies on the disk now.
pub fn speed(outcome: &Outcome, took: Duration, drawn: Option<&Path>) -> String {
    let policies = outcome.report.policies.len();
    #[allow(clippy::cast_precision_loss)]
    let rate = outcome.decisions as f64 / took.as_secs_f64().max(1e-9) / 1e6;
    let decisions = thousands(outcome.decisions);
    let took = milliseconds(took.as_secs_f64() * 1_000.0);
    let drawn = drawn.map_or(String::new(), |path| format!("; drawn into {}", path.display()));
    format!("{decisions} decisions of {policies} policies in {took}: {rate:.1} million a second{drawn}")
}

/// `0.31 %`, with three figures or so.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 10.0 || percent == 0.0 { format!("{percent:.0} %") } else { format!("{percent:.2} %") }
}

fn gib(mib: u64) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let mib = mib as f64;
    mib / 1_024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_keep_their_meaning_when_small() {
        assert_eq!(["0 %", "0.17 %", "9.99 %", "53 %", "100 %"], [0.0, 0.0017, 0.0999, 0.53, 1.0].map(percent));
    }
}
