//! Deploys and calls, with a clock beside it: what a client sees, over HTTP and signed.

use super::functions::Sample;
use crate::client::{Client, DeployedCode, FunctionFields};
use crate::commands::deploy::role;
use crate::failure::Failure;
use crate::package::pack;
use bytes::Bytes;
use lacewing_model::Architecture;
use serde_json::{Map, Value, json};
use std::time::Instant;

/// Warm calls, of which the median is shown.
pub const WARM_CALLS: usize = 20;
const EVENT: &[u8] = br#"{"name":"you"}"#;

/// Where the time of a call went, as its REPORT line tells.
#[derive(Debug, Default, PartialEq)]
pub struct Start {
    /// The rung of the start, such as `full`; empty where the call waited for none.
    pub rung: String,
    /// Phase and milliseconds, in order; the run is the last.
    pub phases: Vec<(String, f64)>,
}

/// What one function did.
#[allow(missing_docs)]
pub struct Measured {
    pub deployed_ms: f64,
    pub cold: Call,
    pub warm: Call,
}

/// One call, or the median of several.
#[allow(missing_docs)]
pub struct Call {
    pub ms: f64,
    pub answer: String,
    pub lines: Vec<String>,
    pub start: Start,
}

impl Measured {
    /// For `--json`.
    pub fn document(&self, sample: &Sample) -> Value {
        let phases: Map<String, Value> =
            self.cold.start.phases.iter().map(|(name, ms)| (name.clone(), (*ms).into())).collect();
        json!({
            "name": sample.name,
            "runtime": sample.runtime,
            "deployed_ms": self.deployed_ms,
            "cold_ms": self.cold.ms,
            "warm_ms": self.warm.ms,
            "warm_calls": WARM_CALLS,
            "answer": serde_json::from_str::<Value>(&self.cold.answer).unwrap_or_default(),
            "start": self.cold.start.rung,
            "phases_ms": phases,
            "log": self.cold.lines,
        })
    }
}

/// Packs, creates and waits; milliseconds.
///
/// # Errors
/// [`Failure`] when the function cannot run.
pub async fn deploy(client: &mut Client, sample: &Sample) -> Result<f64, Failure> {
    let begun = Instant::now();
    let zip = pack(&sample.tree)?;
    let architecture = Architecture::of_host().unwrap_or_default().as_str();
    let mut fields = FunctionFields::new();
    fields.insert("Runtime".into(), sample.runtime.as_str().into());
    fields.insert("Handler".into(), sample.handler.into());
    fields.insert("Role".into(), role("").into());
    fields.insert("Architectures".into(), json!([architecture]));
    client.create_function(sample.name, &DeployedCode::Zip(&zip), &fields, &Map::new()).await?;
    client.settled(sample.name).await?;
    Ok(begun.elapsed().as_secs_f64() * 1_000.0)
}

/// One call.
///
/// # Errors
/// [`Failure`] when the function fails.
pub async fn call(client: &mut Client, name: &str) -> Result<Call, Failure> {
    let begun = Instant::now();
    let answer = client.invoke(name, None, None, Bytes::from_static(EVENT), true).await?;
    let ms = begun.elapsed().as_secs_f64() * 1_000.0;
    let text = String::from_utf8_lossy(&answer.payload).into_owned();
    if answer.error.is_some() {
        return Err(Failure::refused(format!("{name} failed: {text}"), "`lacewing doctor` checks the host"));
    }
    let lines: Vec<String> = answer.tail.unwrap_or_default().lines().map(str::to_owned).collect();
    let start = lines.iter().find(|line| line.starts_with("REPORT ")).map(|line| start(line)).unwrap_or_default();
    Ok(Call { ms, answer: text, lines, start })
}

/// [`WARM_CALLS`] calls, one after the other: the last one's answer and the median time.
///
/// # Errors
/// [`Failure`] when the function fails.
pub async fn calls(client: &mut Client, name: &str) -> Result<Call, Failure> {
    let mut times = Vec::with_capacity(WARM_CALLS);
    let mut last = call(client, name).await?;
    times.push(last.ms);
    while times.len() < WARM_CALLS {
        last = call(client, name).await?;
        times.push(last.ms);
    }
    times.sort_by(f64::total_cmp);
    last.ms = times[times.len() / 2];
    Ok(last)
}

/// Reads a REPORT line: fields set apart by tabs, of which `Start: RUNG (PHASE 0.10 ms, ...)` is the platform's own.
fn start(report: &str) -> Start {
    let field = |name: &str| report.split('\t').find_map(|part| part.strip_prefix(name)?.strip_prefix(": "));
    let mut start = Start::default();
    if let Some((rung, phases)) = field("Start").and_then(|field| field.split_once(" (")) {
        rung.clone_into(&mut start.rung);
        start.phases.extend(phases.trim_end_matches(')').split(", ").filter_map(phase));
    }
    start.phases.extend(field("Duration").and_then(|duration| phase(&format!("run {duration}"))));
    start
}

/// `boot 1.20 ms`.
fn phase(text: &str) -> Option<(String, f64)> {
    let mut words = text.split(' ');
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phases_of_a_start_are_read_from_its_report_line() {
        let line = "REPORT RequestId: 8f2\tDuration: 1.20 ms\tBilled Duration: 25 ms\t\
                    Start: full (queue 0.10 ms, sandbox 1.30 ms, boot 20.00 ms)\t";
        let want = [("queue", 0.1), ("sandbox", 1.3), ("boot", 20.0), ("run", 1.2)];
        let want = want.map(|(name, ms)| (name.to_owned(), ms)).to_vec();
        assert_eq!(start(line), Start { rung: "full".to_owned(), phases: want });
        assert_eq!(start("REPORT RequestId: 8f2\tDuration: 1.20 ms\t").phases.len(), 1);
    }
}
