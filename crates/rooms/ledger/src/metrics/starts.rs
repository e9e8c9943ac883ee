//! How sandboxes were started.

use super::{Desk, START_SECONDS, Unsound};
use lacewing_model::Language;
use lacewing_sandbox::{InitEnding, InitReport, Rung, StartPhases};
use prometheus::{Histogram, HistogramVec, IntCounterVec};
use std::time::Duration;

pub(super) struct Starts {
    started: IntCounterVec,
    phases: HistogramVec,
    init: HistogramVec,
    queue: Histogram,
}

impl Starts {
    pub fn new(desk: &Desk) -> Result<Self, Unsound> {
        Ok(Self {
            started: desk.counters(
                "lacewing_starts_total",
                "Sandboxes started, by rung (snapshot, prepared, full) and language.",
                &["rung", "language"],
            )?,
            phases: desk.histograms(
                "lacewing_start_phase_seconds",
                "Phases of starts: sandbox (until it stood, sealed), mount (code in it), boot (the runtime's first \
                 sign), init (until it asked for work).",
                &["rung", "phase"],
                START_SECONDS,
            )?,
            init: desk.histograms(
                "lacewing_init_duration_seconds",
                "INIT: from exec of the runtime until it asked for the first event, or ended, by how it ended.",
                &["language", "ending"],
                START_SECONDS,
            )?,
            queue: desk.histogram(
                "lacewing_queue_duration_seconds",
                "How long calls that found no idle sandbox waited for one.",
                START_SECONDS,
            )?,
        })
    }

    pub fn count(&self, language: Language, rung: Rung, phases: &StartPhases, init: &InitReport) {
        let (language, rung) = (name(language), rung.as_str());
        self.started.with_label_values(&[rung, language]).inc();
        let StartPhases { sandbox, mount, boot, init: loading } = *phases;
        for (phase, took) in [("sandbox", sandbox), ("mount", mount), ("boot", boot), ("init", loading)] {
            self.phases.with_label_values(&[rung, phase]).observe(took.as_secs_f64());
        }
        let ending = match init.ending {
            InitEnding::Ready => "ready",
            InitEnding::Failed(_) => "error",
            InitEnding::TimedOut => "timeout",
        };
        self.init.with_label_values(&[language, ending]).observe(init.duration.as_secs_f64());
    }

    pub fn waited(&self, queue: Duration) {
        self.queue.observe(queue.as_secs_f64());
    }
}

fn name(language: Language) -> &'static str {
    match language {
        Language::Python(_) => "python",
        Language::Node(_) => "nodejs",
        Language::Provided => "provided",
        Language::Foreign => "foreign",
        Language::Image => "image",
    }
}
