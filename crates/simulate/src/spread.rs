//! From "so many calls in this minute" to calls: when each arrives and how long it runs.
//!
//! Within a minute arrivals are a Poisson process: given their number they lie uniformly, which makes the gaps
//! exponential. A timer's calls lie evenly, at a phase of its own, as a schedule would have them.

use crate::workload::{Call, MINUTE_US, RUN_US_MAX, normal, uniform};
use rand_chacha::ChaCha8Rng;

/// How long a function's calls run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Durations {
    /// Log-normal, by its median in µs and the sigma of its logarithm.
    LogNormal {
        /// Median, µs.
        median_us: f64,
        /// Sigma of the logarithm.
        sigma: f64,
    },
    /// By percentiles 0, 1, 25, 50, 75, 99 and 100, µs; linear between them.
    Percentiles([f32; 7]),
}

/// The ranks of [`Durations::Percentiles`].
const RANKS: [f32; 7] = [0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0];

impl Durations {
    /// One run's length in µs.
    pub fn draw(&self, random: &mut ChaCha8Rng) -> u32 {
        let us = match self {
            Self::LogNormal { median_us, sigma } => median_us * (sigma * normal(random)).exp(),
            #[allow(clippy::cast_possible_truncation)]
            Self::Percentiles(table) => f64::from(quantile(table, uniform(random) as f32)),
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let whole = us.clamp(0.0, RUN_US_MAX as f64) as u32;
        whole
    }
}

fn quantile(table: &[f32; 7], rank: f32) -> f32 {
    let above = RANKS.iter().position(|&known| rank < known).unwrap_or(RANKS.len() - 1);
    let below = above - 1;
    let part = (rank - RANKS[below]) / (RANKS[above] - RANKS[below]);
    table[below] + (table[above] - table[below]) * part.clamp(0.0, 1.0)
}

/// Where in a minute calls lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rhythm {
    /// Anywhere, each on its own.
    Random,
    /// Evenly, the first this part of their distance after the minute's begin; `[0, 1)`.
    Even(f64),
}

/// Gathers one minute's calls of all functions and puts them in order of time.
#[derive(Debug, Default)]
pub struct Minute {
    /// Offset in µs and function, packed so that sorting is sorting numbers.
    packed: Vec<u64>,
}

impl Minute {
    /// Adds `count` calls of a function.
    pub fn add(&mut self, function: u32, count: u32, rhythm: Rhythm, random: &mut ChaCha8Rng) {
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        for nth in 0..count {
            let part = match rhythm {
                Rhythm::Random => uniform(random),
                Rhythm::Even(phase) => (f64::from(nth) + phase) / f64::from(count),
            };
            self.at((part * MINUTE_US as f64) as u64, function);
        }
    }

    /// Adds one call at `offset_us` after the minute's begin.
    pub fn at(&mut self, offset_us: u64, function: u32) {
        self.packed.push(offset_us.min(MINUTE_US - 1) << 32 | u64::from(function));
    }

    /// Replaces `calls` by what was added, in order of time, and draws how long each runs.
    pub fn finish(
        &mut self,
        minute: u32,
        durations: impl Fn(u32) -> Durations,
        random: &mut ChaCha8Rng,
        calls: &mut Vec<Call>,
    ) {
        self.packed.sort_unstable();
        let begin_us = u64::from(minute) * MINUTE_US;
        calls.clear();
        calls.extend(self.packed.drain(..).map(|packed| {
            #[allow(clippy::cast_possible_truncation)] // the lower half is the function
            let function = packed as u32;
            Call { at_us: begin_us + (packed >> 32), function, run_us: durations(function).draw(random) }
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn a_minute_is_in_order_and_a_timer_is_even() {
        let random = &mut ChaCha8Rng::seed_from_u64(1);
        let mut minute = Minute::default();
        minute.add(0, 500, Rhythm::Random, random);
        minute.add(1, 4, Rhythm::Even(0.5), random);
        let mut calls = Vec::new();
        minute.finish(2, |_| Durations::LogNormal { median_us: 1e5, sigma: 0.0 }, random, &mut calls);
        assert!(calls.is_sorted_by_key(|call| call.at_us));
        assert!(calls.iter().all(|call| call.at_us / MINUTE_US == 2 && call.run_us == 100_000));
        let timer: Vec<_> = calls.iter().filter(|call| call.function == 1).map(|call| call.at_us).collect();
        assert_eq!(timer, [127_500_000, 142_500_000, 157_500_000, 172_500_000]);
    }

    #[test]
    fn percentiles_are_met_and_joined_by_lines() {
        let table = [0.0, 10.0, 100.0, 200.0, 400.0, 1_000.0, 5_000.0];
        for (rank, value) in [(0.0, 0.0), (0.005, 5.0), (0.01, 10.0), (0.5, 200.0), (0.625, 300.0), (1.0, 5_000.0)] {
            assert!((quantile(&table, rank) - value).abs() < 0.1, "{rank}");
        }
    }
}
