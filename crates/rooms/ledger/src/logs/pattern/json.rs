//! Conditions on JSON messages.
//!
//! ```text
//! pattern   = "{" or "}"
//! or        = and { "||" and }
//! and       = single { "&&" single }
//! single    = "(" or ")" | selector ( operator value | "IS" ("TRUE" | "FALSE" | "NULL") | "NOT EXISTS" )
//! selector  = "$" { "." name | "[" index "]" | "['" name "']" }
//! ```

use super::unquote;
use serde_json::Value;
use std::cmp::Ordering;

/// Deepest nesting of parentheses.
const DEPTH_MAX: usize = 16;

/// A condition.
#[derive(Debug, PartialEq)]
pub(crate) enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Test(Vec<Step>, Test),
}

/// A step of a selector.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    Name(String),
    Index(usize),
}

/// What is asked of the selected value.
#[derive(Debug, PartialEq)]
pub(crate) enum Test {
    Number(Compare, f64),
    /// Text with `*` for anything; `false` for `!=`.
    Text(bool, String),
    Is(Value),
    NotExists,
}

/// A comparison of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Condition {
    /// Reads `{ ... }`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).ok_or("'}' is missing")?;
        let mut parser = Parser { rest: inner, depth: 0 };
        let condition = parser.any()?;
        if parser.blank().is_empty() { Ok(condition) } else { Err(format!("unexpected '{}'", parser.rest)) }
    }

    /// True when the message fulfils it. A value that is absent fulfils nothing but NOT EXISTS.
    pub fn holds(&self, message: &Value) -> bool {
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.holds(message)),
            Self::All(parts) => parts.iter().all(|part| part.holds(message)),
            Self::Test(steps, test) => {
                let value = steps.iter().try_fold(message, |value, step| match step {
                    Step::Name(name) => value.get(name),
                    Step::Index(index) => value.get(index),
                });
                test.holds(value)
            }
        }
    }
}

impl Test {
    fn holds(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Self::NotExists, value) => value.is_none(),
            (_, None) => false,
            (Self::Is(want), Some(value)) => value == want,
            (Self::Number(compare, want), Some(value)) => {
                let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
                match number.and_then(|number| number.partial_cmp(want)) {
                    Some(order) => compare.allows(order),
                    None => *compare == Compare::NotEqual,
                }
            }
            (Self::Text(equal, want), Some(value)) => {
                let matches = match value {
                    Value::String(text) => wildcard(want, text),
                    Value::Bool(_) | Value::Number(_) => wildcard(want, &value.to_string()),
                    _ => false,
                };
                matches == *equal
            }
        }
    }
}

impl Compare {
    fn allows(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// True when `text` is `pattern`, where `*` stands for anything.
fn wildcard(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        // The first place is the best one: it leaves the most for the parts that follow.
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(tail)
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn blank(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        self.rest
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.blank().strip_prefix(word);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn any(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.all()?];
        while self.take("||") {
            parts.push(self.all()?);
        }
        Ok(Condition::Any(parts))
    }

    fn all(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.single()?];
        while self.take("&&") {
            parts.push(self.single()?);
        }
        Ok(Condition::All(parts))
    }

    fn single(&mut self) -> Result<Condition, String> {
        if self.take("(") {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err(format!("more than {DEPTH_MAX} parentheses within each other"));
            }
            let inner = self.any()?;
            self.depth -= 1;
            return if self.take(")") { Ok(inner) } else { Err("')' is missing".into()) };
        }
        let steps = self.selector()?;
        Ok(Condition::Test(steps, self.test()?))
    }

