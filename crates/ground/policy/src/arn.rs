//! Patterns of ARNs, matched segment by segment.
//!
//! `arn:partition:service:region:account:resource` has six segments, and only the last may hold colons. `*` and `?`
//! stay within their segment, but a `*` at the end of one may go on beyond the colon: `arn:aws:lambda:*` is everything
//! of Lambda. Source: IAM User Guide, "IAM JSON policy elements: Resource".
//!
//! What is compared comes from requests, and patterns come from tenants: neither may make the other expensive. A segment
//! is compared once for each place where it can begin, and there are at most as many as an ARN may have colons.

use crate::pattern::{Pattern, Signs};
use crate::{Facts, Malformed};

const SEGMENTS: usize = 6;
/// The longest text that is taken for an ARN, bytes. Source: IAM API, `arnType`; Lambda API, `EventSourceArn`.
pub const ARN_BYTES_MAX: usize = 2_048;
/// Colons of an ARN: five between its segments, and some in the last.
const COLONS_MAX: usize = 16;

/// True for a text that can be an ARN by its size. No pattern but `*` fits another, and nothing should be asked about it.
#[must_use]
pub fn is_arn_sized(text: &str) -> bool {
    text.len() <= ARN_BYTES_MAX && text.bytes().filter(|b| *b == b':').count() <= COLONS_MAX
}

/// What resources are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ArnPattern {
    /// `*`.
    Any,
    /// Of these segments, one to six.
    Segments(Box<[Pattern]>),
}

impl ArnPattern {
    /// Reads `*`, or a pattern that begins with `arn:` or with a variable.
    pub(crate) fn new(text: &str, variables: bool) -> Result<Self, Malformed> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let segments = segments(text);
        let leads = matches!(segments[0], "arn" | "*") || segments[0].starts_with('*') || text.starts_with("${");
        let whole = segments.len() == SEGMENTS || text.ends_with('*') || text.starts_with("${");
        if !leads || !whole {
            let shown: String = text.chars().take(256).collect();
            return Err(Malformed(format!("Resource {shown} must be in ARN format or \"*\".")));
        }
        let signs = Signs { wildcards: true, variables };
        let patterns: Result<Vec<_>, _> = segments.into_iter().map(|segment| Pattern::new(segment, signs)).collect();
        Ok(Self::Segments(patterns?.into()))
    }

    /// True where `arn` is meant.
    pub(crate) fn fits(&self, arn: &str, facts: &dyn Facts) -> bool {
        match self {
            Self::Any => true,
            Self::Segments(patterns) => is_arn_sized(arn) && fits(patterns, arn, facts),
        }
    }
}

