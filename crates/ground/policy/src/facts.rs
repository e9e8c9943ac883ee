//! What is known of a request: the values of condition keys.

use std::borrow::Cow;

/// The value of a condition key in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<'a> {
    /// The request has no such key.
    Absent,
    /// A key with one value.
    One(Cow<'a, str>),
    /// A key with any number of values, such as `aws:TagKeys`.
    Many(Vec<Cow<'a, str>>),
}

impl<'a> Fact<'a> {
    /// One value.
    pub fn one(value: impl Into<Cow<'a, str>>) -> Self {
        Self::One(value.into())
    }

    /// One value, or none.
    pub fn maybe(value: Option<impl Into<Cow<'a, str>>>) -> Self {
        value.map_or(Self::Absent, Self::one)
    }
}

/// Looks condition keys up, when a condition or a variable names one.
pub trait Facts {
    /// The value of `key`, which is in lower case: `aws:sourceip`, `lambda:functionarn`, `aws:resourcetag/team`.
    /// Tags are to be found without regard to case: [`tag`] does.
    fn fact(&self, key: &str) -> Fact<'_>;
}

/// The value of the tag with this key, in whatever case the key is written. Of several the first counts.
/// Source: IAM User Guide, "AWS global condition context keys", `aws:ResourceTag`.
pub fn tag<'a>(tags: impl IntoIterator<Item = (&'a String, &'a String)>, key: &str) -> Option<&'a str> {
    tags.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
}

/// No facts at all.
impl Facts for () {
    fn fact(&self, _: &str) -> Fact<'_> {
        Fact::Absent
    }
}

/// The first that knows the key.
impl<A: Facts + ?Sized, B: Facts + ?Sized> Facts for (&A, &B) {
    fn fact(&self, key: &str) -> Fact<'_> {
        match self.0.fact(key) {
            Fact::Absent => self.1.fact(key),
            found => found,
        }
    }
}

/// Pairs of key (in lower case) and value.
impl Facts for &[(&str, &str)] {
    fn fact(&self, key: &str) -> Fact<'_> {
        Fact::maybe(self.iter().find(|(known, _)| *known == key).map(|(_, value)| *value))
    }
}

impl<const N: usize> Facts for [(&str, &str); N] {
    fn fact(&self, key: &str) -> Fact<'_> {
        Fact::maybe(self.iter().find(|(known, _)| *known == key).map(|(_, value)| *value))
    }
}
