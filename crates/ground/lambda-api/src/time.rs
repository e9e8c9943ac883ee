//! Times, as the API writes them.

use jiff::Timestamp;

/// `2026-01-02T03:04:05.678+0000`, as in `LastModified` of functions.
#[must_use]
pub fn function_time(millis: u64) -> String {
    let stamp = Timestamp::from_millisecond(i64::try_from(millis).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX);
    format!("{}.{:03}+0000", stamp.strftime("%Y-%m-%dT%H:%M:%S"), millis % 1_000)
}

/// `2026-01-02T03:04:05.678000Z`, as in `CreationTime` of function URLs.
#[must_use]
pub fn url_time(millis: u64) -> String {
    let stamp = Timestamp::from_millisecond(i64::try_from(millis).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX);
    format!("{}.{:03}000Z", stamp.strftime("%Y-%m-%dT%H:%M:%S"), millis % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_aws_writes_them() {
        assert_eq!(function_time(1_767_323_045_678), "2026-01-02T03:04:05.678+0000");
        assert_eq!(url_time(1_767_323_045_678), "2026-01-02T03:04:05.678000Z");
        assert_eq!(function_time(0), "1970-01-01T00:00:00.000+0000");
    }
}
