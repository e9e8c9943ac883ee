//! The line that tells of lines that were dropped.

use lacewing_model::{LogFormat, RequestId, Timestamp};
use serde_json::json;

/// Lines that found no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    records: u64,
    pub bytes: u64,
}

impl Dropped {
    pub fn add(&mut self, text: &str) {
        self.records += 1;
        self.bytes += text.len() as u64;
    }

    /// What has gathered, if anything has.
    pub fn take(&mut self) -> Option<Self> {
        (self.records > 0).then(|| std::mem::take(self))
    }

    /// The line, with the invocation under way. Source: Lambda Telemetry API, `platform.logsDropped`; the text
    /// form and the request id are ours.
    pub fn notice(self, format: LogFormat, request_id: Option<RequestId>, now: Timestamp) -> String {
        let reason = "More log lines were written than their budget allows";
        let Self { records, bytes } = self;
        let id = request_id.map(|id| id.to_string());
        match format {
            LogFormat::Text => {
                let id = id.map(|id| format!("RequestId: {id}\t")).unwrap_or_default();
                format!("LOGS_DROPPED {id}Reason: {reason}\tDropped Records: {records}\tDropped Bytes: {bytes}\t")
            }
            LogFormat::Json => {
                let mut record = json!({ "reason": reason, "droppedRecords": records, "droppedBytes": bytes });
                if let Some(id) = id {
                    record["requestId"] = id.into();
                }
                json!({ "time": rfc3339(now), "type": "platform.logsDropped", "record": record }).to_string()
            }
        }
    }
}

/// `2026-11-24T03:00:00.000Z`.
fn rfc3339(time: Timestamp) -> String {
    let millis = i64::try_from(time.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis)
        .unwrap_or(jiff::Timestamp::MAX)
        .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_counts_what_was_dropped() {
        let mut dropped = Dropped::default();
        assert_eq!(dropped.take(), None);
        dropped.add("12345");
        dropped.add("123");
        let all = dropped.take().unwrap_or_default();
        assert_eq!(dropped.take(), None);
        let now = Timestamp(1_795_489_200_007);
        assert_eq!(
            all.notice(LogFormat::Text, None, now),
            "LOGS_DROPPED Reason: More log lines were written than their budget allows\tDropped Records: 2\tDropped Bytes: 8\t"
        );
        let json = all.notice(LogFormat::Json, Some(RequestId::from_u128(1)), now);
        assert!(json.contains(r#""requestId":"00000000-0000-0000-0000-000000000001""#), "{json}");
        assert!(
            json.contains(r#""time":"2026-11-24T03:00:00.007Z""#) && json.contains(r#""droppedBytes":8"#),
            "{json}"
        );
    }
}
