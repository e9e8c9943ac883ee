//! A template's resources: which there are, in which order they are made, and what of them cannot be done here.

use super::expand::expanded;
use super::kind::Kind;
use super::parameters;
use super::resolve::{Scope, names, text};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The most resources of a template. Source: CloudFormation quotas.
const RESOURCES_MAX: usize = 500;

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
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub stack: String,
    pub account: String,
    pub region: String,
    /// Whether the template is the Serverless Framework's.
    pub is_serverless: bool,
    /// What everything is tagged with, unless it says otherwise itself. Source: CloudFormation, "Resource tags".
    pub tags: BTreeMap<String, String>,
}

impl Template {
    /// Reads `document`; `given` are the parameters of the command line.
    ///
    /// # Errors
    /// Everything that cannot be done, each as a sentence.
    pub(super) fn of(document: &Value, given: &BTreeMap<String, String>, place: &Place) -> Result<Self, Vec<String>> {
        let mut wrong = sections(document);
        let part = |name: &str| document.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        let mut scope = Scope {
            parameters: parameters::values(&part("Parameters"), given, &mut wrong),
            mappings: document.get("Mappings").cloned().unwrap_or_default(),
            conditions: part("Conditions"),
            attributes: BTreeMap::new(),
        };
        parameters::pseudo(&mut scope.parameters, place);
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
            let Some(kind) = kind(name, resource, place, &mut wrong) else { continue };
            let own = resource.get("Properties").cloned().unwrap_or_else(|| Value::Object(Map::new()));
            let shared = kind.globals().and_then(|section| globals.get(section));
            let properties = shared.map_or(own.clone(), |shared| merged(shared, &own));
            unknown(name, kind, &properties, &mut wrong);
            unbuilt(name, resource, &mut wrong);
            let needs = resource.get("DependsOn").map(names_in).unwrap_or_default();
            match expanded(Resource { name: name.clone(), kind, properties }) {
                Ok(all) => resources.extend(all.into_iter().map(|one| {
                    let needs = names_in(&one.properties).into_iter().chain(needs.clone()).collect();
                    (one, needs)
                })),
                Err(why) => wrong.push(format!("{name}: {why}")),
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

/// What whole sections of `document` ask for and cannot have.
fn sections(document: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let transforms = match document.get("Transform") {
        None => Vec::new(),
        Some(Value::Array(all)) => all.iter().map(text).collect(),
        Some(one) => vec![text(one)],
    };
    for transform in transforms.iter().filter(|transform| *transform != "AWS::Serverless-2016-10-31") {
        wrong.push(format!("the transform {transform} is not done here"));
    }
    for (rule, about) in document.get("Rules").and_then(Value::as_object).into_iter().flatten() {
        // Asks whether the account has been prepared for the CDK's uploads: there are none.
        if !names_in(about).iter().all(|name| name == "BootstrapVersion") {
            wrong.push(format!("the rule {rule} is not checked here"));
        }
    }
    if document.get("Hooks").is_some() {
        wrong.push("the section Hooks is not done here".to_owned());
    }
    wrong
}

fn kind(name: &str, resource: &Value, place: &Place, wrong: &mut Vec<String>) -> Option<Kind> {
    let word = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
    // The Serverless Framework's own bucket, for packages that are not uploaded here.
    if place.is_serverless && matches!(name, "ServerlessDeploymentBucket" | "ServerlessDeploymentBucketPolicy") {
        return Some(Kind::Needless);
    }
    if let Some(policy) = resource.get("UpdatePolicy").and_then(Value::as_object) {
        wrong.extend(policy.keys().map(|key| format!("{name}: the update policy {key} is not done here")));
    }
    let kind = Kind::of(word);
    if kind.is_none() {
        wrong.push(format!("{name}: {word} is not made here"));
    }
    kind
}

/// Code that `sam build` would build first, and has not.
fn unbuilt(name: &str, resource: &Value, wrong: &mut Vec<String>) {
    let of = |key: &str| resource.pointer(&format!("/Metadata/{key}")).map(text);
    if let (Some(method), None) = (of("BuildMethod"), of("SamResourceId")) {
        wrong.push(format!("{name}: it is built by {method}: run `sam build` and deploy .aws-sam/build/template.yaml"));
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
    let Some(known) = kind.properties() else { return };
    for (property, value) in properties.as_object().into_iter().flatten() {
        if known.contains(&property.as_str()) {
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

/// What `DependsOn`, or an expression, refers to.
fn names_in(expression: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    match expression {
        Value::String(name) => drop(found.insert(name.clone())),
        Value::Array(all) if all.iter().all(Value::is_string) => {
            found.extend(all.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        other => names(other, &mut found),
    }
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::yaml;
    use super::*;

    fn read(text: &str, given: &[(&str, &str)]) -> Result<Template, Vec<String>> {
        let place = Place {
            stack: "shop".into(),
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            ..Place::default()
        };
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
        let text = "Transform: [Other]\nParameters:\n  P: {Type: String}\n  Q: {Type: Number, Default: x}\n  R: {Type: String, Default: a, AllowedValues: [b]}\n  S: {Type: 'AWS::SSM::Parameter::Value<String>', Default: a}\nConditions:\n  Never: !Equals [a, b]\nResources:\n  T: {Type: 'AWS::DynamoDB::Table'}\n  Not: {Type: 'AWS::S3::Bucket', Condition: Never}\n  F:\n    Type: AWS::Serverless::Function\n    UpdatePolicy: {CodeDeployLambdaAliasUpdate: {}}\n    Metadata: {BuildMethod: makefile}\n    Properties:\n      Events:\n        Tick: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}\n  G: {Type: 'AWS::Serverless::Function', Properties: {Handler: !Ref H}}\n  H: {Type: 'AWS::Serverless::Function', Properties: {Handler: !Ref G}}\n";
        let mut said = read(text, &[("U", "x")]).unwrap_err();
        said.sort();
        let all = said.join("\n");
        for part in [
            "the transform Other",
            "no parameter U",
            "parameter P has no default",
            "Q must be a number",
            "R must be one of b",
            "S is of type AWS::SSM",
            "T: AWS::DynamoDB::Table",
            "F: it is built by makefile",
            "F: the update policy CodeDeployLambdaAliasUpdate",
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

    #[test]
    fn what_the_cdk_and_serverless_add_for_themselves_is_no_matter() {
        let text = "Parameters:\n  BootstrapVersion: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /cdk-bootstrap/hnb/version}\nRules:\n  Check: {Assertions: [{Assert: {'Fn::Not': [{'Fn::Contains': [['1'], !Ref BootstrapVersion]}]}}]}\nResources:\n  M: {Type: 'AWS::CDK::Metadata', Properties: {Analytics: x}}\n  F: {Type: 'AWS::Lambda::Function'}\n";
        assert_eq!(read(text, &[]).unwrap().resources.len(), 2);
        let rule = "Rules:\n  Mine: {Assertions: [{Assert: !Equals [!Ref P, a]}]}\nParameters:\n  P: {Type: String, Default: a}\nResources: {F: {Type: 'AWS::Lambda::Function'}}\n";
        assert!(read(rule, &[]).unwrap_err().concat().contains("the rule Mine"));
        let bucket = "Resources:\n  ServerlessDeploymentBucket: {Type: 'AWS::S3::Bucket'}\n  F: {Type: 'AWS::Lambda::Function'}\n";
        assert!(read(bucket, &[]).unwrap_err().concat().contains("AWS::S3::Bucket"));
        let place = Place { is_serverless: true, ..Place::default() };
        assert!(Template::of(&yaml::read(bucket).unwrap(), &BTreeMap::new(), &place).is_ok());
    }
}
