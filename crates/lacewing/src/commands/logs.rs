//! `lacewing logs`: a function's lines, and those to come.

use super::client;
use crate::arguments::Connection;
use crate::client::{ApiFailure, Client, LogEvent};
use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

/// How often new lines are asked for.
const FOLLOW_PAUSE: Duration = Duration::from_millis(400);
/// How far back each look reaches, ms: lines of several sandboxes arrive a little out of order.
const LOOK_BACK_MS: i64 = 5_000;
const NO_GROUP: &str = "ResourceNotFoundException";

/// Show the log lines of a function.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lacewing logs hello                      the last ten minutes
  lacewing logs hello --since 2h
  lacewing logs hello --since 2026-11-24T09:00:00Z
  lacewing logs hello -f                   and what comes, until Ctrl-C
  lacewing logs hello --json | jq -r .message      one JSON object per line")]
pub struct Logs {
    /// The function.
    pub name: String,
    /// Go on with the lines that come.
    #[arg(short, long)]
    pub follow: bool,
    /// From when: a time back from now (30s, 10m, 2h, 1d) or a date and time.
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub since: String,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub connection: Connection,
}

impl Logs {
    /// Prints lines, oldest first, each once.
    ///
    /// # Errors
    /// [`Failure`]: no server, or a refusal.
    pub async fn run(self, output: Output) -> Result<ExitCode, Failure> {
        let since_ms = since(&self.since, Timestamp::now())?;
        let mut client = client(&self.connection)?;
        let group = match client.configuration(&self.name).await {
            Ok(function) if !function.log_group.is_empty() => function.log_group,
            Ok(_) => format!("/aws/lambda/{}", self.name),
            // A deleted function's lines stay.
            Err(failure) if failure.is(NO_GROUP) => format!("/aws/lambda/{}", self.name),
            Err(failure) => return Err(failure.into()),
        };
        let mut reader = Reader { group, since_ms, seen: Seen::default(), output };
        let found = match reader.look(&mut client).await {
            Ok(found) => found,
            // No group and no function: most likely a name that is not right.
            Err(failure) if failure.is(NO_GROUP) => {
                client.configuration(&self.name).await?;
                false
            }
            Err(failure) => return Err(failure.into()),
        };
        if !found && !self.follow {
            output.say(&format!("no lines since {}; --since 1d looks further back", self.since));
        }
        if !self.follow {
            return Ok(ExitCode::SUCCESS);
        }
        loop {
            tokio::time::sleep(FOLLOW_PAUSE).await;
            match reader.look(&mut client).await {
                Err(failure) if !failure.is(NO_GROUP) => return Err(failure.into()),
                _ => {}
            }
        }
    }
}

struct Reader {
    group: String,
    since_ms: i64,
    seen: Seen,
    output: Output,
}

impl Reader {
    /// Prints what is new; true if there was anything.
    async fn look(&mut self, client: &mut Client) -> Result<bool, ApiFailure> {
        let from = self.seen.latest_ms.map_or(self.since_ms, |latest| self.since_ms.max(latest - LOOK_BACK_MS));
        let mut token: Option<String> = None;
        let mut found = false;
        loop {
            let (events, next) = client.log_events(&self.group, from, token.as_deref()).await?;
            for event in events {
                if self.seen.is_new(&event) {
                    found = true;
                    self.print(&event);
                }
            }
            match next {
                // A token that does not change means the end.
                Some(next) if token.as_deref() != Some(next.as_str()) => token = Some(next),
                _ => break,
            }
        }
        self.seen.forget_before(from);
        Ok(found)
    }

    fn print(&self, event: &LogEvent) {
        if self.output.json {
            let line = serde_json::to_string(event).unwrap_or_default();
            self.output.raw(format!("{line}\n").as_bytes());
            return;
        }
        let time = Timestamp::from_millisecond(event.timestamp).unwrap_or_default();
        self.output.line(&format!("{time:.3}  {}", clean(event.message.trim_end())));
    }
}

/// A function's line is another's text: what would steer the terminal is shown, not obeyed.
fn clean(line: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\t' && c != '\n' { '\u{fffd}' } else { c };
    line.chars().map(shown).collect()
}

/// Which lines were printed, as far back as a look reaches.
#[derive(Default)]
struct Seen {
    latest_ms: Option<i64>,
    ids: BTreeMap<(i64, String), ()>,
}

impl Seen {
    fn is_new(&mut self, event: &LogEvent) -> bool {
        self.latest_ms = Some(self.latest_ms.map_or(event.timestamp, |latest| latest.max(event.timestamp)));
        let id = if event.event_id.is_empty() {
            format!("{}\n{}", event.log_stream_name, event.message)
        } else {
            event.event_id.clone()
        };
        self.ids.insert((event.timestamp, id), ()).is_none()
    }

    fn forget_before(&mut self, ms: i64) {
        self.ids = self.ids.split_off(&(ms, String::new()));
    }
}

/// Milliseconds since 1970 of `said`.
fn since(said: &str, now: Timestamp) -> Result<i64, Failure> {
    if let Ok(time) = said.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    // jiff's signed durations end at hours; people also say days.
    let days = said.strip_suffix('d').and_then(|days| days.trim().parse::<i64>().ok());
    let back = match days {
        Some(days) if (0..=36_500).contains(&days) => Some(SignedDuration::from_hours(days * 24)),
        _ => said.parse::<SignedDuration>().ok(),
    };
    let time = back.filter(|back| !back.is_negative()).and_then(|back| now.checked_sub(back).ok());
    time.map(Timestamp::as_millisecond).ok_or_else(|| {
        Failure::usage(
            format!("'{said}' is no time"),
            "write how far back (30s, 10m, 2h, 1d) or a date and time such as 2026-11-24T09:00:00Z",
        )
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn event(timestamp: i64, id: &str) -> LogEvent {
        LogEvent { log_stream_name: "s".into(), timestamp, message: "m".into(), event_id: id.into() }
    }

    #[test]
    fn a_line_is_printed_once_also_when_it_comes_late() {
        let mut seen = Seen::default();
        assert!(seen.is_new(&event(10_000, "b")));
        assert!(seen.is_new(&event(9_000, "a")), "late, but new");
        assert!(!seen.is_new(&event(10_000, "b")));
        assert_eq!(seen.latest_ms, Some(10_000));
        seen.forget_before(9_500);
        assert_eq!(seen.ids.len(), 1);
    }

    #[test]
    fn since_is_a_time_back_or_a_date() {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        for (said, want) in [
            ("10m", "2026-11-24T09:50:00Z"),
            ("2h", "2026-11-24T08:00:00Z"),
            ("1d", "2026-11-23T10:00:00Z"),
            ("90s", "2026-11-24T09:58:30Z"),
            ("2026-11-20T00:00:00Z", "2026-11-20T00:00:00Z"),
        ] {
            assert_eq!(since(said, now).unwrap(), want.parse::<Timestamp>().unwrap().as_millisecond(), "{said}");
        }
        for wrong in ["yesterday", "-5m", "", "99999999999d"] {
            assert!(since(wrong, now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_line_cannot_steer_the_terminal() {
        assert_eq!(clean("a\tb \u{1b}[2J"), "a\tb \u{fffd}[2J");
    }
}
