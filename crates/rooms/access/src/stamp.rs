//! The signature's own way to write time: `20150830T123600Z`.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use lacewing_model::Timestamp;

/// Reads `YYYYMMDDTHHMMSSZ`.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i16> {
        bytes[from..to].iter().try_fold(0_i16, |sum, b| {
            let digit = char::from(*b).to_digit(10)?;
            Some(sum * 10 + i16::try_from(digit).ok()?)
        })
    };
    let small = |from: usize| number(from, from + 2).and_then(|n| i8::try_from(n).ok());
    let moment = DateTime::new(number(0, 4)?, small(4)?, small(6)?, small(9)?, small(11)?, small(13)?, 0).ok()?;
    let millis = TimeZone::UTC.to_timestamp(moment).ok()?.as_millisecond();
    u64::try_from(millis).ok().map(Timestamp)
}

/// Reads the other forms that a `Date` header may have: `Tue, 24 Nov 2026 03:00:00 GMT`.
pub(crate) fn parse_http_date(text: &str) -> Option<Timestamp> {
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    u64::try_from(zoned.timestamp().as_millisecond()).ok().map(Timestamp)
}

/// Writes `YYYYMMDDTHHMMSSZ`.
pub(crate) fn format(time: Timestamp) -> String {
    let millis = i64::try_from(time.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis)
        .map(|stamp| stamp.strftime("%Y%m%dT%H%M%SZ").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_read_and_written() {
        let time = Timestamp(1_440_938_160_000);
        assert_eq!(parse("20150830T123600Z"), Some(time));
        assert_eq!(format(time), "20150830T123600Z");
        assert_eq!(parse_http_date("Sun, 30 Aug 2015 12:36:00 GMT"), Some(time));
        for bad in ["", "20150830", "20151330T123600Z", "2015083XT123600Z", "20150830T123600+"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
