//! Versions and aliases, and what is set up for one of them.

use super::{Change, function_path, text_of};
use crate::client::{Client, encoded};
use crate::failure::Failure;
use http::Method;
use serde_json::{Value, json};

/// A published version.
#[derive(Debug)]
pub(in crate::stack) struct Published {
    pub number: String,
    pub arn: String,
}

/// Publishes `$LATEST`, which gives the newest version where nothing has changed since, and waits until it can be called.
pub(in crate::stack) async fn version(client: &mut Client, function: &str, body: &Value) -> Result<Published, Failure> {
    let path = function_path("2015-03-31", function, "/versions");
    let made = client.operation(Method::POST, &path, Some(body)).await?;
    let published = Published { number: text_of(&made, "Version"), arn: text_of(&made, "FunctionArn") };
    client.settled(&published.arn).await?;
    Ok(published)
}

/// Creates an alias or changes it; its ARN.
pub(in crate::stack) async fn alias(
    client: &mut Client,
    function: &str,
    name: &str,
    body: &Value,
) -> Result<(Change, String), Failure> {
    let folder = function_path("2015-03-31", function, "/aliases");
    let path = format!("{folder}/{}", encoded(name));
    let existing = match client.operation(Method::GET, &path, None).await {
        Err(failure) if failure.is("ResourceNotFoundException") => {
            let mut body = body.clone();
            body["Name"] = name.into();
            let made = client.operation(Method::POST, &folder, Some(&body)).await?;
            return Ok((Change::Created, text_of(&made, "AliasArn")));
        }
        other => other?,
    };
    // No routing is shown as none at all.
    let weights = "/RoutingConfig/AdditionalVersionWeights";
    let empty = json!({});
    let same = existing.pointer(weights).unwrap_or(&empty) == body.pointer(weights).unwrap_or(&empty)
        && ["FunctionVersion", "Description"]
            .iter()
            .all(|key| body.get(key).is_none_or(|is| existing.get(key) == Some(is)));
    if same {
        return Ok((Change::Unchanged, text_of(&existing, "AliasArn")));
    }
    let changed = client.operation(Method::PUT, &path, Some(body)).await?;
    Ok((Change::Updated, text_of(&changed, "AliasArn")))
}

/// Sets provisioned concurrency up for a version or an alias, or takes it away.
pub(in crate::stack) async fn provision(
    client: &mut Client,
    function: &str,
    qualifier: &str,
    count: Option<u64>,
) -> Result<(), Failure> {
    let path =
        function_path("2019-09-30", function, &format!("/provisioned-concurrency?Qualifier={}", encoded(qualifier)));
    match count {
        Some(count) => {
            let body = json!({"ProvisionedConcurrentExecutions": count});
            client.operation(Method::PUT, &path, Some(&body)).await?
        }
        None => client.operation(Method::DELETE, &path, None).await?,
    };
    Ok(())
}

pub(in crate::stack) async fn event_invoke(
    client: &mut Client,
    function: &str,
    qualifier: &str,
    config: &Value,
) -> Result<(), Failure> {
    let path = function_path("2019-09-25", function, &format!("/event-invoke-config?Qualifier={}", encoded(qualifier)));
    client.operation(Method::PUT, &path, Some(config)).await?;
    Ok(())
}
