//! What SAM makes of one resource: a function with `Policies` gets a role of its own.

use super::kind::Kind;
use super::resolve::text;
use super::template::Resource;
use serde_json::{Map, Value, json};

/// What every such role may: write logs. Source: AWS SAM specification, `Policies`.
const BASIC: &str = "AWSLambdaBasicExecutionRole";
/// Policies of AWS below `service-role/`; the others lie directly below `policy/`. Source: AWS Managed Policy Reference Guide.
const SERVICE_ROLES: [&str; 8] = [
    BASIC,
    "AWSLambdaBasicDurableExecutionRolePolicy",
    "AWSLambdaDynamoDBExecutionRole",
    "AWSLambdaKinesisExecutionRole",
    "AWSLambdaMSKExecutionRole",
    "AWSLambdaRole",
    "AWSLambdaSQSQueueExecutionRole",
    "AWSLambdaVPCAccessExecutionRole",
];

/// The resource, and what it stands for besides.
///
/// # Errors
/// What is wrong, as a sentence.
pub(super) fn expanded(mut resource: Resource) -> Result<Vec<Resource>, String> {
    let Some(fields) = resource.properties.as_object_mut() else { return Ok(vec![resource]) };
    if resource.kind != Kind::SamFunction {
        return Ok(vec![resource]);
    }
    let (policies, boundary) = (fields.remove("Policies"), fields.remove("PermissionsBoundary"));
    // With a role of its own, SAM does not look at them.
    let Some(policies) = policies.filter(|_| !fields.contains_key("Role")) else { return Ok(vec![resource]) };
    let name = format!("{}Role", resource.name);
    fields.insert("Role".to_owned(), json!({"Fn::GetAtt": [name, "Arn"]}));
    let mut properties = role(&name, policies)?;
    properties.extend(boundary.map(|arn| ("PermissionsBoundary".to_owned(), arn)));
    let role = Resource { name, kind: Kind::Role, properties: Value::Object(properties) };
    Ok(vec![role, resource])
}

fn role(name: &str, policies: Value) -> Result<Map<String, Value>, String> {
    let each = match policies {
        Value::Array(all) => all,
        one => vec![one],
    };
    let (mut managed, mut inline) = (vec![arn(BASIC)], Vec::new());
    for policy in each {
        match &policy {
            Value::String(word) if word == BASIC => {}
            Value::String(word) if word.starts_with("arn:") => managed.push(policy),
            Value::String(word) => managed.push(arn(word)),
            Value::Object(fields) if fields.contains_key("Statement") => {
                let name = format!("{name}Policy{}", inline.len());
                inline.push(json!({"PolicyName": name, "PolicyDocument": document(fields)}));
            }
            Value::Object(fields) => match fields.iter().next() {
                Some((template, about)) if template == "LambdaInvokePolicy" => {
                    let name = format!("{name}Policy{}", inline.len());
                    inline.push(json!({"PolicyName": name, "PolicyDocument": may_invoke(about)}));
                }
                Some((word, _)) if word == "Ref" || word.starts_with("Fn::") => managed.push(policy),
                _ => {
                    let word = fields.keys().next().map_or("", String::as_str);
                    return Err(format!("the policy template {word} is not done here: write its statements"));
                }
            },
            other => return Err(format!("Policies holds {}, which is no policy", text(other))),
        }
    }
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let properties =
        [("AssumeRolePolicyDocument", trust), ("ManagedPolicyArns", managed.into()), ("Policies", inline.into())];
    Ok(properties.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The ARN of one of AWS's own policies.
fn arn(name: &str) -> Value {
    let path = if SERVICE_ROLES.contains(&name) { "service-role/" } else { "" };
    format!("arn:aws:iam::aws:policy/{path}{name}").into()
}

/// A document that says its version.
fn document(fields: &Map<String, Value>) -> Value {
    let mut document = fields.clone();
    document.entry("Version").or_insert("2012-10-17".into());
    Value::Object(document)
}

/// Source: AWS SAM policy templates, `LambdaInvokePolicy`.
fn may_invoke(about: &Value) -> Value {
    let function = about.get("FunctionName").cloned().unwrap_or_default();
    let arn = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${function}*";
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "lambda:InvokeFunction",
        "Resource": {"Fn::Sub": [arn, {"function": function}]}}]})
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn function(properties: Value) -> Result<Vec<Resource>, String> {
        expanded(Resource { name: "Hello".into(), kind: Kind::SamFunction, properties })
    }

    #[test]
    fn policies_make_a_role() {
        let all = function(json!({"Policies": ["AWSLambdaRole", "AWSXRayDaemonWriteAccess", {"Ref": "Own"},
            {"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]},
            {"LambdaInvokePolicy": {"FunctionName": {"Ref": "Back"}}}]}))
        .unwrap();
        let [role, hello] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(hello.properties, json!({"Role": {"Fn::GetAtt": ["HelloRole", "Arn"]}}));
        assert_eq!((role.name.as_str(), role.kind), ("HelloRole", Kind::Role));
        let managed =
            ["service-role/AWSLambdaBasicExecutionRole", "service-role/AWSLambdaRole", "AWSXRayDaemonWriteAccess"];
        let mut managed: Vec<Value> =
            managed.iter().map(|name| format!("arn:aws:iam::aws:policy/{name}").into()).collect();
        managed.push(json!({"Ref": "Own"}));
        assert_eq!(role.properties["ManagedPolicyArns"], Value::Array(managed));
        assert_eq!(role.properties["Policies"][0]["PolicyDocument"]["Version"], "2012-10-17");
        assert!(role.properties["Policies"][1].to_string().contains("Back"));
    }

    #[test]
    fn a_role_of_ones_own_counts_alone() {
        let all = function(json!({"Policies": "AWSLambdaRole", "Role": "arn:r"})).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].properties, json!({"Role": "arn:r"}));
    }

    #[test]
    fn policy_templates_of_other_services_are_named() {
        let said = function(json!({"Policies": [{"DynamoDBReadPolicy": {"TableName": "t"}}]})).unwrap_err();
        assert!(said.contains("DynamoDBReadPolicy"), "{said}");
    }
}
