//! Parameters, mappings, conditions, and the intrinsic functions that refer to them and to resources.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// How deep conditions may lie in conditions.
const CONDITIONS_DEEP_MAX: usize = 16;
/// What CloudFormation makes of a property that is set to it: as if the property were not there.
const NO_VALUE: &str = "AWS::NoValue";

/// What expressions may refer to.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// Parameters and pseudo parameters, by name.
    pub parameters: BTreeMap<String, Value>,
    pub mappings: Value,
    pub conditions: Map<String, Value>,
    /// What is known of resources: `Ref` under an empty attribute.
    pub attributes: BTreeMap<(String, String), Value>,
}

impl Scope {
    /// The value that `expression` stands for; `None` for none at all.
    ///
    /// # Errors
    /// What cannot be resolved, as a sentence.
    pub(super) fn resolve(&self, expression: &Value) -> Result<Option<Value>, String> {
        match expression {
            Value::Array(items) => {
                let resolved = items.iter().map(|item| self.resolve(item)).collect::<Result<Vec<_>, _>>()?;
                Ok(Some(Value::Array(resolved.into_iter().flatten().collect())))
            }
            Value::Object(fields) => match one_function(fields) {
                Some((name, argument)) => self.call(name, argument),
                None => {
                    let mut map = Map::new();
                    for (key, item) in fields {
                        if let Some(item) = self.resolve(item)? {
                            map.insert(key.clone(), item);
                        }
                    }
                    Ok(Some(Value::Object(map)))
                }
            },
            plain => Ok(Some(plain.clone())),
        }
    }

    /// Whether a condition holds.
    ///
    /// # Errors
    /// What cannot be resolved, as a sentence.
    pub(super) fn holds(&self, name: &str) -> Result<bool, String> {
        self.holds_within(name, 0)
    }

    fn holds_within(&self, name: &str, depth: usize) -> Result<bool, String> {
        let condition = self.conditions.get(name).ok_or_else(|| format!("there is no condition {name}"))?;
        self.truth(condition, depth)
    }

    fn truth(&self, condition: &Value, depth: usize) -> Result<bool, String> {
        if depth > CONDITIONS_DEEP_MAX {
            return Err(format!("conditions lie more than {CONDITIONS_DEEP_MAX} deep, or in themselves"));
        }
        let Some((name, argument)) = condition.as_object().and_then(one_function) else {
            return match condition.as_bool() {
                Some(truth) => Ok(truth),
                None => Err(format!("{condition} is no condition")),
            };
        };
        let each = || {
            let items = argument.as_array().ok_or_else(|| format!("{name} takes a list"))?;
            items.iter().map(|item| self.truth(item, depth + 1)).collect::<Result<Vec<_>, String>>()
        };
        match name {
            "Condition" => self.holds_within(argument.as_str().unwrap_or_default(), depth + 1),
            "Fn::And" => Ok(each()?.into_iter().all(|truth| truth)),
            "Fn::Or" => Ok(each()?.into_iter().any(|truth| truth)),
            "Fn::Not" => Ok(!each()?.first().copied().ok_or("Fn::Not takes one condition")?),
            "Fn::Equals" => match self.list(argument)?.as_slice() {
                [left, right] => Ok(text(left) == text(right) && (left.is_object() == right.is_object())),
                _ => Err("Fn::Equals takes two values".to_owned()),
            },
            other => Err(format!("{other} is no condition")),
        }
    }

    fn call(&self, name: &str, argument: &Value) -> Result<Option<Value>, String> {
        match name {
            "Ref" => {
                let target = argument.as_str().ok_or("Ref takes a name")?;
                if target == NO_VALUE { Ok(None) } else { self.reference(target).map(Some) }
            }
            "Fn::GetAtt" => {
                let parts = self.list(argument)?;
                let [resource, attribute] = parts.as_slice() else { return Err("Fn::GetAtt takes two names".into()) };
                self.attribute(&text(resource), &text(attribute)).map(Some)
            }
            "Fn::Sub" => self.substitute(argument).map(Some),
            "Fn::Join" => {
                let parts = self.list(argument)?;
                let [between, Value::Array(items)] = parts.as_slice() else {
                    return Err("Fn::Join takes a text and a list".into());
                };
                let items: Vec<String> = items.iter().map(text).collect();
                Ok(Some(items.join(&text(between)).into()))
            }
            "Fn::If" => {
                let Some([condition, then, otherwise]) = argument.as_array().map(Vec::as_slice) else {
                    return Err("Fn::If takes a condition and two values".into());
                };
                let holds = self.holds(condition.as_str().unwrap_or_default())?;
                self.resolve(if holds { then } else { otherwise })
            }
            "Fn::FindInMap" => self.find_in_map(argument).map(Some),
            "Fn::Select" => {
                let parts = self.list(argument)?;
                let [index, Value::Array(items)] = parts.as_slice() else {
                    return Err("Fn::Select takes a number and a list".into());
                };
                let index: usize = text(index).parse().map_err(|_| "Fn::Select takes a number and a list")?;
                items.get(index).cloned().map(Some).ok_or_else(|| format!("Fn::Select: there is no item {index}"))
            }
            "Fn::Split" => {
                let parts = self.list(argument)?;
                let [between, whole] = parts.as_slice() else { return Err("Fn::Split takes two texts".into()) };
                let (between, whole) = (text(between), text(whole));
                Ok(Some(whole.split(between.as_str()).map(Value::from).collect::<Vec<_>>().into()))
            }
            "Fn::Base64" => {
                use base64::Engine as _;
                let whole = self.resolve(argument)?.as_ref().map(text).unwrap_or_default();
                Ok(Some(base64::engine::general_purpose::STANDARD.encode(whole).into()))
            }
            other => Err(format!("{other} is not done here")),
        }
    }

