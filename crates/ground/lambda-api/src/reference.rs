//! How a request names a function: plain, by part of its ARN or by all of it, each with or without a qualifier.

use crate::Violations;

/// The model's pattern for the short form.
pub const FUNCTION_NAME_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?";
const NAMESPACED_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";
/// The model's pattern for `Qualifier`.
pub const QUALIFIER_PATTERN: &str = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+";

/// Which of the model's two shapes an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceForm {
    /// At most 140 characters: create, update, aliases, concurrency.
    Short,
    /// At most 256, dots allowed: get, delete, invoke, policies.
    Namespaced,
}

/// A function as a request names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FunctionReference<'a> {
    /// The region of the ARN.
    pub region: Option<&'a str>,
    /// The account of the ARN.
    pub account: Option<&'a str>,
    /// The name; may be longer than a name can be.
    pub name: &'a str,
    /// What stands behind the name.
    pub qualifier: Option<&'a str>,
}

/// A reference that is of its form and leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferenceError {
    /// It names another region than the one that was asked.
    OtherRegion(String),
    /// It names another account.
    ForeignAccount(String),
    /// `?Qualifier` says otherwise.
    QualifierMismatch,
}

/// What may stand before the name, in this order.
#[derive(Clone, Copy)]
enum Part {
    Region,
    Account,
    Function,
}

impl Part {
    fn fits(self, word: &str) -> bool {
        match self {
            Self::Region => is_region(word),
            Self::Account => word.len() == 12 && word.bytes().all(|b| b.is_ascii_digit()),
            Self::Function => word == "function",
        }
    }
}

impl<'a> FunctionReference<'a> {
    /// Reads `text`, noting in `violations` (at `functionName`) what is wrong with it.
    #[must_use]
    pub fn parse(text: &'a str, form: ReferenceForm, violations: &mut Violations) -> Self {
        let (max, pattern) = match form {
            ReferenceForm::Short => (140, FUNCTION_NAME_PATTERN),
            ReferenceForm::Namespaced => (256, NAMESPACED_PATTERN),
        };
        violations.length(text, "functionName", 1, max);
        let found = Self::with_prefixes(text, form).or_else(|| Self::plain(text, form));
        found.unwrap_or_else(|| {
            violations.pattern(text, "functionName", pattern);
            Self::default()
        })
    }

    fn plain(text: &'a str, form: ReferenceForm) -> Option<Self> {
        let (name, qualifier) = match text.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (text, None),
        };
        let fine = is_name(name, form) && qualifier.is_none_or(|qualifier| is_qualifier(qualifier, form));
        fine.then_some(Self { region: None, account: None, name, qualifier })
    }

    /// As the pattern does it: each prefix is taken where it fits and something follows.
    fn with_prefixes(text: &'a str, form: ReferenceForm) -> Option<Self> {
        let mut rest = text;
        if let Some(arn) = text.strip_prefix("arn:") {
            let (partition, after) = arn.split_once(':')?;
            rest = after.strip_prefix("lambda:").filter(|_| is_partition(partition))?;
        }
        Self::with_parts(rest, &[Part::Region, Part::Account, Part::Function], form)
    }

    /// A part that fits is taken, and given back where nothing then fits behind it.
    fn with_parts(text: &'a str, parts: &[Part], form: ReferenceForm) -> Option<Self> {
        let Some((part, later)) = parts.split_first() else { return Self::plain(text, form) };
        let taken = text.split_once(':').filter(|(word, _)| part.fits(word)).and_then(|(word, rest)| {
            let reference = Self::with_parts(rest, later, form)?;
            Some(match part {
                Part::Region => Self { region: Some(word), ..reference },
                Part::Account => Self { account: Some(word), ..reference },
                Part::Function => reference,
            })
        });
        taken.or_else(|| Self::with_parts(text, later, form))
    }

    /// Checks the reference against whom and where it is asked, and against `?Qualifier`.
    ///
    /// # Errors
    /// [`ReferenceError`].
    pub fn check(
        self,
        account: &str,
        region: &str,
        qualifier: Option<&'a str>,
    ) -> Result<(&'a str, Option<&'a str>), ReferenceError> {
        if let Some(other) = self.region.filter(|other| *other != region) {
            return Err(ReferenceError::OtherRegion(other.to_owned()));
        }
        if let Some(other) = self.account.filter(|other| *other != account) {
            return Err(ReferenceError::ForeignAccount(other.to_owned()));
        }
        match (self.qualifier, qualifier) {
            (Some(one), Some(other)) if one != other => Err(ReferenceError::QualifierMismatch),
            (one, other) => Ok((self.name, one.or(other))),
        }
    }
}

fn is_name(text: &str, form: ReferenceForm) -> bool {
    let dots = form == ReferenceForm::Namespaced;
    !text.is_empty() && text.bytes().all(|b| is_word(b) || (dots && b == b'.'))
}

fn is_qualifier(text: &str, form: ReferenceForm) -> bool {
    text == "$LATEST"
        || (form == ReferenceForm::Namespaced && text == "$LATEST.PUBLISHED")
        || (!text.is_empty() && text.bytes().all(is_word))
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-' || b == b'_'
}

/// Nothing, or like `aws`, `aws-cn`.
fn is_partition(text: &str) -> bool {
    let rest = text.strip_prefix("aws").unwrap_or(text);
    (text.is_empty() || rest.len() < text.len()) && rest.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
}

