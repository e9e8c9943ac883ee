//! A template's text as JSON. The short forms of intrinsic functions (`!Ref x`) become the long ones (`{"Ref": "x"}`).

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// The largest template that is read, bytes. Source: CloudFormation quotas.
const BYTES_MAX: usize = 1 << 20;
/// How deep values may lie in values.
const DEPTH_MAX: usize = 64;

/// Reads a template, YAML or JSON (which is YAML).
///
/// # Errors
/// What is wrong with it, as a sentence.
pub(super) fn read(text: &str) -> Result<Value, String> {
    if text.len() > BYTES_MAX {
        return Err(format!("the template has {} bytes; at most {BYTES_MAX} are read", text.len()));
    }
    let documents = Yaml::load_from_str(text).map_err(|error| format!("this is no YAML: {error}"))?;
    match documents.as_slice() {
        [one] => value(one, 0),
        _ => Err("a template is one YAML document".to_owned()),
    }
}

fn value(node: &Yaml<'_>, depth: usize) -> Result<Value, String> {
    if depth > DEPTH_MAX {
        return Err(format!("values lie more than {DEPTH_MAX} deep"));
    }
    Ok(match node {
        Yaml::Value(scalar) => scalar_value(scalar),
        Yaml::Representation(text, ..) => Value::String(text.to_string()),
        Yaml::Sequence(items) => {
            Value::Array(items.iter().map(|item| value(item, depth + 1)).collect::<Result<_, _>>()?)
        }
        Yaml::Mapping(fields) => {
            let mut map = Map::new();
            for (key, item) in fields {
                map.insert(key_text(key)?, value(item, depth + 1)?);
            }
            Value::Object(map)
        }
        Yaml::Tagged(tag, node) => intrinsic(&tag.suffix, value(node, depth + 1)?)?,
        Yaml::Alias(_) | Yaml::BadValue => return Err("a value that cannot be read".to_owned()),
    })
}

fn scalar_value(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(truth) => Value::Bool(*truth),
        Scalar::Integer(number) => json!(number),
        Scalar::FloatingPoint(number) => json!(number.into_inner()),
        Scalar::String(text) => Value::String(text.to_string()),
    }
}

/// Keys that look like numbers (`200:`) are text all the same.
fn key_text(key: &Yaml<'_>) -> Result<String, String> {
    match value(key, 0)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        _ => Err("a key that is no text".to_owned()),
    }
}

/// What `!NAME argument` stands for.
fn intrinsic(name: &str, argument: Value) -> Result<Value, String> {
    Ok(match name {
        "Ref" | "Condition" => json!({name: argument}),
        // One word, `Resource.Attribute`, stands for the list.
        "GetAtt" => match argument.as_str().and_then(|text| text.split_once('.')) {
            Some((resource, attribute)) => json!({"Fn::GetAtt": [resource, attribute]}),
            None => json!({"Fn::GetAtt": argument}),
        },
        "Sub" | "Join" | "If" | "FindInMap" | "Select" | "Split" | "Base64" | "Equals" | "And" | "Or" | "Not"
        | "ImportValue" | "GetAZs" | "Cidr" | "Transform" | "ToJsonString" | "Length" => {
            json!({format!("Fn::{name}"): argument})
        }
        other => return Err(format!("!{other} is no function of templates")),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_become_long_ones() {
        let text = "A: !Ref X\nB: !GetAtt F.Arn\nC: !Sub '${X}-b'\nD: !Join ['-', [a, !Ref Y]]\nE: !If [C, 1, !Ref 'AWS::NoValue']\n200: on\nF: 2010-09-09\n";
        assert_eq!(
            read(text).unwrap(),
            json!({"A": {"Ref": "X"}, "B": {"Fn::GetAtt": ["F", "Arn"]}, "C": {"Fn::Sub": "${X}-b"},
                "D": {"Fn::Join": ["-", ["a", {"Ref": "Y"}]]}, "E": {"Fn::If": ["C", 1, {"Ref": "AWS::NoValue"}]},
                "200": "on", "F": "2010-09-09"})
        );
        assert!(read("A: !Unknown x").unwrap_err().contains("!Unknown"));
        assert!(read("a: [").is_err());
    }

    #[test]
    fn a_template_in_json_is_read_too() {
        assert_eq!(read(r#"{"Resources": {"A": {"Type": "x"}}}"#).unwrap(), json!({"Resources": {"A": {"Type": "x"}}}));
    }

    #[test]
    fn what_would_grow_without_end_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..9 {
            let before = format!("*a{}", n - 1);
            text += &format!("a{n}: &a{n} [{}]\n", [before.as_str(); 10].join(", "));
        }
        assert!(read(&text).is_err());
        assert!(read(&("[".repeat(100) + &"]".repeat(100))).is_err());
    }
}
