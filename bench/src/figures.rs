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
}

/// One table, printed as Markdown so that it can be put into a note as it is.
#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 7]>,
}

impl Table {
    /// A row of latencies: p50 and p99 of ours and of the bare cost.
    pub fn times(&mut self, what: &str, ours: Times, bare: &Times, goal_ms: f64) {
        let (p50, bare_p50) = (ours.percentile(0.5), bare.percentile(0.5));
        self.rows.push([
            format!("{what} (n={})", ours.0.len()),
            format!("{p50:.3} ms"),
            format!("{:.3} ms", ours.percentile(0.99)),
            format!("{bare_p50:.3} ms"),
            format!("{:.3} ms", bare.percentile(0.99)),
            format!("{:.2}", p50 / bare_p50),
            verdict(goal_ms, p50 <= goal_ms, "ms at most"),
        ]);
    }

    /// A row of a rate: more is better.
    pub fn rate(&mut self, what: &str, unit: &str, ours: f64, bare: f64, goal: f64) {
        let row =
            [what.to_owned(), format!("{ours:.0} {unit}"), String::new(), format!("{bare:.0} {unit}"), String::new()];
        let [a, b, c, d, e] = row;
        self.rows.push([a, b, c, d, e, format!("{:.2}", ours / bare), verdict(goal, ours >= goal, "at least")]);
    }

    /// A row of a size: less is better.
    pub fn size(&mut self, what: &str, unit: &str, ours: f64, bare: Option<f64>, goal: f64) {
        let bare_text = bare.map_or_else(String::new, |bare| format!("{bare:.1} {unit}"));
        let ratio = bare.map_or_else(String::new, |bare| format!("{:.2}", ours / bare));
        let goal = verdict(goal, ours <= goal, &format!("{unit} at most"));
        self.rows.push([
            what.to_owned(),
            format!("{ours:.1} {unit}"),
            String::new(),
            bare_text,
            String::new(),
            ratio,
            goal,
        ]);
    }
}

fn verdict(goal: f64, met: bool, words: &str) -> String {
    format!("{goal} {words}: {}", if met { "met" } else { "NOT met" })
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["what", "p50", "p99", "bare p50", "bare p99", "ratio", "goal"].map(str::to_owned);
        let mut widths = [0; 7];
        for row in self.rows.iter().chain([&head]) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |row: &[String; 7]| {
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
}
