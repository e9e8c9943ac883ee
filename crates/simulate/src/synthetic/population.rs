//! Draws the functions of a synthetic day: how often each is called and by what, how long it runs, what it holds.

use crate::spread::Durations;
use crate::workload::{Function, Trigger, Unpublished, memory, normal, uniform};
use rand_chacha::ChaCha8Rng;

/// What is drawn for one function besides what every workload's function has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// Its app.
    pub app: u32,
    /// Mean calls per second over a working day.
    pub rate: f64,
    /// When calls come.
    pub arrivals: Arrivals,
    /// How long they run.
    pub durations: Durations,
}

/// When the calls of a function come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// Each on its own, in step with the day.
    Poisson {
        /// Calls expected in a minute.
        per_minute: f64,
    },
    /// By a schedule.
    Every {
        /// From one call to the next, µs.
        period_us: u64,
        /// The first call, µs after the trace's begin.
        phase_us: u64,
    },
}

const HOUR: f64 = 3_600.0;
const DAY: f64 = 86_400.0;

/// Calls of an app per second, and the share of apps with more. Between two rows the share falls as a power of the
/// rate. Eight orders of magnitude from one call a day on; 45 % have at most one an hour, 36 % more up to one a minute,
/// 3 % more than one a second. The last share, with which the spread ends, is our choice.
const APP_RATES: [(f64, f64); 5] =
    [(1.0 / DAY, 1.0), (1.0 / HOUR, 0.55), (1.0 / 60.0, 0.19), (1.0, 0.03), (1e8 / DAY, 1e-4)];

/// Functions of an app: shares of apps.
const APP_SIZES: [(f64, std::ops::RangeInclusive<u32>); 6] =
    [(0.54, 1..=1), (0.16, 2..=2), (0.10, 3..=3), (0.08, 4..=5), (0.07, 6..=10), (0.05, 11..=30)];

/// What calls functions: shares of functions and of calls.
const TRIGGERS: [(Trigger, f64, f64); 6] = [
    (Trigger::Http, 0.55, 0.36),
    (Trigger::Queue, 0.15, 0.34),
    (Trigger::Timer, 0.16, 0.02),
    (Trigger::Event, 0.02, 0.25),
    (Trigger::Orchestration, 0.07, 0.02),
    (Trigger::Other, 0.05, 0.01),
];

/// How unevenly an app's calls are divided among its functions: sigma of the log-normal weights. Our choice.
const WITHIN_APP_SIGMA: f64 = 2.0;

/// Mean duration over functions: half below one second, a fifth below 100 ms, 4 % above a minute.
const DURATION_MEDIAN_US: f64 = 0.9e6;
const DURATION_SIGMA: f64 = 2.4;
/// Rank correlation of rate and duration: busy functions are short, or 80 % of calls would not end within a second.
const RATE_DURATION: f64 = -0.3;
/// Spread within a function: the longest call of the median function takes about three times the mean.
const WITHIN_FUNCTION_SIGMA: f64 = 0.5;
/// Calls in flight of one function, on average, at most: busy long runners are what an account's limit cuts.
const IN_FLIGHT_MAX: f64 = 100.0;

/// Memory of apps: half hold at most 170 MB, nine in ten never more than 400.
const MEMORY_MEDIAN_MIB: f64 = 170.0;
const MEMORY_SIGMA: f64 = 0.668;

/// Calls per second below which a function's trigger follows the shares of functions, above it those of calls.
const BUSY_RATE: f64 = 1.0 / 60.0;
/// No timer is faster, calls per second.
const TIMER_RATE_MAX: f64 = 1.0;
/// What people write into schedules, seconds.
const PERIODS: [u32; 14] = [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 21_600, 86_400];

/// Draws `count` functions.
pub fn population(count: u32, unpublished: &Unpublished, random: &mut ChaCha8Rng) -> Vec<(Function, Profile)> {
    let drafts = drafts(count, random);
    let triggers = triggers(&drafts, random);
    let apps = drafts.last().map_or(0, |draft| draft.app + 1);
    let memories: Vec<_> =
        (0..apps).map(|_| memory(MEMORY_MEDIAN_MIB * (MEMORY_SIGMA * normal(random)).exp())).collect();
    let dress = |(draft, trigger): (Draft, Trigger)| {
        let (language, init) = unpublished.draw(random);
        let noise = normal(random);
        let standard = RATE_DURATION * draft.rank + (1.0 - RATE_DURATION * RATE_DURATION).sqrt() * noise;
        let mean_us = DURATION_MEDIAN_US * (DURATION_SIGMA * standard).exp();
        let mean_us = mean_us.min(IN_FLIGHT_MAX / draft.rate * 1e6);
        let function = Function { owner: draft.app, trigger, language, memory: memories[draft.app as usize], init };
        let profile = Profile {
            app: draft.app,
            rate: draft.rate,
            arrivals: arrivals(trigger, draft.rate, random),
            durations: Durations::LogNormal {
                // A log-normal's mean is its median times exp(sigma²/2).
                median_us: mean_us / (WITHIN_FUNCTION_SIGMA * WITHIN_FUNCTION_SIGMA / 2.0).exp(),
                sigma: WITHIN_FUNCTION_SIGMA,
            },
        };
        (function, profile)
    };
    drafts.into_iter().zip(triggers).map(dress).collect()
}

/// A function before all but its rate is drawn.
#[derive(Clone, Copy)]
struct Draft {
    app: u32,
    rate: f64,
    /// Where its rate stands among all, as a number of the standard normal distribution.
    rank: f64,
}

