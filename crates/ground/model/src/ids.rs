//! Ids, each typed by its kind: one kind never stands in for another.

use crate::Invalid;
use std::fmt;
use std::str::FromStr;

/// An AWS-style account: exactly 12 digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(Box<str>);

impl FromStr for AccountId {
    type Err = Invalid;

    fn from_str(s: &str) -> Result<Self, Invalid> {
        if s.len() == 12 && s.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(s.into()))
        } else {
            Err(Invalid::new("account id", "12 digits", s))
        }
    }
}

/// A region's name, such as `us-east-1`: 1 to 32 of `[a-z0-9-]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(Box<str>);

impl FromStr for Region {
    type Err = Invalid;

    fn from_str(s: &str) -> Result<Self, Invalid> {
        let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=32).contains(&s.len()) && s.bytes().all(ok) {
            Ok(Self(s.into()))
        } else {
            Err(Invalid::new("region", "1 to 32 of [a-z0-9-]", s))
        }
    }
}

/// Base64 of the SHA-256 of a code package, as the API shows it: 44 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CodeSha256(Box<str>);

impl FromStr for CodeSha256 {
    type Err = Invalid;

    fn from_str(s: &str) -> Result<Self, Invalid> {
        let ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
        if s.len() == 44 && s.bytes().all(ok) {
            Ok(Self(s.into()))
        } else {
            Err(Invalid::new("code hash", "base64 of 32 bytes", s))
        }
    }
}

impl CodeSha256 {
    /// The hash of these 32 bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8; 32]) -> Self {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::with_capacity(44);
        for group in bytes.chunks(3) {
            let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
            for place in 0..4 {
                let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
                text.push(if place <= group.len() { letter.into() } else { '=' });
            }
        }
        Self(text.into())
    }

    /// The same in hex: 64 digits, as file names and image digests have it.
    #[must_use]
    pub fn hex(&self) -> String {
        let value = |letter: u8| match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        let mut hex = String::with_capacity(66);
        for group in self.0.as_bytes().chunks(4) {
            let bits = group
                .iter()
                .filter(|letter| **letter != b'=')
                .fold(0_u32, |bits, letter| bits << 6 | u32::from(value(*letter)));
            match group.iter().filter(|letter| **letter != b'=').count() {
                4 => hex.push_str(&format!("{bits:06x}")),
                3 => hex.push_str(&format!("{:04x}", bits >> 2)),
                _ => hex.push_str(&format!("{:02x}", bits >> 4)),
            }
        }
        hex
    }
}

macro_rules! text {
    ($($name:ident),*) => {$(
        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
text!(AccountId, Region, CodeSha256);

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// A new random one.
            #[must_use]
            pub fn random() -> Self {
                Self(uuid::Uuid::new_v4())
            }

            /// The 128 bits.
            #[must_use]
            pub fn as_u128(self) -> u128 {
                self.0.as_u128()
            }

            /// The one with these 128 bits.
            #[must_use]
            pub fn from_u128(bits: u128) -> Self {
                Self(uuid::Uuid::from_u128(bits))
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(s: &str) -> Result<Self, Invalid> {
                s.parse().map(Self).map_err(|_| Invalid::new(stringify!($name), "a UUID", s))
            }
        }
    )*};
}
uuid_id!(
    /// One invocation's id, the same for the caller (`X-Amzn-RequestId`), the function and the records.
    RequestId,
    /// Changes whenever the resource it belongs to changes. Source: Lambda API, `RevisionId`.
    RevisionId,
    /// One sandbox, for its whole life; shown as 32 hex digits, as in the name of its log stream.
    SandboxId
);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Display for SandboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_simple().fmt(f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ids_refuse_what_is_not_of_their_form() {
        assert!("000000000000".parse::<AccountId>().is_ok());
        assert!("00000000000x".parse::<AccountId>().is_err());
        assert!("us-east-1".parse::<Region>().is_ok());
        assert!("us_east".parse::<Region>().is_err());
        assert!("short".parse::<CodeSha256>().is_err());
        let nothing = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse::<CodeSha256>().unwrap();
        assert_eq!(nothing.hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let bytes: Vec<u8> =
            (0..64).step_by(2).map(|at| u8::from_str_radix(&nothing.hex()[at..at + 2], 16).unwrap()).collect();
        assert_eq!(CodeSha256::of_bytes(&bytes.try_into().unwrap()), nothing);
        let id = RequestId::random();
        assert_eq!(id.to_string().parse::<RequestId>().unwrap(), id);
        assert_eq!(SandboxId::random().to_string().len(), 32);
    }
}
