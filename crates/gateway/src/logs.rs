//! CloudWatch Logs, as far as `aws logs` and the SDKs need it to read what functions wrote.

use crate::Gateway;
use crate::answer::blocking;
use crate::asked::Asked;
use crate::refusals;
use crate::reply::{self, Reply};
use crate::told::Told;
use bytes::Bytes;
use lacewing_lambda_api::{
    ApiError, DescribeLogGroupsReply, DescribeLogGroupsRequest, DescribeLogStreamsReply, DescribeLogStreamsRequest,
    ErrorCode, FilterLogEventsReply, FilterLogEventsRequest, FilteredEvent, GetLogEventsReply, GetLogEventsRequest,
    LogGroup, LogStream, LogsOperation, OutputEvent, Protocol, Violations, group_name, parse,
};
use lacewing_ledger::{
    EventsQuery, FilterQuery, GroupInfo, GroupQuery, Ledger, LogEvent, LogScope, LogsError, StreamInfo, StreamOrder,
    StreamQuery,
};
use lacewing_model::Timestamp;
use serde::{Deserialize, Serialize};

impl Gateway {
    pub(crate) async fn logs(
        &self,
        asked: &Asked<'_>,
        operation: LogsOperation,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let scope = LogScope { account: asked.caller.account.clone(), region: asked.region().clone() };
        let ledger = self.inner.ledger.clone();
        if operation.changes_groups() {
            return self.manage_group(asked, operation, parse(&body)?, scope).await;
        }
        let named: Named = parse(&body)?;
        let (action, group) = (format!("logs:{}", operation.name()), named.group());
        let tags = group.as_ref().and_then(|group| ledger.group_tags(&scope, group).ok()).unwrap_or_default();
        let arn = named.arn(asked, &group.unwrap_or_default());
        asked.permit_told(self, &action, &arn, &Told::new().tagged(&tags))?;
        match operation {
            LogsOperation::DescribeLogGroups => reader(parse(&body)?, ledger, scope, groups).await,
            LogsOperation::DescribeLogStreams => reader(parse(&body)?, ledger, scope, streams).await,
            LogsOperation::GetLogEvents => reader(parse(&body)?, ledger, scope, events).await,
            _ => reader(parse(&body)?, ledger, scope, filtered).await,
        }
    }
}

/// What permissions are given for: the group and the stream that a request names, if it does.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Named {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: Option<String>,
}

impl Named {
    fn group(&self) -> Option<String> {
        group_name(self.log_group_name.clone(), self.log_group_identifier.clone())
    }

    fn arn(self, asked: &Asked<'_>, group: &str) -> String {
        let stream = self.log_stream_name.unwrap_or_default();
        let (region, account) = (asked.region(), &asked.caller.account);
        format!("arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{stream}")
    }
}

/// Asks the ledger where reading files is allowed, and writes the reply there too.
async fn reader<Q: Send + 'static, R: Serialize + 'static>(
    request: Q,
    ledger: Ledger,
    scope: LogScope,
    ask: fn(Q, &Ledger, &LogScope) -> Result<R, ApiError>,
) -> Result<Reply, ApiError> {
    blocking(move || Ok(reply::json(200, Protocol::AwsJson, &ask(request, &ledger, &scope)?))).await
}

fn groups(
    request: DescribeLogGroupsRequest,
    ledger: &Ledger,
    scope: &LogScope,
) -> Result<DescribeLogGroupsReply, ApiError> {
    let wanted = request.log_group_identifiers;
    let query = GroupQuery {
        prefix: request.log_group_name_prefix,
        pattern: request.log_group_name_pattern,
        limit: limit(request.limit)?,
        token: request.next_token,
    };
    let page = ledger.describe_groups(scope, &query).map_err(refusals::logs)?;
    let named = |group: &GroupInfo| {
        let names = wanted.as_ref().filter(|names| !names.is_empty());
        names.is_none_or(|names| {
            names.iter().any(|name| group_name(None, Some(name.clone())).as_ref() == Some(&group.name))
        })
    };
    let log_groups = page.items.into_iter().filter(named).map(|group| shown_group(scope, group)).collect();
    Ok(DescribeLogGroupsReply { log_groups, next_token: page.next })
}

fn shown_group(scope: &LogScope, group: GroupInfo) -> LogGroup {
    let arn = group_arn(scope, &group.name);
    LogGroup {
        log_group_name: group.name,
        creation_time: group.created.0,
        retention_in_days: group.retention_days,
        metric_filter_count: 0,
        arn: format!("{arn}:*"),
        stored_bytes: group.stored_bytes,
        log_group_class: group.class,
        log_group_arn: arn,
    }
}

pub(crate) fn group_arn(scope: &LogScope, group: &str) -> String {
    format!("arn:aws:logs:{}:{}:log-group:{group}", scope.region, scope.account)
}

