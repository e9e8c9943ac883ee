//! `kill -9` loses no record that was acknowledged.

#![allow(clippy::unwrap_used)]

use lacewing_ledger::{Ledger, LedgerOptions, UsageOutcome, UsageQuery, UsageRecord, billed_ms};
use lacewing_model::{Architecture, EphemeralMib, MemoryMib, RequestId, SystemClock, Timestamp, VersionNumber};
use lacewing_sandbox::{PhaseTimes, Rung};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Names the folder to the child, which is this same program.
const CHILD: &str = "LEDGER_TEST_CHILD_DIR";

fn ledger(dir: &Path) -> Ledger {
    let mut options = LedgerOptions::new(dir.to_owned(), Arc::new(SystemClock));
    // Small files, so that the end also meets the moment of changing them.
    options.usage.segment_bytes_max = 20_000;
    options.usage.sums_every_bytes = 3_000;
    Ledger::open(options).unwrap()
}

fn record() -> UsageRecord {
    let duration = Duration::from_micros(1_500);
    UsageRecord {
        account: "123456789012".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
        function: "hello".parse().unwrap(),
        version: VersionNumber::Latest,
        request_id: RequestId::random(),
        attempt: 1,
        rung: Rung::Warm,
        init: None,
        duration,
        billed_ms: billed_ms(None, duration),
        memory: MemoryMib::default(),
        ephemeral: EphemeralMib::default(),
        architecture: Architecture::X86,
        memory_peak_bytes: 1,
        cpu: Duration::from_micros(900),
        bytes_in: 1,
        bytes_out: 1,
        streamed_bytes: 0,
        outcome: UsageOutcome::Success,
        phases: PhaseTimes::default(),
        ended: Timestamp(1),
        sandbox: None,
        share: None,
        tenant: None,
    }
}

#[test]
#[ignore = "the child of the test below, of no use alone"]
fn child() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let ledger = ledger(Path::new(&dir));
    let mut out = std::io::stdout().lock();
    loop {
        let record = record();
        ledger.record(&record).unwrap();
        writeln!(out, "acknowledged {}", record.request_id).unwrap();
    }
}

#[test]
fn no_acknowledged_record_is_lost_however_often_the_server_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--include-ignored"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut heard = 0;
        let mut last = String::new();
        while heard < 300 + round * 70 {
            last = lines.next().unwrap().unwrap();
            heard += u64::from(last.contains("acknowledged"));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What the pipe still holds was acknowledged, too; a torn last line was not heard in full.
        heard += lines
            .map_while(Result::ok)
            .filter(|line| line.len() == last.len() && line.contains("acknowledged"))
            .count() as u64;
        acknowledged += heard;

        let ledger = ledger(dir.path());
        let query = UsageQuery {
            account: "123456789012".parse().unwrap(),
            region: None,
            function: None,
            from: Timestamp(0),
            to: Timestamp(2),
        };
        let kept = ledger.usage(&query).unwrap()[0].sums.requests;
        assert_eq!(ledger.recount_usage(&query).unwrap()[0].sums.requests, kept);
        // The last record may have been kept without a chance to say so.
        assert!((acknowledged..=acknowledged + 2).contains(&kept), "round {round}: {acknowledged} heard, {kept} kept");
        acknowledged = kept;
    }
}
