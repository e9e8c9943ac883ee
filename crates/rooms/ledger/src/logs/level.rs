//! Levels of lines in functions that log JSON.

use lacewing_model::LogLevel;
use lacewing_sandbox::LogLine;
use serde::Deserialize;
use std::borrow::Cow;

/// The one key that is looked at.
#[derive(Deserialize)]
struct Probe<'a> {
    #[serde(borrow)]
    level: Cow<'a, str>,
}

/// The line's level: what the runtime said, else its JSON `level`, else INFO.
/// Source: Lambda documentation, "log level filtering".
pub(crate) fn of(line: &LogLine) -> LogLevel {
    line.level.unwrap_or_else(|| {
        let text = line.text.trim_start();
        if !text.starts_with('{') || !text.contains("\"level\"") {
            return LogLevel::Info;
        }
        serde_json::from_str::<Probe<'_>>(text).ok().and_then(|probe| named(&probe.level)).unwrap_or(LogLevel::Info)
    })
}

fn named(word: &str) -> Option<LogLevel> {
    use LogLevel::{Debug, Error, Fatal, Info, Trace, Warn};
    [Trace, Debug, Info, Warn, Error, Fatal].into_iter().find(|level| word.eq_ignore_ascii_case(level.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lacewing_model::Timestamp;
    use lacewing_sandbox::LogSource;

    #[test]
    fn what_says_no_level_is_info() {
        for (text, want) in [
            (r#"{"level":"debug","m":1}"#, LogLevel::Debug),
            (r#"  {"m":{"level":"ERROR"},"level":"Warn"}"#, LogLevel::Warn),
            (r#"{"m":{"level":"ERROR"}}"#, LogLevel::Info),
            (r#"{"level":"loud"}"#, LogLevel::Info),
            (r#"{"level":3}"#, LogLevel::Info),
            (r#"{"level":"DEBUG""#, LogLevel::Info),
            ("DEBUG \"level\"", LogLevel::Info),
        ] {
            let line = LogLine {
                time: Timestamp(0),
                source: LogSource::Function,
                request_id: None,
                level: None,
                text: text.into(),
            };
            assert_eq!(of(&line), want, "{text}");
            assert_eq!(of(&LogLine { level: Some(LogLevel::Fatal), ..line }), LogLevel::Fatal);
        }
    }
}
