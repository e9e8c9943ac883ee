//! Patterns of ARNs, matched segment by segment.
//!
//! `arn:partition:service:region:account:resource` has six segments, and only the last may hold colons. `*` and `?`
//! stay within their segment, but a `*` at the end of one may go on beyond the colon: `arn:aws:lambda:*` is everything
//! of Lambda. Source: IAM User Guide, "IAM JSON policy elements: Resource".

use crate::pattern::{Pattern, Signs};
use crate::{Facts, Malformed};

const SEGMENTS: usize = 6;

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
            Self::Segments(patterns) => fits(patterns, arn, facts),
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
    let Some((first, others)) = patterns.split_first() else { return false };
    if others.is_empty() {
        return first.fits(text, facts);
    }
    // At most five segments can go on, over the few colons that an ARN has.
    let mut colons = text.match_indices(':').map(|(at, _)| at);
    let reach = if first.ends_in_star() { usize::MAX } else { 1 };
    colons.by_ref().take(reach).any(|at| first.fits(&text[..at], facts) && fits(others, &text[at + 1..], facts))
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
        ] {
            let facts = [("aws:principalaccount", "123456789012")];
            assert_eq!(ArnPattern::new(pattern, true).unwrap().fits(ARN, &facts), want, "{pattern}");
        }
    }

    #[test]
    fn what_is_no_arn_is_refused() {
        for text in ["", "function:f", "arn:aws:lambda", "arn:aws:lambda:us-east-1:123456789012", "my-fn*"] {
            let refused = ArnPattern::new(text, true).unwrap_err().to_string();
            assert_eq!(refused, format!("Resource {text} must be in ARN format or \"*\"."));
        }
    }
}
