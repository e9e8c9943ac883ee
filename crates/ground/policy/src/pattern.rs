//! Texts with `*`, `?` and `${variables}`.
//!
//! A pattern is cut into pieces once. Matching goes back to the last `*` only, so that it costs at most the
//! product of both lengths, whatever the pattern.

use crate::{Fact, Facts, Malformed};

/// A text to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pieces: Box<[Piece]>,
    ignores_case: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// These bytes.
    Text(Box<str>),
    /// Any number of characters.
    Star,
    /// One character.
    One,
    /// The value of a condition key, compared as it is: a `*` in it is a star and nothing else.
    Variable { key: Box<str>, default: Option<Box<str>> },
}

/// Which signs mean something in a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signs {
    /// `*` and `?`.
    pub(crate) wildcards: bool,
    /// `${...}`: not in documents of version 2008-10-17.
    pub(crate) variables: bool,
}

impl Pattern {
    /// Cuts `text` into pieces.
    pub(crate) fn new(text: &str, signs: Signs) -> Result<Self, Malformed> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(sign) = rest.chars().next() {
            let special = match sign {
                '*' if signs.wildcards => Some((Piece::Star, 1)),
                '?' if signs.wildcards => Some((Piece::One, 1)),
                '$' if signs.variables && rest.starts_with("${") => {
                    let end = rest.find('}').ok_or_else(|| {
                        Malformed::syntax(format!("The policy variable in '{text:.256}' has no closing brace."))
                    })?;
                    variable(&rest[2..end], &mut literal).map(|piece| (piece, end + 1)).or_else(|| {
                        rest = &rest[end + 1..];
                        None
                    })
                }
                _ => {
                    literal.push(sign);
                    rest = &rest[sign.len_utf8()..];
                    continue;
                }
            };
            if let Some((piece, length)) = special {
                flush(&mut literal, &mut pieces);
                // Two stars in a row are one.
                if piece != Piece::Star || pieces.last() != Some(&Piece::Star) {
                    pieces.push(piece);
                }
                rest = &rest[length..];
            }
        }
        flush(&mut literal, &mut pieces);
        Ok(Self { pieces: pieces.into(), ignores_case: false })
    }

    /// The same without regard to the case of ASCII letters.
    pub(crate) fn ignoring_case(self) -> Self {
        Self { ignores_case: true, ..self }
    }

    /// True where the last piece is `*`.
    pub(crate) fn ends_in_star(&self) -> bool {
        self.pieces.last() == Some(&Piece::Star)
    }

    /// True where all of `text` is of this pattern. A variable without a value fits nothing.
    pub(crate) fn fits(&self, text: &str, facts: &dyn Facts) -> bool {
        // What most patterns are.
        match &*self.pieces {
            [] => return text.is_empty(),
            [Piece::Star] => return true,
            [Piece::Text(only)] => return self.same(only, text),
            _ => {}
        }
        let (mut piece, mut at) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        loop {
            let step = match self.pieces.get(piece) {
                None if at == text.len() => return true,
                None => None,
                Some(Piece::Star) => {
                    star = Some((piece + 1, at));
                    Some(0)
                }
                Some(Piece::One) => text[at..].chars().next().map(char::len_utf8),
                Some(Piece::Text(literal)) => self.starts(&text[at..], literal),
                Some(Piece::Variable { key, default }) => match facts.fact(key) {
                    Fact::One(value) => self.starts(&text[at..], &value),
                    Fact::Absent | Fact::Many(_) => match default {
                        Some(default) => self.starts(&text[at..], default),
                        None => return false,
                    },
                },
            };
            match (step, star) {
                (Some(length), _) => {
                    piece += 1;
                    at += length;
                }
                // The last star takes one character more, and what follows it is tried again.
                (None, Some((after, from))) => match text[from..].chars().next() {
                    Some(taken) => {
                        let from = from + taken.len_utf8();
                        star = Some((after, from));
                        (piece, at) = (after, from);
                    }
                    None => return false,
                },
                (None, None) => return false,
            }
        }
    }

    fn starts(&self, text: &str, literal: &str) -> Option<usize> {
        let start = text.get(..literal.len())?;
        self.same(literal, start).then_some(literal.len())
    }

    fn same(&self, one: &str, other: &str) -> bool {
        if self.ignores_case { one.eq_ignore_ascii_case(other) } else { one == other }
    }
}

/// The piece that `${inner}` stands for; an escaped sign, `${*}`, is added to the literal instead.
fn variable(inner: &str, literal: &mut String) -> Option<Piece> {
    if matches!(inner, "*" | "?" | "$") {
        literal.push_str(inner);
        return None;
    }
    let (key, default) = match inner.split_once(',') {
        Some((key, default)) => (key.trim(), Some(default.trim().trim_matches('\''))),
        None => (inner.trim(), None),
    };
    Some(Piece::Variable { key: key_name(key).into(), default: default.map(Into::into) })
}

/// A condition key as it is looked up: in lower case, the key of a tag behind the slash too.
pub(crate) fn key_name(key: &str) -> String {
    key.to_ascii_lowercase()
}

fn flush(literal: &mut String, pieces: &mut Vec<Piece>) {
    if !literal.is_empty() {
        pieces.push(Piece::Text(std::mem::take(literal).into()));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ALL: Signs = Signs { wildcards: true, variables: true };

    fn fits(pattern: &str, text: &str) -> bool {
        let facts = [("aws:username", "a*b"), ("aws:principaltag/team", "red")];
        Pattern::new(pattern, ALL).unwrap().fits(text, &facts)
    }

    #[test]
    fn stars_take_any_number_and_question_marks_one() {
        for (pattern, text, want) in [
            ("", "", true),
            ("", "x", false),
            ("*", "", true),
            ("**", "anything", true),
            ("a*", "abc", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("*b*", "abc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?c", "aéc", true),
            ("?*?", "x", false),
            ("*é", "caféé", true),
            ("*ab*ab*c", "ababxabc", true),
        ] {
            assert_eq!(fits(pattern, text), want, "{pattern} {text}");
        }
    }

    #[test]
    fn variables_stand_for_values_and_not_for_patterns() {
        for (pattern, text, want) in [
            ("home/${aws:username}/*", "home/a*b/x", true),
            ("home/${aws:username}/*", "home/axb/x", false),
            ("${AWS:UserName}", "a*b", true),
            ("${aws:PrincipalTag/Team}", "red", true),
            ("${aws:PrincipalTag/team}", "red", true),
            ("*${aws:PrincipalTag/Team}", "x-red", true),
            ("x${aws:userid}", "x", false),
            ("x${aws:userid, 'nobody'}", "xnobody", true),
            ("a${*}b", "a*b", true),
            ("a${*}b", "axb", false),
            ("${$}{x", "${x", true),
        ] {
            assert_eq!(fits(pattern, text), want, "{pattern} {text}");
        }
        assert!(Pattern::new("${aws:username", ALL).is_err());
        let plain = Pattern::new("${aws:username}*", Signs { wildcards: false, variables: false }).unwrap();
        assert!(plain.fits("${aws:username}*", &()));
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_the_product_of_lengths() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!fits(&pattern, &"a".repeat(5_000)));
    }
}
