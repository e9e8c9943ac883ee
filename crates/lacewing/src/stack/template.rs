//! A template's resources: which there are, in which order they are made, and what of them cannot be done here.

use super::resolve::{Scope, names, text};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The most resources of a template. Source: CloudFormation quotas.
const RESOURCES_MAX: usize = 500;

/// A kind of resource that can be made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Function,
    Layer,
    /// `AWS::Lambda::Url`.
    Url,
    /// `AWS::Lambda::Permission`.
    Permission,
}

/// A resource, its properties not resolved yet.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub name: String,
    pub kind: Kind,
    pub properties: Value,
}

/// A template that can be deployed, as far as can be told without resolving.
#[derive(Debug)]
pub(super) struct Template {
    /// In the order in which they are made.
    pub resources: Vec<Resource>,
    pub outputs: Map<String, Value>,
    pub scope: Scope,
}

/// Where and under which name a template is deployed.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub stack: String,
    pub account: String,
    pub region: String,
}

/// What a function may say of itself. Source: AWS SAM specification, `AWS::Serverless::Function`.
const FUNCTION: [&str; 28] = [
    "FunctionName",
    "Handler",
    "Runtime",
    "CodeUri",
    "InlineCode",
    "PackageType",
    "Description",
    "MemorySize",
    "Timeout",
    "Role",
    "Environment",
    "Layers",
    "Architectures",
    "EphemeralStorage",
    "Tracing",
    "Tags",
    "VpcConfig",
    "KmsKeyArn",
    "DeadLetterQueue",
    "FileSystemConfigs",
    "LoggingConfig",
    "SnapStart",
    "ReservedConcurrentExecutions",
    "AutoPublishAlias",
    "ProvisionedConcurrencyConfig",
    "FunctionUrlConfig",
    "RuntimeManagementConfig",
    "RecursiveLoop",
];
const LAYER: [&str; 7] = [
    "LayerName",
    "Description",
    "ContentUri",
    "CompatibleRuntimes",
    "CompatibleArchitectures",
    "LicenseInfo",
    "RetentionPolicy",
];
const URL: [&str; 5] = ["TargetFunctionArn", "Qualifier", "AuthType", "Cors", "InvokeMode"];
const PERMISSION: [&str; 8] = [
    "FunctionName",
    "Action",
    "Principal",
    "SourceArn",
    "SourceAccount",
    "EventSourceToken",
    "FunctionUrlAuthType",
    "PrincipalOrgID",
];

impl Kind {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "AWS::Serverless::Function" => Self::Function,
            "AWS::Serverless::LayerVersion" => Self::Layer,
            "AWS::Lambda::Url" => Self::Url,
            "AWS::Lambda::Permission" => Self::Permission,
            _ => return None,
        })
    }

    fn properties(self) -> &'static [&'static str] {
        match self {
            Self::Function => &FUNCTION,
            Self::Layer => &LAYER,
            Self::Url => &URL,
            Self::Permission => &PERMISSION,
        }
    }

    /// The section of `Globals` that holds for it.
    fn globals(self) -> Option<&'static str> {
        match self {
            Self::Function => Some("Function"),
            Self::Layer => Some("LayerVersion"),
            Self::Url | Self::Permission => None,
        }
    }
}

