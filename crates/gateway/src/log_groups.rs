//! CloudWatch Logs, as far as tools need it to make, keep and remove the groups that functions write to.

use crate::Gateway;
use crate::answer::blocking;
use crate::asked::Asked;
use crate::logs::group_arn;
use crate::refusals;
use crate::reply::{self, Reply};
use crate::told::Told;
use lacewing_lambda_api::{ApiError, ErrorCode, LogGroupRequest, LogsOperation, Protocol, Violations, group_name};
use lacewing_ledger::{LogScope, LogsError};
use serde_json::json;
use std::collections::BTreeMap;

const NAME_PATTERN: &str = r"[\.\-_/#A-Za-z0-9]+";
/// Tags that one request may bring. Source: CloudWatch Logs API, `CreateLogGroup`.
const TAGS_MAX: usize = 50;

impl Gateway {
    pub(crate) async fn manage_group(
        &self,
        asked: &Asked<'_>,
        operation: LogsOperation,
        request: LogGroupRequest,
        scope: LogScope,
    ) -> Result<Reply, ApiError> {
        let by_arn = matches!(
            operation,
            LogsOperation::TagResource | LogsOperation::UntagResource | LogsOperation::ListTagsForResource
        );
        let name = checked_name(&request, by_arn)?;
        if by_arn {
            self.own_arn(asked, operation, &request, &scope)?;
        }
        self.permit_group(asked, operation, &request, &scope, &name)?;
        let LogGroupRequest { log_group_class, retention_in_days, tags, tag_keys, .. } = request;
        let tags = tags.unwrap_or_default();
        if operation == LogsOperation::CreateLogGroup && request.kms_key_id.is_some() {
            return Err(ApiError::new(
                ErrorCode::InvalidParameter,
                "Log groups have no keys of KMS here: leave kmsKeyId out.",
            ));
        }
        if request.deletion_protection_enabled == Some(true) {
            let text = "Log groups cannot be protected here: leave deletionProtectionEnabled out.";
            return Err(ApiError::new(ErrorCode::InvalidParameter, text));
        }
        let days = retention_in_days.map(|days| u32::try_from(days).unwrap_or_default());
        let ledger = self.inner.ledger.clone();
        blocking(move || {
            let done = match operation {
                LogsOperation::CreateLogGroup => ledger.create_group(&scope, &name, log_group_class, tags),
                LogsOperation::DeleteLogGroup => ledger.delete_group(&scope, &name),
                LogsOperation::PutRetentionPolicy => {
                    let days = days.ok_or_else(|| invalid_null("retentionInDays"))?;
                    ledger.set_retention(&scope, &name, Some(days))
                }
                LogsOperation::DeleteRetentionPolicy => ledger.set_retention(&scope, &name, None),
                LogsOperation::TagResource => ledger.retag_group(&scope, &name, tags, &[]),
                LogsOperation::UntagResource => {
                    ledger.retag_group(&scope, &name, BTreeMap::new(), &tag_keys.unwrap_or_default())
                }
                _ => {
                    let tags = ledger.group_tags(&scope, &name).map_err(refusals::logs)?;
                    return Ok(reply::json(200, Protocol::AwsJson, &json!({"tags": tags})));
                }
            };
            done.map_err(refusals::logs)?;
            Ok(reply::json(200, Protocol::AwsJson, &json!({})))
        })
        .await
    }

    fn permit_group(
        &self,
        asked: &Asked<'_>,
        operation: LogsOperation,
        request: &LogGroupRequest,
        scope: &LogScope,
        name: &str,
    ) -> Result<(), ApiError> {
        let lying = self.inner.ledger.group_tags(scope, name).unwrap_or_default();
        let (none, keys) = (BTreeMap::new(), request.tag_keys.clone().unwrap_or_default());
        let tags = request.tags.as_ref().unwrap_or(&none);
        let told = Told::new().tagged(&lying);
        let told = if operation == LogsOperation::UntagResource { told.tag_keys(&keys) } else { told.tags(tags) };
        let arn = group_arn(scope, name);
        // As recorded: tags are of the group, the rest is of the group and whatever stream.
        let resource = if request.resource_arn.is_some() { arn.clone() } else { format!("{arn}:log-stream:") };
        asked.permit_told(self, &format!("logs:{}", operation.name()), &resource, &told)?;
        if operation == LogsOperation::CreateLogGroup && !tags.is_empty() {
            asked.permit_told(self, "logs:TagResource", &arn, &told)?;
        }
        Ok(())
    }

    /// Refuses the ARN of another account or region, whatever is there.
    fn own_arn(
        &self,
        asked: &Asked<'_>,
        operation: LogsOperation,
        request: &LogGroupRequest,
        scope: &LogScope,
    ) -> Result<(), ApiError> {
        let arn = request.resource_arn.as_deref().unwrap_or_default();
        let mut parts = arn.split(':').skip(3);
        let (region, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if account != scope.account.as_str() {
            asked.permit_told(self, &format!("logs:{}", operation.name()), arn, &())?;
        }
        if region == scope.region.as_str() && account == scope.account.as_str() {
            return Ok(());
        }
        Err(refusals::logs(LogsError::GroupNotFound))
    }
}

/// The group that is meant, if it can be one.
fn checked_name(request: &LogGroupRequest, by_arn: bool) -> Result<String, ApiError> {
    let mut violations = Violations::default();
    let name = match by_arn {
        true => {
            let arn = request.resource_arn.as_deref().ok_or_else(|| invalid_null("resourceArn"))?;
            let group = arn.split(':').nth(5) == Some("log-group");
            let name = group_name(None, Some(arn.to_owned())).filter(|_| group);
            name.ok_or_else(|| ApiError::new(ErrorCode::InvalidParameter, "resourceArn is not that of a log group."))?
        }
        false => request.log_group_name.clone().ok_or_else(|| invalid_null("logGroupName"))?,
    };
    violations.length(&name, "logGroupName", 1, 512);
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_/#".contains(&b)) {
        violations.pattern(&name, "logGroupName", NAME_PATTERN);
    }
    if request.tags.as_ref().is_some_and(|tags| tags.len() > TAGS_MAX) {
        violations.add("{...}", "tags", format_args!("have length less than or equal to {TAGS_MAX}"));
    }
    match violations.text() {
        None => Ok(name),
        Some(text) => Err(ApiError::new(ErrorCode::InvalidParameter, text)),
    }
}

fn invalid_null(path: &str) -> ApiError {
    let mut violations = Violations::default();
    violations.null(path);
    ApiError::new(ErrorCode::InvalidParameter, violations.text().unwrap_or_default())
}
