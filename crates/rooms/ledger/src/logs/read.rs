//! Reading: DescribeLogGroups, DescribeLogStreams and GetLogEvents.

use super::batch::time_of_id;
use super::source::{Found, Range, Source};
use super::{
    EventsPage, EventsQuery, GroupInfo, GroupQuery, LogEvent, LogScope, Logs, LogsError, Page, StreamInfo, StreamOrder,
    StreamQuery, manage, place, segment,
};
use lacewing_model::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

/// Most groups or streams of one answer. Source: CloudWatch Logs API.
const DESCRIBE_MAX: usize = 50;

/// Most events of one answer. Source: CloudWatch Logs API.
const EVENTS_MAX: usize = 10_000;

/// Most bytes of one answer. Source: CloudWatch Logs API.
const ANSWER_BYTES_MAX: usize = 1_048_576;

/// What an event weighs beside its text. Source: CloudWatch Logs API, `PutLogEvents`.
const EVENT_BYTES: usize = 26;

impl Logs {
    /// Groups by name.
    pub fn describe_groups(&self, scope: &LogScope, query: &GroupQuery) -> Result<Page<GroupInfo>, LogsError> {
        let limit = limit(query.limit, DESCRIBE_MAX)?;
        if query.prefix.is_some() && query.pattern.is_some() {
            let both = "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.";
            return Err(LogsError::Invalid(both.into()));
        }
        let pattern = query.pattern.as_ref().map(|pattern| pattern.to_lowercase());
        let wanted = |name: &str| {
            query.prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix.as_str()))
                && pattern.as_ref().is_none_or(|pattern| name.to_lowercase().contains(pattern.as_str()))
                && query.token.as_ref().is_none_or(|after| name > after.as_str())
        };
        let mut found = self.groups_in_memory(scope);
        found.extend(self.groups_on_disk(scope)?);
        found.retain(|name, _| wanted(name));
        let more = found.len() > limit;
        let served_days = self.writer.options().logs.retention.as_secs().div_ceil(86_400);
        let items: Vec<GroupInfo> = found
            .into_iter()
            .take(limit)
            .map(|(name, created)| {
                let dir = place::group_dir(self.writer.dir(), scope, &name);
                let stored_bytes = segment::list(&dir).unwrap_or_default().iter().map(segment::Segment::bytes).sum();
                let settings = manage::read(&dir);
                let class = settings.as_ref().map_or_else(|| manage::Settings::default().class(), |said| said.class());
                let retention_days = settings.map_or(Some(served_days), |said| said.retention_days.map(u64::from));
                GroupInfo { name, created, stored_bytes, retention_days, class }
            })
            .collect();
        let next = items.last().filter(|_| more).map(|last| last.name.clone());
        Ok(Page { items, next })
    }

    fn groups_in_memory(&self, scope: &LogScope) -> BTreeMap<String, Timestamp> {
        let groups = self.open_groups();
        let ours = groups.iter().filter(|((owner, _), _)| owner == scope);
        ours.filter_map(|((_, name), group)| Some((name.clone(), time_of_id(group.in_memory()?.0)))).collect()
    }

    fn groups_on_disk(&self, scope: &LogScope) -> Result<BTreeMap<String, Timestamp>, LogsError> {
        let entries = match std::fs::read_dir(place::scope_dir(self.writer.dir(), scope)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(error.into()),
        };
        let mut found = BTreeMap::new();
        for entry in entries {
            if let Some((created, name)) = place::read(&entry?.path()) {
                found.insert(name, created);
            }
        }
        Ok(found)
    }

    /// Streams of a group.
    pub fn describe_streams(&self, scope: &LogScope, query: &StreamQuery) -> Result<Page<StreamInfo>, LogsError> {
        let limit = limit(query.limit, DESCRIBE_MAX)?;
        if query.order == StreamOrder::LastEventTime && query.prefix.is_some() {
            return Err(LogsError::Invalid("Cannot order by LastEventTime with a logStreamNamePrefix.".into()));
        }
        let mut found: BTreeMap<String, StreamInfo> = BTreeMap::new();
        self.source(scope, &query.group)?.forward(Range::ALL, |Found { event, stream: (created, name) }, _| {
            if query.prefix.as_ref().is_some_and(|prefix| !name.starts_with(prefix.as_str())) {
                return ControlFlow::Continue(());
            }
            let ingested = time_of_id(event.id);
            if let Some(stream) = found.get_mut(name) {
                (stream.last_event, stream.last_ingestion) = (event.time, ingested);
            } else {
                let stream = StreamInfo {
                    name: name.to_owned(),
                    created,
                    first_event: event.time,
                    last_event: event.time,
                    last_ingestion: ingested,
                };
                found.insert(name.to_owned(), stream);
            }
            ControlFlow::Continue(())
        })?;
        // The token is the place of the last one shown, in the order asked for.
        let place = |stream: &StreamInfo| match query.order {
            StreamOrder::Name => (0, stream.name.clone()),
            StreamOrder::LastEventTime => (stream.last_event.0, stream.name.clone()),
        };
        let mut streams: Vec<StreamInfo> = found.into_values().collect();
        streams.sort_by_cached_key(place);
        if query.descending {
            streams.reverse();
        }
        if let Some(token) = &query.token {
            let (time, name) = token.split_once(' ').ok_or_else(bad_token)?;
            let after = (time.parse().map_err(|_| bad_token())?, name.to_owned());
            streams.retain(|stream| if query.descending { place(stream) < after } else { place(stream) > after });
        }
        let more = streams.len() > limit;
        streams.truncate(limit);
        let next = streams.last().filter(|_| more).map(|last| {
            let (time, name) = place(last);
            format!("{time} {name}")
        });
        Ok(Page { items: streams, next })
    }

    /// Events of one stream.
    pub fn get_events(&self, scope: &LogScope, query: &EventsQuery) -> Result<EventsPage, LogsError> {
        let limit = limit(query.limit, EVENTS_MAX)?;
        let direction = match &query.token {
            Some(token) => Direction::parse(token)?,
            None if query.from_head => Direction::After(0),
            None => Direction::Before(u64::MAX),
        };
        let range = Range {
            after: direction.after(),
            before: direction.before(),
            start: query.start,
            last: query.end.map(|end| Timestamp(end.0.saturating_sub(1))),
            stream: Some(&query.stream),
        };
        let source = self.source(scope, &query.group)?;
        let nothing = query.end == Some(Timestamp(0));
        let events = match direction {
            _ if nothing => VecDeque::new(),
            Direction::After(_) => first_events(&source, range, limit)?,
            Direction::Before(_) => last_events(&source, range, limit)?,
        };
        if events.is_empty() && query.token.is_none() && !has_stream(&source, &query.stream)? {
            return Err(LogsError::StreamNotFound);
        }
        let (first, last) = match (events.front(), events.back(), direction) {
            (Some((first, _)), Some((last, _)), _) => (*first, *last),
            (_, _, Direction::After(after)) => (after.saturating_add(1), after),
            // Nothing is before: whatever comes is after all there was.
            (_, _, Direction::Before(u64::MAX)) => (0, 0),
            (_, _, Direction::Before(before)) => (before, before.saturating_sub(1)),
        };
        let events = events.into_iter().map(|(_, event)| event).collect();
        Ok(EventsPage { events, forward: Direction::After(last).token(), backward: Direction::Before(first).token() })
    }
}

