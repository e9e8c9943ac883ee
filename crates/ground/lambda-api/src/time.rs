//! Times and trace ids, as the API writes them.

use jiff::Timestamp;

/// `2026-01-02T03:04:05.678+0000`, as in `LastModified` of functions.
#[must_use]
pub fn function_time(millis: u64) -> String {
    let stamp = Timestamp::from_millisecond(i64::try_from(millis).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX);
    format!("{}.{:03}+0000", stamp.strftime("%Y-%m-%dT%H:%M:%S"), millis % 1_000)
}

/// A new X-Ray trace id: `Root=1-`, the seconds in 8 hex digits, `-`, and 24 random ones.
#[must_use]
pub fn trace_id(millis: u64, random: u128) -> String {
    format!("Root=1-{:08x}-{:024x}", (millis / 1_000) & 0xffff_ffff, random & ((1 << 96) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_aws_writes_them() {
        assert_eq!(function_time(1_767_323_045_678), "2026-01-02T03:04:05.678+0000");
        assert_eq!(function_time(0), "1970-01-01T00:00:00.000+0000");
        assert_eq!(trace_id(1_767_323_045_678, u128::MAX), "Root=1-695735a5-ffffffffffffffffffffffff");
        assert_eq!(trace_id(1_000, 10), "Root=1-00000001-00000000000000000000000a");
    }
}
