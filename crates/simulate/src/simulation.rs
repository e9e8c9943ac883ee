//! Plays one source under several policies at once: it is read or drawn once, each policy has a thread.

use crate::TraceError;
use crate::machine::Machine;
use crate::play::Play;
use crate::policy::Policy;
use crate::report::{PolicyReport, Report};
use crate::workload::{Call, Function, MINUTE_US, Source};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Policies that are played at once.
pub const POLICIES_MAX: usize = 16;
/// Minutes that the source may be ahead of the slowest policy.
const AHEAD_MAX: usize = 8;

/// What to play.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Under which policies; those beyond [`POLICIES_MAX`] are left out.
    pub policies: Vec<Policy>,
    /// On what.
    pub machine: Machine,
    /// How much of the trace, minutes; `None`: all.
    pub minutes_max: Option<u32>,
}

/// What was found, and how much work it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What was found.
    pub report: Report,
    /// Events on which a pool decided, over all policies.
    pub decisions: u64,
}

/// Plays `source`. `watch` hears of each minute that was given out.
///
/// # Errors
/// The source's.
pub fn simulate(source: &mut dyn Source, plan: &Plan, watch: &mut dyn FnMut(u32)) -> Result<Outcome, TraceError> {
    let functions = source.functions().to_vec();
    let minutes = source.minutes().min(plan.minutes_max.unwrap_or(u32::MAX));
    let end_us = u64::from(minutes) * MINUTE_US;
    let played = std::thread::scope(|scope| {
        let (mut senders, mut plays) = (Vec::new(), Vec::new());
        for policy in plan.policies.iter().take(POLICIES_MAX) {
            let (sender, receiver) = sync_channel(AHEAD_MAX);
            let (functions, machine) = (&functions, &plan.machine);
            senders.push(sender);
            plays.push(scope.spawn(move || play(policy, functions, machine, end_us, &receiver)));
        }
        let told = tell(source, minutes, &senders, watch);
        drop(senders);
        let mut played = Vec::new();
        for one in plays {
            played.push(one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        told.map(|()| played)
    })?;
    let decisions = played.iter().map(|(_, decisions)| decisions).sum();
    let policies = played.into_iter().map(|(policy, _)| policy).collect();
    let mut report =
        Report { workload: source.title(), functions: functions.len(), minutes, nodes: plan.machine.nodes, policies };
    report.compare();
    Ok(Outcome { report, decisions })
}

fn tell(
    source: &mut dyn Source,
    minutes: u32,
    senders: &[SyncSender<Arc<[Call]>>],
    watch: &mut dyn FnMut(u32),
) -> Result<(), TraceError> {
    let mut calls = Vec::new();
    for minute in 0..minutes {
        source.minute(minute, &mut calls)?;
        let shared: Arc<[Call]> = calls.as_slice().into();
        for sender in senders {
            // A policy whose thread is gone is told when it is joined.
            let _ = sender.send(Arc::clone(&shared));
        }
        watch(minute + 1);
    }
    Ok(())
}

fn play(
    policy: &Policy,
    functions: &[Function],
    machine: &Machine,
    end_us: u64,
    minutes: &Receiver<Arc<[Call]>>,
) -> (PolicyReport, u64) {
    let mut play = Play::new(policy, functions, machine, end_us);
    while let Ok(calls) = minutes.recv() {
        play.calls(&calls);
    }
    play.finish(end_us)
}
