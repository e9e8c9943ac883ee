//! A file's hourly sums, kept beside it: a bill over months reads no records, and a start only the newest.

use super::fold::{Fold, FunctionKey, Sums};
use super::record::{decode_architecture, encode_architecture};
use crate::frame::{self, Put, Take};
use std::path::Path;

/// The first byte: which fields follow.
const FORMAT: u8 = 2;
/// The first one, without environments of tenants: none had been made.
const FORMAT_WITHOUT_TENANTS: u8 = 1;

/// Writes the sums of a file's first `covered` bytes, whole or not at all.
pub(crate) fn write(path: &Path, covered: u64, fold: &Fold) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let start = frame::open(&mut bytes);
    bytes.put_u8(FORMAT);
    bytes.put_u64(covered);
    bytes.put_u64(fold.rows.len() as u64);
    for ((hour, key), sums) in &fold.rows {
        bytes.put_u64(*hour);
        bytes.put_text(key.account.as_str());
        bytes.put_text(key.region.as_str());
        bytes.put_text(key.function.as_str());
        bytes.put_u8(encode_architecture(key.architecture));
        for sum in [sums.requests, sums.failed, sums.cold, sums.billed_ms, sums.bytes_in, sums.bytes_out] {
            bytes.put_u64(sum);
        }
        let Sums { memory_mib_ms, ephemeral_mib_ms, streamed_bytes, cpu_nanos, memory_used_byte_ms, .. } = *sums;
        for sum in [memory_mib_ms, ephemeral_mib_ms, streamed_bytes, cpu_nanos, memory_used_byte_ms] {
            bytes.put_u128(sum);
        }
        bytes.put_u128(sums.tenant_environments_mib);
    }
    frame::close(&mut bytes, start);
    let unfinished = path.with_extension("unfinished");
    std::fs::write(&unfinished, bytes)?;
    std::fs::rename(unfinished, path)
}

/// The sums that [`write`] left and the bytes they cover, `None` where they are absent or unsound: then the records tell.
pub(crate) fn read(path: &Path) -> Option<(u64, Fold)> {
    let bytes = std::fs::read(path).ok()?;
    let mut take = Take(frame::next(&mut &bytes[..])?);
    let format = take.u8()?;
    if ![FORMAT, FORMAT_WITHOUT_TENANTS].contains(&format) {
        return None;
    }
    let covered = take.u64()?;
    let mut fold = Fold::default();
    for _ in 0..take.u64()? {
        let hour = take.u64()?;
        let key = FunctionKey {
            account: take.text()?.parse().ok()?,
            region: take.text()?.parse().ok()?,
            function: take.text()?.parse().ok()?,
            architecture: decode_architecture(take.u8()?)?,
        };
        let sums = Sums {
            requests: take.u64()?,
            failed: take.u64()?,
            cold: take.u64()?,
            billed_ms: take.u64()?,
            bytes_in: take.u64()?,
            bytes_out: take.u64()?,
            memory_mib_ms: take.u128()?,
            ephemeral_mib_ms: take.u128()?,
            streamed_bytes: take.u128()?,
            cpu_nanos: take.u128()?,
            memory_used_byte_ms: take.u128()?,
            tenant_environments_mib: if format == FORMAT { take.u128()? } else { 0 },
        };
        fold.rows.insert((hour, key), sums);
    }
    Some((covered, fold))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    #[test]
    fn sums_come_back_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.sums");
        let mut fold = Fold::default();
        for (function, ended) in [("a", 1), ("a", 2), ("a", 3_600_000), ("b", 1)] {
            fold.add(&record(function, ended));
        }
        assert_eq!(fold.rows.len(), 3);
        write(&path, 77, &fold).unwrap();
        assert_eq!(read(&path), Some((77, fold)));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.pop();
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(read(&path), None);
    }
}
