//! Names of functions and of what belongs to them.

use crate::{AccountId, Invalid, Region, VersionNumber};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Name of a function: 1 to 64 of `[a-zA-Z0-9-_]`, unique per account and region.
/// Source: Lambda API reference, `CreateFunction`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionName(Box<str>);

impl FromStr for FunctionName {
    type Err = Invalid;

    fn from_str(s: &str) -> Result<Self, Invalid> {
        if (1..=64).contains(&s.len()) && s.bytes().all(is_name_byte) {
            Ok(Self(s.into()))
        } else {
            Err(Invalid::new("function name", "1 to 64 of [a-zA-Z0-9-_]", s))
        }
    }
}

/// Name of a layer: 1 to 140 of `[a-zA-Z0-9-_]`, unique per account and region.
/// Source: Lambda API reference, `PublishLayerVersion`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerName(Box<str>);

impl FromStr for LayerName {
    type Err = Invalid;

    fn from_str(s: &str) -> Result<Self, Invalid> {
        if (1..=140).contains(&s.len()) && s.bytes().all(is_name_byte) {
            Ok(Self(s.into()))
        } else {
            Err(Invalid::new("layer name", "1 to 140 of [a-zA-Z0-9-_]", s))
        }
    }
}

/// Which version of a function is meant. Absent means `$LATEST`, but replies show what the caller wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Qualifier {
    /// `$LATEST`.
    Latest,
    /// A published version, from 1.
    Number(u64),
    /// An alias: up to 128 of `[a-zA-Z0-9-_]`, not all digits.
    Alias(Box<str>),
}

impl FromStr for Qualifier {
    type Err = Invalid;

    fn from_str(s: &str) -> Result<Self, Invalid> {
        if s == "$LATEST" {
            return Ok(Self::Latest);
        }
        if !(1..=128).contains(&s.len()) || !s.bytes().all(|b| is_name_byte(b) || b == b'$') {
            return Err(Invalid::new("qualifier", "$LATEST, a version number or an alias of 1 to 128", s));
        }
        match s.parse() {
            Ok(number) => Ok(Self::Number(number)),
            Err(_) => Ok(Self::Alias(s.into())),
        }
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("$LATEST"),
            Self::Number(number) => number.fmt(f),
            Self::Alias(name) => f.write_str(name),
        }
    }
}

impl From<VersionNumber> for Qualifier {
    fn from(version: VersionNumber) -> Self {
        match version {
            VersionNumber::Latest => Self::Latest,
            VersionNumber::Published(number) => Self::Number(number),
        }
    }
}

/// A handler string: up to 128 characters without blanks or control characters. What it means is the runtime's affair.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handler(Box<str>);

impl Handler {
    /// What stands in the place of a handler where a function is an image: its command says what to call.
    #[must_use]
    pub fn of_image() -> Self {
        Self("".into())
    }
}

impl FromStr for Handler {
    type Err = Invalid;

    fn from_str(s: &str) -> Result<Self, Invalid> {
        let refused = |letter: char| letter.is_whitespace() || letter.is_control();
        if s.len() <= 128 && !s.chars().any(refused) {
            Ok(Self(s.into()))
        } else {
            Err(Invalid::new("handler", "up to 128 characters without blanks or control characters", s))
        }
    }
}

/// The tenant that a call is for, in a function with tenant isolation: 1 to 256 of `[a-zA-Z0-9._:/=+@ -]`.
/// Source: Lambda service model, `TenantId`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// The rule as AWS's model writes it.
    pub const PATTERN: &'static str = r"[a-zA-Z0-9\._:\/=+\-@ ]+";
    /// The longest one, characters.
    pub const LENGTH_MAX: usize = 256;
}

impl FromStr for TenantId {
    type Err = Invalid;

    fn from_str(s: &str) -> Result<Self, Invalid> {
        let fits = |letter: u8| letter.is_ascii_alphanumeric() || b"._:/=+-@ ".contains(&letter);
        if (1..=Self::LENGTH_MAX).contains(&s.len()) && s.bytes().all(fits) {
            Ok(Self(s.into()))
        } else {
            Err(Invalid::new("tenant id", "1 to 256 of [a-zA-Z0-9._:/=+@ -]", s))
        }
    }
}

/// The role a function runs under: `arn:PARTITION:iam::ACCOUNT:role/PATH`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleArn(Box<str>);

impl FromStr for RoleArn {
    type Err = Invalid;

    fn from_str(s: &str) -> Result<Self, Invalid> {
        let bad = || Invalid::new("role", "arn:aws:iam::ACCOUNT:role/NAME", s);
        let mut parts = s.splitn(6, ':');
        let mut next = || parts.next().ok_or_else(bad);
        let fine = next()? == "arn"
            && next()?.starts_with("aws")
            && next()? == "iam"
            && next()?.is_empty()
            && next()?.parse::<AccountId>().is_ok()
            && next()?.strip_prefix("role/").is_some_and(|name| !name.is_empty());
        if fine { Ok(Self(s.into())) } else { Err(bad()) }
    }
}

impl RoleArn {
    /// The account that owns the role.
    #[must_use]
    pub fn account(&self) -> &str {
        self.0.split(':').nth(4).unwrap_or_default()
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
text!(FunctionName, LayerName, Handler, RoleArn, TenantId);

/// The ARN of a function, with or without a qualifier:
/// `arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionArn {
    /// Where it is said to live.
    pub region: Region,
    /// Whose it is.
    pub account: AccountId,
    /// Its name.
    pub name: FunctionName,
    /// What stands behind the name, as the caller wrote it.
    pub qualifier: Option<Qualifier>,
}

impl fmt::Display for FunctionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:aws:lambda:{}:{}:function:{}", self.region, self.account, self.name)?;
        match &self.qualifier {
            Some(qualifier) => write!(f, ":{qualifier}"),
            None => Ok(()),
        }
    }
}

fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-' || b == b'_'
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_where_they_are_made() {
        assert!("my-fn_1".parse::<FunctionName>().is_ok());
        for bad in ["", "a b", "a.b", &"x".repeat(65)] {
            assert!(bad.parse::<FunctionName>().is_err(), "{bad}");
        }
        assert_eq!("$LATEST".parse::<Qualifier>().unwrap(), Qualifier::Latest);
        assert_eq!("12".parse::<Qualifier>().unwrap(), Qualifier::Number(12));
        assert_eq!("live".parse::<Qualifier>().unwrap(), Qualifier::Alias("live".into()));
        assert!("a.b".parse::<Qualifier>().is_err());
        for fine in ["a", "Blue Tenant", "a@b.c:d/e=f+g-h_1", &"x".repeat(256)] {
            assert_eq!(fine.parse::<TenantId>().unwrap().as_str(), fine);
        }
        for bad in ["", "a\tb", "a,b", "tenant\u{e4}", "a\r\nb", &"x".repeat(257)] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_role_is_an_iam_role_arn() {
        let role: RoleArn = "arn:aws:iam::123456789012:role/service/x".parse().unwrap();
        assert_eq!(role.account(), "123456789012");
        for bad in ["r", "arn:aws:iam::1:role/x", "arn:aws:iam::123456789012:user/x", "arn:aws:iam::123456789012:role/"]
        {
            assert!(bad.parse::<RoleArn>().is_err(), "{bad}");
        }
    }
}
