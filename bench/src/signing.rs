//! Signature Version 4, as an SDK would sign; done before the clock starts, because it is the caller's cost.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::time::{SystemTime, UNIX_EPOCH};

/// The pair that the benchmark's server is started with.
pub const KEY: (&str, &str) = ("AKIABENCH", "a-secret-of-the-benchmark");
const REGION: &str = "us-east-1";

/// A whole HTTP/1.1 request, signed now: good for five minutes. A query is of one plain pair.
pub fn request(method: &str, host: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let (date, time) = now();
    let scope = format!("{date}/{REGION}/lambda/aws4_request");
    let signed = "host;x-amz-date";
    let (bare, query) = path.split_once('?').unwrap_or((path, ""));
    let canonical = format!("{method}\n{bare}\n{query}\nhost:{host}\nx-amz-date:{time}\n\n{signed}\n{}", digest(body));
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", digest(canonical.as_bytes()));
    let mut key = format!("AWS4{}", KEY.1).into_bytes();
    for part in [date.as_str(), REGION, "lambda", "aws4_request", text.as_str()] {
        key = keyed(&key, part.as_bytes());
    }
    let signature = hex(&key);
    let mut whole = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nX-Amz-Date: {time}\r\nContent-Type: application/json\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={signature}\r\n\
         Content-Length: {}\r\n\r\n",
        KEY.0,
        body.len()
    )
    .into_bytes();
    whole.extend_from_slice(body);
    whole
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn keyed(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    // A key of any length is taken: the error has no way to happen.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(bytes);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `YYYYMMDD` and `YYYYMMDDThhmmssZ`. Source of the calendar: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn now() -> (String, String) {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) =
        (day_of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let date = format!("{:04}{month:02}{day:02}", year_of_era + era * 400 + u64::from(month <= 2));
    let time = format!("{date}T{:02}{:02}{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60);
    (date, time)
}
