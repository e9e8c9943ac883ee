//! `lacewing simulate`: what a keep-alive policy would do with a day of calls, in seconds.

mod show;

use crate::failure::Failure;
use crate::output::Output;
use crate::progress::steps;
use clap::{Args, ValueEnum};
use lacewing_simulate::{
    FUNCTIONS_MAX, HOURS_MAX, Machine, NODES_MAX, Outcome, POLICIES_MAX, Plan, Policy, Source, StartTime, StartTimes,
    Synthetic, TraceError, Unpublished, figure, open, simulate,
};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Memory of a node where none is said, MiB: more than any trace needs, and no sum overflows.
const MEMORY_ENDLESS_MIB: u64 = 1 << 40;
/// Sandboxes of a node: descriptors do not count here.
const SANDBOXES_MAX: usize = 1 << 40;

/// Play a day of calls against the server's own decisions, and compare keep-alive policies.
///
/// Nothing is started: the pool's and the admission's code decides as in the server, and virtual time passes in its
/// place. The calls come from a public trace, or are drawn from published distributions. For each policy the report
/// says how many calls would have waited for a start and how long, and how much memory idle sandboxes would have held.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub struct Simulate {
    #[allow(missing_docs)]
    #[command(flatten)]
    pub workload: Workload,
    /// A keep-alive policy to play; give it more than once to play policies side by side [default: fixed:600, fixed:60,
    /// cost and hybrid].
    ///
    /// fixed:SECONDS keeps an idle sandbox that long, fixed:inf for ever. cost keeps it while its memory costs less than
    /// the start that it saves: cost:PRICE says how many MiB seconds a millisecond of a start is worth, cost:PRICE:SECONDS
    /// how long at most. hybrid (`rhythm` in the server's configuration) starts sandboxes ahead of calls that come at
    /// intervals; hybrid:SECONDS says how long others are kept.
    #[arg(long = "policy", value_name = "POLICY")]
    pub policies: Vec<Policy>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub machine: Nodes,
    /// Draw the comparison into this file (SVG).
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// What is played.
#[derive(Args, Debug)]
#[command(next_help_heading = "What is played")]
pub struct Workload {
    /// A trace: its files, or the folder that they are in. May be given more than once.
    #[arg(long, value_name = "PATH", required_unless_present = "synthetic")]
    pub trace: Vec<PathBuf>,
    /// Draw the calls from a published distribution.
    #[arg(long, value_name = "NAME", conflicts_with = "trace")]
    pub synthetic: Option<Published>,
    /// How many functions to draw.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(FUNCTIONS_MAX)))]
    pub functions: u32,
    /// How many hours to play [default: 24 drawn ones, or the whole trace].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(HOURS_MAX)))]
    pub hours: Option<u32>,
    /// What chance begins with: the same seed gives the same report.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Median of the functions' own INIT; one in ten takes 3.6 times as long. No trace tells it.
    #[arg(long, value_name = "MS", default_value_t = 100)]
    pub init_ms: u64,
}

/// The distributions that can be drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Published {
    /// Azure Functions, July 2019 ("Serverless in the Wild").
    Azure2019,
}

/// On what it is played.
#[derive(Args, Debug)]
#[command(next_help_heading = "On what")]
pub struct Nodes {
    /// How many nodes. A function keeps to one and spills over to others where that is full.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=NODES_MAX as u64))]
    pub nodes: u64,
    /// Memory of each node for sandboxes, by what functions are given [default: as much as is asked for].
    #[arg(long, value_name = "GIB")]
    pub memory_gib: Option<u64>,
    /// Starts under way at once on each node.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..))]
    pub starts_at_once: u64,
    /// Calls in flight of each owner of functions.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub account_concurrency: u32,
    /// How long a start takes, without INIT, such as full.node=50; rungs are snapshot, prepared and full, languages
    /// native, python and node.
    #[arg(long = "start-ms", value_name = "RUNG.LANGUAGE=MS")]
    pub start_times: Vec<StartTime>,
}

