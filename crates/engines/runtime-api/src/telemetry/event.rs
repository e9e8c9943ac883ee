//! One event, and how each schema shows it.

use super::subscription::{Api, Category, Schema};
use lacewing_model::Timestamp;
use serde_json::{Value, json};

/// What an event is; the names are those of its `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum EventKind {
    InitStart,
    InitRuntimeDone,
    InitReport,
    Start,
    RuntimeDone,
    /// Logs API only; others have `RuntimeDone`.
    End,
    Report,
    /// Logs API only: the text of a failure of the environment.
    Fault,
    Extension,
    Subscription,
    LogsDropped,
    /// A line of the function.
    FunctionLine,
    /// A line of an extension.
    ExtensionLine,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryEvent {
    /// When it happened.
    pub time: Timestamp,
    /// What it is.
    pub kind: EventKind,
    /// All that any schema shows of it.
    pub record: Value,
}

impl EventKind {
    pub(crate) fn category(self) -> Category {
        match self {
            Self::FunctionLine => Category::Function,
            Self::ExtensionLine => Category::Extension,
            _ => Category::Platform,
        }
    }

    /// Its `type`; `None` where the schema has no such event.
    fn name(self, schema: Schema) -> Option<&'static str> {
        let (logs, telemetry) = match self {
            Self::InitStart => (None, Some("platform.initStart")),
            Self::InitRuntimeDone => (None, Some("platform.initRuntimeDone")),
            Self::InitReport => (None, Some("platform.initReport")),
            Self::Start => (Some("platform.start"), Some("platform.start")),
            Self::RuntimeDone if schema == Schema::Logs2020 => (None, None),
            // With several invocations at once there is no single runtime to be done.
            Self::RuntimeDone => (Some("platform.runtimeDone"), Some("platform.runtimeDone")),
            Self::End => (Some("platform.end"), None),
            Self::Report => (Some("platform.report"), Some("platform.report")),
            Self::Fault => (Some("platform.fault"), None),
            Self::Extension => (Some("platform.extension"), Some("platform.extension")),
            Self::Subscription => (Some("platform.logsSubscription"), Some("platform.telemetrySubscription")),
            Self::LogsDropped => (Some("platform.logsDropped"), Some("platform.logsDropped")),
            Self::FunctionLine => (Some("function"), Some("function")),
            Self::ExtensionLine => (Some("extension"), Some("extension")),
        };
        if schema.api() == Api::Logs { logs } else { telemetry }
    }
}

impl TelemetryEvent {
    /// As a subscriber gets it; `None` where its schema has no such event.
    pub(crate) fn render(&self, schema: Schema) -> Option<String> {
        let kind = self.kind.name(schema)?;
        let record = shown(self.kind, &self.record, schema);
        Some(json!({"time": self.time.to_string(), "type": kind, "record": record}).to_string())
    }
}

/// What of a record a schema has.
fn shown(kind: EventKind, record: &Value, schema: Schema) -> Value {
    let mut record = record.clone();
    let Some(fields) = record.as_object_mut() else { return record };
    match (kind, schema) {
        (EventKind::RuntimeDone, Schema::Logs2021) => fields.retain(|key, _| matches!(&**key, "requestId" | "status")),
        (EventKind::Report, Schema::Logs2020 | Schema::Logs2021) => {
            fields.retain(|key, _| matches!(&**key, "requestId" | "metrics" | "tracing"));
        }
        (EventKind::RuntimeDone | EventKind::Report, Schema::Telemetry2022July) => {
            fields.remove("spans");
        }
        // There, lines are always text.
        (EventKind::FunctionLine, Schema::Logs2020 | Schema::Logs2021) => return record.to_string().into(),
        _ => {}
    }
    record
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn render(kind: EventKind, record: Value, schema: Schema) -> Option<Value> {
        let event = TelemetryEvent { time: Timestamp(1_795_000_000_123), kind, record };
        event.render(schema).map(|text| serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn each_schema_has_its_events_and_fields() {
        let done = json!({"requestId": "i", "status": "success", "metrics": {"durationMs": 1.0}, "spans": []});
        let later = render(EventKind::RuntimeDone, done.clone(), Schema::Telemetry2022December).unwrap();
        assert_eq!(
            later,
            json!({"time": "2026-11-18T11:06:40.123Z", "type": "platform.runtimeDone", "record": done.clone()})
        );
        let first = render(EventKind::RuntimeDone, done.clone(), Schema::Telemetry2022July).unwrap();
        assert!(first["record"].get("spans").is_none() && first["record"].get("metrics").is_some());
        let logs = render(EventKind::RuntimeDone, done.clone(), Schema::Logs2021).unwrap();
        assert_eq!(logs["record"], json!({"requestId": "i", "status": "success"}));
        assert_eq!(render(EventKind::RuntimeDone, done, Schema::Logs2020), None);
        for (kind, in_logs, in_telemetry) in [
            (EventKind::InitStart, None, Some("platform.initStart")),
            (EventKind::End, Some("platform.end"), None),
            (EventKind::Subscription, Some("platform.logsSubscription"), Some("platform.telemetrySubscription")),
            (EventKind::FunctionLine, Some("function"), Some("function")),
        ] {
            let name =
                |schema| render(kind, json!("x"), schema).map(|event| event["type"].as_str().unwrap().to_owned());
            assert_eq!(name(Schema::Logs2021).as_deref(), in_logs);
            assert_eq!(name(Schema::Telemetry2025).as_deref(), in_telemetry);
        }
    }
}