    fn list(&self, argument: &Value) -> Result<Vec<Value>, String> {
        match self.resolve(argument)? {
            Some(Value::Array(items)) => Ok(items),
            _ => Err(format!("{argument} is no list")),
        }
    }

    fn reference(&self, name: &str) -> Result<Value, String> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        // SAM's own: `!Ref Function.Version` and `!Ref Function.Alias`.
        let (resource, attribute) = name.split_once('.').unwrap_or((name, ""));
        self.attribute(resource, attribute)
    }

    fn attribute(&self, resource: &str, attribute: &str) -> Result<Value, String> {
        let key = (resource.to_owned(), attribute.to_owned());
        self.attributes.get(&key).cloned().ok_or_else(|| {
            let known = self.attributes.keys().any(|(known, _)| known == resource);
            match (known, attribute) {
                (true, "") => format!("{resource} cannot be referred to"),
                (true, attribute) => format!("{resource} has no attribute {attribute} here"),
                (false, _) => format!("nothing here is called {resource}"),
            }
        })
    }

    /// `${Name}`, `${Resource.Attribute}`, and `${!text}` for `${text}`.
    fn substitute(&self, argument: &Value) -> Result<Value, String> {
        let (pattern, own) = match argument {
            Value::String(pattern) => (pattern.as_str(), Map::new()),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(pattern), Value::Object(own)] => {
                    let own = self.resolve(&Value::Object(own.clone()))?;
                    (pattern.as_str(), own.and_then(|own| own.as_object().cloned()).unwrap_or_default())
                }
                _ => return Err("Fn::Sub takes a text, or a text and values".into()),
            },
            _ => return Err("Fn::Sub takes a text, or a text and values".into()),
        };
        let (mut whole, mut rest) = (String::new(), pattern);
        while let Some((before, after)) = rest.split_once("${") {
            whole += before;
            let (name, after) = after.split_once('}').ok_or_else(|| format!("{pattern}: a ${{ is never closed"))?;
            match name.strip_prefix('!') {
                Some(literal) => whole += &format!("${{{literal}}}"),
                None => whole += &text(&self.named(name, &own)?),
            }
            rest = after;
        }
        whole += rest;
        Ok(whole.into())
    }

    fn named(&self, name: &str, own: &Map<String, Value>) -> Result<Value, String> {
        if let Some(value) = own.get(name) {
            return Ok(value.clone());
        }
        match name.split_once('.') {
            Some((resource, attribute)) => self.attribute(resource, attribute),
            None => self.reference(name),
        }
    }

    fn find_in_map(&self, argument: &Value) -> Result<Value, String> {
        let parts = self.list(argument)?;
        let [map, top, second, more @ ..] = parts.as_slice() else {
            return Err("Fn::FindInMap takes three names".into());
        };
        let found = [map, top, second].iter().try_fold(&self.mappings, |at, key| at.get(text(key)));
        let otherwise = more.first().and_then(|more| more.get("DefaultValue"));
        let missing = || format!("the mapping {} has no {}.{}", text(map), text(top), text(second));
        found.or(otherwise).cloned().ok_or_else(missing)
    }
}

/// The function that an object stands for, if it is one.
fn one_function(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut all = fields.iter();
    match (all.next(), all.next()) {
        (Some((name, argument)), None) if name.starts_with("Fn::") || matches!(name.as_str(), "Ref") => {
            Some((name, argument))
        }
        (Some((name, argument @ Value::String(_))), None) if name == "Condition" => Some((name, argument)),
        _ => None,
    }
}

