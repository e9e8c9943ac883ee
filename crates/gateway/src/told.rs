//! What a request says of itself and a resource has on it, as condition keys.

use lacewing_access::{Fact, Facts, tag};
use std::collections::BTreeMap;

/// Condition keys with their values. Keys are in lower case.
#[derive(Default)]
pub(crate) struct Told<'a> {
    facts: Vec<(&'static str, Fact<'a>)>,
    /// Tags that are sent (`aws:requesttag/`), and those that lie on the resource (`aws:resourcetag/`).
    tags: Vec<(&'static str, &'a BTreeMap<String, String>)>,
}

impl<'a> Told<'a> {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A key with one value, if there is one.
    pub(crate) fn one(self, key: &'static str, value: Option<&'a str>) -> Self {
        self.and(key, Fact::maybe(value))
    }

    /// A key with several; without any it is as if the request had no such key.
    pub(crate) fn many(self, key: &'static str, values: impl IntoIterator<Item = &'a String>) -> Self {
        let values: Vec<_> = values.into_iter().map(|value| value.as_str().into()).collect();
        if values.is_empty() { self } else { self.and(key, Fact::Many(values)) }
    }

    /// The tags that a resource is to get.
    pub(crate) fn tags(mut self, tags: &'a BTreeMap<String, String>) -> Self {
        self.tags.push(("aws:requesttag/", tags));
        self.tag_keys(tags.keys())
    }

    /// The keys of tags that are to be set or taken away.
    pub(crate) fn tag_keys(self, keys: impl IntoIterator<Item = &'a String>) -> Self {
        self.many("aws:tagkeys", keys)
    }

    /// The tags that lie on the resource.
    pub(crate) fn tagged(mut self, tags: &'a BTreeMap<String, String>) -> Self {
        self.tags.push(("aws:resourcetag/", tags));
        self
    }

    /// The same by the name that IAM has for them.
    pub(crate) fn iam_tagged(mut self, tags: &'a BTreeMap<String, String>) -> Self {
        self.tags.push(("iam:resourcetag/", tags));
        self
    }

    pub(crate) fn and(mut self, key: &'static str, fact: Fact<'a>) -> Self {
        self.facts.push((key, fact));
        self
    }
}

impl Facts for Told<'_> {
    fn fact(&self, key: &str) -> Fact<'_> {
        if let Some((_, fact)) = self.facts.iter().find(|(known, _)| *known == key) {
            return fact.clone();
        }
        let found = self.tags.iter().find_map(|(start, tags)| Some((tags, key.strip_prefix(start)?)));
        Fact::maybe(found.and_then(|(tags, key)| tag(*tags, key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_whatever_the_case_of_their_keys() {
        let tags = BTreeMap::from([("Team".to_owned(), "red".to_owned())]);
        let (none, lying) = (BTreeMap::new(), BTreeMap::from([("team".to_owned(), "blue".to_owned())]));
        let told = Told::new().tags(&tags).tagged(&lying).one("lambda:principal", None);
        assert_eq!(told.fact("aws:requesttag/team"), Fact::one("red"));
        assert_eq!(told.fact("aws:resourcetag/team"), Fact::one("blue"));
        assert_eq!(told.fact("aws:tagkeys"), Fact::Many(vec!["Team".into()]));
        assert_eq!(told.fact("lambda:principal"), Fact::Absent);
        assert_eq!(Told::new().tags(&none).fact("aws:tagkeys"), Fact::Absent);
    }
}
