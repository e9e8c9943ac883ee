//! Function logs.

mod query;
mod stream;

pub use query::{
    EventsPage, EventsQuery, FilterPage, FilterQuery, GroupInfo, GroupQuery, LogEvent, LogScope, LogsError, Page,
    StreamInfo, StreamOrder, StreamQuery,
};
pub use stream::LogStream;

use crate::LedgerOptions;
use lacewing_model::{SandboxId, Version};
use std::sync::Arc;

pub(crate) struct Logs {
    options: LedgerOptions,
}
impl Logs {
    pub fn open(options: LedgerOptions) -> std::io::Result<Self> {
        Ok(Self { options })
    }
    pub fn stream(&self, version: &Version, sandbox: SandboxId) -> Arc<LogStream> {
        let now = self.options.clock.now();
        Arc::new(LogStream { name: lacewing_sandbox::log_stream_name(version, sandbox, now), created: now })
    }
    pub fn flush(&self) {}
    pub fn describe_groups(&self, _: &LogScope, _: &GroupQuery) -> Result<Page<GroupInfo>, LogsError> {
        Err(LogsError::GroupNotFound)
    }
    pub fn describe_streams(&self, _: &LogScope, _: &StreamQuery) -> Result<Page<StreamInfo>, LogsError> {
        Err(LogsError::GroupNotFound)
    }
    pub fn get_events(&self, _: &LogScope, _: &EventsQuery) -> Result<EventsPage, LogsError> {
        Err(LogsError::GroupNotFound)
    }
    pub fn filter_events(&self, _: &LogScope, _: &FilterQuery) -> Result<FilterPage, LogsError> {
        Err(LogsError::GroupNotFound)
    }
}
