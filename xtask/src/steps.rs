//! Steps of a longer task: each runs one command, shows its output as it comes, and leaves its time and,
//! where it ran tests, how many passed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Tests counted by a runner's closing line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that held.
    pub passed: u64,
    /// Tests that did not.
    pub failed: u64,
    /// Tests that this machine cannot run.
    pub skipped: u64,
    /// A closing line of nextest's was seen: it counts all, and no other line does.
    closed: bool,
}

/// What the steps so far came to.
#[derive(Default)]
pub struct Steps {
    done: Vec<Done>,
}

struct Done {
    name: &'static str,
    took: Duration,
    counts: Counts,
    broken: Option<String>,
}

impl Steps {
    /// Runs `command`, true when it succeeded; a failure is kept for the summary and stops nothing.
    pub fn command(&mut self, name: &'static str, command: &mut Command) -> bool {
        self.step(name, |counts| show(command, |line| counts.add(line)))
    }

    /// Runs `work` as a step.
    pub fn step(&mut self, name: &'static str, work: impl FnOnce(&mut Counts) -> Result<(), String>) -> bool {
        println!("\n== {name}");
        let begin = Instant::now();
        let mut counts = Counts::default();
        let broken = work(&mut counts).err();
        let took = begin.elapsed();
        if let Some(message) = &broken {
            eprintln!("{name}: {message}");
        }
        println!("== {name}: {:.1} s", took.as_secs_f64());
        let held = broken.is_none();
        self.done.push(Done { name, took, counts, broken });
        held
    }

    /// Prints every step with its time, then the one line that says how many tests passed.
    ///
    /// # Errors
    /// The names of the steps that failed.
    pub fn finish(self) -> Result<(), String> {
        println!();
        let mut all = Counts::default();
        for step in &self.done {
            let Counts { passed, failed, skipped, .. } = step.counts;
            let tests = if step.counts == Counts::default() {
                String::new()
            } else {
                format!("{passed} passed, {failed} failed, {skipped} skipped")
            };
            let verdict = if step.broken.is_some() { "FAILED" } else { "ok" };
            println!("{:<24} {verdict:<7} {:>7.1} s  {tests}", step.name, step.took.as_secs_f64());
            all.passed += passed;
            all.skipped += skipped;
            // A step without a count that failed (a lint, a build) is a failed check all the same.
            all.failed += if failed == 0 && step.broken.is_some() { 1 } else { failed };
        }
        let total: Duration = self.done.iter().map(|step| step.took).sum();
        println!("{:<24} {:<7} {:>7.1} s\n", "all", "", total.as_secs_f64());
        println!("{} passed, {} failed, {} skipped", all.passed, all.failed, all.skipped);
        let broken: Vec<&str> = self.done.iter().filter(|step| step.broken.is_some()).map(|step| step.name).collect();
        if broken.is_empty() { Ok(()) } else { Err(format!("failed: {}", broken.join(", "))) }
    }
}

/// Runs `command` with its output passed on line by line.
///
/// # Errors
/// That it could not start, or the status it ended with.
pub fn show(command: &mut Command, mut each_line: impl FnMut(&str)) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let pipe = |error: std::io::Error| format!("{name}: {error}");
    let (reader, writer) = std::io::pipe().map_err(pipe)?;
    let errors = writer.try_clone().map_err(pipe)?;
    let mut child = command.stdin(Stdio::null()).stdout(writer).stderr(errors).spawn().map_err(pipe)?;
    // The command holds both writing ends; without letting go of them the reader would never see the end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.map_err(pipe)?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        each_line(line.trim_end());
    }
    let status = child.wait().map_err(pipe)?;
    if status.success() { Ok(()) } else { Err(format!("{name}: {status}")) }
}

impl Counts {
    /// Adds what a line says if it is the closing line of a runner: nextest's, `cargo test`'s, pytest's or
    /// that of Node's own runner.
    pub fn add(&mut self, line: &str) {
        let line = line.trim().trim_matches('=').trim();
        if self.closed {
            return;
        }
        if line.starts_with("Summary [") {
            // What came before is the output of tests that failed, which have closing lines of their own.
            *self = Self { closed: true, ..Self::default() };
            return self.add_words(line);
        }
        if let Some(count) = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# ")) {
            return self.add_node(count);
        }
        if line.starts_with("test result:") || is_pytest(line) {
            self.add_words(line);
        }
    }

    fn add_words(&mut self, line: &str) {
        let words: Vec<&str> = line.split([' ', ',', ';', ':', '(', ')']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let Ok(count) = pair[0].parse::<u64>() else { continue };
            match pair[1] {
                "passed" => self.passed += count,
                "failed" | "error" | "errors" | "timed" => self.failed += count,
                "skipped" | "ignored" => self.skipped += count,
                _ => {}
            }
        }
    }

    fn add_node(&mut self, line: &str) {
        let Some((what, count)) = line.split_once(' ') else { return };
        let Ok(count) = count.trim().parse::<u64>() else { return };
        match what {
            "pass" => self.passed += count,
            "fail" | "cancelled" => self.failed += count,
            "skipped" => self.skipped += count,
            _ => {}
        }
    }
}

/// `5 passed, 1 skipped in 0.52s`, with or without a longer clock behind it.
fn is_pytest(line: &str) -> bool {
    let Some((counts, time)) = line.rsplit_once(" in ") else { return false };
    let timed =
        time.split(' ').next().and_then(|word| word.strip_suffix('s')).is_some_and(|n| n.parse::<f64>().is_ok());
    timed && counts.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_every_runner_are_counted() {
        for (line, passed, failed, skipped) in [
            ("     Summary [   0.523s] 12 tests run: 11 passed (1 slow), 1 failed, 3 skipped", 11, 1, 3),
            ("test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s", 5, 0, 2),
            ("=== 1 failed, 41 passed, 2 skipped in 3.21s ===", 41, 1, 2),
            ("7 passed in 61.02s (0:01:01)", 7, 0, 0),
            ("ℹ pass 4", 4, 0, 0),
            ("# fail 2", 0, 2, 0),
            ("a function printed: 3 passed", 0, 0, 0),
        ] {
            let mut counts = Counts::default();
            counts.add(line);
            assert_eq!((counts.passed, counts.failed, counts.skipped), (passed, failed, skipped), "{line}");
        }
    }

    #[test]
    fn a_failed_test_counts_once_although_its_output_has_a_closing_line_too() {
        let mut counts = Counts::default();
        let closing =
            "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s";
        for line in [closing, closing, "Summary [   0.523s] 12 tests run: 10 passed, 2 failed, 0 skipped", closing] {
            counts.add(line);
        }
        assert_eq!((counts.passed, counts.failed), (10, 2));
    }
}
