//! Tells telemetry's subscribers what happens in a sandbox, event by event. Source: Lambda documentation, "Lambda
//! Telemetry API Event schema reference".

use lacewing_model::{Clock, LogFormat, LogLevel, RequestId, SystemClock, Timestamp, Version};
use lacewing_runtime_api::{Category, EventKind, ExtensionInfo, ExtensionState, Telemetry, TelemetryEvent};
use lacewing_sandbox::{
    AnswerSink, Ending, FunctionError, InitEnding, InitReport, LogSource, StartSpec, Work, platform_line,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One sandbox's teller: cheap to clone.
#[derive(Clone)]
pub(crate) struct Teller {
    pub(crate) telemetry: Telemetry,
    facts: Arc<Facts>,
}

struct Facts {
    version: Arc<Version>,
    /// What the function finds as its initialization type.
    initialization: String,
    instance: String,
}

/// How the runtime's part of an invocation went.
pub(crate) struct RuntimeDone {
    id: RequestId,
    status: &'static str,
    kind: Option<String>,
    /// The text of a failure of the environment.
    fault: Option<String>,
    produced_bytes: u64,
    handed: Instant,
    begun: Instant,
    answered: Instant,
}

impl Teller {
    pub(crate) fn new(spec: &StartSpec, telemetry: Telemetry) -> Self {
        let kind = spec.environment.iter().find(|(key, _)| key == "AWS_LAMBDA_INITIALIZATION_TYPE");
        let facts = Facts {
            version: Arc::clone(&spec.version),
            initialization: kind.map_or_else(|| "on-demand".to_owned(), |(_, kind)| kind.clone()),
            instance: spec.id.to_string(),
        };
        Self { telemetry, facts: Arc::new(facts) }
    }

    /// An INIT begins, inside the invocation `id` if it does in one. `expected`: there are extensions that may subscribe.
    pub(crate) fn init_start(&self, id: Option<RequestId>, expected: bool) {
        let Facts { version, initialization, instance } = &*self.facts;
        let runtime = &version.config.runtime;
        let record = json!({
            "initializationType": initialization, "phase": phase(id), "runtimeVersion": runtime.version_name(),
            "runtimeVersionArn": runtime.version_arn(&version.region), "functionName": version.name.as_str(),
            "functionArn": version.arn_as(None).to_string(), "functionVersion": version.number.to_string(),
            "instanceId": instance, "instanceMaxMemory": version.config.memory.get(),
        });
        self.telemetry.begin(event(EventKind::InitStart, record), expected);
    }

    /// The runtime's part of INIT is over.
    pub(crate) fn init_runtime_done(&self, id: Option<RequestId>, failed: Option<(&str, Option<&str>)>) {
        self.telemetry.tell(|| event(EventKind::InitRuntimeDone, self.init_record(id, failed)));
    }

    /// All of INIT is over.
    pub(crate) fn init_report(&self, id: Option<RequestId>, report: &InitReport) {
        self.telemetry.tell(|| {
            let mut record = self.init_record(id, failure(&report.ending));
            record["metrics"] = json!({"durationMs": ms(report.duration)});
            event(EventKind::InitReport, record)
        });
    }

    fn init_record(&self, id: Option<RequestId>, failed: Option<(&str, Option<&str>)>) -> Value {
        let (status, kind) = failed.unwrap_or(("success", None));
        let mut record = json!({"initializationType": self.facts.initialization, "phase": phase(id), "status": status});
        with_kind(&mut record, kind);
        record
    }

    /// Who subscribed and how each extension stands at the end of an INIT. Returns the log's lines.
    pub(crate) fn extensions(&self, extensions: &[ExtensionInfo]) -> Vec<String> {
        let logging = &self.facts.version.config.logging;
        let mut lines = Vec::new();
        for (name, by_logs, categories) in self.telemetry.list() {
            let (head, kind) = if by_logs {
                ("LOGS", "platform.logsSubscription")
            } else {
                ("TELEMETRY", "platform.telemetrySubscription")
            };
            let words: Vec<_> = categories.iter().map(|category| word(*category)).collect();
            lines.extend(platform_line(logging, LogLevel::Info, SystemClock.now(), kind, || {
                let types: Vec<_> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
                let text = format!("{head}\tName: {name}\tState: Subscribed\tTypes: [{}]", words.join(", "));
                (json!({"name": name, "state": "Subscribed", "types": types}), text)
            }));
        }
        for extension in extensions {
            self.telemetry.tell(|| event(EventKind::Extension, extension_record(extension)));
            let level = if extension.state == ExtensionState::Ready { LogLevel::Info } else { LogLevel::Warn };
            lines.extend(platform_line(logging, level, SystemClock.now(), "platform.extension", || {
                (extension_record(extension), extension_text(extension))
            }));
        }
        lines
    }

    /// An invocation begins.
    pub(crate) fn start(&self, work: &Work) {
        self.telemetry.tell(|| {
            let version = self.facts.version.number.to_string();
            let mut record = json!({"requestId": work.request_id.to_string(), "version": version});
            if let Some(tenant) = &work.tenant {
                record["tenantId"] = tenant.as_str().into();
            }
            event(EventKind::Start, record)
        });
    }

    /// Takes down how the runtime's part of an invocation went, if anybody wants to know. `begun`: when the answer's
    /// first byte came.
    pub(crate) fn note(
        &self,
        work: &Work,
        ending: &Ending,
        (handed, begun): (Instant, Option<Instant>),
        duration: Duration,
    ) -> Option<Box<RuntimeDone>> {
        if !self.telemetry.is_open() {
            return None;
        }
        let streamed = work.stream.as_ref().map_or(0, AnswerSink::bytes);
        let (status, kind, fault, bytes) = match ending {
            Ending::Answer(bytes) => ("success", None, None, bytes.len()),
            Ending::Failed(error) => (status_of(error), kind_of(error), fault(error), error.payload.len()),
        };
        let (kind, answered) = (kind.map(str::to_owned), handed + duration);
        let begun = begun.filter(|begun| *begun >= handed && *begun <= answered).unwrap_or(answered);
        let produced_bytes = streamed + bytes as u64;
        let id = work.request_id;
        Some(Box::new(RuntimeDone { id, status, kind, fault, produced_bytes, handed, begun, answered }))
    }

    /// The runtime's part is over: it waits for its next event, or has failed.
    pub(crate) fn runtime_done(&self, done: &RuntimeDone) {
        let now = Instant::now();
        self.telemetry.tell(|| {
            let mut spans = Vec::new();
            for (name, from, to) in [
                ("responseLatency", done.handed, done.begun),
                ("responseDuration", done.begun, done.answered),
                ("runtimeOverhead", done.answered, now.max(done.answered)),
            ] {
                spans.push(json!({"name": name, "start": wall(from).to_string(), "durationMs": ms(to - from)}));
            }
            let mut record = json!({
                "requestId": done.id.to_string(), "status": done.status,
                "metrics": {"durationMs": ms(done.answered - done.handed), "producedBytes": done.produced_bytes},
                "spans": spans,
            });
            with_kind(&mut record, done.kind.as_deref());
            event(EventKind::RuntimeDone, record)
        });
        if let Some(fault) = &done.fault {
            self.telemetry.tell(|| event(EventKind::Fault, fault.as_str().into()));
        }
    }

    /// An invocation has been settled. `overhead`: how long extensions worked on after the runtime, until now.
    pub(crate) fn report(&self, id: RequestId, overhead: Duration, record: &dyn Fn() -> Value) {
        if !self.telemetry.is_open() {
            return;
        }
        self.telemetry.tell(|| event(EventKind::End, json!({"requestId": id.to_string()})));
        self.telemetry.tell(|| {
            let mut record = record();
            if !overhead.is_zero() {
                let start = wall(Instant::now() - overhead).to_string();
                record["spans"] = json!([{"name": "extensionOverhead", "start": start, "durationMs": ms(overhead)}]);
            }
            event(EventKind::Report, record)
        });
    }

    /// A line of the function or of an extension. One that is a JSON object is told as one, where logs are JSON.
    pub(crate) fn line(&self, source: LogSource, time: Timestamp, text: &str) {
        self.telemetry.tell(|| {
            let kind = if source == LogSource::Extension { EventKind::ExtensionLine } else { EventKind::FunctionLine };
            let json = self.facts.version.config.logging.format == LogFormat::Json && text.starts_with('{');
            let object = if json { serde_json::from_str(text).ok().filter(Value::is_object) } else { None };
            TelemetryEvent { time, kind, record: object.unwrap_or_else(|| text.into()) }
        });
    }

    /// Lines were over the sandbox's budget.
    pub(crate) fn logs_dropped(&self, records: u64, bytes: u64) {
        self.telemetry.tell(|| {
            let reason = "Some logs were dropped because there were more than this sandbox's budget";
            let record = json!({"reason": reason, "droppedRecords": records, "droppedBytes": bytes});
            event(EventKind::LogsDropped, record)
        });
    }
}

/// How an INIT failed: status, and type of the error.
pub(crate) fn failure(ending: &InitEnding) -> Option<(&'static str, Option<&str>)> {
    match ending {
        InitEnding::Ready => None,
        InitEnding::TimedOut => Some(("timeout", None)),
        InitEnding::Failed(error) => Some(("error", Some(&error.kind))),
    }
}

fn phase(id: Option<RequestId>) -> &'static str {
    if id.is_some() { "invoke" } else { "init" }
}