/// A value as it stands in a text.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The names of everything that `expression` refers to.
pub(super) fn names(expression: &Value, found: &mut BTreeSet<String>) {
    match expression {
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        Value::Object(fields) => {
            for (key, item) in fields {
                match (key.as_str(), item) {
                    ("Ref" | "DependsOn", Value::String(name)) => {
                        found.insert(name.split('.').next().unwrap_or_default().to_owned());
                    }
                    ("DependsOn", Value::Array(all)) => {
                        found.extend(all.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    ("Fn::GetAtt", Value::Array(parts)) => found.extend(parts.first().map(text)),
                    ("Fn::Sub", Value::String(pattern)) => in_pattern(pattern, found),
                    ("Fn::Sub", Value::Array(parts)) => {
                        in_pattern(&parts.first().map(text).unwrap_or_default(), found);
                        parts.iter().skip(1).for_each(|part| names(part, found));
                    }
                    (_, item) => names(item, found),
                }
            }
        }
        _ => {}
    }
}

fn in_pattern(pattern: &str, found: &mut BTreeSet<String>) {
    for part in pattern.split("${").skip(1) {
        if let Some((name, _)) = part.split_once('}') {
            found.insert(name.split('.').next().unwrap_or_default().to_owned());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scope() -> Scope {
        let own = |name: &str, attribute: &str| (name.to_owned(), attribute.to_owned());
        Scope {
            parameters: BTreeMap::from([
                ("Stage".into(), json!("prod")),
                ("AWS::Region".into(), json!("eu-west-1")),
                ("Names".into(), json!(["a", "b"])),
            ]),
            mappings: json!({"Sizes": {"prod": {"Memory": 512}}}),
            conditions: json!({
                "IsProd": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]},
                "Both": {"Fn::And": [{"Condition": "IsProd"}, {"Fn::Not": [{"Fn::Equals": ["a", "b"]}]}]},
                "Loop": {"Condition": "Loop"},
            })
            .as_object()
            .cloned()
            .unwrap(),
            attributes: BTreeMap::from([(own("F", ""), json!("stack-F")), (own("F", "Arn"), json!("arn:f"))]),
        }
    }

    #[test]
    fn functions_stand_for_their_values() {
        let scope = scope();
        for (expression, want) in [
            (json!({"Ref": "F"}), json!("stack-F")),
            (json!({"Fn::GetAtt": ["F", "Arn"]}), json!("arn:f")),
            (json!({"Fn::Sub": "${AWS::Region}/${F}/${F.Arn}/${!kept}"}), json!("eu-west-1/stack-F/arn:f/${kept}")),
            (json!({"Fn::Sub": ["${a}-${Stage}", {"a": {"Ref": "F"}}]}), json!("stack-F-prod")),
            (json!({"Fn::Join": [",", {"Ref": "Names"}]}), json!("a,b")),
            (json!({"Fn::If": ["Both", 1, 2]}), json!(1)),
            (json!({"x": {"Fn::If": ["IsProd", {"Ref": "AWS::NoValue"}, 2]}, "y": 3}), json!({"y": 3})),
            (json!({"Fn::FindInMap": ["Sizes", {"Ref": "Stage"}, "Memory"]}), json!(512)),
            (json!({"Fn::FindInMap": ["Sizes", "dev", "Memory", {"DefaultValue": 128}]}), json!(128)),
            (json!({"Fn::Select": ["1", {"Fn::Split": [".", "a.b.c"]}]}), json!("b")),
            (json!({"Fn::Base64": "x"}), json!("eA==")),
            (json!({"Condition": {"StringEquals": {"a": "b"}}}), json!({"Condition": {"StringEquals": {"a": "b"}}})),
        ] {
            assert_eq!(scope.resolve(&expression), Ok(Some(want)), "{expression}");
        }
    }

    #[test]
    fn what_cannot_be_resolved_is_named() {
        let scope = scope();
        for (expression, part) in [
            (json!({"Ref": "G"}), "nothing here is called G"),
            (json!({"Fn::GetAtt": ["F", "Color"]}), "F has no attribute Color"),
            (json!({"Fn::ImportValue": "x"}), "Fn::ImportValue is not done here"),
            (json!({"Fn::If": ["Loop", 1, 2]}), "in themselves"),
            (json!({"Fn::If": ["None", 1, 2]}), "no condition None"),
            (json!({"Fn::Sub": "${open"}), "never closed"),
            (json!({"Fn::FindInMap": ["Sizes", "dev", "Memory"]}), "no dev.Memory"),
        ] {
            let said = scope.resolve(&expression).unwrap_err();
            assert!(said.contains(part), "{expression}: {said}");
        }
    }

    #[test]
    fn references_are_found_wherever_they_stand() {
        let mut found = BTreeSet::new();
        names(
            &json!({"DependsOn": ["A"], "x": [{"Ref": "B"}, {"Fn::Sub": "${C.Arn}-${D}"}], "y": {"Fn::GetAtt": ["E", "Arn"]}}),
            &mut found,
        );
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["A", "B", "C", "D", "E"]);
    }
}
