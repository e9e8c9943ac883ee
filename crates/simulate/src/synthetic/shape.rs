//! How the load of all functions rises and falls: by day and by week.
//!
//! The baseline is about half of the peak, with a daily and a weekly rhythm; the trace begins on a Monday, 00:00.
//! Hours and the weekend's depth are our choice, the ratio is published.

use super::DAY_MINUTES;
use std::f64::consts::TAU;

/// How far the day's wave goes from its middle: (1 - 1/3) / (1 + 1/3) is one half.
const DAILY_SWING: f64 = 1.0 / 3.0;
/// The hour of the peak, UTC.
const PEAK_HOUR: f64 = 15.0;
/// The weekend's load against a working day's.
const WEEKEND: f64 = 0.8;
/// Days of a week before its weekend.
const WORKING_DAYS: u32 = 5;

/// The load of `minute` against a working day's mean.
pub fn level(minute: u32) -> f64 {
    let (day, hour) = (minute / DAY_MINUTES, f64::from(minute % DAY_MINUTES) / 60.0);
    let wave = 1.0 + DAILY_SWING * ((hour - PEAK_HOUR) / 24.0 * TAU).cos();
    if day % 7 < WORKING_DAYS { wave } else { wave * WEEKEND }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baseline_is_half_of_the_peak_and_weekends_are_quieter() {
        let day = |day: u32| (day * DAY_MINUTES..(day + 1) * DAY_MINUTES).map(level);
        let peak = day(0).fold(0.0, f64::max);
        let base = day(0).fold(f64::MAX, f64::min);
        assert!((base / peak - 0.5).abs() < 0.001);
        let mean = day(0).sum::<f64>() / f64::from(DAY_MINUTES);
        assert!((mean - 1.0).abs() < 0.001);
        assert!(day(5).sum::<f64>() < day(4).sum::<f64>() && day(7).eq(day(0)));
    }
}
