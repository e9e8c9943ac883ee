//! The report as a picture: what each policy wastes against what it spares, and whom it spares it.
//!
//! Written by hand: two pairs of axes, some dots and some lines. A plotting library would bring fonts and backends,
//! and none is needed for text that the viewer sets.

use crate::report::{PolicyReport, Report};
use std::fmt::Write;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 470.0;
/// One colour for each policy, in order, and again from the first; told apart by most kinds of sight, on light and
/// on dark ground.
const COLOURS: [&str; 8] = ["#4477aa", "#ee6677", "#228833", "#b58b00", "#aa3377", "#5bb8d4", "#7a7a7a", "#dd7722"];

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1d2530}.title{font-size:17px;font-weight:600}.panel{font-weight:600}\
.dim{fill:#66707c}.axis{stroke:#66707c;fill:none}.grid{stroke:#e3e7ec;fill:none}.ground{fill:#fff}\
.end{text-anchor:end}.middle{text-anchor:middle}.curve{fill:none;stroke-width:2.2;stroke-linejoin:round}\
@media(prefers-color-scheme:dark){text{fill:#e8ecf1}.dim{fill:#98a2ae}.axis{stroke:#98a2ae}.grid{stroke:#2c3540}\
.ground{fill:#12171d}}";

/// Draws the report as an SVG document.
#[must_use]
pub fn figure(report: &Report) -> String {
    let mut out = String::new();
    put(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"Cold starts and idle memory by keep-alive policy\">\n<style>{STYLE}</style>\n\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n"
        ),
    );
    text(&mut out, 24.0, 32.0, "title", "Cold starts and idle memory by keep-alive policy");
    text(&mut out, 24.0, 53.0, "dim", &headline(report));
    trade(&mut out, report, &Frame { left: 74.0, top: 100.0, width: 350.0, height: 270.0 });
    curves(&mut out, report, &Frame { left: 546.0, top: 100.0, width: 390.0, height: 270.0 });
    legend(&mut out, report);
    out.push_str("</svg>\n");
    out
}

fn headline(report: &Report) -> String {
    let calls = report.policies.first().map_or(0, |policy| policy.calls);
    let nodes = if report.nodes == 1 { "1 node".to_owned() } else { format!("{} nodes", report.nodes) };
    format!("{}; {} calls, {nodes}", report.workload, thousands(calls))
}

/// Where a pair of axes stands.
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Frame {
    /// The point at these parts of the axes, from the lower left corner.
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.left + x * self.width, self.top + (1.0 - y) * self.height)
    }

    /// Axes with a grid and the labels of their ticks, and what they show.
    fn axes(&self, out: &mut String, title: &str, x: &Axis, y: &Axis) {
        text(out, self.left, self.top - 14.0, "panel", title);
        for (part, label) in y.ticks() {
            let (left, at) = self.at(0.0, part);
            put(out, format_args!("<path class=\"grid\" d=\"M{left:.1} {at:.1}h{:.1}\"/>\n", self.width));
            text(out, left - 8.0, at + 4.5, "dim end", &label);
        }
        for (part, label) in x.ticks() {
            let (at, bottom) = self.at(part, 0.0);
            put(out, format_args!("<path class=\"axis\" d=\"M{at:.1} {bottom:.1}v5\"/>\n"));
            text(out, at, bottom + 21.0, "dim middle", &label);
        }
        let (left, bottom) = self.at(0.0, 0.0);
        put(
            out,
            format_args!("<path class=\"axis\" d=\"M{left:.1} {:.1}V{bottom:.1}h{:.1}\"/>\n", self.top, self.width),
        );
        text(out, left + self.width / 2.0, bottom + 42.0, "dim middle", x.name);
    }
}

/// A linear axis from 0 to `most`.
struct Axis {
    name: &'static str,
    most: f64,
    step: f64,
    unit: &'static str,
}

impl Axis {
    /// One that holds `greatest` with some air and ticks at round numbers.
    fn holding(greatest: f64, name: &'static str, unit: &'static str) -> Self {
        let rough = (greatest * 1.08).max(1e-9) / 4.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|nice| nice * power).into_iter().find(|&step| step >= rough);
        let step = step.unwrap_or(rough);
        Self { name, most: (greatest * 1.08 / step).ceil().max(1.0) * step, step, unit }
    }

    fn ticks(&self) -> impl Iterator<Item = (f64, String)> {
        let Self { most, step, unit, .. } = *self;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a handful
        let count = (most / step).round() as u32;
        (0..=count).map(move |nth| {
            let value = f64::from(nth) * step;
            (value / most, format!("{}{unit}", number(value)))
        })
    }
}

