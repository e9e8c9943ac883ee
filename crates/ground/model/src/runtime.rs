//! Which runtime a function asks for, and which ones this build can serve.

use crate::Region;
use std::fmt;
use std::str::FromStr;

/// The language of a managed runtime, with the version asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    /// `python3.N`: the minor version.
    Python(u16),
    /// `nodejsN.x`: the major version.
    Node(u16),
    /// `provided.*`: the package brings its own `bootstrap`.
    Provided,
    /// A language of Lambda's that nothing here can run: its functions are kept and shown, and calls are refused.
    Foreign,
    /// None: an image brings everything, down to its own root.
    Image,
}

/// A runtime identifier of the Lambda API.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Runtime {
    id: Box<str>,
    language: Language,
}

/// An identifier that is no runtime, or one that is taken no longer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("runtime '{0}' is not available")]
pub struct UnknownRuntime(pub String);

impl Runtime {
    /// Every identifier that is served, newest first within a language.
    pub const SERVED: [&'static str; 18] = [
        "python3.14",
        "python3.13",
        "python3.12",
        "python3.11",
        "python3.10",
        "python3.9",
        "python3.8",
        "nodejs24.x",
        "nodejs22.x",
        "nodejs20.x",
        "nodejs18.x",
        "nodejs16.x",
        "nodejs14.x",
        "nodejs12.x",
        "provided.al2023",
        "provided.al2",
        "python3.7",
        "python3.6",
    ];

    /// Those that Lambda has and nobody here can run. A stack may hold one such function among many.
    pub const FOREIGN: [&'static str; 9] =
        ["java25", "java21", "java17", "java11", "java8.al2", "dotnet10", "dotnet8", "ruby3.4", "ruby3.3"];

    /// What stands in the place of a runtime where a function is an image. No caller can name it.
    #[must_use]
    pub fn of_image() -> Self {
        Self { id: "image".into(), language: Language::Image }
    }

    /// The identifier as the API shows it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The version's name as `INIT_START` shows it, such as `python:3.11.v1`.
    #[must_use]
    pub fn version_name(&self) -> String {
        match self.language {
            Language::Python(minor) => format!("python:3.{minor}.v1"),
            Language::Node(major) => format!("nodejs:{major}.v1"),
            Language::Provided | Language::Image => format!("{}.v1", self.id.replace('.', ":")),
            Language::Foreign => {
                let number = self.id.find(|letter: char| letter.is_ascii_digit()).unwrap_or(self.id.len());
                format!("{}:{}.v1", &self.id[..number], &self.id[number..])
            }
        }
    }

    /// The version's ARN. AWS ends it in a hash of the runtime's image; ours is one of the identifier, so
    /// that it is stable.
    #[must_use]
    pub fn version_arn(&self, region: &Region) -> String {
        let mut arn = format!("arn:aws:lambda:{region}::runtime:");
        for lane in 0..4_u64 {
            // FNV-1a, a lane for each 64 bits.
            let start = 0xcbf2_9ce4_8422_2325 ^ lane;
            let hash = self.id.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
            arn.push_str(&format!("{hash:016x}"));
        }
        arn
    }

    /// What has to run it.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }
}

impl FromStr for Runtime {
    type Err = UnknownRuntime;

    fn from_str(s: &str) -> Result<Self, UnknownRuntime> {
        let unknown = || UnknownRuntime(s.chars().take(128).collect());
        if Self::FOREIGN.contains(&s) {
            return Ok(Self { id: s.into(), language: Language::Foreign });
        }
        if !Self::SERVED.contains(&s) {
            return Err(unknown());
        }
        let language = if let Some(minor) = s.strip_prefix("python3.") {
            Language::Python(minor.parse().map_err(|_| unknown())?)
        } else if let Some(major) = s.strip_prefix("nodejs").and_then(|rest| rest.strip_suffix(".x")) {
            Language::Node(major.parse().map_err(|_| unknown())?)
        } else {
            Language::Provided
        };
        Ok(Self { id: s.into(), language })
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_served_id_parses_to_itself() {
        for id in Runtime::SERVED {
            assert_eq!(id.parse::<Runtime>().unwrap().id(), id);
        }
        assert_eq!("python3.11".parse::<Runtime>().unwrap().language(), Language::Python(11));
        assert_eq!("nodejs20.x".parse::<Runtime>().unwrap().language(), Language::Node(20));
        assert!("ruby1.8".parse::<Runtime>().is_err());
        let java = "java8.al2".parse::<Runtime>().unwrap();
        assert_eq!((java.language(), java.version_name().as_str()), (Language::Foreign, "java:8.al2.v1"));
    }
}
