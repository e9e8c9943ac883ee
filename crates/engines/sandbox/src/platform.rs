//! The platform's own lines in a function's log. Source: CloudWatch logs of Lambda functions.

use lacewing_model::{LogFormat, LogLevel, LoggingConfig, Timestamp};
use serde_json::{Value, json};

/// One line in the form that the function's log format asks for; `None` where its system level hides the event. `forms`
/// are the event's record and its text.
pub fn platform_line(
    logging: &LoggingConfig,
    level: LogLevel,
    now: Timestamp,
    kind: &str,
    forms: impl FnOnce() -> (Value, String),
) -> Option<String> {
    match logging.format {
        LogFormat::Text => Some(forms().1),
        LogFormat::Json if level < logging.system_level.unwrap_or(LogLevel::Info) => None,
        LogFormat::Json => Some(json!({"time": now.to_string(), "type": kind, "record": forms().0}).to_string()),
    }
}