fn trade(out: &mut String, report: &Report, frame: &Frame) {
    let most = |value: fn(&PolicyReport) -> f64| report.policies.iter().map(value).fold(0.0, f64::max);
    let hours = |policy: &PolicyReport| policy.memory.idle_gib_s / 3_600.0;
    let x = Axis::holding(most(hours), "memory held idle, GiB hours", "");
    let y = Axis::holding(most(|policy| policy.cold_share * 100.0), "", " %");
    frame.axes(out, "Calls that wait for a start (lower left is better)", &x, &y);
    for (policy, colour) in report.policies.iter().zip(COLOURS.iter().cycle()) {
        let (cx, cy) = frame.at(hours(policy) / x.most, policy.cold_share * 100.0 / y.most);
        put(out, format_args!("<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"6.5\" fill=\"{colour}\"/>\n"));
    }
}

fn curves(out: &mut String, report: &Report, frame: &Frame) {
    let x = Axis { name: "share of a function's calls that wait for a start", most: 100.0, step: 25.0, unit: " %" };
    let y = Axis { name: "", most: 100.0, step: 25.0, unit: " %" };
    frame.axes(out, "Functions with at most that share (upper left is better)", &x, &y);
    for (policy, colour) in report.policies.iter().zip(COLOURS.iter().cycle()) {
        let curve = &policy.function_cold_share_curve;
        let mut path = String::new();
        let (mut before, steps) = (frame.at(0.0, 0.0), curve.len().max(2) - 1);
        for (nth, share) in curve.iter().enumerate() {
            #[allow(clippy::cast_precision_loss)]
            let (x, y) = frame.at(*share, nth as f64 / steps as f64);
            // Steps, not slopes: no function lies between two points.
            let command = if path.is_empty() { 'M' } else { 'L' };
            put(
                &mut path,
                format_args!("{command}{:.1} {:.1}L{x:.1} {:.1}L{x:.1} {y:.1}", before.0, before.1, before.1),
            );
            before = (x, y);
        }
        put(out, format_args!("<path class=\"curve\" stroke=\"{colour}\" d=\"{path}\"/>\n"));
    }
}

fn legend(out: &mut String, report: &Report) {
    let mut left = 24.0;
    for (policy, colour) in report.policies.iter().zip(COLOURS.iter().cycle()) {
        put(out, format_args!("<circle cx=\"{:.1}\" cy=\"445\" r=\"6\" fill=\"{colour}\"/>\n", left + 6.0));
        text(out, left + 18.0, 449.5, "", &policy.policy);
        // About the width of the text: 7 px a letter.
        left += 44.0 + 7.0 * f64::from(u32::try_from(policy.policy.len()).unwrap_or(0));
    }
}

fn text(out: &mut String, x: f64, y: f64, class: &str, text: &str) {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    put(out, format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{escaped}</text>\n"));
}

fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(what);
}

/// A tick's number without zeros that say nothing.
fn number(value: f64) -> String {
    if value >= 10_000.0 {
        return format!("{} k", number(value / 1_000.0));
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `1,234,567`.
#[must_use]
pub fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_hold_their_data_and_tick_at_round_numbers() {
        for (greatest, most, step) in
            [(0.9, 1.0, 0.25), (97.0, 150.0, 50.0), (1_835.0, 2_000.0, 500.0), (0.0, 4e-10, 4e-10)]
        {
            let axis = Axis::holding(greatest, "", "");
            assert!(axis.most >= greatest && axis.ticks().count() <= 7, "{greatest}: {}", axis.most);
            if greatest > 0.0 {
                assert_eq!((axis.most, axis.step), (most, step), "{greatest}");
            }
        }
        assert_eq!([number(0.25), number(50.0), number(12_500.0)], ["0.25", "50", "12.5 k"]);
        assert_eq!([thousands(7), thousands(1_234), thousands(123_456_789)], ["7", "1,234", "123,456,789"]);
    }
}
