//! Makes what a template asks for, through the public API: each resource is created, or changed where it differs.

mod elsewhere;
mod identity;
mod versions;

use super::wish::{Code, FunctionWish, LayerWish};
use crate::client::{Client, encoded};
use crate::failure::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

pub(super) use elsewhere::{missing_layer, missing_policy};
pub(super) use identity::{Kept, inline_policy, managed_policy, role};
pub(super) use versions::{alias, event_invoke, provision, version};

/// What became of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Created,
    Updated,
    Unchanged,
}

impl Change {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}

/// A function that was made, and what others may refer to.
#[derive(Debug)]
pub(super) struct Made {
    pub change: Change,
    pub arn: String,
    pub version: Option<String>,
    pub alias_arn: Option<String>,
    pub url: Option<String>,
}

impl Code {
    fn fields(&self) -> Map<String, Value> {
        match self {
            Self::Zip(zip) => Map::from_iter([("ZipFile".to_owned(), STANDARD.encode(zip).into())]),
            Self::Object(object) => object.as_object().cloned().unwrap_or_default(),
            Self::Image(uri) => Map::from_iter([("ImageUri".to_owned(), uri.as_str().into())]),
        }
    }

    /// False where it cannot be told without sending it.
    fn is(&self, sha256: &str) -> bool {
        matches!(self, Self::Zip(zip) if STANDARD.encode(Sha256::digest(zip)) == sha256)
    }
}

pub(super) async fn function(client: &mut Client, wish: &FunctionWish) -> Result<Made, Failure> {
    let name = &wish.name;
    let existing = match client.configuration(name).await {
        Ok(found) => Some(found),
        Err(failure) if failure.is("ResourceNotFoundException") => None,
        Err(failure) => return Err(failure.into()),
    };
    let mut change = Change::Unchanged;
    match existing {
        None => {
            let mut body = wish.fields.clone();
            body.insert("FunctionName".into(), name.as_str().into());
            body.insert("Code".into(), Value::Object(wish.code.fields()));
            body.insert("Architectures".into(), json!([wish.architecture]));
            body.insert("Tags".into(), Value::Object(wish.tags.clone()));
            body.extend(wish.tenancy.clone().map(|tenancy| ("TenancyConfig".into(), tenancy)));
            client.operation(Method::POST, "/2015-03-31/functions", Some(&Value::Object(body))).await?;
            change = Change::Created;
        }
        Some(found) if found.all.get("TenancyConfig") != wish.tenancy.as_ref() => {
            let message = format!("{name} is there already, with another TenancyConfig: that is chosen for good");
            return Err(Failure::refused(message, format!("delete it first: lacewing rm {name}")));
        }
        Some(_) => {
            let existing = client.settled(name).await?;
            if !wish.code.is(&existing.code_sha256) || existing.architecture != wish.architecture {
                let mut body = wish.code.fields();
                body.insert("Architectures".into(), json!([wish.architecture]));
                let path = function_path("2015-03-31", name, "/code");
                client.operation(Method::PUT, &path, Some(&Value::Object(body))).await?;
                let now = client.settled(name).await?;
                // The same object or image may have been named again.
                if now.code_sha256 != existing.code_sha256 || now.architecture != existing.architecture {
                    change = Change::Updated;
                }
            }
            if wish.fields.iter().any(|(key, value)| differs(key, value, &existing.all)) {
                let mut fields = wish.fields.clone();
                // The kind of a function's code stays: it is refused where it is told of.
                fields.remove("PackageType");
                client.update_configuration(name, &fields).await?;
                change = Change::Updated;
            }
            let tags = client.tags(name).await?;
            if wish.tags.iter().any(|(key, value)| tags.get(key) != Some(value)) {
                client.tag(&existing.arn, &wish.tags).await?;
                change = Change::Updated;
            }
        }
    }
    let state = client.ready(name).await?;
    around(client, wish).await?;
    let mut made = Made { change, arn: state.arn, version: None, alias_arn: None, url: None };
    if let Some(alias) = &wish.alias {
        let published = version(client, name, &json!({})).await?;
        let body = json!({"FunctionVersion": published.number});
        made.alias_arn = Some(versions::alias(client, name, alias, &body).await?.1);
        made.version = Some(published.number);
        if let Some(count) = wish.provisioned {
            provision(client, name, alias, Some(count)).await?;
        }
    }
    if let Some(config) = &wish.url {
        made.url = Some(open_url(client, name, wish.alias.as_deref(), config).await?);
    }
    Ok(made)
}

