//! Sizes that a function may ask for, each within AWS's range.

use crate::Invalid;
use std::time::Duration;

macro_rules! size {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $range:expr, $default:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl $name {
            /// Wraps `value`.
            ///
            /// # Errors
            /// [`Invalid`] outside the range.
            pub fn new(value: u32) -> Result<Self, Invalid> {
                if $range.contains(&value) {
                    Ok(Self(value))
                } else {
                    Err(Invalid::new($what, $rule, &value.to_string()))
                }
            }

            /// The number itself, in the type's unit.
            #[must_use]
            pub fn get(self) -> u32 {
                self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self($default)
            }
        }
    };
}

size!(
    /// Memory of a function in MiB: 128 to 10,240, 128 if unsaid. Source: Lambda quotas.
    MemoryMib, "memory size", "128 to 10240 MiB", (128..=10_240), 128
);
size!(
    /// Size of `/tmp` in MiB: 512 to 10,240, 512 if unsaid. Source: Lambda quotas.
    EphemeralMib, "ephemeral storage", "512 to 10240 MiB", (512..=10_240), 512
);
size!(
    /// Longest run of one invocation in seconds: 1 to 900, 3 if unsaid. Source: Lambda quotas.
    Timeout, "timeout", "1 to 900 seconds", (1..=900), 3
);
size!(
    /// Calls that one sandbox runs at once: 1 to 128, 1 if unsaid. Source: AWS's web functions,
    /// `maxConcurrencyPerEnvironment`.
    Concurrency, "concurrency", "1 to 128", (1..=128), 1
);

impl MemoryMib {
    /// The same in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        u64::from(self.0) << 20
    }

    /// The share of processors that comes with it: 1,769 MiB is one. Source: Lambda documentation, "memory".
    #[must_use]
    pub fn vcpus(self) -> f64 {
        f64::from(self.0) / 1_769.0
    }
}

impl EphemeralMib {
    /// The same in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        u64::from(self.0) << 20
    }
}

impl Timeout {
    /// The same as a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_to_their_ranges() {
        assert!(MemoryMib::new(127).is_err());
        assert_eq!(MemoryMib::new(128).unwrap().bytes(), 134_217_728);
        assert!(Timeout::new(901).is_err());
        assert_eq!(EphemeralMib::default().get(), 512);
        assert!(Concurrency::new(0).is_err() && Concurrency::new(129).is_err());
    }
}