fn streams(
    request: DescribeLogStreamsRequest,
    ledger: &Ledger,
    scope: &LogScope,
) -> Result<DescribeLogStreamsReply, ApiError> {
    let group = group_of(request.log_group_name, request.log_group_identifier)?;
    let mut violations = Violations::default();
    let order = match request.order_by.as_deref() {
        None | Some("LogStreamName") => StreamOrder::Name,
        Some("LastEventTime") => StreamOrder::LastEventTime,
        Some(other) => {
            violations.one_of(other, "orderBy", &["LogStreamName", "LastEventTime"]);
            StreamOrder::Name
        }
    };
    invalid_if_any(&violations)?;
    let arn = group_arn(scope, &group);
    let query = StreamQuery {
        group,
        prefix: request.log_stream_name_prefix,
        order,
        descending: request.descending.unwrap_or_default(),
        limit: limit(request.limit)?,
        token: request.next_token,
    };
    let page = ledger.describe_streams(scope, &query).map_err(refusals::logs)?;
    let shown = |stream: StreamInfo| LogStream {
        arn: format!("{arn}:log-stream:{}", stream.name),
        log_stream_name: stream.name,
        creation_time: stream.created.0,
        first_event_timestamp: stream.first_event.0,
        last_event_timestamp: stream.last_event.0,
        last_ingestion_time: stream.last_ingestion.0,
        // Nothing can be uploaded here; clients only expect that there is one.
        upload_sequence_token: "0".to_owned(),
        stored_bytes: 0,
    };
    Ok(DescribeLogStreamsReply { log_streams: page.items.into_iter().map(shown).collect(), next_token: page.next })
}

fn events(request: GetLogEventsRequest, ledger: &Ledger, scope: &LogScope) -> Result<GetLogEventsReply, ApiError> {
    let group = group_of(request.log_group_name, request.log_group_identifier)?;
    let Some(stream) = request.log_stream_name else {
        let mut violations = Violations::default();
        violations.null("logStreamName");
        return Err(ApiError::new(ErrorCode::InvalidParameter, violations.text().unwrap_or_default()));
    };
    let query = EventsQuery {
        group,
        stream,
        start: time(request.start_time),
        end: time(request.end_time),
        from_head: request.start_from_head.unwrap_or_default(),
        limit: limit(request.limit)?,
        token: request.next_token,
    };
    let page = ledger.get_events(scope, &query).map_err(refusals::logs)?;
    let shown = |event: LogEvent| OutputEvent {
        timestamp: event.time.0,
        message: event.message,
        ingestion_time: event.ingested.0,
    };
    Ok(GetLogEventsReply {
        events: page.events.into_iter().map(shown).collect(),
        next_forward_token: page.forward,
        next_backward_token: page.backward,
    })
}

fn filtered(
    request: FilterLogEventsRequest,
    ledger: &Ledger,
    scope: &LogScope,
) -> Result<FilterLogEventsReply, ApiError> {
    let query = FilterQuery {
        group: group_of(request.log_group_name, request.log_group_identifier)?,
        streams: request.log_stream_names.unwrap_or_default(),
        stream_prefix: request.log_stream_name_prefix,
        start: time(request.start_time),
        end: time(request.end_time),
        pattern: request.filter_pattern.unwrap_or_default(),
        limit: limit(request.limit)?,
        token: request.next_token,
    };
    let page = ledger.filter_events(scope, &query).map_err(refusals::logs)?;
    let shown = |event: LogEvent| FilteredEvent {
        log_stream_name: event.stream,
        timestamp: event.time.0,
        message: event.message,
        ingestion_time: event.ingested.0,
        event_id: event.id,
    };
    Ok(FilterLogEventsReply {
        events: page.events.into_iter().map(shown).collect(),
        searched_log_streams: [],
        next_token: page.next,
    })
}

fn group_of(name: Option<String>, identifier: Option<String>) -> Result<String, ApiError> {
    let text = "Give either logGroupName or logGroupIdentifier.";
    group_name(name, identifier).ok_or_else(|| refusals::logs(LogsError::Invalid(text.to_owned())))
}

/// Times before 1970 are as early as any event can be.
fn time(millis: Option<i64>) -> Option<Timestamp> {
    millis.map(|millis| Timestamp(u64::try_from(millis).unwrap_or_default()))
}

/// The ledger knows each operation's range; here a number has only to be one.
fn limit(given: Option<i64>) -> Result<Option<usize>, ApiError> {
    let mut violations = Violations::default();
    if let Some(number) = given {
        violations.range(number, "limit", 1, 10_000);
    }
    invalid_if_any(&violations)?;
    Ok(given.and_then(|number| usize::try_from(number).ok()))
}

fn invalid_if_any(violations: &Violations) -> Result<(), ApiError> {
    match violations.text() {
        None => Ok(()),
        Some(text) => Err(ApiError::new(ErrorCode::InvalidParameter, text)),
    }
}