/// Where a page of GetLogEvents lies, as its token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    After(u64),
    Before(u64),
}

impl Direction {
    fn token(self) -> String {
        match self {
            Self::After(id) => format!("f/{id:056}/s"),
            Self::Before(id) => format!("b/{id:056}/s"),
        }
    }

    fn parse(token: &str) -> Result<Self, LogsError> {
        let id = |rest: &str| rest.strip_suffix("/s").and_then(|digits| digits.parse().ok()).ok_or_else(bad_token);
        match token.split_at_checked(2) {
            Some(("f/", rest)) => id(rest).map(Self::After),
            Some(("b/", rest)) => id(rest).map(Self::Before),
            _ => Err(bad_token()),
        }
    }

    fn after(self) -> Option<u64> {
        if let Self::After(id) = self { Some(id) } else { None }
    }

    fn before(self) -> Option<u64> {
        if let Self::Before(id) = self { Some(id) } else { None }
    }
}

type Events = VecDeque<(u64, LogEvent)>;

fn first_events(source: &Source, range: Range<'_>, limit: usize) -> Result<Events, LogsError> {
    let mut events = Events::new();
    let mut fill = Fill::new(Some(limit))?;
    source.forward(range, |found, _| {
        if !fill.add(&found) {
            return ControlFlow::Break(());
        }
        events.push_back((found.event.id, event(&found)));
        ControlFlow::Continue(())
    })?;
    Ok(events)
}