fn status_of(error: &FunctionError) -> &'static str {
    match error {
        FunctionError { timed_out: true, .. } => "timeout",
        FunctionError { by_platform: true, .. } => "failure",
        FunctionError { .. } => "error",
    }
}

fn kind_of(error: &FunctionError) -> Option<&str> {
    if error.timed_out { None } else { Some(&error.kind) }
}

/// The text of a failure of the environment, as the Logs API tells it.
fn fault(error: &FunctionError) -> Option<String> {
    let value: Value = serde_json::from_slice(&error.payload).ok().filter(|_| error.by_platform)?;
    Some(format!("{}\n{}", value["errorMessage"].as_str()?, error.kind))
}

fn with_kind(record: &mut Value, kind: Option<&str>) {
    if let Some(kind) = kind {
        record["errorType"] = kind.into();
    }
}

fn extension_record(extension: &ExtensionInfo) -> Value {
    let ExtensionInfo { name, state, events, error } = extension;
    let mut record = json!({"name": name, "state": state.to_string(), "events": events});
    with_kind(&mut record, error.as_deref());
    record
}

fn extension_text(extension: &ExtensionInfo) -> String {
    let ExtensionInfo { name, state, events, error } = extension;
    let error = error.as_ref().map(|error| format!("\tError Type: {error}")).unwrap_or_default();
    format!("EXTENSION\tName: {name}\tState: {state}\tEvents: [{}]{error}", events.join(","))
}