impl Template {
    /// Reads `document`; `given` are the parameters of the command line.
    ///
    /// # Errors
    /// Everything that cannot be done, each as a sentence.
    pub(super) fn of(document: &Value, given: &BTreeMap<String, String>, place: &Place) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let part = |name: &str| document.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        let mut scope = Scope {
            parameters: parameters(&part("Parameters"), given, &mut wrong),
            mappings: document.get("Mappings").cloned().unwrap_or_default(),
            conditions: part("Conditions"),
            attributes: BTreeMap::new(),
        };
        pseudo(&mut scope.parameters, place);
        match document.get("Transform").map(text).as_deref() {
            None | Some("AWS::Serverless-2016-10-31") => {}
            Some(other) => wrong.push(format!("the transform {other} is not done here")),
        }
        let globals = part("Globals");
        let listed = part("Resources");
        if listed.is_empty() {
            wrong.push("the template has no resources".to_owned());
        }
        if listed.len() > RESOURCES_MAX {
            wrong.push(format!("the template has {} resources; at most {RESOURCES_MAX} are made", listed.len()));
        }
        let mut resources = Vec::new();
        for (name, resource) in &listed {
            match wanted(&scope, resource) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(why) => wrong.push(format!("{name}: {why}")),
            }
            let word = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
            match Kind::of(word) {
                None => wrong.push(format!("{name}: {word} is not made here")),
                Some(kind) => {
                    let own = resource.get("Properties").cloned().unwrap_or_else(|| Value::Object(Map::new()));
                    let shared = kind.globals().and_then(|section| globals.get(section));
                    let properties = shared.map_or(own.clone(), |shared| merged(shared, &own));
                    unknown(name, kind, &properties, &mut wrong);
                    if let Some(built) = resource.pointer("/Metadata/BuildMethod").map(text) {
                        wrong.push(format!(
                            "{name}: it is built by {built}: run `sam build` and deploy .aws-sam/build/template.yaml"
                        ));
                    }
                    resources.push((Resource { name: name.clone(), kind, properties }, references(resource)));
                }
            }
        }
        let resources = ordered(resources).map_err(|circle| vec![circle]);
        match resources {
            Ok(resources) if wrong.is_empty() => Ok(Self { resources, outputs: part("Outputs"), scope }),
            Ok(_) => Err(wrong),
            Err(circle) => Err([wrong, circle].concat()),
        }
    }
}

/// False for a resource whose condition does not hold.
fn wanted(scope: &Scope, resource: &Value) -> Result<bool, String> {
    match resource.get("Condition").and_then(Value::as_str) {
        Some(condition) => scope.holds(condition),
        None => Ok(true),
    }
}

fn unknown(name: &str, kind: Kind, properties: &Value, wrong: &mut Vec<String>) {
    for (property, value) in properties.as_object().into_iter().flatten() {
        if kind.properties().contains(&property.as_str()) {
            continue;
        }
        match (property.as_str(), value.as_object()) {
            ("Events", Some(events)) => {
                for (event, about) in events {
                    let word = about.get("Type").map(text).unwrap_or_default();
                    wrong.push(format!("{name}: the event {event} of type {word} is not done here yet"));
                }
            }
            _ => wrong.push(format!("{name}: the property {property} is not done here")),
        }
    }
}

fn references(resource: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    names(resource, &mut found);
    found
}

/// What is referred to comes first; of the rest, the template's order is kept.
fn ordered(mut left: Vec<(Resource, BTreeSet<String>)>) -> Result<Vec<Resource>, String> {
    let mut done: Vec<Resource> = Vec::new();
    while !left.is_empty() {
        let waiting: BTreeSet<String> = left.iter().map(|(resource, _)| resource.name.clone()).collect();
        // A name with something behind it, such as `FunctionUrl`, is made by the resource that it begins with.
        let free = |(resource, needs): &(Resource, BTreeSet<String>)| {
            needs.iter().all(|need| {
                waiting.iter().all(|other| *other == resource.name || (need != other && need != &format!("{other}Url")))
            })
        };
        match left.iter().position(free) {
            Some(at) => done.push(left.remove(at).0),
            None => {
                let names: Vec<String> = waiting.into_iter().collect();
                return Err(format!("{} need each other", names.join(", ")));
            }
        }
    }
    Ok(done)
}

/// Globals under a resource's own properties: maps are merged, lists follow each other, else the own one counts.
/// Source: AWS SAM specification, "Globals section".
fn merged(shared: &Value, own: &Value) -> Value {
    match (shared, own) {
        (Value::Object(shared), Value::Object(own)) if !is_intrinsic(shared) && !is_intrinsic(own) => {
            let mut both = shared.clone();
            for (key, value) in own {
                let value = both.get(key).map_or(value.clone(), |shared| merged(shared, value));
                both.insert(key.clone(), value);
            }
            Value::Object(both)
        }
        (Value::Array(shared), Value::Array(own)) => Value::Array([shared.as_slice(), own.as_slice()].concat()),
        (_, own) => own.clone(),
    }
}

