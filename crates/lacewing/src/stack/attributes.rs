//! What other resources of a template may refer to: `Ref` and `Fn::GetAtt`.

use super::template::{Place, Resource};
use super::wish::{FunctionWish, Wish};
use serde_json::Value;

/// By resource and attribute; an empty attribute is what `Ref` gives.
pub(super) type Attributes = Vec<((String, String), Value)>;

/// What stands for the URL of a resource that is not made yet.
const URL_UNMADE: &str = "http://url.invalid/";

/// One attribute.
pub(super) fn attribute(resource: &str, name: &str, value: impl Into<Value>) -> ((String, String), Value) {
    ((resource.to_owned(), name.to_owned()), value.into())
}

/// What may be referred to of a resource that is not made yet: of the right form, and of no use.
pub(super) fn stand_ins(resource: &Resource, wish: &Wish, place: &Place) -> Attributes {
    let name = resource.name.as_str();
    let arn = |rest: &str| format!("arn:aws:lambda:{}:{}:{rest}", place.region, place.account);
    let function_arn = |function: &str| {
        if function.starts_with("arn:") { function.to_owned() } else { arn(&format!("function:{function}")) }
    };
    match wish {
        Wish::Function(function) => {
            let arn = function_arn(&function.name);
            let alias = function.alias.as_ref().map(|alias| (format!("{arn}:1"), format!("{arn}:{alias}")));
            let url = function.url.as_ref().map(|_| URL_UNMADE.to_owned());
            of_function(name, function, &arn, alias, url)
        }
        Wish::Layer(layer) => of_layer(name, &arn(&format!("layer:{}:1", layer.name))),
        Wish::Version { function, .. } => of_version(name, "1", &format!("{}:1", function_arn(function))),
        Wish::Alias { function, name: alias, .. } => of_alias(name, &format!("{}:{alias}", function_arn(function))),
        Wish::Url { function, .. } => of_url(name, function, URL_UNMADE),
        other => of_itself(name, other, place),
    }
}

/// What may be referred to of a resource that tells it by its properties alone.
pub(super) fn of_itself(name: &str, wish: &Wish, place: &Place) -> Attributes {
    match wish {
        Wish::Role(role) => vec![attribute(name, "", role.name.as_str()), attribute(name, "Arn", role.arn(place))],
        Wish::ManagedPolicy(policy) => {
            vec![attribute(name, "", policy.arn(place)), attribute(name, "PolicyArn", policy.arn(place))]
        }
        Wish::LogGroup { name: group, .. } => {
            let arn = format!("arn:aws:logs:{}:{}:log-group:{group}:*", place.region, place.account);
            vec![attribute(name, "", group.as_str()), attribute(name, "Arn", arn)]
        }
        _ => vec![attribute(name, "", name)],
    }
}

pub(super) fn of_function(
    logical: &str,
    function: &FunctionWish,
    arn: &str,
    alias: Option<(String, String)>,
    url: Option<String>,
) -> Attributes {
    let mut all = vec![attribute(logical, "", function.name.as_str()), attribute(logical, "Arn", arn)];
    if let Some((version, alias)) = alias {
        all.extend([attribute(logical, "Version", version), attribute(logical, "Alias", alias)]);
    }
    if let Some(url) = url {
        all.extend(of_url(&format!("{logical}Url"), arn, &url));
    }
    all
}

pub(super) fn of_layer(logical: &str, arn: &str) -> Attributes {
    vec![attribute(logical, "", arn), attribute(logical, "LayerVersionArn", arn)]
}

pub(super) fn of_version(logical: &str, number: &str, arn: &str) -> Attributes {
    vec![attribute(logical, "", arn), attribute(logical, "Version", number), attribute(logical, "FunctionArn", arn)]
}

pub(super) fn of_alias(logical: &str, arn: &str) -> Attributes {
    vec![attribute(logical, "", arn), attribute(logical, "AliasArn", arn)]
}

pub(super) fn of_url(logical: &str, function: &str, url: &str) -> Attributes {
    vec![
        attribute(logical, "", function),
        attribute(logical, "FunctionArn", function),
        attribute(logical, "FunctionUrl", url),
    ]
}
