//! Percentiles, and the one table that all figures go into.

use std::fmt;
use std::time::Duration;

/// Samples of one thing, sorted.
pub struct Times(Vec<Duration>);

impl Times {
    /// Takes samples in any order.
    pub fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        Self(samples)
    }

    /// The sample below which `share` of all lie, in milliseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let index = (last as f64 * share).round() as usize;
        self.0.get(index).map_or(f64::NAN, |sample| sample.as_secs_f64() * 1e3)
    }

    /// p50 and p99.
    fn both(&self) -> [f64; 2] {
        [self.percentile(0.5), self.percentile(0.99)]
    }
}

/// One table, printed as Markdown so that it can be put into a note as it is.
#[derive(Default)]
pub struct Table {
    rows: Vec<[String; COLUMNS]>,
}

const COLUMNS: usize = 8;
/// What a row shows of the reason why it is empty.
const REASON_CHARACTERS_MAX: usize = 120;
const HEAD: [&str; COLUMNS] = ["what", "n", "p50", "p99", "beside p50", "beside p99", "ratio", "goal"];

impl Table {
    /// Latencies beside those of `beside`; the goal is p50 and p99, milliseconds.
    pub fn times(&mut self, what: &str, ours: &Times, beside: &Times, goal: [f64; 2]) {
        let ([p50, p99], [beside_p50, beside_p99]) = (ours.both(), beside.both());
        let cells = [ms(p50), ms(p99), ms(beside_p50), ms(beside_p99), format!("{:.2}", p50 / beside_p50)];
        self.row(what, ours.0.len(), cells, latency_goal(goal, [p50, p99]));
    }

    /// What is added to the latencies of `beside`, percentile by percentile; the goal likewise.
    pub fn added(&mut self, what: &str, ours: &Times, beside: &Times, goal: [f64; 2]) {
        let ([p50, p99], [beside_p50, beside_p99]) = (ours.both(), beside.both());
        let added = [p50 - beside_p50, p99 - beside_p99];
        let plus = added.map(|ms| format!("{ms:+.3} ms"));
        let [plus_p50, plus_p99] = plus;
        let cells = [plus_p50, plus_p99, ms(beside_p50), ms(beside_p99), format!("{:.2}", p50 / beside_p50)];
        self.row(what, ours.0.len(), cells, latency_goal(goal, added));
    }

    /// A rate, or a share of one: more is better.
    pub fn rate(&mut self, what: &str, unit: &str, n: usize, ours: f64, beside: Option<f64>, goal: f64) {
        let shown = |value: f64| format!("{value:.0} {unit}");
        let cells =
            [shown(ours), String::new(), beside.map_or_else(String::new, shown), String::new(), ratio(ours, beside)];
        self.row(what, n, cells, verdict(format!(">= {goal} {unit}"), ours >= goal));
    }

    /// A size: less is better.
    pub fn size(&mut self, what: &str, unit: &str, n: usize, ours: f64, goal: f64) {
        let cells = [format!("{ours:.2} {unit}"), String::new(), String::new(), String::new(), String::new()];
        self.row(what, n, cells, verdict(format!("<= {goal} {unit}"), ours <= goal));
    }

    /// What could not be measured, and why.
    pub fn missing(&mut self, what: &str, why: &str) {
        let mut row = [const { String::new() }; COLUMNS];
        row[0] = what.to_owned();
        let reason: String = why.lines().last().unwrap_or_default().chars().take(REASON_CHARACTERS_MAX).collect();
        row[COLUMNS - 1] = format!("not measured: {reason}");
        self.rows.push(row);
    }

    fn row(&mut self, what: &str, n: usize, [a, b, c, d, e]: [String; 5], goal: String) {
        self.rows.push([what.to_owned(), n.to_string(), a, b, c, d, e, goal]);
    }
}

fn ms(value: f64) -> String {
    format!("{value:.3} ms")
}

fn ratio(ours: f64, beside: Option<f64>) -> String {
    beside.map_or_else(String::new, |beside| format!("{:.2}", ours / beside))
}

/// A goal of no interest is infinite.
fn latency_goal(goal: [f64; 2], measured: [f64; 2]) -> String {
    let [p50, p99] = goal;
    let words = if p99.is_finite() { format!("<= {p50} / {p99} ms") } else { format!("<= {p50} ms") };
    verdict(words, measured[0] <= p50 && measured[1] <= p99)
}

fn verdict(words: String, met: bool) -> String {
    format!("{words}: {}", if met { "met" } else { "NOT met" })
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = HEAD.map(str::to_owned);
        let mut widths = [0; COLUMNS];
        for row in self.rows.iter().chain([&head]) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |row: &[String; COLUMNS]| {
            let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            format!("| {} |", cells.join(" | "))
        };
        writeln!(f, "\n{}", line(&head))?;
        writeln!(f, "|{}|", widths.map(|width| "-".repeat(width + 2)).join("|"))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{}", line(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let times = Times::of((1..=101).rev().map(Duration::from_millis).collect());
        assert!((times.percentile(0.5) - 51.0).abs() < 1e-9);
        assert!((times.percentile(0.99) - 100.0).abs() < 1e-9);
        assert!(Times::of(Vec::new()).percentile(0.5).is_nan());
    }

    #[test]
    fn a_goal_is_met_by_both_percentiles() {
        assert!(latency_goal([1.5, 4.0], [1.5, 3.9]).ends_with(": met"));
        assert!(latency_goal([1.5, 4.0], [1.0, 4.1]).ends_with("NOT met"));
        assert_eq!(latency_goal([2.0, f64::INFINITY], [1.0, 99.0]), "<= 2 ms: met");
    }
}