fn last_events(source: &Source, range: Range<'_>, limit: usize) -> Result<Events, LogsError> {
    let part = std::cell::RefCell::new(Events::new());
    let mut events = Events::new();
    let mut bytes = 0;
    source.backward(
        range,
        |found| {
            let mut part = part.borrow_mut();
            part.push_back((found.event.id, event(&found)));
            // What is older than the newest of the answer is not needed, in this part neither.
            if part.len() > limit {
                part.pop_front();
            }
        },
        || {
            while let Some((id, event)) = part.borrow_mut().pop_back() {
                bytes += event.message.len() + EVENT_BYTES;
                if events.len() == limit || (bytes > ANSWER_BYTES_MAX && !events.is_empty()) {
                    return ControlFlow::Break(());
                }
                events.push_front((id, event));
            }
            ControlFlow::Continue(())
        },
    )?;
    Ok(events)
}

fn has_stream(source: &Source, stream: &str) -> Result<bool, LogsError> {
    let mut found = false;
    source.forward(Range { stream: Some(stream), ..Range::ALL }, |_, _| {
        found = true;
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// The event as it is shown. Lambda's lines end in a newline, which is not kept on disk.
pub(super) fn event(found: &Found<'_>) -> LogEvent {
    let mut message = String::with_capacity(found.event.text.len() + 1);
    message.push_str(found.event.text);
    message.push('\n');
    LogEvent {
        id: format!("{:056}", found.event.id),
        stream: found.stream.1.to_owned(),
        time: found.event.time,
        ingested: time_of_id(found.event.id),
        message,
    }
}

/// Keeps an answer to its size: counts events and bytes.
pub(super) struct Fill {
    events_max: usize,
    events: usize,
    bytes: usize,
}

impl Fill {
    pub fn new(asked: Option<usize>) -> Result<Self, LogsError> {
        Ok(Self { events_max: limit(asked, EVENTS_MAX)?, events: 0, bytes: 0 })
    }

    /// True when one more event goes in; the first always does.
    pub fn add(&mut self, found: &Found<'_>) -> bool {
        self.bytes += weight(found);
        self.events += 1;
        self.events == 1 || (self.events <= self.events_max && self.bytes <= ANSWER_BYTES_MAX)
    }
}

fn weight(found: &Found<'_>) -> usize {
    found.event.text.len() + 1 + EVENT_BYTES
}

fn limit(asked: Option<usize>, max: usize) -> Result<usize, LogsError> {
    let asked = asked.unwrap_or(max);
    let rule = match asked {
        0 => "greater than or equal to 1".to_owned(),
        _ if asked > max => format!("less than or equal to {max}"),
        _ => return Ok(asked),
    };
    Err(LogsError::Invalid(format!(
        "1 validation error detected: Value '{asked}' at 'limit' failed to satisfy constraint: Member must have value {rule}"
    )))
}

pub(super) fn bad_token() -> LogsError {
    LogsError::Invalid("The specified nextToken is invalid.".into())
}
