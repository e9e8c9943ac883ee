//! Which keep-alive policies are played, by name.

use lacewing_pool::{Cost, KeepAlive};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A keep-alive policy of the pool, and the name that it was asked for by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    name: String,
    keep_alive: KeepAlive,
}

/// What stands for a keep-alive without end.
const FOREVER: Duration = Duration::from_secs(1 << 40);
/// How long the server's `rhythm` keeps sandboxes of functions without one.
const HYBRID_OTHERWISE: Duration = Duration::from_secs(600);

impl Policy {
    /// The names of those that are compared where none is asked for.
    pub const ALL: [&str; 4] = ["fixed:600", "fixed:60", "cost", "hybrid"];

    /// What the pool is told.
    pub(crate) fn keep_alive(&self) -> KeepAlive {
        self.keep_alive
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let arguments: Vec<&str> = parts.collect();
        let keep_alive = match (name, arguments.as_slice()) {
            ("fixed", ["inf"]) => KeepAlive::Fixed(FOREVER),
            ("fixed", [kept]) => KeepAlive::Fixed(seconds(kept)?),
            ("cost", []) => cost(Cost::MIB_SECONDS_PER_MS, Cost::MOST),
            ("cost", [price]) => cost(whole(price)?, Cost::MOST),
            ("cost", [price, most]) => cost(whole(price)?, seconds(most)?),
            ("hybrid", []) => KeepAlive::Rhythm { otherwise: HYBRID_OTHERWISE },
            ("hybrid", [otherwise]) => KeepAlive::Rhythm { otherwise: seconds(otherwise)? },
            _ => {
                return Err(format!(
                    "want fixed:SECONDS, fixed:inf, cost[:PRICE[:SECONDS]] or hybrid[:SECONDS], not '{text}'"
                ));
            }
        };
        Ok(Self { name: text.to_owned(), keep_alive })
    }
}

fn cost(mib_seconds_per_ms: u64, most: Duration) -> KeepAlive {
    KeepAlive::Cost(Cost { mib_seconds_per_ms, least: Cost::LEAST.min(most), most })
}

fn seconds(text: &str) -> Result<Duration, String> {
    whole(text).map(Duration::from_secs)
}

fn whole(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|&number| number < FOREVER.as_secs());
    number.ok_or_else(|| format!("'{text}' is no whole number of seconds or MiB seconds"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_known_by_name_and_keep_it() {
        for name in Policy::ALL.into_iter().chain(["fixed:inf", "cost:100", "cost:100:1200", "hybrid:60"]) {
            assert_eq!(name.parse::<Policy>().unwrap().to_string(), name);
        }
        for wrong in ["fixed", "fixed:-1", "fixed:1:2", "cost:x", "hybrid:1:2", "lru", ""] {
            assert!(wrong.parse::<Policy>().is_err(), "{wrong}");
        }
    }
}
