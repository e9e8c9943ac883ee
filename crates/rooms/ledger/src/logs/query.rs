//! Questions about logs and their answers, with the meaning that CloudWatch Logs gives them.

use lacewing_model::{AccountId, Region, Timestamp};

/// Whose logs: groups belong to an account and a region.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub struct LogScope {
    pub account: AccountId,
    pub region: Region,
}

/// A part of a list, and the token of the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

/// `DescribeLogGroups`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupQuery {
    /// `logGroupNamePrefix`.
    pub prefix: Option<String>,
    /// `logGroupNamePattern`: found anywhere in the name, whatever its case.
    pub pattern: Option<String>,
    /// 1 to 50, 50 if unsaid.
    pub limit: Option<usize>,
    /// `nextToken`.
    pub token: Option<String>,
}

/// A log group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupInfo {
    /// Its name.
    pub name: String,
    /// When its first line came.
    pub created: Timestamp,
    /// Size on disk.
    pub stored_bytes: u64,
    /// Days that events are kept; `None` where someone made the group and did not say.
    pub retention_days: Option<u64>,
    /// `logGroupClass`.
    pub class: String,
}

/// `orderBy` of `DescribeLogStreams`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamOrder {
    /// `LogStreamName`.
    #[default]
    Name,
    /// `LastEventTime`; not together with a prefix.
    LastEventTime,
}

/// `DescribeLogStreams`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamQuery {
    /// `logGroupName`.
    pub group: String,
    /// `logStreamNamePrefix`.
    pub prefix: Option<String>,
    /// `orderBy`.
    pub order: StreamOrder,
    /// `descending`.
    pub descending: bool,
    /// 1 to 50, 50 if unsaid.
    pub limit: Option<usize>,
    /// `nextToken`.
    pub token: Option<String>,
}

/// A log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct StreamInfo {
    pub name: String,
    pub created: Timestamp,
    pub first_event: Timestamp,
    pub last_event: Timestamp,
    pub last_ingestion: Timestamp,
}

/// `GetLogEvents`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventsQuery {
    /// `logGroupName`.
    pub group: String,
    /// `logStreamName`.
    pub stream: String,
    /// `startTime`, included.
    pub start: Option<Timestamp>,
    /// `endTime`, not included.
    pub end: Option<Timestamp>,
    /// `startFromHead`; a token knows its own direction.
    pub from_head: bool,
    /// 1 to 10,000, 10,000 if unsaid.
    pub limit: Option<usize>,
    /// `nextToken`.
    pub token: Option<String>,
}

/// Events of a stream, oldest first, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsPage {
    /// At most 10,000 and 1 MiB.
    pub events: Vec<LogEvent>,
    /// `nextForwardToken`; the one given when there is no more.
    pub forward: String,
    /// `nextBackwardToken`; the one given when there is no more.
    pub backward: String,
}

/// One log event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// Stable, unique in its group, rising.
    pub id: String,
    /// `logStreamName`.
    pub stream: String,
    /// `timestamp`.
    pub time: Timestamp,
    /// `ingestionTime`.
    pub ingested: Timestamp,
    /// The text; like Lambda's own it ends in a newline.
    pub message: String,
}

/// `FilterLogEvents`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterQuery {
    /// `logGroupName`.
    pub group: String,
    /// `logStreamNames`: at most 100, empty for all.
    pub streams: Vec<String>,
    /// `logStreamNamePrefix`; not together with `streams`.
    pub stream_prefix: Option<String>,
    /// `startTime`, included.
    pub start: Option<Timestamp>,
    /// `endTime`, included.
    pub end: Option<Timestamp>,
    /// `filterPattern`; empty for everything.
    pub pattern: String,
    /// 1 to 10,000, 10,000 if unsaid.
    pub limit: Option<usize>,
    /// `nextToken`.
    pub token: Option<String>,
}

/// Events of a group, interleaved by time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterPage {
    /// At most 10,000 and 1 MiB; can be empty though there is more.
    pub events: Vec<LogEvent>,
    /// `nextToken`; absent at the end.
    pub next: Option<String>,
}

/// Why a question about logs has no answer.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// `ResourceNotFoundException`.
    #[error("The specified log group does not exist.")]
    GroupNotFound,
    /// `ResourceNotFoundException`.
    #[error("The specified log stream does not exist.")]
    StreamNotFound,
    /// `ResourceAlreadyExistsException`.
    #[error("The specified log group already exists")]
    GroupExists,
    /// `LimitExceededException`, with its message.
    #[error("{0}")]
    TooMany(String),
    /// `InvalidParameterException`, with its message.
    #[error("{0}")]
    Invalid(String),
    /// A segment could not be read.
    #[error("logs cannot be read: {0}; check the data dir's permissions and disk")]
    Storage(#[from] std::io::Error),
}
