//! Function logs: taken in without waiting, written each second, read with CloudWatch Logs' meaning.
//!
//! ```text
//! LogStream ─ budget ─► Group (memory) ─ writer thread ─► segments ─► Source ─► read, filter
//! ```
//!
//! A group is opened when a sandbox of it starts, which reads the end of its newest segment and nothing else;
//! reading opens what it needs. So a start of the server reads no logs, however many there are.

mod batch;
mod budget;
mod filter;
mod group;
mod level;
mod manage;
mod notice;
mod pattern;
mod place;
mod query;
mod read;
mod retention;
mod segment;
mod source;
mod stream;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

pub use query::{
    EventsPage, EventsQuery, FilterPage, FilterQuery, GroupInfo, GroupQuery, LogEvent, LogScope, LogsError, Page,
    StreamInfo, StreamOrder, StreamQuery,
};
pub use stream::LogStream;

use crate::LedgerOptions;
use crate::metrics::Volumes;
use group::{Group, lock};
use lacewing_model::{SandboxId, Version};
use source::Source;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use writer::Writer;

/// All groups. Dropping it writes what is left and ends the thread.
pub(crate) struct Logs {
    writer: Arc<Writer>,
    groups: Mutex<Groups>,
    /// Held by whoever changes what is said of a group.
    managing: Mutex<()>,
    thread: Option<JoinHandle<()>>,
}

type Groups = HashMap<(LogScope, String), Arc<Group>>;

impl Logs {
    /// Starts the writer; reads nothing.
    pub fn open(options: LedgerOptions, volumes: Volumes) -> std::io::Result<Self> {
        let writer = Arc::new(Writer::new(options, volumes));
        let thread = writer.start()?;
        Ok(Self { writer, groups: Mutex::default(), managing: Mutex::default(), thread: Some(thread) })
    }

    /// The stream of a new sandbox.
    pub fn stream(&self, version: &Version, sandbox: SandboxId) -> Arc<LogStream> {
        let now = self.writer.now();
        let logging = &version.config.logging;
        let scope = LogScope { account: version.account.clone(), region: version.region.clone() };
        let group = self.group(scope, &logging.group);
        let name = lacewing_sandbox::log_stream_name(version, sandbox, now);
        Arc::new(LogStream::new(name, now, logging, group, Arc::clone(&self.writer)))
    }

    /// Writes all that is in memory.
    pub fn flush(&self) {
        let groups: Vec<Arc<Group>> = self.open_groups().values().cloned().collect();
        for group in groups {
            self.writer.flush(&group);
        }
    }

    fn group(&self, scope: LogScope, name: &str) -> Arc<Group> {
        let mut groups = self.open_groups();
        if groups.len() >= self.writer.options().logs.open_groups_max {
            // Those that no sandbox holds and that have nothing to write are opened again when needed.
            groups.retain(|_, group| Arc::strong_count(group) > 1 || !group.is_idle());
        }
        let key = (scope, name.to_owned());
        if let Some(group) = groups.get(&key) {
            return Arc::clone(group);
        }
        let group = Arc::new(Group::open(self.writer.dir(), &key.0, name));
        groups.insert(key, Arc::clone(&group));
        group
    }

    /// The group as it can be read now.
    fn source(&self, scope: &LogScope, group: &str) -> Result<Source, LogsError> {
        let key = (scope.clone(), group.to_owned());
        let open = self.open_groups().get(&key).cloned();
        let in_memory = open.and_then(|group| group.in_memory());
        let dir = place::group_dir(self.writer.dir(), scope, group);
        Source::open(&dir, in_memory)?.ok_or(LogsError::GroupNotFound)
    }

    fn open_groups(&self) -> MutexGuard<'_, Groups> {
        lock(&self.groups)
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.flush();
        self.writer.stop();
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}
