//! FilterLogEvents: the events of a group that match a pattern, page by page.

use super::pattern::Pattern;
use super::read::{Fill, bad_token, event};
use super::source::{Found, Range};
use super::{FilterPage, FilterQuery, LogScope, Logs, LogsError};
use std::ops::ControlFlow;

/// Most stream names of one question. Source: CloudWatch Logs API.
const STREAMS_MAX: usize = 100;

impl Logs {
    /// Events of a group, interleaved by time.
    pub fn filter_events(&self, scope: &LogScope, query: &FilterQuery) -> Result<FilterPage, LogsError> {
        check(query)?;
        let mut fill = Fill::new(query.limit)?;
        let pattern = Pattern::parse(&query.pattern).map_err(LogsError::Invalid)?;
        let after = match &query.token {
            Some(token) => Some(token.parse().map_err(|_| bad_token())?),
            None => None,
        };
        let only = if let [stream] = &query.streams[..] { Some(stream.as_str()) } else { None };
        let range = Range { after, before: None, start: query.start, last: query.end, stream: only };
        let scan_bytes_max = self.writer.options().logs.scan_bytes_max;
        let (mut events, mut next, mut last_seen) = (Vec::new(), None, after.unwrap_or(0));
        self.source(scope, &query.group)?.forward(range, |found, read_bytes| {
            let matches = wants_stream(query, &found) && pattern.matches(found.event.text);
            // Each call gets at least one event further.
            let tired = read_bytes > scan_bytes_max && last_seen > after.unwrap_or(0);
            if tired || (matches && !fill.add(&found)) {
                next = Some(last_seen);
                return ControlFlow::Break(());
            }
            last_seen = found.event.id;
            if matches {
                events.push(event(&found));
            }
            ControlFlow::Continue(())
        })?;
        Ok(FilterPage { events, next: next.map(|id| format!("{id:056}")) })
    }
}

fn wants_stream(query: &FilterQuery, found: &Found<'_>) -> bool {
    let name = found.stream.1;
    (query.streams.is_empty() || query.streams.iter().any(|stream| stream == name))
        && query.stream_prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix.as_str()))
}

fn check(query: &FilterQuery) -> Result<(), LogsError> {
    let problem = if query.streams.len() > STREAMS_MAX {
        "Member must have length less than or equal to 100: logStreamNames"
    } else if !query.streams.is_empty() && query.stream_prefix.is_some() {
        "logStreamNames and logStreamNamePrefix are mutually exclusive parameters."
    } else if query.start.zip(query.end).is_some_and(|(start, end)| end < start) {
        "End time should not be less than start time."
    } else {
        return Ok(());
    };
    Err(LogsError::Invalid(problem.into()))
}
