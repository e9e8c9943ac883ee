//! Measures what the ledger costs on the path of a call: `cargo run --release -p lacewing-ledger --example ledger-costs`.

#![allow(clippy::unwrap_used)]

use lacewing_ledger::{
    FilterQuery, GroupQuery, Ledger, LedgerOptions, LogScope, UsageOutcome, UsageQuery, UsageRecord,
};
use lacewing_model::{
    AccountId, Architecture, EphemeralMib, FunctionConfig, MemoryMib, Region, RequestId, RevisionId, SandboxId,
    SystemClock, Timestamp, Version, VersionNumber,
};
use lacewing_sandbox::{LogLine, LogSink, LogSource, PhaseTimes, Rung};
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
    logs(&ledger);
}

/// What a warm invocation writes: START, one line, END and REPORT.
fn logs(ledger: &Ledger) {
    let start = Instant::now();
    let streams: Vec<_> = (0..1_000).map(|number| ledger.stream(&version(number), SandboxId::random())).collect();
    println!("a stream in a new group: {:?}", start.elapsed() / 1_000);
    let id = RequestId::random();
    let rounds = 100;
    let start = Instant::now();
    for _ in 0..rounds {
        for stream in &streams {
            stream.begin(id, false);
            stream.platform("START RequestId: 00000000-0000-0000-0000-000000000000 Version: $LATEST");
            let text = "hello from a function".to_owned();
            stream.write(LogLine {
                time: Timestamp(0),
                source: LogSource::Function,
                request_id: None,
                level: None,
                text,
            });
            stream.platform("END RequestId: 00000000-0000-0000-0000-000000000000");
            stream.platform("REPORT RequestId: 00000000-0000-0000-0000-000000000000\tDuration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\t");
            stream.end(id);
        }
    }
    println!("the four lines of an invocation: {:?}", start.elapsed() / (rounds * 1_000));
    ledger.flush();
    let scope = LogScope { account: account(), region: region() };
    let start = Instant::now();
    let query = FilterQuery { group: "/aws/lambda/f7".into(), pattern: "?hello".into(), ..FilterQuery::default() };
    let found = ledger.filter_events(&scope, &query).unwrap().events.len();
    println!("a search through one group, {found} found: {:?}", start.elapsed());
    let start = Instant::now();
    let groups = ledger.describe_groups(&scope, &GroupQuery::default()).unwrap().items.len();
    println!("{groups} of 1,000 groups described: {:?}", start.elapsed());
}

fn version(number: usize) -> Version {
    Version {
        account: account(),
        region: region(),
        name: format!("f{number}").parse().unwrap(),
        number: VersionNumber::Latest,
        config: Arc::new(FunctionConfig::new(
            &format!("f{number}").parse().unwrap(),
            "provided.al2023".parse().unwrap(),
            "h".parse().unwrap(),
            "arn:aws:iam::123456789012:role/r".parse().unwrap(),
        )),
        code_sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse().unwrap(),
        code_bytes: 1,
        revision: RevisionId::random(),
        generation: RevisionId::random(),
        last_modified: Timestamp(0),
    }
}

fn account() -> AccountId {
    "123456789012".parse().unwrap()
}

fn region() -> Region {
    "us-east-1".parse().unwrap()
}

fn record() -> UsageRecord {
    UsageRecord {
        account: account(),
        region: region(),
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
        sandbox: None,
        share: None,
        tenant: None,
    }
}
