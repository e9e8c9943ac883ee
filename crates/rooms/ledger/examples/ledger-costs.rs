//! Measures what the ledger costs on the path of a call: `cargo run --release -p lacewing-ledger --example ledger-costs`.

#![allow(clippy::unwrap_used)]

use lacewing_ledger::{Ledger, LedgerOptions, UsageOutcome, UsageQuery, UsageRecord};
use lacewing_model::{Architecture, EphemeralMib, MemoryMib, RequestId, SystemClock, Timestamp, VersionNumber};
use lacewing_sandbox::{PhaseTimes, Rung};
use std::sync::Arc;
use std::time::{Duration, Instant};

const RECORDS: usize = 200_000;

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let options = || LedgerOptions::new(dir.path().to_owned(), Arc::new(SystemClock));
    let ledger = Ledger::open(options()).unwrap();
    let mut record = record();
    let mut times: Vec<Duration> = (0..RECORDS)
        .map(|number| {
            record.request_id = RequestId::random();
            record.ended = Timestamp(number as u64 * 20);
            let start = Instant::now();
            ledger.record(&record).unwrap();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |share: f64| times[((RECORDS - 1) as f64 * share) as usize];
    println!("record: p50 {:?}, p99 {:?}, p99.9 {:?}, most {:?}", at(0.5), at(0.99), at(0.999), at(1.0));
    drop(ledger);

    let start = Instant::now();
    let ledger = Ledger::open(options()).unwrap();
    println!("open: {:?}", start.elapsed());
    let query = UsageQuery {
        account: record.account.clone(),
        region: None,
        function: None,
        from: Timestamp(0),
        to: Timestamp(u64::MAX),
    };
    let start = Instant::now();
    let rows = ledger.usage(&query).unwrap();
    println!("usage of {} records: {:?}", rows[0].sums.requests, start.elapsed());
    let start = Instant::now();
    ledger.recount_usage(&query).unwrap();
    println!("the same from single records: {:?}", start.elapsed());
}

fn record() -> UsageRecord {
    UsageRecord {
        account: "123456789012".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
        function: "hello".parse().unwrap(),
        version: VersionNumber::Latest,
        request_id: RequestId::random(),
        attempt: 1,
        rung: Rung::Warm,
        init: None,
        duration: Duration::from_micros(300),
        billed_ms: 1,
        memory: MemoryMib::default(),
        ephemeral: EphemeralMib::default(),
        architecture: Architecture::X86,
        memory_peak_bytes: 1 << 20,
        cpu: Duration::from_micros(200),
        bytes_in: 10,
        bytes_out: 10,
        streamed_bytes: 0,
        outcome: UsageOutcome::Success,
        phases: PhaseTimes::default(),
        ended: Timestamp(0),
    }
}
