//! The query of a request.

use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// A query as sent, without `?`.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// Wraps a query, still encoded.
    #[must_use]
    pub fn new(query: &'a str) -> Self {
        Self(query)
    }

    /// The first value of `key`, decoded; empty where the key stands alone.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Cow<'a, str>> {
        self.all(key).next()
    }

    /// Every value of `key`, decoded, in the order in which they stand.
    pub fn all(&self, key: &str) -> impl Iterator<Item = Cow<'a, str>> {
        self.raw_pairs().filter(move |(name, _)| decode(name) == key).map(|(_, value)| decode(value))
    }

    /// Every key with its value, decoded, in the order in which they stand.
    pub fn pairs(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        self.raw_pairs().map(|(name, value)| (decode(name), decode(value)))
    }

    fn raw_pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let pairs = self.0.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }
}

/// `+` is a blank, as the verifier of signatures reads it too. Bytes that are no UTF-8 are replaced.
fn decode(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        return Cow::Owned(percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned());
    }
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_and_decoded() {
        let query = Query::new("Qualifier=%24LATEST&Flag&a=b+c&a=second");
        assert_eq!(query.get("Qualifier").as_deref(), Some("$LATEST"));
        assert_eq!(query.get("Flag").as_deref(), Some(""));
        assert_eq!(query.get("a").as_deref(), Some("b c"));
        assert_eq!(query.all("a").collect::<Vec<_>>(), ["b c", "second"]);
        assert_eq!(query.get("absent"), None);
        assert_eq!(Query::new("").get(""), None);
    }
}