/// What lies around a function, outside of its configuration.
async fn around(client: &mut Client, wish: &FunctionWish) -> Result<(), Failure> {
    let name = &wish.name;
    let reserved = function_path("2017-10-31", name, "/concurrency");
    match wish.reserved {
        Some(count) => {
            client.operation(Method::PUT, &reserved, Some(&json!({"ReservedConcurrentExecutions": count}))).await?
        }
        None => client.operation(Method::DELETE, &reserved, None).await?,
    };
    if let Some(config) = &wish.runtime_management {
        client
            .operation(Method::PUT, &function_path("2021-07-20", name, "/runtime-management-config"), Some(config))
            .await?;
    }
    if let Some(word) = &wish.recursive_loop {
        let path = function_path("2024-08-31", name, "/recursion-config");
        client.operation(Method::PUT, &path, Some(&json!({"RecursiveLoop": word}))).await?;
    }
    Ok(())
}

/// Creates or changes a URL; one that asks for no signature is opened to everybody, as SAM does.
pub(crate) async fn open_url(
    client: &mut Client,
    function: &str,
    qualifier: Option<&str>,
    config: &Value,
) -> Result<String, Failure> {
    let made = url(client, function, qualifier, config).await?;
    if config.get("AuthType").and_then(Value::as_str) == Some("NONE") {
        for statement in [
            json!({"StatementId": "FunctionURLAllowPublicAccess", "Action": "lambda:InvokeFunctionUrl", "Principal": "*",
                "FunctionUrlAuthType": "NONE"}),
            json!({"StatementId": "FunctionURLInvokeAllowPublicAccess", "Action": "lambda:InvokeFunction", "Principal": "*",
                "InvokedViaFunctionUrl": true}),
        ] {
            permission(client, function, qualifier, &statement).await?;
        }
    }
    Ok(made)
}

/// Creates or changes a URL.
pub(super) async fn url(
    client: &mut Client,
    function: &str,
    qualifier: Option<&str>,
    config: &Value,
) -> Result<String, Failure> {
    let suffix = qualifier.map(|qualifier| format!("?Qualifier={}", encoded(qualifier))).unwrap_or_default();
    let path = function_path("2021-10-31", function, &format!("/url{suffix}"));
    let found = match client.operation(Method::PUT, &path, Some(config)).await {
        Err(failure) if failure.is("ResourceNotFoundException") => {
            client.operation(Method::POST, &path, Some(config)).await?
        }
        other => other?,
    };
    Ok(text_of(&found, "FunctionUrl"))
}

/// Adds a statement to a function's policy, in place of an earlier one of its id.
pub(super) async fn permission(
    client: &mut Client,
    function: &str,
    qualifier: Option<&str>,
    statement: &Value,
) -> Result<(), Failure> {
    let suffix = qualifier.map(|qualifier| format!("?Qualifier={}", encoded(qualifier))).unwrap_or_default();
    replace_statement(client, &function_path("2015-03-31", function, "/policy"), &suffix, statement).await
}

/// The same for a layer version, which is named by its ARN.
pub(super) async fn layer_permission(client: &mut Client, layer: &str, statement: &Value) -> Result<(), Failure> {
    let (layer, version) = layer.rsplit_once(':').unwrap_or((layer, ""));
    let policy = format!("/2018-10-31/layers/{}/versions/{}/policy", encoded(layer), encoded(version));
    replace_statement(client, &policy, "", statement).await
}

async fn replace_statement(client: &mut Client, policy: &str, suffix: &str, statement: &Value) -> Result<(), Failure> {
    let add = format!("{policy}{suffix}");
    match client.operation(Method::POST, &add, Some(statement)).await {
        Err(failure) if failure.is("ResourceConflictException") => {
            let remove = format!("{policy}/{}{suffix}", encoded(&text_of(statement, "StatementId")));
            client.operation(Method::DELETE, &remove, None).await?;
            client.operation(Method::POST, &add, Some(statement)).await?;
        }
        other => {
            other?;
        }
    }
    Ok(())
}

