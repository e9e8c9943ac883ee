//! Model constraints that a request breaks: all are collected, then answered in one sentence.

use crate::{ApiError, ErrorCode};
use regex_lite::Regex;
use std::fmt::Display;

/// Collects broken constraints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations(Vec<String>);

impl Violations {
    /// Adds one: `rule` is what follows "Member must".
    pub fn add(&mut self, value: impl Display, path: &str, rule: impl Display) {
        self.0.push(format!("Value '{value}' at '{path}' failed to satisfy constraint: Member must {rule}"));
    }

    /// Adds one about the members of a list or the keys of a map: `rule` is all that follows the colon.
    /// `value` is left out where it may hold a secret.
    pub fn add_members(&mut self, value: Option<&str>, path: &str, rule: impl Display) {
        let shown = value.map(|value| format!(" '{value}'")).unwrap_or_default();
        self.0.push(format!("Value{shown} at '{path}' failed to satisfy constraint: {rule}"));
    }

    /// Adds a value that is missing.
    pub fn null(&mut self, path: &str) {
        self.0.push(format!("Value null at '{path}' failed to satisfy constraint: Member must not be null"));
    }

    /// Checks the length in characters.
    pub fn length(&mut self, value: &str, path: &str, min: usize, max: usize) {
        let length = value.chars().count();
        if length < min {
            self.add(value, path, format_args!("have length greater than or equal to {min}"));
        } else if length > max {
            self.add(value, path, format_args!("have length less than or equal to {max}"));
        }
    }

    /// Checks a number.
    pub fn range(&mut self, value: i64, path: &str, min: i64, max: i64) {
        if value < min {
            self.add(value, path, format_args!("have value greater than or equal to {min}"));
        } else if value > max {
            self.add(value, path, format_args!("have value less than or equal to {max}"));
        }
    }

    /// Adds a value that is not of its pattern.
    pub fn pattern(&mut self, value: &str, path: &str, pattern: &str) {
        self.add(value, path, format_args!("satisfy regular expression pattern: {pattern}"));
    }

    /// Checks a value against the model's pattern for it, which has to fit the whole of it.
    pub fn matches(&mut self, value: &str, path: &str, pattern: &str) {
        // The model's patterns are ours to write down, and a test compiles them all.
        let fits = Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|regex| regex.is_match(value));
        if !fits {
            self.pattern(value, path, pattern);
        }
    }

    /// Checks one of a set of words.
    pub fn one_of(&mut self, value: &str, path: &str, words: &[&str]) {
        if !words.contains(&value) {
            self.add(value, path, format_args!("satisfy enum value set: [{}]", words.join(", ")));
        }
    }

    /// The whole sentence, if there is one.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let many = match self.0.len() {
            0 => return None,
            1 => "",
            _ => "s",
        };
        Some(format!("{} validation error{many} detected: {}", self.0.len(), self.0.join("; ")))
    }

    /// Fails if anything was added.
    ///
    /// # Errors
    /// `ValidationException` with every violation.
    pub fn finish(self) -> Result<(), ApiError> {
        match self.text() {
            None => Ok(()),
            Some(text) => Err(ApiError::new(ErrorCode::Validation, text)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_worded_as_recorded() {
        let mut one = Violations::default();
        one.range(0, "timeout", 1, 900);
        assert_eq!(
            one.text().unwrap(),
            "1 validation error detected: Value '0' at 'timeout' failed to satisfy constraint: Member must have value \
             greater than or equal to 1"
        );
        one.null("role");
        one.length("abc", "description", 0, 2);
        one.one_of("Later", "invocationType", &["Event", "DryRun"]);
        one.pattern("a b", "handler", "[^\\s]+");
        one.add_members(None, "environment.variables", "Map keys must satisfy constraint: [x]");
        assert_eq!(
            one.text().unwrap(),
            "6 validation errors detected: Value '0' at 'timeout' failed to satisfy constraint: Member must have value \
             greater than or equal to 1; Value null at 'role' failed to satisfy constraint: Member must not be null; \
             Value 'abc' at 'description' failed to satisfy constraint: Member must have length less than or equal to \
             2; Value 'Later' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: \
             [Event, DryRun]; Value 'a b' at 'handler' failed to satisfy constraint: Member must satisfy regular \
             expression pattern: [^\\s]+; Value at 'environment.variables' failed to satisfy constraint: Map keys must \
             satisfy constraint: [x]"
        );
        assert!(Violations::default().finish().is_ok());
    }

    #[test]
    fn every_pattern_of_the_model_can_be_matched() {
        use crate::{capacity, code_signing, event_invoke, layers, policies, runtime_settings, tags};
        for pattern in [
            capacity::GROUP_PATTERN,
            capacity::NAME_PATTERN,
            capacity::OPERATOR_PATTERN,
            capacity::SUBNET_PATTERN,
            code_signing::CONFIG_PATTERN,
            event_invoke::DESTINATION_PATTERN,
            layers::LAYER_PATTERN,
            layers::LAYER_VERSION_PATTERN,
            policies::ACTION_PATTERN,
            policies::ARN_PATTERN,
            policies::LAYER_PRINCIPAL_PATTERN,
            policies::POLICY_ARN_PATTERN,
            policies::PRINCIPAL_PATTERN,
            policies::SID_PATTERN,
            runtime_settings::RUNTIME_VERSION_PATTERN,
            tags::RESOURCE_PATTERN,
        ] {
            assert!(Regex::new(&format!("^(?:{pattern})$")).is_ok(), "{pattern}");
        }
        let mut violations = Violations::default();
        violations.matches("", "p", event_invoke::DESTINATION_PATTERN);
        violations.matches("s3-1_A", "p", policies::SID_PATTERN);
        assert_eq!(violations.text(), None);
        violations.matches("example.com", "p", policies::SID_PATTERN);
        assert!(violations.text().unwrap().ends_with("satisfy regular expression pattern: ([a-zA-Z0-9-_]+)"));
    }
}
