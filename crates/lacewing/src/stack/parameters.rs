//! Parameters of a template: those it declares, and those that every template has.

use super::resolve::text;
use super::template::Place;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What the CDK asks the account for before it uploads anything. Nothing is uploaded here.
const BOOTSTRAP: &str = "/cdk-bootstrap/";

/// True for the parameter by which the CDK reads the version of an account's preparations; only its own rule refers to it.
pub(super) fn is_bootstrap(kind: &str, about: &Value) -> bool {
    let default = about.get("Default").and_then(Value::as_str).unwrap_or_default();
    kind == "AWS::SSM::Parameter::Value<String>" && default.starts_with(BOOTSTRAP)
}

/// The parameters' values: given, or by default.
pub(super) fn values(
    declared: &Map<String, Value>,
    given: &BTreeMap<String, String>,
    wrong: &mut Vec<String>,
) -> BTreeMap<String, Value> {
    for name in given.keys().filter(|name| !declared.contains_key(*name)) {
        wrong.push(format!("the template has no parameter {name}"));
    }
    let mut all = BTreeMap::new();
    for (name, about) in declared {
        let kind = about.get("Type").and_then(Value::as_str).unwrap_or("String");
        if is_bootstrap(kind, about) {
            continue;
        }
        let Some(value) = given.get(name).cloned().or_else(|| about.get("Default").map(text)) else {
            wrong.push(format!("the parameter {name} has no default: give it with --parameter {name}=VALUE"));
            continue;
        };
        if let Some(allowed) = about.get("AllowedValues").and_then(Value::as_array)
            && !allowed.iter().any(|one| text(one) == value)
        {
            let allowed: Vec<String> = allowed.iter().map(text).collect();
            wrong.push(format!("the parameter {name} must be one of {}, not {value}", allowed.join(", ")));
        }
        let value = match kind {
            "String" => Value::String(value),
            "Number" if value.parse::<f64>().is_ok() => Value::String(value),
            "Number" => {
                wrong.push(format!("the parameter {name} must be a number, not {value}"));
                continue;
            }
            "CommaDelimitedList" | "List<Number>" => value.split(',').map(|item| Value::from(item.trim())).collect(),
            other => {
                wrong.push(format!("the parameter {name} is of type {other}, which is not done here"));
                continue;
            }
        };
        all.insert(name.clone(), value);
    }
    all
}

/// Adds those that every template has.
///
/// Source: AWS CloudFormation User Guide, "Pseudo parameters".
pub(super) fn pseudo(parameters: &mut BTreeMap<String, Value>, place: &Place) {
    let Place { stack, account, region, .. } = place;
    let id = format!("arn:aws:cloudformation:{region}:{account}:stack/{stack}/lacewing");
    for (name, value) in [
        ("AWS::Region", region.as_str()),
        ("AWS::AccountId", account),
        ("AWS::StackName", stack),
        ("AWS::StackId", &id),
        ("AWS::Partition", "aws"),
        ("AWS::URLSuffix", "amazonaws.com"),
    ] {
        parameters.insert(name.to_owned(), value.into());
    }
}