/// Cuts at the first five colons that are outside of `${...}`.
fn segments(text: &str) -> Vec<&str> {
    let (mut found, mut from, mut inside) = (Vec::with_capacity(SEGMENTS), 0, false);
    for (at, sign) in text.char_indices() {
        match sign {
            '{' if text[..at].ends_with('$') => inside = true,
            '}' => inside = false,
            ':' if !inside && found.len() + 1 < SEGMENTS => {
                found.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[from..]);
    found
}

fn fits(patterns: &[Pattern], text: &str, facts: &dyn Facts) -> bool {
    let Some((last, before)) = patterns.split_last() else { return false };
    let mut start = 0;
    for (number, segment) in before.iter().enumerate() {
        let Some(end) = end_of(text, start) else { return false };
        if !segment.fits(&text[start..end], facts) {
            return false;
        }
        if segment.ends_in_star() {
            return fits_beyond(&before[number + 1..], last, text, Starts::behind(text, end), facts);
        }
        start = end + 1;
    }
    last.fits(&text[start..], facts)
}

/// The rest of a pattern, that may begin at any of these places.
fn fits_beyond(before: &[Pattern], last: &Pattern, text: &str, starts: Starts, facts: &dyn Facts) -> bool {
    let mut starts = starts;
    for segment in before {
        let mut next = Starts::default();
        for start in starts.iter() {
            let Some(end) = end_of(text, start).filter(|end| segment.fits(&text[start..*end], facts)) else { continue };
            if segment.ends_in_star() {
                // It may go on to any later colon, so that the first place where it fits says all.
                next = Starts::behind(text, end);
                break;
            }
            next.push(end + 1);
        }
        starts = next;
    }
    starts.iter().any(|start| last.fits(&text[start..], facts))
}

/// Where the segment that begins at `start` ends, if another follows.
fn end_of(text: &str, start: usize) -> Option<usize> {
    text[start..].find(':').map(|at| start + at)
}

/// Places where a segment may begin; no more than an ARN has colons.
#[derive(Default)]
struct Starts {
    places: [usize; COLONS_MAX],
    count: usize,
}

impl Starts {
    /// Behind each colon from `end` on.
    fn behind(text: &str, end: usize) -> Self {
        let mut starts = Self::default();
        text[end..].match_indices(':').for_each(|(at, _)| starts.push(end + at + 1));
        starts
    }

    fn push(&mut self, place: usize) {
        if let Some(free) = self.places.get_mut(self.count) {
            *free = place;
            self.count += 1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.places[..self.count].iter().copied()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:my-fn:prod";

    #[test]
    fn segments_match_one_by_one() {
        for (pattern, want) in [
            ("*", true),
            (ARN, true),
            ("arn:aws:lambda:us-east-1:123456789012:function:my-fn", false),
            ("arn:aws:lambda:us-east-1:123456789012:function:my-fn*", true),
            ("arn:aws:lambda:us-east-1:123456789012:function:*", true),
            ("arn:aws:lambda:us-east-1:123456789012:*", true),
            ("arn:aws:lambda:us-*-1:123456789012:function:my-??:prod", true),
            ("arn:aws:lambda:us-*-2:123456789012:function:my-fn:prod", false),
            ("arn:*:lambda:*:*:function:my-fn:prod", true),
            ("arn:aws:lambda:*", true),
            ("arn:aws:*", true),
            ("arn:aws:s3:*", false),
            ("arn:aws:lambda:*:function:my-fn:prod", true),
            ("arn:aws:lam*da:us-east-1:123456789012:function:my-fn:prod", true),
            ("arn:aws:l*1:123456789012:function:my-fn:prod:x", false),
            ("arn:aws:lambda:us-east-1:${aws:PrincipalAccount}:function:*", true),
            ("arn:aws:lambda:us-east-1:${aws:username}:function:*", false),
            ("arn:aws:lambda:::function:*", false),
            ("arn:aws:lam*:*:function:my-fn:prod", true),
            ("arn:*:function:my-fn:*", true),
            ("arn:a*s:l*a:*:*:function:my-fn:prod", true),
            ("arn:a*a:us-east-1:123456789012:function:my-fn:prod", false),
            ("arn:a*a*:us-east-1:123456789012:function:my-fn:prod", false),
            ("arn:aws:LAMBDA:us-east-1:123456789012:function:my-fn:prod", false),
        ] {
            let facts = [("aws:principalaccount", "123456789012")];
            assert_eq!(ArnPattern::new(pattern, true).unwrap().fits(ARN, &facts), want, "{pattern}");
        }
    }

    /// What the module's first lines say, tried out without any thought of cost.
    fn plainly(patterns: &[Pattern], text: &str) -> bool {
        let Some((first, others)) = patterns.split_first() else { return false };
        if others.is_empty() {
            return first.fits(text, &());
        }
        let mut colons = text.match_indices(':').map(|(at, _)| at);
        let Some(end) = colons.next() else { return false };
        let goes_on = first.ends_in_star();
        first.fits(&text[..end], &())
            && std::iter::once(end).chain(colons.filter(|_| goes_on)).any(|at| plainly(others, &text[at + 1..]))
    }

    proptest::proptest! {
        #[test]
        fn segments_match_as_a_plain_matcher_says(pattern in "arn:([ab*?]{0,3}:){1,4}[ab*?:]{0,4}\\*", text in "arn:([ab]{0,2}:){0,6}[ab:]{0,3}") {
            let compiled = ArnPattern::new(&pattern, true).unwrap();
            let ArnPattern::Segments(patterns) = &compiled else { unreachable!() };
            proptest::prop_assert_eq!(compiled.fits(&text, &()), plainly(patterns, &text), "{} {}", pattern, text);
        }
    }

    #[test]
    fn a_hostile_pair_of_pattern_and_text_costs_little() {
        let pattern = ArnPattern::new("*:*:*:*:*:*a*a*a*a*a*a*a*b", true).unwrap();
        assert!(!pattern.fits(&"a:".repeat(50_000), &()), "no such thing is an ARN");
        let longest = "a:".repeat(COLONS_MAX) + &"a".repeat(ARN_BYTES_MAX - 2 * COLONS_MAX);
        assert!(is_arn_sized(&longest) && !pattern.fits(&longest, &()));
        assert!(pattern.fits(&(longest[1..].to_owned() + "b"), &()));
        assert!(ArnPattern::Any.fits(&"a:".repeat(50_000), &()));
    }

    #[test]
    fn what_is_no_arn_is_refused() {
        for text in ["", "function:f", "arn:aws:lambda", "arn:aws:lambda:us-east-1:123456789012", "my-fn*"] {
            let refused = ArnPattern::new(text, true).unwrap_err().to_string();
            assert_eq!(refused, format!("Resource {text} must be in ARN format or \"*\"."));
        }
    }
}
