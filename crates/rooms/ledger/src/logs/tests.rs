//! The room's logs as a whole: written by streams, read by queries.

#![allow(clippy::unwrap_used)]

mod reading;
mod writing;

use super::*;
use crate::LogOptions;
use lacewing_model::{
    Clock, FunctionConfig, LogFormat, LogLevel, LoggingConfig, ManualClock, RequestId, RevisionId, Timestamp,
    VersionNumber,
};
use lacewing_sandbox::{LogLine, LogSink, LogSource};
use std::collections::BTreeSet;
use std::time::Duration;

pub(super) const GROUP: &str = "/aws/lambda/hello";
const NOW: Timestamp = Timestamp(1_795_489_200_000);

pub(super) struct Room {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    options: LogOptions,
    logs: Option<Logs>,
}

impl Room {
    pub(super) fn new(options: LogOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut room = Self { dir, clock: Arc::new(ManualClock::at(NOW)), options, logs: None };
        room.reopen();
        room
    }

    pub(super) fn reopen(&mut self) {
        self.logs = None;
        let clock: Arc<dyn Clock> = self.clock.clone();
        let options = LedgerOptions { logs: self.options.clone(), ..LedgerOptions::new(self.dir.path().into(), clock) };
        self.logs = Some(Logs::open(options, crate::Metrics::new().unwrap().volumes).unwrap());
    }

    pub(super) fn logs(&self) -> &Logs {
        self.logs.as_ref().unwrap()
    }

    pub(super) fn stream(&self) -> Arc<LogStream> {
        self.logs().stream(&version(LogFormat::Text), SandboxId::random())
    }

    pub(super) fn say(&self, stream: &LogStream, text: &str) {
        stream.write(line(self.clock.now(), text));
    }

    fn filter(&self, query: FilterQuery) -> FilterPage {
        self.logs().filter_events(&scope(), &FilterQuery { group: GROUP.into(), ..query }).unwrap()
    }

    pub(super) fn all(&self) -> Vec<String> {
        texts(&self.filter(FilterQuery::default()).events)
    }
}

pub(super) fn scope() -> LogScope {
    LogScope { account: "123456789012".parse().unwrap(), region: "us-east-1".parse().unwrap() }
}

fn line(time: Timestamp, text: &str) -> LogLine {
    LogLine { time, source: LogSource::Function, request_id: None, level: None, text: text.to_owned() }
}

fn texts(events: &[LogEvent]) -> Vec<String> {
    events.iter().map(|event| event.message.trim_end().to_owned()).collect()
}

fn version(format: LogFormat) -> Version {
    Version {
        account: scope().account,
        region: scope().region,
        name: "hello".parse().unwrap(),
        number: VersionNumber::Latest,
        config: Arc::new(FunctionConfig {
            logging: LoggingConfig { format, application_level: None, system_level: None, group: GROUP.into() },
            ..FunctionConfig::new(
                &"hello".parse().unwrap(),
                "provided.al2023".parse().unwrap(),
                "h".parse().unwrap(),
                "arn:aws:iam::123456789012:role/r".parse().unwrap(),
            )
        }),
        code_sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse().unwrap(),
        code_bytes: 1,
        revision: RevisionId::random(),
        generation: RevisionId::random(),
        last_modified: NOW,
    }
}
