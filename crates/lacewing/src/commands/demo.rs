//! `lacewing demo`: the whole way from nothing to a bill, on this machine, in seconds.
//!
//! server of its own -> per function: deploy -> first call (cold) -> more calls (warm) -> the bill -> server gone

mod functions;
mod measure;
mod show;

use super::serve::{log_to_stderr, own_node};
use crate::client::Client;
use crate::client::target::{Keys, Target};
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::steps;
use clap::Args;
use functions::Sample;
use indicatif::ProgressBar;
use lacewing_lambda_api::CostReply;
use lacewing_node::{Config, InterpreterInfo, IsolationReport, NodeOptions, RunningNode};
use measure::Measured;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How often removing the data dir is tried, and how long after another.
const REMOVALS_MAX: u32 = 100;
const REMOVAL_PAUSE: Duration = Duration::from_millis(20);
/// Steps of each function: deploy, cold, warm.
const STEPS_EACH: u64 = 3;

/// See it work: a server, three functions (Python, Node, native), their answers, logs, times and bill.
///
/// Everything happens in a temporary folder on a free loopback port and is gone afterwards. A language that this host
/// lacks is named and skipped; the native function always runs.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lacewing demo\n  lacewing demo --json | jq '.functions[] | {name, cold_ms, warm_ms}'"
)]
pub struct Demo {
    /// How much the demo's server says: error, warn, info, debug, trace, or a filter.
    #[arg(long, value_name = "LEVEL", default_value = "error", env = "LACEWING_LOG")]
    pub log_level: String,
}

impl Demo {
    /// Runs the demo.
    ///
    /// # Errors
    /// [`Failure`] when the server does not start or a function does not answer.
    pub fn run(self, output: Output) -> Result<ExitCode, Failure> {
        log_to_stderr(&self.log_level)?;
        let dir = tempfile::Builder::new().prefix("lacewing-demo-").tempdir();
        let dir = dir.map_err(|error| Failure::file(&std::env::temp_dir(), &error))?;
        let options = options(dir.path())?;
        let (isolation, interpreters) = lacewing_node::probe(&options);
        let begun = Instant::now();
        // Before any thread: the node starts its spawner first.
        let node = lacewing_node::spawn(options).map_err(|error| {
            Failure::unreachable(error.to_string(), "`lacewing doctor` tells what this host lacks and how to mend it")
        })?;
        let ready_ms = begun.elapsed().as_secs_f64() * 1_000.0;
        let result = super::wait(async {
            tokio::select! {
                result = tour(&node, ready_ms, &isolation, &interpreters, output) => result,
                _ = tokio::signal::ctrl_c() => Err(Failure::refused("interrupted", "run `lacewing demo` again; nothing was left behind")),
            }
        });
        drop(node);
        remove(dir, output);
        result.map(|()| ExitCode::SUCCESS)
    }
}

/// Removes the data dir. What the node began in the background may still be ending there, so more than one try.
fn remove(dir: TempDir, output: Output) {
    let path = dir.keep();
    let gone = (0..REMOVALS_MAX).any(|_| {
        let _ = std::fs::remove_dir_all(&path);
        let gone = !path.exists();
        if !gone {
            std::thread::sleep(REMOVAL_PAUSE);
        }
        gone
    });
    if !gone {
        output.say(&format!("could not remove {}; please do", path.display()));
    }
}

async fn tour(
    node: &RunningNode,
    ready_ms: f64,
    isolation: &IsolationReport,
    interpreters: &[InterpreterInfo],
    output: Output,
) -> Result<(), Failure> {
    let samples = functions::samples(interpreters);
    let bar = steps(STEPS_EACH * samples.iter().filter(|sample| sample.is_ok()).count() as u64 + 1);
    let say = |lines: Vec<String>| {
        if !output.json {
            bar.suspend(|| lines.iter().for_each(|line| output.line_if_read(line)));
        }
    };
    say(show::opening(node.addr, ready_ms, isolation));
    let mut client = Client::new(target(node));
    let mut documents = Vec::new();
    for sample in samples {
        match sample {
            Ok(sample) => {
                let measured = run(&mut client, &sample, &bar).await?;
                documents.push(measured.document(&sample));
                say(show::function(&sample, &measured));
            }
            Err(skipped) => {
                documents.push(json!({"name": skipped.name, "skipped": skipped.why}));
                say(show::skipped(&skipped));
            }
        }
    }
    bar.set_message("adding up the bill");
    let bill = client.cost("").await?;
    bar.finish_and_clear();
    say(show::closing(&bill));
    if output.json {
        output.document(&document(ready_ms, isolation, documents, &bill));
    }
    Ok(())
}

async fn run(client: &mut Client, sample: &Sample, bar: &ProgressBar) -> Result<Measured, Failure> {
    bar.set_message(format!("{}: deploying", sample.name));
    let deployed_ms = measure::deploy(client, sample).await?;
    bar.inc(1);
    bar.set_message(format!("{}: first call", sample.name));
    let cold = measure::call(client, sample.name).await?;
    bar.inc(1);
    bar.set_message(format!("{}: more calls", sample.name));
    let warm = measure::calls(client, sample.name).await?;
    bar.inc(1);
    Ok(Measured { deployed_ms, cold, warm })
}

fn document(ready_ms: f64, isolation: &IsolationReport, functions: Vec<Value>, bill: &CostReply) -> Value {
    json!({
        "server": {"ready_ms": ready_ms, "isolation_full": isolation.is_full()},
        "functions": functions,
        "bill": bill,
    })
}

fn target(node: &RunningNode) -> Target {
    let (id, secret) = node.root_key.clone();
    Target {
        authority: node.addr.to_string(),
        keys: Keys { id, secret, session_token: None },
        region: "us-east-1".to_owned(),
    }
}

fn options(data_dir: &Path) -> Result<NodeOptions, Failure> {
    let mut config = Config::default();
    // The demo shows where the time of a start goes.
    config.logs.start_phases = true;
    own_node(data_dir, config)
}