fn is_intrinsic(fields: &Map<String, Value>) -> bool {
    fields.keys().any(|key| key == "Ref" || key.starts_with("Fn::"))
}

fn parameters(
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

fn pseudo(parameters: &mut BTreeMap<String, Value>, place: &Place) {
    let Place { stack, account, region } = place;
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::yaml;
    use super::*;

    fn read(text: &str, given: &[(&str, &str)]) -> Result<Template, Vec<String>> {
        let place = Place { stack: "shop".into(), account: "123456789012".into(), region: "eu-west-1".into() };
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Template::of(&yaml::read(text).unwrap(), &given, &place)
    }

    #[test]
    fn resources_come_after_what_they_refer_to() {
        let template = read(
            "Resources:\n  A:\n    Type: AWS::Serverless::Function\n    Properties:\n      Layers: [!Ref L]\n      Environment: {Variables: {URL: !GetAtt BUrl.FunctionUrl}}\n  B:\n    Type: AWS::Serverless::Function\n  L:\n    Type: AWS::Serverless::LayerVersion\n",
            &[],
        )
        .unwrap();
        let names: Vec<&str> = template.resources.iter().map(|resource| resource.name.as_str()).collect();
        assert_eq!(names, ["B", "L", "A"]);
    }

    #[test]
    fn globals_lie_under_what_a_resource_says_itself() {
        let template = read(
            "Globals:\n  Function:\n    Timeout: 9\n    Layers: [a]\n    Environment: {Variables: {A: '1', B: '2'}}\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      Timeout: 5\n      Layers: [b]\n      Environment: {Variables: {B: '3'}}\n",
            &[],
        )
        .unwrap();
        assert_eq!(
            template.resources[0].properties,
            serde_json::json!({"Timeout": 5, "Layers": ["a", "b"], "Environment": {"Variables": {"A": "1", "B": "3"}}})
        );
    }

    #[test]
    fn everything_that_cannot_be_done_is_named_at_once() {
        let text = "Transform: [Other]\nParameters:\n  P: {Type: String}\n  Q: {Type: Number, Default: x}\n  R: {Type: String, Default: a, AllowedValues: [b]}\n  S: {Type: 'AWS::SSM::Parameter::Value<String>', Default: a}\nConditions:\n  Never: !Equals [a, b]\nResources:\n  T: {Type: 'AWS::DynamoDB::Table'}\n  Not: {Type: 'AWS::S3::Bucket', Condition: Never}\n  F:\n    Type: AWS::Serverless::Function\n    Metadata: {BuildMethod: makefile}\n    Properties:\n      Policies: [x]\n      Events:\n        Tick: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}\n  G: {Type: 'AWS::Serverless::Function', Properties: {Handler: !Ref H}}\n  H: {Type: 'AWS::Serverless::Function', Properties: {Handler: !Ref G}}\n";
        let mut said = read(text, &[("U", "x")]).unwrap_err();
        said.sort();
        let all = said.join("\n");
        for part in [
            "the transform [\"Other\"]",
            "no parameter U",
            "parameter P has no default",
            "Q must be a number",
            "R must be one of b",
            "S is of type AWS::SSM",
            "T: AWS::DynamoDB::Table",
            "F: it is built by makefile",
            "F: the property Policies",
            "F: the event Tick of type Schedule",
            "G, H need each other",
        ] {
            assert!(all.contains(part), "{part} in\n{all}");
        }
        assert!(!all.contains("Bucket"), "its condition does not hold");
    }

    #[test]
    fn parameters_have_defaults_and_are_given() {
        let text = "Parameters:\n  A: {Type: String, Default: x}\n  L: {Type: CommaDelimitedList, Default: 'a, b'}\nResources: {F: {Type: 'AWS::Serverless::Function'}}\n";
        let template = read(text, &[("A", "y")]).unwrap();
        assert_eq!(template.scope.parameters["A"], "y");
        assert_eq!(template.scope.parameters["L"], serde_json::json!(["a", "b"]));
        assert_eq!(template.scope.parameters["AWS::StackName"], "shop");
    }
}
