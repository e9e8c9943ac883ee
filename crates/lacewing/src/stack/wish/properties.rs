//! Reads resolved properties: parameters make texts of numbers, and the API wants numbers.

use crate::stack::resolve::text;
use serde_json::{Map, Value};

/// Numbers that parameters have made texts of.
pub(super) fn numbers(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), numbers(value))).collect(),
        Value::String(digits) => digits.parse::<u64>().map_or(value.clone(), Value::from),
        other => other.clone(),
    }
}

/// Resolved properties.
#[derive(Clone, Copy)]
pub(super) struct Properties<'a>(pub &'a Value);

impl<'a> Properties<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(text)
    }

    pub(super) fn must(&self, name: &str) -> Result<String, String> {
        self.text(name).ok_or_else(|| format!("the property {name} is missing"))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, String> {
        let parse = |value: &Value| text(value).parse().map_err(|_| format!("{name} must be a number, not {value}"));
        self.get(name).map(parse).transpose()
    }

    /// Environment variables: numbers and truths become texts.
    pub(super) fn variables(&self) -> Result<Map<String, Value>, String> {
        let Some(environment) = self.get("Environment") else { return Ok(Map::new()) };
        match environment.get("Variables") {
            None => Ok(Map::new()),
            Some(Value::Object(fields)) => {
                Ok(fields.iter().map(|(key, value)| (key.clone(), Value::String(text(value)))).collect())
            }
            Some(other) => Err(format!("Environment.Variables is no map: {other}")),
        }
    }

    /// Tags and the like: a map, or CloudFormation's list of `Key` and `Value`.
    pub(super) fn map_of_texts(&self, name: &str) -> Map<String, Value> {
        let pair = |item: &Value| Some((item.get("Key").map(text)?, item.get("Value").map(text).unwrap_or_default()));
        match self.get(name) {
            Some(Value::Object(fields)) => {
                fields.iter().map(|(key, value)| (key.clone(), Value::String(text(value)))).collect()
            }
            Some(Value::Array(items)) => {
                items.iter().filter_map(pair).map(|(key, value)| (key, Value::String(value))).collect()
            }
            _ => Map::new(),
        }
    }

    /// A list of texts.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        self.get(name).and_then(Value::as_array).into_iter().flatten().map(text).collect()
    }

    /// A policy document, which may also be written as text.
    pub(super) fn document(&self, name: &str) -> Result<Value, String> {
        match self.get(name) {
            Some(Value::String(written)) => {
                serde_json::from_str(written).map_err(|error| format!("{name} is no JSON: {error}"))
            }
            Some(document @ Value::Object(_)) => Ok(document.clone()),
            Some(_) => Err(format!("{name} is no policy document")),
            None => Err(format!("the property {name} is missing")),
        }
    }

    /// Some of the properties, as they are.
    pub(super) fn only(&self, names: &[&str]) -> Value {
        names.iter().filter_map(|name| Some(((*name).to_owned(), self.get(name)?.clone()))).collect()
    }
}