    fn selector(&mut self) -> Result<Vec<Step>, String> {
        if !self.take("$") {
            return Err(format!("a selector such as $.level is expected at '{}'", self.rest));
        }
        let mut steps = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix('.') {
                let end = rest.find(|c: char| c.is_whitespace() || ".[]=!<>&|()".contains(c)).unwrap_or(rest.len());
                if end == 0 {
                    return Err("a name is missing after '.'".into());
                }
                steps.push(Step::Name(rest[..end].to_owned()));
                self.rest = &rest[end..];
            } else if let Some(rest) = self.rest.strip_prefix('[') {
                let (inner, after) = rest.split_once(']').ok_or("']' is missing")?;
                let quoted = [('\'', '\''), ('"', '"')]
                    .iter()
                    .find_map(|(open, close)| inner.trim().strip_prefix(*open)?.strip_suffix(*close));
                steps.push(match (quoted, inner.trim().parse()) {
                    (Some(name), _) => Step::Name(name.to_owned()),
                    (None, Ok(index)) => Step::Index(index),
                    (None, Err(_)) => return Err(format!("'[{inner}]' is neither an index nor a quoted name")),
                });
                self.rest = after;
            } else {
                return Ok(steps);
            }
        }
    }

    fn test(&mut self) -> Result<Test, String> {
        if self.take("IS") {
            for (word, value) in [("TRUE", Value::Bool(true)), ("FALSE", Value::Bool(false)), ("NULL", Value::Null)] {
                if self.take(word) {
                    return Ok(Test::Is(value));
                }
            }
            return Err("TRUE, FALSE or NULL is expected after IS".into());
        }
        if self.take("NOT") {
            return if self.take("EXISTS") { Ok(Test::NotExists) } else { Err("EXISTS is expected after NOT".into()) };
        }
        use Compare::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        let operators =
            [("!=", NotEqual), ("<=", LessOrEqual), (">=", GreaterOrEqual), ("=", Equal), ("<", Less), (">", Greater)];
        let Some((_, compare)) = operators.into_iter().find(|(word, _)| self.take(word)) else {
            return Err(format!("an operator is expected at '{}'", self.rest));
        };
        let (text, quoted) = self.value()?;
        match (text.parse(), compare) {
            (Ok(number), _) if !quoted => Ok(Test::Number(compare, number)),
            (_, Equal | NotEqual) => Ok(Test::Text(compare == Equal, text)),
            _ => Err(format!("'{text}' is no number")),
        }
    }

    fn value(&mut self) -> Result<(String, bool), String> {
        if let Some(quoted) = self.blank().strip_prefix('"') {
            let (text, length) = unquote(quoted).ok_or("a quotation mark is not closed")?;
            self.rest = &quoted[length..];
            return Ok((text, true));
        }
        let end = self.rest.find(|c: char| c.is_whitespace() || "&|()".contains(c)).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        if text.is_empty() { Err("a value is missing".into()) } else { Ok((text.to_owned(), false)) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conditions_hold_on_what_they_select() {
        let message = json!({
            "level": "ERROR", "ms": 120.5, "code": "42", "ok": false, "gone": null, "user": {"id": 7, "a b": "x"},
            "list": [{"n": 1}, {"n": 2}], "message": "GET /items/9 failed"
        });
        for (pattern, want) in [
            (r#"{ $.level = "ERROR" }"#, true),
            (r#"{$.level="ERROR"}"#, true),
            ("{ $.level = ERROR }", true),
            (r#"{ $.level != "ERROR" }"#, false),
            (r#"{ $.level = "ERR*" }"#, true),
            (r#"{ $.message = "GET*9*" }"#, true),
            (r#"{ $.message = "GET*8*" }"#, false),
            ("{ $.ms > 120 && $.ms <= 120.5 }", true),
            ("{ $.ms > 121 || $.user.id = 7 }", true),
            ("{ ($.ms > 121 || $.user.id = 7) && $.level = INFO }", false),
            ("{ $.code = 42 }", true),
            ("{ $.list[1].n = 2 }", true),
            ("{ $.list[2].n = 2 }", false),
            (r#"{ $.user["a b"] = x }"#, true),
            ("{ $['user']['id'] >= 7 }", true),
            ("{ $.ok IS FALSE }", true),
            ("{ $.ok IS TRUE }", false),
            ("{ $.gone IS NULL }", true),
            ("{ $.none NOT EXISTS }", true),
            ("{ $.none != 3 }", false),
            ("{ $.level != 3 }", true),
        ] {
            assert_eq!(Condition::parse(pattern).unwrap().holds(&message), want, "{pattern}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth| format!("{{ {}$.x = 1{} }}", "(".repeat(depth), ")".repeat(depth));
        assert!(Condition::parse(&nested(DEPTH_MAX)).is_ok());
        assert!(Condition::parse(&nested(DEPTH_MAX + 1)).is_err());
    }
}
