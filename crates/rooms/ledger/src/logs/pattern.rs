//! Filter patterns: which messages a reader wants.
//!
//! ```text
//! ERROR "time out" -DEBUG      every plain term, none of the excluded
//! ?ERROR ?WARN                 any of them
//! { $.level = "ERROR" && $.ms > 100 }   JSON messages
//! ```
//! Source: CloudWatch Logs documentation, "filter pattern syntax". Regular expressions (`%...%`) and
//! space-delimited patterns (`[...]`) are refused by name.

mod json;

use json::Condition;

/// Longest pattern. Source: CloudWatch Logs API.
const PATTERN_CHARS_MAX: usize = 1_024;

/// A parsed filter pattern.
#[derive(Debug)]
pub(crate) enum Pattern {
    /// Terms that a message has to hold; terms are compared letter by letter, case included.
    Terms { all: Vec<String>, any: Vec<String>, none: Vec<String> },
    /// What its JSON has to say.
    Json(Condition),
}

impl Pattern {
    /// Reads a pattern; the empty one matches everything.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.chars().count() > PATTERN_CHARS_MAX {
            return Err(format!("Invalid filter pattern: longer than {PATTERN_CHARS_MAX} characters"));
        }
        if text.starts_with('{') {
            let condition = Condition::parse(text);
            return condition.map(Self::Json).map_err(|why| format!("Invalid filter pattern: {why}"));
        }
        if text.starts_with('[') {
            return Err("Invalid filter pattern: space-delimited patterns ([...]) are not supported here".into());
        }
        let (mut all, mut any, mut none) = (Vec::new(), Vec::new(), Vec::new());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let list = match first {
                '-' => &mut none,
                '?' => &mut any,
                '%' => return Err("Invalid filter pattern: regular expressions (%...%) are not supported here".into()),
                _ => &mut all,
            };
            if matches!(first, '-' | '?') {
                rest = &rest[1..];
            }
            let (term, after) = term(rest)?;
            if !term.is_empty() {
                list.push(term);
            }
            rest = after.trim_start();
        }
        Ok(Self::Terms { all, any, none })
    }

    /// True when the message is wanted.
    pub fn matches(&self, message: &str) -> bool {
        match self {
            Self::Terms { all, any, none } => {
                all.iter().all(|term| message.contains(term.as_str()))
                    && (any.is_empty() || any.iter().any(|term| message.contains(term.as_str())))
                    && !none.iter().any(|term| message.contains(term.as_str()))
            }
            Self::Json(condition) => {
                let message = message.trim_start();
                message.starts_with('{') && serde_json::from_str(message).is_ok_and(|message| condition.holds(&message))
            }
        }
    }
}

/// Cuts one term off: quoted, where `\"` and `\\` stand for themselves, or up to the next blank.
fn term(text: &str) -> Result<(String, &str), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return Ok((text[..end].to_owned(), &text[end..]));
    };
    let (term, length) = unquote(quoted).ok_or("Invalid filter pattern: a quotation mark is not closed")?;
    Ok((term, &quoted[length..]))
}

/// The text up to the closing quotation mark, and the bytes used with it.
fn unquote(text: &str) -> Option<(String, usize)> {
    let mut found = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((found, at + 1)),
            '\\' => match chars.next()?.1 {
                escaped @ ('"' | '\\') => found.push(escaped),
                other => found.extend(['\\', other]),
            },
            _ => found.push(char),
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn matches(pattern: &str, message: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(message)
    }

    #[test]
    fn terms_are_asked_for_excluded_or_alternatives() {
        for (pattern, message, want) in [
            ("", "anything", true),
            ("ERROR", "[ERROR] x", true),
            ("ERROR", "error", false),
            ("ERROR timeout", "timeout ERROR", true),
            ("ERROR timeout", "ERROR", false),
            ("\"time out\"", "a time out b", true),
            ("\"time out\"", "out time", false),
            ("ERROR -retry", "ERROR retry", false),
            ("ERROR -retry", "ERROR", true),
            ("-\"a b\"", "a b", false),
            ("?ERROR ?WARN", "WARN", true),
            ("?ERROR ?WARN", "INFO", false),
            (r#""say \"hi\"""#, r#"say "hi""#, true),
        ] {
            assert_eq!(matches(pattern, message), want, "{pattern} on {message}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_pattern_or_refused(text in "[-?%\"\\\\ {}()$.\\[\\]a*=<>!&|1é]{0,40}", message in ".{0,20}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                pattern.matches(&message);
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for pattern in ["\"open", "[a, b]", "%a.*%", "{ $.x }", "{ $.x = 1", &"x".repeat(1_025)] {
            assert!(Pattern::parse(pattern).unwrap_err().starts_with("Invalid filter pattern"), "{pattern}");
        }
    }
}