/// As `TELEMETRY` lines write it. Source: recorded by users of Lambda.
fn word(category: Category) -> &'static str {
    match category {
        Category::Platform => "Platform",
        Category::Function => "Function",
        Category::Extension => "Extension",
    }
}

fn event(kind: EventKind, record: Value) -> TelemetryEvent {
    TelemetryEvent { time: SystemClock.now(), kind, record }
}

fn wall(at: Instant) -> Timestamp {
    let ago = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
    Timestamp(SystemClock.now().0.saturating_sub(ago))
}

/// Milliseconds with three decimals.
fn ms(duration: Duration) -> Value {
    ((duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_recorded() {
        let mut extension = ExtensionInfo {
            name: "watch".into(),
            state: ExtensionState::Ready,
            events: vec!["INVOKE", "SHUTDOWN"],
            error: None,
        };
        assert_eq!(extension_text(&extension), "EXTENSION\tName: watch\tState: Ready\tEvents: [INVOKE,SHUTDOWN]");
        (extension.state, extension.error) = (ExtensionState::InitError, Some("Extension.NoKey".into()));
        let line = "EXTENSION\tName: watch\tState: InitError\tEvents: [INVOKE,SHUTDOWN]\tError Type: Extension.NoKey";
        assert_eq!(extension_text(&extension), line);
    }

    #[test]
    fn a_fault_is_told_where_the_platform_ended_it() {
        let error = |by_platform| FunctionError {
            kind: "Runtime.ExitError".into(),
            payload: r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: i Error: gone"}"#.into(),
            by_platform,
            timed_out: false,
        };
        assert_eq!(fault(&error(true)).as_deref(), Some("RequestId: i Error: gone\nRuntime.ExitError"));
        assert_eq!(fault(&error(false)), None);
    }
}
