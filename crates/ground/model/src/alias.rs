//! Names that move: aliases of versions, and sandboxes that are promised to be ready.

use crate::{Invalid, RevisionId, Timestamp, VersionNumber};
use std::fmt;
use std::str::FromStr;

/// Name of an alias: 1 to 128 of `[a-zA-Z0-9-_]`, not digits alone. Source: Lambda API, `CreateAlias`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AliasName(Box<str>);

impl FromStr for AliasName {
    type Err = Invalid;

    fn from_str(s: &str) -> Result<Self, Invalid> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if (1..=128).contains(&s.len()) && s.bytes().all(fits) && !s.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(s.into()))
        } else {
            Err(Invalid::new("alias", "1 to 128 of [a-zA-Z0-9-_], not digits alone", s))
        }
    }
}

impl AliasName {
    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name for a version, and perhaps for a second one that gets a share of the calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Alias {
    /// Its name, unique within the function.
    pub name: AliasName,
    /// The version that it stands for.
    pub version: VersionNumber,
    /// The second version.
    pub routing: Option<Routing>,
    /// The user's words.
    pub description: String,
    /// Changes with every change of the alias.
    pub revision: RevisionId,
    /// Sandboxes to be kept ready for calls through the alias.
    pub provisioned: Option<Provisioned>,
}

impl Alias {
    /// The version that one call gets; `luck` is even over 0 to 1, 1 excluded.
    #[must_use]
    pub fn pick(&self, luck: impl FnOnce() -> f64) -> VersionNumber {
        match self.routing {
            Some(Routing { number, weight }) if luck() < weight => VersionNumber::Published(number),
            _ => self.version,
        }
    }

    /// True if calls through the alias may get the published version.
    #[must_use]
    pub fn leads_to(&self, number: u64) -> bool {
        self.version == VersionNumber::Published(number) || self.routing.is_some_and(|other| other.number == number)
    }
}

/// An alias's second version.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Routing {
    /// Its number.
    pub number: u64,
    /// Its share of the calls: 0.0 to 1.0.
    pub weight: f64,
}

/// Provisioned concurrency, as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provisioned {
    /// How many sandboxes: at least 1.
    pub requested: u32,
    /// When it was asked for, or last began to apply to another version.
    pub since: Timestamp,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_a_name_and_not_a_number() {
        for good in ["live", "1a", "-", "a_b-C9"] {
            assert!(good.parse::<AliasName>().is_ok(), "{good}");
        }
        for bad in ["", "1", "007", "a.b", "$LATEST", &"x".repeat(129)] {
            assert!(bad.parse::<AliasName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_call_gets_the_second_version_by_its_weight() {
        let alias = |weight| Alias {
            name: "live".parse().unwrap(),
            version: VersionNumber::Published(1),
            routing: Some(Routing { number: 2, weight }),
            description: String::new(),
            revision: RevisionId::random(),
            provisioned: None,
        };
        for (weight, luck, want) in [(0.0, 0.0, 1), (1.0, 0.999, 2), (0.25, 0.249, 2), (0.25, 0.25, 1)] {
            assert_eq!(alias(weight).pick(|| luck), VersionNumber::Published(want), "{weight} {luck}");
        }
    }
}