fn drafts(count: u32, random: &mut ChaCha8Rng) -> Vec<Draft> {
    let sizes = sizes(count, random);
    let mut rates = app_rates(sizes.len());
    shuffle(&mut rates, random);
    let mut drafts = Vec::with_capacity(count as usize);
    for ((app, size), rate) in (0u32..).zip(sizes).zip(rates) {
        let weights: Vec<f64> = (0..size).map(|_| (WITHIN_APP_SIGMA * normal(random)).exp()).collect();
        let sum: f64 = weights.iter().sum();
        drafts.extend(weights.iter().map(|weight| Draft { app, rate: rate * weight / sum, rank: 0.0 }));
    }
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    order.sort_by(|&a, &b| drafts[a].rate.total_cmp(&drafts[b].rate));
    let mut ranks: Vec<f64> = order.iter().map(|_| normal(random)).collect();
    ranks.sort_by(f64::total_cmp);
    for (index, rank) in order.into_iter().zip(ranks) {
        drafts[index].rank = rank;
    }
    drafts
}

/// How many functions each app has, until there are `count` of them.
fn sizes(count: u32, random: &mut ChaCha8Rng) -> Vec<u32> {
    let mut sizes = Vec::new();
    let mut left = count;
    while left > 0 {
        let mut share = uniform(random);
        let fits = APP_SIZES.iter().find(|(part, _)| {
            share -= part;
            share < 0.0
        });
        let range = fits.map_or(1..=1, |(_, range)| range.clone());
        let size = (range.start() + below(range.end() - range.start() + 1, random)).min(left);
        sizes.push(size);
        left -= size;
    }
    sizes
}

/// The rates of `count` apps: evenly through the distribution, not at random, so that one app more or less in its
/// tail does not make two seeds two different days.
fn app_rates(count: usize) -> Vec<f64> {
    #[allow(clippy::cast_precision_loss)]
    let more = |nth: usize| (nth as f64 + 0.5) / count as f64;
    (0..count).map(|nth| app_rate(more(nth))).collect()
}

/// The rate that a share `more` of all apps exceeds.
fn app_rate(more: f64) -> f64 {
    for pair in APP_RATES.windows(2) {
        let [(low, low_share), (high, high_share)] = [pair[0], pair[1]];
        if more >= high_share {
            let part = (more / low_share).ln() / (high_share / low_share).ln();
            return low * (high / low).powf(part);
        }
    }
    APP_RATES[APP_RATES.len() - 1].0
}

/// Gives each function a trigger. Among busy functions a trigger is as likely as the share of calls that it still
/// lacks; the others fill up the shares of functions.
fn triggers(drafts: &[Draft], random: &mut ChaCha8Rng) -> Vec<Trigger> {
    #[allow(clippy::cast_precision_loss)]
    let functions = drafts.len() as f64;
    let calls: f64 = drafts.iter().map(|draft| draft.rate).sum();
    let mut left = TRIGGERS.map(|(_, of_functions, of_calls)| (of_functions * functions, of_calls * calls));
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    let busy = order.iter().filter(|&&index| drafts[index].rate > BUSY_RATE).count();
    order.sort_by(|&a, &b| drafts[b].rate.total_cmp(&drafts[a].rate));
    shuffle(&mut order[busy..], random);
    let mut triggers = vec![Trigger::Other; drafts.len()];
    for (nth, index) in order.into_iter().enumerate() {
        let rate = drafts[index].rate;
        let weights = std::array::from_fn::<f64, 6, _>(|kind| {
            let too_fast = TRIGGERS[kind].0 == Trigger::Timer && rate > TIMER_RATE_MAX;
            let lacks = if nth < busy { left[kind].1 } else { left[kind].0 };
            if too_fast { 0.0 } else { lacks.max(0.0) }
        });
        let kind = pick(&weights, random);
        left[kind].0 -= 1.0;
        left[kind].1 -= rate;
        triggers[index] = TRIGGERS[kind].0;
    }
    triggers
}

fn arrivals(trigger: Trigger, rate: f64, random: &mut ChaCha8Rng) -> Arrivals {
    if trigger != Trigger::Timer {
        return Arrivals::Poisson { per_minute: rate * 60.0 };
    }
    let far = |period: u32| (f64::from(period) * rate).ln().abs();
    let nearest = PERIODS.into_iter().min_by(|&a, &b| far(a).total_cmp(&far(b))).unwrap_or(60);
    let period_us = u64::from(nearest) * 1_000_000;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let phase_us = (uniform(random) * period_us as f64) as u64;
    Arrivals::Every { period_us, phase_us }
}

/// An index, each as likely as its weight; the last where nothing weighs anything.
fn pick(weights: &[f64], random: &mut ChaCha8Rng) -> usize {
    let mut share = uniform(random) * weights.iter().sum::<f64>();
    let found = weights.iter().position(|weight| {
        share -= weight;
        share < 0.0
    });
    found.unwrap_or(weights.len() - 1)
}

/// A whole number below `end`.
fn below(end: u32, random: &mut ChaCha8Rng) -> u32 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // in range by its making
    let drawn = (uniform(random) * f64::from(end)) as u32;
    drawn.min(end.saturating_sub(1))
}

fn shuffle<T>(items: &mut [T], random: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        #[allow(clippy::cast_possible_truncation)] // there are at most `FUNCTIONS_MAX`
        let other = below(last as u32 + 1, random) as usize;
        items.swap(last, other);
    }
}