/// Like `us-east-1`, `us-gov-west-1`, `eusc-de-east-1`: exactly what the model's pattern takes.
fn is_region(text: &str) -> bool {
    let letters = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let is_kind = |part: &str| {
        part == "gov" || part.strip_prefix("iso").is_some_and(|one| one.is_empty() || (one.len() == 1 && letters(one)))
    };
    let parts: Vec<&str> = text.strip_prefix("eusc-").unwrap_or(text).split('-').collect();
    let (country, word, digit) = match parts.as_slice() {
        [country, word, digit] => (country, word, digit),
        [country, kind, word, digit] if is_kind(kind) => (country, word, digit),
        _ => return false,
    };
    country.len() == 2 && letters(country) && letters(word) && matches!(digit.as_bytes(), [b'0'..=b'9'])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ReferenceForm::{Namespaced, Short};

    type Parts<'a> = (Option<&'a str>, Option<&'a str>, &'a str, Option<&'a str>);

    #[test]
    fn every_form_of_a_name_is_read() {
        let (r, a) = (Some("us-east-1"), Some("123456789012"));
        let table: [(&str, Parts<'_>); 13] = [
            ("f", (None, None, "f", None)),
            ("f:1", (None, None, "f", Some("1"))),
            ("f:$LATEST", (None, None, "f", Some("$LATEST"))),
            ("function:f", (None, None, "f", None)),
            ("function:f:live", (None, None, "f", Some("live"))),
            ("123456789012:function:f", (None, a, "f", None)),
            ("123456789012:f", (None, a, "f", None)),
            ("us-east-1:f", (r, None, "f", None)),
            ("us-east-1:$LATEST", (None, None, "us-east-1", Some("$LATEST"))),
            ("us-east-1:123456789012:$LATEST", (r, None, "123456789012", Some("$LATEST"))),
            ("arn:aws:lambda:us-east-1:123456789012:function:f", (r, a, "f", None)),
            ("arn:aws:lambda:us-east-1:123456789012:function:f:live", (r, a, "f", Some("live"))),
            ("arn:aws-cn:lambda:us-east-1:123456789012:function:function", (r, a, "function", None)),
        ];
        for (text, want) in table {
            let mut violations = Violations::default();
            let got = FunctionReference::parse(text, Short, &mut violations);
            assert_eq!(violations, Violations::default(), "{text}");
            assert_eq!((got.region, got.account, got.name, got.qualifier), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_models_pattern() {
        let long = "x".repeat(141);
        for (text, form, want) in [
            ("a b", Short, "satisfy regular expression pattern: (arn:"),
            ("a.b", Short, "satisfy regular expression pattern: (arn:"),
            ("f:$LATEST.PUBLISHED", Short, "satisfy regular expression pattern: (arn:"),
            ("arn:aws:s3:us-east-1:123456789012:function:f", Short, "satisfy regular expression pattern: (arn:"),
            ("", Short, "have length greater than or equal to 1"),
            (&long, Short, "have length less than or equal to 140"),
        ] {
            let mut violations = Violations::default();
            let _ = FunctionReference::parse(text, form, &mut violations);
            assert!(violations.text().unwrap().contains(want), "{text}: {violations:?}");
        }
        let mut violations = Violations::default();
        for text in ["a.b", "f:$LATEST.PUBLISHED", long.as_str()] {
            let _ = FunctionReference::parse(text, Namespaced, &mut violations);
        }
        assert_eq!(violations, Violations::default());
    }

    proptest::proptest! {
        #[test]
        fn exactly_what_the_models_pattern_takes_is_taken(
            text in "(arn:|aws|aws-cn|:|lambda:|us-east-1:|us-gov-west-1:|eusc-de-east-1:|us-iso-east-1:|us-isob-east-1:|us-isobb-east-1:|a-b-1:|123456789012:|12:|function:|f|F-_|\\.|\\$LATEST|\\$LATEST.PUBLISHED|1| |é){0,9}"
        ) {
            for (form, pattern) in [(Short, FUNCTION_NAME_PATTERN), (Namespaced, NAMESPACED_PATTERN)] {
                let model = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
                let mut violations = Violations::default();
                let _ = FunctionReference::parse(&text, form, &mut violations);
                let refused = violations.text().is_some_and(|text| text.contains("regular expression"));
                proptest::prop_assert_eq!(refused, !model.is_match(&text), "{:?} {}", form, text);
            }
        }
    }

    #[test]
    fn references_are_checked_against_where_they_are_asked() {
        let check = |text: &'static str, qualifier| {
            let reference = FunctionReference::parse(text, Namespaced, &mut Violations::default());
            reference.check("123456789012", "us-east-1", qualifier)
        };
        assert_eq!(check("f", None), Ok(("f", None)));
        assert_eq!(check("f:1", Some("1")), Ok(("f", Some("1"))));
        assert_eq!(check("f", Some("live")), Ok(("f", Some("live"))));
        assert_eq!(check("f:1", Some("2")), Err(ReferenceError::QualifierMismatch));
        assert_eq!(check("eu-west-1:f", None), Err(ReferenceError::OtherRegion("eu-west-1".into())));
        assert_eq!(check("999999999999:f", None), Err(ReferenceError::ForeignAccount("999999999999".into())));
    }
}