/// Publishes a layer version, unless the newest one is the same; its ARN.
pub(super) async fn layer(client: &mut Client, wish: &LayerWish) -> Result<(Change, String), Failure> {
    let versions = format!("/2018-10-31/layers/{}/versions", encoded(&wish.name));
    let listed = client.operation(Method::GET, &versions, None).await?;
    let newest = listed.pointer("/LayerVersions/0").cloned();
    let before = newest.is_some();
    if let Some(newest) = newest {
        let path = format!("{versions}/{}", newest.get("Version").and_then(Value::as_u64).unwrap_or_default());
        let found = client.operation(Method::GET, &path, None).await?;
        let sha256 = found.pointer("/Content/CodeSha256").and_then(Value::as_str).unwrap_or_default();
        let same = |(key, value): (&String, &Value)| found.get(key).unwrap_or(&Value::Null) == value;
        if wish.code.is(sha256) && wish.fields.iter().all(same) {
            return Ok((Change::Unchanged, text_of(&found, "LayerVersionArn")));
        }
    }
    let mut body = wish.fields.clone();
    body.insert("Content".into(), Value::Object(wish.code.fields()));
    let made = client.operation(Method::POST, &versions, Some(&Value::Object(body))).await?;
    Ok((if before { Change::Updated } else { Change::Created }, text_of(&made, "LayerVersionArn")))
}

/// Whether a setting is another one than the function has.
fn differs(key: &str, value: &Value, existing: &Value) -> bool {
    let has = existing.get(key);
    match key {
        "ImageConfig" => value != existing.pointer("/ImageConfigResponse/ImageConfig").unwrap_or(&json!({})),
        "Layers" => {
            let layers = has.and_then(Value::as_array).cloned().unwrap_or_default();
            let arns: Vec<Value> = layers.iter().filter_map(|layer| layer.get("Arn").cloned()).collect();
            value.as_array() != Some(&arns)
        }
        "Environment" => {
            let empty = json!({});
            let of = |side: Option<&Value>| side.and_then(|side| side.get("Variables")).unwrap_or(&empty).clone();
            of(Some(value)) != of(has)
        }
        // The reply says more than was asked for.
        _ => !within(value, has.unwrap_or(&Value::Null)),
    }
}

/// True if all that `asked` says is so in `has`.
fn within(asked: &Value, has: &Value) -> bool {
    match (asked, has) {
        (Value::Object(asked), Value::Object(has)) => {
            asked.iter().all(|(key, value)| has.get(key).is_some_and(|has| within(value, has)))
        }
        (asked, has) => asked == has,
    }
}

/// `FUNCTION` may also be an ARN.
fn function_path(date: &str, function: &str, rest: &str) -> String {
    format!("/{date}/functions/{}{rest}", encoded(function))
}

fn text_of(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_differs_where_the_function_has_another() {
        let existing = json!({"Timeout": 3, "Layers": [{"Arn": "a", "CodeSize": 1}], "SnapStart": {"ApplyOn": "None",
            "OptimizationStatus": "Off"}, "Environment": {"Variables": {"A": "1"}}});
        for (key, value, other) in [
            ("Timeout", json!(3), false),
            ("Timeout", json!(4), true),
            ("Layers", json!(["a"]), false),
            ("Layers", json!([]), true),
            ("SnapStart", json!({"ApplyOn": "None"}), false),
            ("SnapStart", json!({"ApplyOn": "PublishedVersions"}), true),
            ("Environment", json!({"Variables": {"A": "1"}}), false),
            ("Environment", json!({"Variables": {}}), true),
            ("VpcConfig", json!({"SubnetIds": ["s"]}), true),
            ("ImageConfig", json!({}), false),
            ("ImageConfig", json!({"Command": ["c"]}), true),
        ] {
            assert_eq!(differs(key, &value, &existing), other, "{key} {value}");
        }
    }
}
