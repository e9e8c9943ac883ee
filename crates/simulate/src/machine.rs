//! The machines that are played: what they hold, and how long starts take on them.

use lacewing_model::Language;
use lacewing_sandbox::Rung;
use std::str::FromStr;
use std::time::Duration;

/// Nodes that can be played.
pub const NODES_MAX: usize = 1_024;

/// What each node is like, and how many there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// Nodes, all alike; 1 to [`NODES_MAX`].
    pub nodes: usize,
    /// Memory of a node for sandboxes, by what functions were given, MiB.
    pub memory_mib: u64,
    /// Sandboxes alive at once on a node.
    pub sandboxes_max: usize,
    /// Starts under way at once on a node.
    pub starts_at_once: usize,
    /// Calls in flight of one account, over all nodes.
    pub account_concurrency: u32,
    /// How long starts take.
    pub start_times: StartTimes,
}

/// What starts are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tongue {
    Native,
    Python,
    Node,
}

const RUNGS: [Rung; 3] = [Rung::Snapshot, Rung::Prepared, Rung::Full];
const TONGUES: [(&str, Tongue); 3] = [("native", Tongue::Native), ("python", Tongue::Python), ("node", Tongue::Node)];

/// How long a start takes by rung and language, without the function's own INIT. No runtime's start depends on the
/// version asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartTimes {
    /// By rung (snapshot, prepared, full) and language (native, Python, Node).
    us: [[u64; 3]; 3],
}

/// Medians of whole first calls over HTTP on a two-core machine at rest, as `cargo xtask bench` measures them (`cold`,
/// `unprepared` and `snapshot`). A snapshot has the function's INIT behind it, so its time is the same whatever the
/// language: only Python has them.
impl Default for StartTimes {
    fn default() -> Self {
        Self { us: [[2_500, 2_500, 2_500], [3_500, 2_600, 3_900], [4_000, 6_300, 22_500]] }
    }
}

/// `RUNG.LANGUAGE=MS`: another time for one kind of start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StartTime {
    rung: usize,
    tongue: usize,
    us: u64,
}

impl StartTimes {
    /// How long a start takes that is not warm.
    #[must_use]
    pub fn of(&self, rung: Rung, language: Language) -> Duration {
        let tongue = match language {
            Language::Provided | Language::Foreign | Language::Image => Tongue::Native,
            Language::Python(_) => Tongue::Python,
            Language::Node(_) => Tongue::Node,
        };
        let row = RUNGS.iter().position(|&known| known == rung);
        Duration::from_micros(row.map_or(0, |row| self.us[row][tongue as usize]))
    }

    /// Replaces one of them.
    pub fn set(&mut self, time: StartTime) {
        self.us[time.rung][time.tongue] = time.us;
    }
}

impl FromStr for StartTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (kind, ms) = text.split_once('=')?;
            let (rung, tongue) = kind.split_once('.')?;
            let rung = RUNGS.iter().position(|known| known.as_str() == rung)?;
            let tongue = TONGUES.iter().position(|(known, _)| *known == tongue)?;
            let ms: f64 = ms.parse().ok().filter(|ms| (0.0..=600_000.0).contains(ms))?;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within the range just asked for
            Some(Self { rung, tongue, us: (ms * 1_000.0).round() as u64 })
        };
        parse().ok_or_else(|| {
            "want RUNG.LANGUAGE=MS with rung snapshot, prepared or full, language native, python or node, \
             and 0 to 600000 ms, such as full.node=50"
                .to_owned()
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_start_time_is_set_by_rung_and_language() {
        let mut times = StartTimes::default();
        times.set("full.node=1.25".parse().unwrap());
        assert_eq!(times.of(Rung::Full, Language::Node(22)), Duration::from_micros(1_250));
        assert_eq!(times.of(Rung::Full, Language::Python(13)), Duration::from_micros(6_300));
        assert_eq!(times.of(Rung::Warm, Language::Provided), Duration::ZERO);
        for wrong in ["full.node", "warm.node=1", "full.perl=1", "full.node=-1", "full.node=x", ""] {
            assert!(wrong.parse::<StartTime>().is_err(), "{wrong}");
        }
    }
}
