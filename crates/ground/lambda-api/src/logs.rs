//! The part of the CloudWatch Logs API that is served. Times are milliseconds since the epoch.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The operations of CloudWatch Logs that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LogsOperation {
    DescribeLogGroups,
    DescribeLogStreams,
    GetLogEvents,
    FilterLogEvents,
    CreateLogGroup,
    DeleteLogGroup,
    PutRetentionPolicy,
    DeleteRetentionPolicy,
    TagResource,
    UntagResource,
    ListTagsForResource,
}

impl LogsOperation {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::DescribeLogGroups,
        Self::DescribeLogStreams,
        Self::GetLogEvents,
        Self::FilterLogEvents,
        Self::CreateLogGroup,
        Self::DeleteLogGroup,
        Self::PutRetentionPolicy,
        Self::DeleteRetentionPolicy,
        Self::TagResource,
        Self::UntagResource,
        Self::ListTagsForResource,
    ];

    /// The prefix of `X-Amz-Target`.
    pub const TARGET_PREFIX: &str = "Logs_20140328.";

    /// Finds an operation by its name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// True where it is about a group itself, not about what is written there.
    #[must_use]
    pub fn changes_groups(self) -> bool {
        !matches!(self, Self::DescribeLogGroups | Self::DescribeLogStreams | Self::GetLogEvents | Self::FilterLogEvents)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DescribeLogGroups => "DescribeLogGroups",
            Self::DescribeLogStreams => "DescribeLogStreams",
            Self::GetLogEvents => "GetLogEvents",
            Self::FilterLogEvents => "FilterLogEvents",
            Self::CreateLogGroup => "CreateLogGroup",
            Self::DeleteLogGroup => "DeleteLogGroup",
            Self::PutRetentionPolicy => "PutRetentionPolicy",
            Self::DeleteRetentionPolicy => "DeleteRetentionPolicy",
            Self::TagResource => "TagResource",
            Self::UntagResource => "UntagResource",
            Self::ListTagsForResource => "ListTagsForResource",
        }
    }
}

/// The name of a group that is given by `logGroupName` or by `logGroupIdentifier` (a name or an ARN).
#[must_use]
pub fn group_name(name: Option<String>, identifier: Option<String>) -> Option<String> {
    name.or_else(|| {
        let text = identifier?;
        let Some(rest) = text.strip_prefix("arn:") else { return Some(text) };
        let group = rest.splitn(6, ':').nth(5)?;
        Some(group.strip_suffix(":*").unwrap_or(group).to_owned())
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct DescribeLogGroupsRequest {
    pub log_group_name_prefix: Option<String>,
    pub log_group_name_pattern: Option<String>,
    pub log_group_identifiers: Option<Vec<String>>,
    pub next_token: Option<String>,
    pub limit: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct DescribeLogGroupsReply {
    pub log_groups: Vec<LogGroup>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct LogGroup {
    pub log_group_name: String,
    pub creation_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_in_days: Option<u64>,
    pub metric_filter_count: u32,
    /// Ends in `:*`.
    pub arn: String,
    pub stored_bytes: u64,
    pub log_group_class: String,
    /// Without `:*`.
    pub log_group_arn: String,
}

/// What changes a group: `CreateLogGroup`, `PutRetentionPolicy`, `TagResource` and the like, each with its own part.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct LogGroupRequest {
    pub log_group_name: Option<String>,
    pub log_group_class: Option<String>,
    pub kms_key_id: Option<String>,
    pub deletion_protection_enabled: Option<bool>,
    pub retention_in_days: Option<i64>,
    /// The group's ARN, in operations on tags.
    pub resource_arn: Option<String>,
    pub tags: Option<BTreeMap<String, String>>,
    pub tag_keys: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct DescribeLogStreamsRequest {
    pub log_group_name: Option<String>,
    pub log_group_identifier: Option<String>,
    pub log_stream_name_prefix: Option<String>,
    pub order_by: Option<String>,
    pub descending: Option<bool>,
    pub next_token: Option<String>,
    pub limit: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct DescribeLogStreamsReply {
    pub log_streams: Vec<LogStream>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct LogStream {
    pub log_stream_name: String,
    pub creation_time: u64,
    pub first_event_timestamp: u64,
    pub last_event_timestamp: u64,
    pub last_ingestion_time: u64,
    pub upload_sequence_token: String,
    pub arn: String,
    /// Always 0, as AWS has it since 2019.
    pub stored_bytes: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct GetLogEventsRequest {
    pub log_group_name: Option<String>,
    pub log_group_identifier: Option<String>,
    pub log_stream_name: Option<String>,
    pub start_time: Option<i64>,
    pub end_time: Option<i64>,
    pub next_token: Option<String>,
    pub limit: Option<i64>,
    pub start_from_head: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct GetLogEventsReply {
    pub events: Vec<OutputEvent>,
    pub next_forward_token: String,
    pub next_backward_token: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct OutputEvent {
    pub timestamp: u64,
    pub message: String,
    pub ingestion_time: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct FilterLogEventsRequest {
    pub log_group_name: Option<String>,
    pub log_group_identifier: Option<String>,
    pub log_stream_names: Option<Vec<String>>,
    pub log_stream_name_prefix: Option<String>,
    pub start_time: Option<i64>,
    pub end_time: Option<i64>,
    pub filter_pattern: Option<String>,
    pub next_token: Option<String>,
    pub limit: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct FilterLogEventsReply {
    pub events: Vec<FilteredEvent>,
    /// Always empty: AWS has dropped it in 2019.
    pub searched_log_streams: [String; 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct FilteredEvent {
    pub log_stream_name: String,
    pub timestamp: u64,
    pub message: String,
    pub ingestion_time: u64,
    pub event_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_named_by_its_name_or_its_arn() {
        let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f";
        for identifier in [arn.to_owned(), format!("{arn}:*"), "/aws/lambda/f".to_owned()] {
            assert_eq!(group_name(None, Some(identifier)).as_deref(), Some("/aws/lambda/f"));
        }
        assert_eq!(group_name(Some("g".into()), None).as_deref(), Some("g"));
        assert_eq!(group_name(None, None), None);
    }
}
