//! The published distributions of Azure Functions in 2019, drawn from a seed.
//!
//! Source: Shahrad et al., "Serverless in the Wild", USENIX ATC 2020, and reviews of it. The unit of most of its
//! figures is the app; an app's calls are divided among its functions.

mod population;
mod shape;

pub use population::Profile;

use crate::TraceError;
use crate::spread::{Minute, Rhythm};
use crate::workload::{Call, DAY_MINUTES, Function, MINUTE_US, Source, Unpublished};
use population::{Arrivals, population};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Poisson};

/// Functions that a synthetic day may have.
pub const FUNCTIONS_MAX: u32 = 1_000_000;
/// Hours that a synthetic trace may have: eight weeks.
pub const HOURS_MAX: u32 = 24 * 56;

/// A workload drawn from the published distributions.
#[derive(Debug)]
pub struct Synthetic {
    functions: Vec<Function>,
    profiles: Vec<Profile>,
    hours: u32,
    seed: u64,
    random: ChaCha8Rng,
    gathered: Minute,
}

impl Synthetic {
    /// Draws `functions` functions, at most [`FUNCTIONS_MAX`], for `hours` hours. The same arguments give the same
    /// calls.
    #[must_use]
    pub fn azure2019(functions: u32, hours: u32, seed: u64, unpublished: &Unpublished) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let drawn = population(functions.min(FUNCTIONS_MAX), unpublished, &mut random);
        let (functions, profiles) = drawn.into_iter().unzip();
        Self { functions, profiles, hours: hours.min(HOURS_MAX), seed, random, gathered: Minute::default() }
    }

    /// What was drawn for each function, by its index.
    #[must_use]
    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }
}

impl Source for Synthetic {
    fn title(&self) -> String {
        format!("synthetic azure2019: {} functions, {} hours, seed {}", self.functions.len(), self.hours, self.seed)
    }

    fn functions(&self) -> &[Function] {
        &self.functions
    }

    fn minutes(&self) -> u32 {
        self.hours * 60
    }

    fn minute(&mut self, minute: u32, calls: &mut Vec<Call>) -> Result<(), TraceError> {
        let level = shape::level(minute);
        for (function, profile) in (0u32..).zip(&self.profiles) {
            match profile.arrivals {
                Arrivals::Every { period_us, phase_us } => {
                    let (from, until) = (u64::from(minute) * MINUTE_US, u64::from(minute + 1) * MINUTE_US);
                    let mut at = phase_us + from.saturating_sub(phase_us).div_ceil(period_us) * period_us;
                    while at < until {
                        self.gathered.at(at - from, function);
                        at += period_us;
                    }
                }
                Arrivals::Poisson { per_minute } => {
                    let count = poisson(per_minute * level, &mut self.random);
                    self.gathered.add(function, count, Rhythm::Random, &mut self.random);
                }
            }
        }
        let profiles = &self.profiles;
        let durations = |function: u32| profiles[function as usize].durations;
        self.gathered.finish(minute, durations, &mut self.random, calls);
        Ok(())
    }
}

/// How many events of a Poisson process come where `mean` are expected.
fn poisson(mean: f64, random: &mut ChaCha8Rng) -> u32 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates
    Poisson::new(mean).map_or(0, |distribution| {
        let count: f64 = distribution.sample(random);
        count as u32
    })
}

#[cfg(test)]
mod tests;
