//! Giving a function a role: whoever does it has to be allowed to pass it on, and Lambda to assume it.

use crate::Gateway;
use crate::asked::Asked;
use lacewing_access::Principal;
use lacewing_lambda_api::{ApiError, ErrorCode};
use lacewing_model::RoleArn;

/// The service that functions are run by, as policies name it.
pub(crate) const LAMBDA: &str = "lambda.amazonaws.com";

impl Gateway {
    /// Checks that the caller may give `role` to a function of its account.
    pub(crate) fn check_role(&self, asked: &Asked<'_>, role: &RoleArn) -> Result<(), ApiError> {
        if role.account() != asked.caller.account.as_str() {
            return Err(ApiError::new(ErrorCode::AccessDenied, "Cross-account pass role is not allowed."));
        }
        if asked.caller.principal != Principal::Root {
            asked.permit_told(self, "iam:PassRole", role.as_str(), &[("iam:passedtoservice", LAMBDA)])?;
        }
        if self.inner.access.lets_assume(&asked.caller.account, role, LAMBDA) {
            return Ok(());
        }
        let text = "The role defined for the function cannot be assumed by Lambda.";
        Err(ApiError::new(ErrorCode::InvalidParameterValue, text))
    }
}
