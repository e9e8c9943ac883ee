//! CloudFormation: there is none, and so no stack either. Tools ask whether theirs is there before they write a template
//! (`serverless package`) and are told the truth; to make one, there is `lacewing deploy`.

use crate::Gateway;
use crate::asked::Asked;
use crate::query::Form;
use crate::reply::{self, Reply};
use lacewing_lambda_api::{ApiError, ErrorCode, Xml};

/// The names of all operations.
pub(crate) const NAMES: [&str; 7] = [
    "DescribeStacks",
    "DescribeStackEvents",
    "DescribeStackResource",
    "DescribeStackResources",
    "GetTemplate",
    "ListStackResources",
    "ListStacks",
];

const NAMESPACE: &str = "http://cloudformation.amazonaws.com/doc/2010-05-15/";

pub(crate) fn answer(gateway: &Gateway, asked: &Asked<'_>, form: &Form) -> Result<Reply, ApiError> {
    let action = form.action()?;
    if !NAMES.contains(&&*action) {
        let text = format!(
            "Lacewing does not implement cloudformation:{action:.64}. `lacewing deploy` makes what a template describes: a file, \
             cdk.out, .serverless or .aws-sam/build."
        );
        return Err(ApiError::new(ErrorCode::InvalidAction, text));
    }
    asked.permit(gateway, &format!("cloudformation:{action}"), || "*".to_owned())?;
    match (form.get("StackName"), &*action) {
        // Source: CloudFormation API, as its commands show it.
        (Some(name), _) => Err(missing(&name)),
        (None, "ListStacks") => Ok(reply::xml(&action, NAMESPACE, Some(Xml::new().list("StackSummaries", [])))),
        (None, "DescribeStacks") => Ok(reply::xml(&action, NAMESPACE, Some(Xml::new().list("Stacks", [])))),
        (None, _) => form.need("StackName").and_then(|name| Err(missing(&name))),
    }
}

fn missing(name: &str) -> ApiError {
    ApiError::new(ErrorCode::Validation, format!("Stack with id {name:.128} does not exist"))
}