const AFTER: &str = "\
Examples:
  lacewing simulate --synthetic azure2019 --functions 1000
  lacewing simulate --synthetic azure2019 --policy fixed:600 --policy fixed:60 --svg policies.svg
  lacewing simulate --synthetic azure2019 --functions 2000 --nodes 4 --memory-gib 64
  lacewing simulate --trace azurefunctions-dataset2019/ --hours 24
  lacewing simulate --trace AzureFunctionsInvocationTraceForTwoWeeksJan2021.txt --json

Traces (CSV with a header; folders are searched for .csv and .txt):
  Azure Functions 2019   invocations_per_function*  HashOwner,HashApp,HashFunction,Trigger,1,..,1440   one file a day
                         function_durations*        HashOwner,HashApp,HashFunction,..,Count,..,percentile_Average_*
                         app_memory*                HashOwner,HashApp,..,AverageAllocatedMb_pct100
  Azure Functions 2021   app,func,end_timestamp,duration
  Both: https://github.com/Azure/AzurePublicDataset (CC-BY)";

impl Simulate {
    /// Plays and reports.
    ///
    /// # Errors
    /// [`Failure`]: the command line or a file says something wrong.
    pub fn run(self, output: Output) -> Result<ExitCode, Failure> {
        let plan = self.plan()?;
        let mut source = self.workload.source()?;
        let minutes = source.minutes().min(plan.minutes_max.unwrap_or(u32::MAX));
        let bar = steps(u64::from(minutes));
        bar.set_message(format!("minutes of {}", source.title()));
        let begun = Instant::now();
        let played = simulate(source.as_mut(), &plan, &mut |minute| bar.set_position(u64::from(minute)));
        bar.finish_and_clear();
        let outcome = played.map_err(|error| told(&error))?;
        if let Some(path) = &self.svg {
            std::fs::write(path, figure(&outcome.report)).map_err(|error| Failure::file(path, &error))?;
        }
        if output.json {
            output.document(&serde_json::to_value(&outcome.report).unwrap_or_default());
        } else {
            show::report(&outcome.report).iter().for_each(|line| output.line(line));
        }
        output.say(&show::speed(&outcome, begun.elapsed(), self.svg.as_deref()));
        Ok(ExitCode::SUCCESS)
    }

    fn plan(&self) -> Result<Plan, Failure> {
        if self.policies.len() > POLICIES_MAX {
            return Err(Failure::usage(
                format!("{} policies are more than {POLICIES_MAX}", self.policies.len()),
                "play them in two runs with the same --seed: the calls are the same",
            ));
        }
        let all = || Policy::ALL.iter().filter_map(|name| name.parse().ok()).collect();
        let policies = if self.policies.is_empty() { all() } else { self.policies.clone() };
        Ok(Plan { policies, machine: self.machine.machine(), minutes_max: self.workload.hours.map(|hours| hours * 60) })
    }
}

impl Workload {
    fn source(&self) -> Result<Box<dyn Source>, Failure> {
        let unpublished = Unpublished { init_median: Duration::from_millis(self.init_ms) };
        match self.synthetic {
            Some(Published::Azure2019) => {
                let hours = self.hours.unwrap_or(24);
                Ok(Box::new(Synthetic::azure2019(self.functions, hours, self.seed, &unpublished)))
            }
            None => open(&self.trace, self.seed, &unpublished).map_err(|error| told(&error)),
        }
    }
}

impl Nodes {
    fn machine(&self) -> Machine {
        let mut start_times = StartTimes::default();
        self.start_times.iter().for_each(|&time| start_times.set(time));
        let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Machine {
            nodes: whole(self.nodes),
            memory_mib: self
                .memory_gib
                .map_or(MEMORY_ENDLESS_MIB, |gib| gib.saturating_mul(1_024).min(MEMORY_ENDLESS_MIB)),
            sandboxes_max: SANDBOXES_MAX,
            starts_at_once: whole(self.starts_at_once),
            account_concurrency: self.account_concurrency,
            start_times,
        }
    }
}

fn told(error: &TraceError) -> Failure {
    Failure::usage(error.to_string(), error.hint())
}
