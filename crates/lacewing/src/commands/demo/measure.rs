//! Deploys and calls, with a clock beside it: what a client sees, over HTTP and signed.

use super::functions::Sample;
use crate::client::{Client, FunctionFields};
use crate::failure::Failure;
use crate::package::pack;
use bytes::Bytes;
use lacewing_model::Architecture;
use serde_json::{Map, Value, json};
use std::time::Instant;

/// Warm calls, of which the median is shown.
pub const WARM_CALLS: usize = 20;
const EVENT: &[u8] = br#"{"name":"you"}"#;

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
    /// Fields of the REPORT line, in its order.
    pub report: Vec<(String, String)>,
}

impl Measured {
    /// For `--json`.
    pub fn document(&self, sample: &Sample) -> Value {
        let report: Map<String, Value> =
            self.cold.report.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        json!({
            "name": sample.name,
            "runtime": sample.runtime,
            "deployed_ms": self.deployed_ms,
            "cold_ms": self.cold.ms,
            "warm_ms": self.warm.ms,
            "warm_calls": WARM_CALLS,
            "answer": serde_json::from_str::<Value>(&self.cold.answer).unwrap_or_default(),
            "cold_report": report,
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
    fields.insert("Role".into(), "arn:aws:iam::000000000000:role/lacewing".into());
    fields.insert("Architectures".into(), json!([architecture]));
    client.create_function(sample.name, &zip, &fields, &Map::new()).await?;
    client.settled(sample.name).await?;
    Ok(begun.elapsed().as_secs_f64() * 1_000.0)
}

/// One call.
///
/// # Errors
/// [`Failure`] when the function fails.
pub async fn call(client: &mut Client, name: &str) -> Result<Call, Failure> {
    let begun = Instant::now();
    let answer = client.invoke(name, None, Bytes::from_static(EVENT), true).await?;
    let ms = begun.elapsed().as_secs_f64() * 1_000.0;
    let text = String::from_utf8_lossy(&answer.payload).into_owned();
    if answer.error.is_some() {
        return Err(Failure::refused(format!("{name} failed: {text}"), "`lacewing doctor` checks the host"));
    }
    let lines: Vec<String> = answer.tail.unwrap_or_default().lines().map(str::to_owned).collect();
    let report = lines.iter().find(|line| line.starts_with("REPORT ")).map(|line| fields(line)).unwrap_or_default();
    Ok(Call { ms, answer: text, lines, report })
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

/// `Name: value` fields of a REPORT line, which are set apart by tabs.
fn fields(line: &str) -> Vec<(String, String)> {
    let parts = line.trim_start_matches("REPORT ").split('\t');
    let field =
        |part: &str| part.split_once(": ").map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    parts.filter_map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_line_is_read_by_its_tabs() {
        let line = "REPORT RequestId: 8f2\tDuration: 1.20 ms\tBilled Duration: 25 ms\tInit Duration: 23.10 ms\t";
        let fields = fields(line);
        assert_eq!(fields[0], ("RequestId".to_owned(), "8f2".to_owned()));
        assert_eq!(fields[3], ("Init Duration".to_owned(), "23.10 ms".to_owned()));
        assert_eq!(fields.len(), 4);
    }
}
