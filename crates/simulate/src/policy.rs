//! Which keep-alive policies are played, by name.

use lacewing_pool::KeepAlive;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A keep-alive policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// So long after the last call.
    Fixed(Duration),
}

/// What stands for a keep-alive without end.
const FOREVER: Duration = Duration::from_secs(1 << 40);

impl Policy {
    /// Those that are compared where none is named.
    pub const ALL: [Self; 2] = [Self::Fixed(Duration::from_secs(600)), Self::Fixed(Duration::from_secs(60))];

    pub(crate) fn keep_alive(self) -> KeepAlive {
        match self {
            Self::Fixed(kept) => KeepAlive::Fixed(kept),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(FOREVER) => f.write_str("fixed:inf"),
            Self::Fixed(kept) => write!(f, "fixed:{}", kept.as_secs()),
        }
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, argument) = text.split_once(':').unwrap_or((text, ""));
        match (name, argument) {
            ("fixed", "inf") => Ok(Self::Fixed(FOREVER)),
            ("fixed", seconds) => match seconds.parse() {
                Ok(seconds) if seconds < FOREVER.as_secs() => Ok(Self::Fixed(Duration::from_secs(seconds))),
                _ => Err("fixed wants the seconds that an idle sandbox is kept, such as fixed:600, or inf".to_owned()),
            },
            _ => Err("no such policy; there is fixed:SECONDS".to_owned()),
        }
    }
}
