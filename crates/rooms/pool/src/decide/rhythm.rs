//! How a version's calls come: a histogram of the times between one call's end and the next call.
//!
//! From it two windows: how long after a call no other is to be expected, and how long from then on one is.
//! Source: Shahrad et al., "Serverless in the Wild", USENIX ATC 2020, section 4.2.

use std::time::Duration;

/// Width of a bin.
const BIN: Duration = Duration::from_secs(60);
/// Bins: four hours.
const BINS: usize = 240;
/// Times that must have been seen before they count as a rhythm.
const SEEN_LEAST: u32 = 5;
/// When this many were seen, all are halved, so that what a function does now outweighs what it did.
const SEEN_MOST: u32 = 2_048;
/// The windows lie between these shares of the times, hundredths.
const HEAD: u32 = 5;
const TAIL: u32 = 99;
/// The histogram is concentrated enough when the counts' coefficient of variation is above 2: its square and 1.
const SPREAD: u64 = 5;

/// When the next call is to be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Windows {
    /// From the end of a call until a sandbox should stand ready; zero: keep it.
    pub(super) prewarm: Duration,
    /// How long from then on.
    pub(super) keep: Duration,
}

/// The histogram.
#[derive(Debug)]
pub(super) struct Rhythm {
    bins: [u16; BINS],
    /// Times within the bins.
    seen: u32,
    /// Times beyond them.
    beyond: u32,
    /// The sum of the squares of all bins.
    squares: u64,
    windows: Option<Windows>,
}

impl Rhythm {
    /// The longest time that is told apart.
    pub(super) const RANGE: Duration = Duration::from_secs(60 * BINS as u64);

    pub(super) fn new() -> Self {
        Self { bins: [0; BINS], seen: 0, beyond: 0, squares: 0, windows: None }
    }

    /// A call came so long after the last one's end.
    pub(super) fn note(&mut self, idle: Duration) {
        let bin = usize::try_from(idle.as_secs() / BIN.as_secs()).unwrap_or(usize::MAX);
        match self.bins.get_mut(bin) {
            Some(count) => {
                self.squares += 2 * u64::from(*count) + 1;
                *count += 1;
                self.seen += 1;
            }
            None => self.beyond += 1,
        }
        if self.seen + self.beyond >= SEEN_MOST {
            self.halve();
        }
        self.windows = self.measure();
    }

    /// The windows, where the times show a rhythm.
    pub(super) fn windows(&self) -> Option<Windows> {
        self.windows
    }

    fn halve(&mut self) {
        self.bins.iter_mut().for_each(|count| *count /= 2);
        self.seen = self.bins.iter().map(|&count| u32::from(count)).sum();
        self.squares = self.bins.iter().map(|&count| u64::from(count).pow(2)).sum();
        self.beyond /= 2;
    }

    fn measure(&self) -> Option<Windows> {
        let seen = u64::from(self.seen);
        let concentrated = BINS as u64 * self.squares > SPREAD * seen * seen;
        if self.seen < SEEN_LEAST || self.beyond > self.seen || !concentrated {
            return None;
        }
        // A tenth of margin on both sides, as in the paper.
        let head = self.bin_at(HEAD) * BIN * 9 / 10;
        let tail = (self.bin_at(TAIL) + 1) * BIN * 11 / 10;
        Some(Windows { prewarm: head, keep: tail.saturating_sub(head) })
    }

    /// The first bin up to which this share of the times lies, hundredths.
    fn bin_at(&self, share: u32) -> u32 {
        let (mut left, mut bin) = ((self.seen * share).div_ceil(100), 0);
        for &count in &self.bins {
            left = left.saturating_sub(u32::from(count));
            if left == 0 {
                return bin;
            }
            bin += 1;
        }
        bin
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn after(times: impl IntoIterator<Item = u64>) -> Option<Windows> {
        let mut rhythm = Rhythm::new();
        times.into_iter().for_each(|seconds| rhythm.note(Duration::from_secs(seconds)));
        rhythm.windows()
    }

    #[test]
    fn a_call_every_ten_minutes_is_expected_then_and_not_before() {
        let windows = after([601, 605, 610, 600, 603, 604]).unwrap();
        assert_eq!(windows.prewarm, Duration::from_secs(540));
        assert_eq!(windows.prewarm + windows.keep, Duration::from_secs(726));
    }

    #[test]
    fn calls_close_together_keep_their_sandbox() {
        let windows = after([1, 2, 3, 1, 5, 100]).unwrap();
        assert_eq!((windows.prewarm, windows.keep), (Duration::ZERO, Duration::from_secs(132)));
    }

    #[test]
    fn few_or_scattered_or_distant_times_are_no_rhythm() {
        assert_eq!(after([600; 4]), None);
        assert_eq!(after((0..240).map(|bin| bin * 60)), None);
        assert_eq!(after([20_000; 50]), None);
    }

    #[test]
    fn a_new_rhythm_outweighs_the_old_one() {
        let windows = after(std::iter::repeat_n(600, 3_000).chain(std::iter::repeat_n(1_200, 60_000))).unwrap();
        assert_eq!(windows.prewarm, Duration::from_secs(1_080));
    }
}
