//! The drawn population against the published table.

#![allow(clippy::cast_precision_loss)]

use super::*;
use crate::spread::Durations;
use crate::workload::Trigger;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

const UNPUBLISHED: Unpublished = Unpublished { init_median: Duration::from_millis(100) };

fn drawn(functions: u32, hours: u32, seed: u64) -> Synthetic {
    Synthetic::azure2019(functions, hours, seed, &UNPUBLISHED)
}

/// The share of `items` that fulfil `is`.
fn share<T>(items: impl IntoIterator<Item = T>, is: impl Fn(&T) -> bool) -> f64 {
    let items: Vec<T> = items.into_iter().collect();
    items.iter().filter(|item| is(item)).count() as f64 / items.len() as f64
}

fn near(what: &str, got: f64, want: f64, within: f64) {
    assert!((got - want).abs() <= within, "{what}: {got:.4}, published {want}");
}

#[test]
fn rates_of_apps_and_the_skew_of_functions_are_as_published() {
    let day = drawn(10_000, 24, 1);
    let mut apps: BTreeMap<u32, f64> = BTreeMap::new();
    for profile in day.profiles() {
        *apps.entry(profile.app).or_default() += profile.rate;
    }
    let apps: Vec<f64> = apps.into_values().collect();
    near("apps up to one call an hour", share(&apps, |&&rate| rate <= 1.0 / 3_600.0), 0.45, 0.01);
    near("apps up to one a minute", share(&apps, |&&rate| rate <= 1.0 / 60.0), 0.81, 0.01);
    near("apps above one a second", share(&apps, |&&rate| rate > 1.0), 0.03, 0.005);
    let calls: f64 = apps.iter().sum();
    let busy: f64 = apps.iter().filter(|&&rate| rate > 1.0 / 60.0).sum();
    near("calls of apps above one a minute", busy / calls, 0.995, 0.005);
    let mut rates: Vec<f64> = day.profiles().iter().map(|profile| profile.rate).collect();
    rates.sort_by(f64::total_cmp);
    near("functions up to one call a minute", share(&rates, |&&rate| rate <= 1.0 / 60.0), 0.90, 0.03);
    let top: f64 = rates[9_200..].iter().sum();
    near("calls of the busiest 8 % of functions", top / calls, 0.99, 0.01);
}

#[test]
fn triggers_have_their_shares_of_functions_and_of_calls() {
    let day = drawn(10_000, 24, 1);
    let calls: f64 = day.profiles().iter().map(|profile| profile.rate).sum();
    for (trigger, of_functions, of_calls) in [
        (Trigger::Http, 0.55, 0.36),
        (Trigger::Queue, 0.15, 0.34),
        (Trigger::Timer, 0.16, 0.02),
        (Trigger::Event, 0.02, 0.25),
        (Trigger::Orchestration, 0.07, 0.02),
        (Trigger::Other, 0.05, 0.01),
    ] {
        let functions = share(day.functions(), |function| function.trigger == trigger);
        near(&format!("{trigger:?} of functions"), functions, of_functions, 0.02);
        let theirs = day.functions().iter().zip(day.profiles()).filter(|(function, _)| function.trigger == trigger);
        let theirs: f64 = theirs.map(|(_, profile)| profile.rate).sum();
        near(&format!("{trigger:?} of calls"), theirs / calls, of_calls, 0.05);
    }
}

#[test]
fn apps_have_the_published_numbers_of_functions_and_memory() {
    let day = drawn(30_000, 24, 2);
    let mut apps: HashMap<u32, (u32, u32)> = HashMap::new();
    for (function, profile) in day.functions().iter().zip(day.profiles()) {
        let app = apps.entry(profile.app).or_default();
        *app = (app.0 + 1, function.memory.get());
    }
    let sizes = |least, most| share(apps.values(), |app| (least..=most).contains(&app.0));
    for (least, most, want) in [(1, 1, 0.54), (2, 2, 0.16), (3, 3, 0.10), (4, 5, 0.08), (6, 10, 0.07), (11, 99, 0.05)] {
        near(&format!("apps of {least} to {most} functions"), sizes(least, most), want, 0.015);
    }
    near("apps up to 170 MiB", share(apps.values(), |app| app.1 <= 170), 0.5, 0.02);
    near("apps up to 400 MiB", share(apps.values(), |app| app.1 <= 400), 0.9, 0.02);
}

#[test]
fn durations_are_as_published_over_functions_and_over_calls() {
    let mut day = drawn(10_000, 1, 3);
    let means: Vec<f64> = day.profiles().iter().map(|profile| mean_us(&profile.durations) / 1e6).collect();
    near("functions below 100 ms", share(&means, |&&mean| mean < 0.1), 0.20, 0.03);
    near("functions below 1 s", share(&means, |&&mean| mean < 1.0), 0.50, 0.03);
    near("functions above a minute", share(&means, |&&mean| mean > 60.0), 0.04, 0.01);
    let mut calls = Vec::new();
    day.minute(0, &mut calls).unwrap_or_else(|error| panic!("{error}"));
    near("calls below 1 s", share(&calls, |call| call.run_us < 1_000_000), 0.80, 0.1);
}

fn mean_us(durations: &Durations) -> f64 {
    match durations {
        Durations::LogNormal { median_us, sigma } => median_us * (sigma * sigma / 2.0).exp(),
        Durations::Percentiles(_) => panic!("the synthesis is log-normal"),
    }
}

#[test]
fn calls_follow_the_rates_the_day_and_the_timers() {
    let mut day = drawn(300, 24, 4);
    let (mut night, mut noon, mut calls) = (0, 0, Vec::new());
    let mut last: HashMap<u32, u64> = HashMap::new();
    for minute in 0..day.minutes() {
        day.minute(minute, &mut calls).unwrap_or_else(|error| panic!("{error}"));
        assert!(calls.is_sorted_by_key(|call| call.at_us));
        assert!(calls.iter().all(|call| call.at_us / MINUTE_US == u64::from(minute)));
        let random = calls.iter().filter(|call| day.functions()[call.function as usize].trigger != Trigger::Timer);
        match minute / 60 {
            3 => night += random.count(),
            15 => noon += random.count(),
            _ => {}
        }
        for call in &calls {
            if let Arrivals::Every { period_us, .. } = day.profiles()[call.function as usize].arrivals
                && let Some(before) = last.insert(call.function, call.at_us)
            {
                assert_eq!(call.at_us - before, period_us);
            }
        }
    }
    near("night against noon", night as f64 / noon as f64, 0.5, 0.02);
    assert!(!last.is_empty());
}

#[test]
fn one_seed_is_one_day_and_another_is_another() {
    let minute = |seed| {
        let mut calls = Vec::new();
        drawn(500, 1, seed).minute(0, &mut calls).unwrap_or_else(|error| panic!("{error}"));
        calls
    };
    assert_eq!(minute(7), minute(7));
    assert_ne!(minute(7), minute(8));
}
