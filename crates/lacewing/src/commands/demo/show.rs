//! What the demo prints: 80 columns, plain text, readable in a log too.

use super::functions::{Sample, Skipped};
use super::measure::{Measured, Start, WARM_CALLS};
use crate::commands::cost::table;
use crate::output::{milliseconds, size};
use crate::package::Entry;
use lacewing_lambda_api::CostReply;
use lacewing_node::{IsolationReport, Strength};
use std::net::SocketAddr;

/// Nothing is wider.
const COLUMNS: usize = 80;
/// Where the text of a labelled line begins.
const INDENT: usize = 9;
/// The server.
pub fn opening(addr: SocketAddr, ready_ms: f64, isolation: &IsolationReport) -> Vec<String> {
    let full = isolation.walls.iter().filter(|wall| wall.strength == Strength::Full).count();
    let mut out = vec!["Lacewing: a server, three functions, their answers, times and bill.".to_owned(), String::new()];
    labelled(&mut out, "server", &format!("ready in {} at http://{addr}", milliseconds(ready_ms)));
    let walls = isolation.walls.len();
    let more = if full == walls { "" } else { "; `lacewing doctor` says which are weaker and why" };
    labelled(&mut out, "", &format!("isolation: {full} of {walls} walls in full{more}"));
    out
}

/// One function.
pub fn function(sample: &Sample, measured: &Measured) -> Vec<String> {
    let bytes: u64 = sample.tree.files.values().map(Entry::bytes).sum();
    let mut out = vec![String::new()];
    labelled(
        &mut out,
        sample.name,
        &format!("{}, {}, deployed in {}", sample.runtime, size(bytes), milliseconds(measured.deployed_ms)),
    );
    labelled(&mut out, "  cold", &format!("{}: {}", milliseconds(measured.cold.ms), measured.cold.answer));
    labelled(&mut out, "", &phases(&measured.cold.start));
    labelled(&mut out, "  warm", &format!("{}: {}", milliseconds(measured.warm.ms), measured.warm.answer));
    labelled(&mut out, "", &format!("median of {WARM_CALLS} calls, signed, over HTTP, one at a time"));
    for (number, line) in measured.cold.lines.iter().enumerate() {
        labelled(&mut out, if number == 0 { "  log" } else { "" }, &line.replace('\t', "  "));
    }
    out
}

/// Where the time of a start went. `queue` is all the waiting: what of it no other phase accounts for is shown.
fn phases(start: &Start) -> String {
    let of = |name: &str| start.phases.iter().find(|(found, _)| found == name).map(|(_, ms)| *ms);
    let begun: f64 = ["sandbox", "mount", "boot", "init"].into_iter().filter_map(of).sum();
    let shown = |(name, ms): &(String, f64)| match name.as_str() {
        "queue" => format!("wait {:.2}", (ms - begun).max(0.0)),
        "mount" => format!("code {ms:.2}"),
        name => format!("{name} {ms:.2}"),
    };
    let rung = if start.rung.is_empty() { String::new() } else { format!("{} start, ms: ", start.rung) };
    format!("{rung}{}", start.phases.iter().map(shown).collect::<Vec<_>>().join(" + "))
}

/// A language that is not there.
pub fn skipped(skipped: &Skipped) -> Vec<String> {
    let mut out = vec![String::new()];
    labelled(&mut out, skipped.name, &format!("skipped: {}", skipped.why));
    out
}

/// The bill, and how to go on.
pub fn closing(bill: &CostReply) -> Vec<String> {
    let mut out = vec![String::new(), "The bill, from one usage record for each call:".to_owned(), String::new()];
    out.extend(table(bill));
    out.extend(
        [
            "",
            "That server is gone again. Your own, which keeps its state:",
            "  lacewing serve                            on http://127.0.0.1:9000",
            "  lacewing deploy app.py --name hello       then: lacewing invoke hello",
            "  eval \"$(lacewing env)\"                    then: aws lambda list-functions",
            "(from a checkout: `cargo run --release -- serve`, and so on)",
        ]
        .map(str::to_owned),
    );
    out
}

/// Adds `text` behind `label`, folded to the width.
fn labelled(out: &mut Vec<String>, label: &str, text: &str) {
    let mut first = true;
    for part in folded(text, COLUMNS - INDENT) {
        let label = if first { label } else { "" };
        first = false;
        out.push(format!("{label:INDENT$}{part}").trim_end().to_owned());
    }
}

/// Cuts `text` into lines of at most `width` characters, at spaces where there are some.
fn folded(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut word = word;
        let fits = |line: &str, word: &str| line.chars().count() + 1 + word.chars().count() <= width;
        if !line.is_empty() && !fits(&line, word) {
            lines.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        while word.chars().count() > width {
            let at = word.char_indices().nth(width).map_or(word.len(), |(at, _)| at);
            lines.push(word[..at].to_owned());
            word = &word[at..];
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_wider_than_the_page() {
        let long = "x".repeat(200);
        for text in
            ["", "short", "some words that go on and on until they do not fit into one line any more, at all", &long]
        {
            let mut out = Vec::new();
            labelled(&mut out, "label", text);
            assert!(out.iter().all(|line| line.chars().count() <= COLUMNS), "{out:?}");
            let joined: String = folded(text, 71).concat().split_whitespace().collect();
            assert_eq!(joined, text.split_whitespace().collect::<String>());
        }
    }
}
