//! What a template names and does not make: whether the server has it is asked before anything is begun.

use crate::client::{ApiFailure, Client, encoded};
use crate::failure::Failure;
use http::Method;

/// Why the first of these layer versions that cannot be had cannot be had.
pub(in crate::stack) async fn missing_layer(client: &mut Client, arns: Vec<String>) -> Result<Option<String>, Failure> {
    for arn in arns {
        let path = format!("/2018-10-31/layers?find=LayerVersion&Arn={}", encoded(&arn));
        match client.operation(Method::GET, &path, None).await {
            Err(failure @ ApiFailure::Refused { .. }) => {
                let why = Failure::from(failure).message;
                return Ok(Some(format!("the layer {arn} cannot be had here: publish it first ({why})")));
            }
            other => drop(other?),
        }
    }
    Ok(None)
}

/// Why the first of these managed policies that is not there is not there.
pub(in crate::stack) async fn missing_policy(
    client: &mut Client,
    arns: Vec<String>,
) -> Result<Option<String>, Failure> {
    for arn in arns {
        match client.iam("GetPolicy", &[("PolicyArn", &arn)]).await {
            Err(failure) if failure.is("NoSuchEntity") => {
                return Ok(Some(format!("the policy {arn} is not known here: make it, or write its statements")));
            }
            other => drop(other?),
        }
    }
    Ok(None)
}
