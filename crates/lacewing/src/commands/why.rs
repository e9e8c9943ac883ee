//! `lacewing why`: why a call was as quick or slow as it was, or what the pool did for a function.

use super::client;
use super::list::{plain_table, right};
use crate::arguments::Connection;
use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use lacewing_lambda_api::{WhyDecision, WhyFunctionReply, WhyRequestReply, WhyStart};
use lacewing_model::RequestId;
use std::process::ExitCode;

/// Tell why a call had to wait, or what was started and ended for a function.
///
/// For a request id: whether its sandbox was warm, which rung its start took and why no better one, and where the
/// time went. For a function: what the pool did in the last hour, and for which reason.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lacewing why 4ca9f4f8-4f42-4b0f-9ad1-77a2a0a4b9a6
  lacewing why hello
  lacewing why hello:live --json | jq '.decisions[] | select(.what == \"end\")'")]
pub struct Why {
    /// The id of an invocation (as in its START line), or a function's name, with or without `:QUALIFIER`.
    #[arg(value_name = "REQUEST_ID|FUNCTION")]
    pub subject: String,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub connection: Connection,
}

impl Why {
    /// Tells.
    ///
    /// # Errors
    /// [`Failure`]: no server, or nothing is known of it.
    pub async fn run(self, output: Output) -> Result<ExitCode, Failure> {
        let mut client = client(&self.connection)?;
        let (document, lines) = if self.subject.parse::<RequestId>().is_ok() {
            let reply = client.why_request(&self.subject).await?;
            (serde_json::to_value(&reply), of_request(&reply))
        } else {
            let reply = client.why_function(&self.subject).await?;
            (serde_json::to_value(&reply), of_function(&reply))
        };
        if output.json {
            output.document(&document.unwrap_or_default());
        } else {
            lines.iter().for_each(|line| output.line(line));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn of_request(reply: &WhyRequestReply) -> Vec<String> {
    let how = match (reply.rung.as_str(), &reply.tenant) {
        ("warm", None) => "warm: a sandbox of this version idled".to_owned(),
        ("warm", Some(_)) => "warm: a sandbox of this version and tenant idled".to_owned(),
        (rung, _) => format!("{rung} start"),
    };
    let mut lines = vec![
        format!(
            "{} of {}:{}, ended {} ({})",
            reply.request_id, reply.function, reply.version, reply.ended, reply.outcome
        ),
        format!("  {how}; it waited {}, ran {}", ms(reply.waited_ms), ms(reply.run_ms)),
    ];
    if let Some(tenant) = &reply.tenant {
        lines.push(format!("  for the tenant {tenant}"));
    }
    if let Some(init) = reply.init_ms {
        lines.push(format!("  billed for an INIT of {}", ms(init)));
    }
    if !reply.sandbox.is_empty() {
        lines.push(format!("  sandbox {}", reply.sandbox));
    }
    match &reply.start {
        Some(start) => lines.extend(of_start(start, &reply.request_id)),
        None => lines.push("  how that sandbox was started is not remembered any more".to_owned()),
    }
    lines
}

fn of_start(start: &WhyStart, request_id: &str) -> Vec<String> {
    let for_whom = match start.first_request_id == request_id {
        true => "for this call".to_owned(),
        false => format!("its first call was {} at {}", start.first_request_id, start.at),
    };
    let purpose = if start.purpose.is_empty() { String::new() } else { format!(", {}", start.purpose) };
    let mut lines = vec![format!("  started {} ({for_whom}){purpose}", start.rung)];
    if !start.missed.is_empty() {
        lines.push(format!("  no better rung, because {}", start.missed));
    }
    let phases = &start.phases;
    for (name, took) in [
        ("queue, in all", phases.queue_ms),
        ("place", phases.place_ms),
        ("sandbox", phases.sandbox_ms),
        ("mount", phases.mount_ms),
        ("runtime boot", phases.boot_ms),
        ("code and init", phases.load_ms),
    ] {
        lines.push(format!("    {name:<14}{:>12}", ms(took)));
    }
    lines
}

fn of_function(reply: &WhyFunctionReply) -> Vec<String> {
    let without_snapshot =
        reply.without_snapshot.iter().map(|reason| format!("it starts without a snapshot: {reason}"));
    let mut lines: Vec<String> = without_snapshot.collect();
    lines.extend(decisions_of(reply));
    lines
}

fn decisions_of(reply: &WhyFunctionReply) -> Vec<String> {
    if reply.decisions.is_empty() {
        return vec![format!("nothing was started, ended or refused for {} since {}", reply.function, reply.from)];
    }
    let mut table = plain_table(["time", "what", "why", "sandbox", "rung", "took", "first call"]);
    for decision in &reply.decisions {
        let WhyDecision { at, what, why, sandbox, count, rung, took_ms, missed, request_id } = decision;
        let why = match missed {
            Some(missed) => format!("{why}; no better rung: {missed}"),
            None => why.clone(),
        };
        table.add_row([
            at.get(11..23).unwrap_or(at).to_owned(),
            if *count > 1 { format!("{what} x{count}") } else { what.clone() },
            why,
            sandbox.map(|number| number.to_string()).unwrap_or_default(),
            rung.clone().unwrap_or_default(),
            took_ms.map(ms).unwrap_or_default(),
            request_id.clone().unwrap_or_default(),
        ]);
    }
    right(&mut table, &[3, 5]);
    table.trim_fmt().lines().map(str::to_owned).collect()
}

fn ms(value: f64) -> String {
    format!("{value:.2} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_call_names_the_start_of_its_sandbox() {
        let reply = WhyRequestReply {
            request_id: "two".into(),
            function: "hello".into(),
            version: "$LATEST".into(),
            rung: "warm".into(),
            waited_ms: 0.01,
            run_ms: 1.5,
            start: Some(WhyStart {
                first_request_id: "one".into(),
                at: "2026-11-24T03:00:00Z".into(),
                rung: "full".into(),
                missed: "none of its kind was prepared".into(),
                ..WhyStart::default()
            }),
            ..WhyRequestReply::default()
        };
        let shown = of_request(&reply).join("\n");
        assert!(shown.contains("warm: a sandbox of this version idled; it waited 0.01 ms, ran 1.50 ms"), "{shown}");
        assert!(shown.contains("started full (its first call was one at 2026-11-24T03:00:00Z)"), "{shown}");
        assert!(shown.contains("no better rung, because none of its kind was prepared"), "{shown}");
    }

    #[test]
    fn decisions_are_listed_with_their_reasons() {
        let decision = WhyDecision {
            at: "2026-11-24T03:00:00.123Z".into(),
            what: "refuse".into(),
            why: "no room for another sandbox".into(),
            count: 7,
            ..WhyDecision::default()
        };
        let reply = WhyFunctionReply { decisions: vec![decision], ..WhyFunctionReply::default() };
        let shown = of_function(&reply).join("\n");
        assert!(shown.contains("03:00:00.123  refuse x7  no room for another sandbox"), "{shown}");
        assert!(!shown.contains("snapshot"), "{shown}");
        let lost = WhyFunctionReply { without_snapshot: Some("it was lost".into()), ..reply };
        assert_eq!(of_function(&lost)[0], "it starts without a snapshot: it was lost");
    }
}
