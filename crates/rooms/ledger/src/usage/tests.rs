//! The books as a whole: recorded, closed, summed, counted again.

#![allow(clippy::unwrap_used)]

use super::books::{numbers, path};
use super::file::SUMS;
use super::record::tests::record;
use super::*;
use crate::{LedgerOptions, UsageOptions};
use lacewing_model::{Architecture, ManualClock, MemoryMib};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

fn open(dir: &std::path::Path, options: UsageOptions) -> Usage {
    let ledger = LedgerOptions::new(dir.to_owned(), Arc::new(ManualClock::default()));
    Usage::open(&LedgerOptions { usage: options, ..ledger }, crate::Metrics::new().unwrap().volumes.usage).unwrap()
}

fn query(from: u64, to: u64) -> UsageQuery {
    UsageQuery {
        account: "123456789012".parse().unwrap(),
        region: None,
        function: None,
        from: Timestamp(from),
        to: Timestamp(to),
    }
}

/// Files so small that each holds a few records.
fn small() -> UsageOptions {
    UsageOptions { segment_bytes_max: 1_000, ..UsageOptions::default() }
}

#[test]
fn records_are_summed_over_closed_and_open_files_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let usage = open(dir.path(), small());
    for number in 0..50 {
        usage.record(&record(if number % 2 == 0 { "a" } else { "b" }, number * HOUR_MS / 10)).unwrap();
    }
    assert!(numbers(&usage.dir).unwrap().len() > 5);
    let all = usage.sum(&query(0, u64::MAX)).unwrap();
    assert_eq!(
        all.iter().map(|row| (row.key.function.as_str(), row.sums.requests)).collect::<Vec<_>>(),
        [("a", 25), ("b", 25)]
    );
    assert_eq!(all[0].sums.memory_mib_ms, 25 * 128 * 1_000);
    assert_eq!(usage.recount(&query(0, u64::MAX)).unwrap(), all);
    drop(usage);
    let usage = open(dir.path(), small());
    assert_eq!(usage.sum(&query(0, u64::MAX)).unwrap(), all);
    usage.record(&record("a", 1)).unwrap();
    assert_eq!(usage.sum(&query(0, u64::MAX)).unwrap()[0].sums.requests, 26);
}

#[test]
fn a_second_record_of_an_attempt_changes_nothing_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let usage = open(dir.path(), UsageOptions::default());
    let first = record("a", 1);
    usage.record(&first).unwrap();
    usage.record(&first).unwrap();
    drop(usage);
    let usage = open(dir.path(), UsageOptions::default());
    usage.record(&first).unwrap();
    assert_eq!(usage.sum(&query(0, 2)).unwrap()[0].sums.requests, 1);
    usage.record(&UsageRecord { attempt: 2, ..first }).unwrap();
    assert_eq!(usage.sum(&query(0, 2)).unwrap()[0].sums.requests, 2, "a retry is billed");
    let remembered = usage.lock().recent.len();
    assert_eq!(remembered, 2);
}

#[test]
fn a_record_is_found_by_its_request_in_the_file_before_too() {
    let dir = tempfile::tempdir().unwrap();
    let usage = open(dir.path(), small());
    let all: Vec<UsageRecord> = (0..20).map(|number| record("a", number)).collect();
    all.iter().for_each(|one| usage.record(one).unwrap());
    let find = |wanted: &UsageRecord| usage.find(|record| record.request_id == wanted.request_id).unwrap();
    let reached = all.iter().rev().take_while(|one| find(one).as_ref() == Some(one)).count();
    assert!((6..20).contains(&reached), "{reached} of 20, in two files of about five");
    assert_eq!(find(&record("a", 1)), None);
}

#[test]
fn remembered_ids_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let usage = open(dir.path(), UsageOptions { recent_ids_max: 3, ..UsageOptions::default() });
    for _ in 0..10 {
        usage.record(&record("a", 1)).unwrap();
    }
    assert_eq!(usage.lock().recent.len(), 3);
}

#[test]
fn queries_choose_account_region_and_function() {
    let dir = tempfile::tempdir().unwrap();
    let usage = open(dir.path(), small());
    let base = record("a", 1);
    for other in [
        base.clone(),
        UsageRecord { account: "999999999999".parse().unwrap(), ..record("a", 1) },
        UsageRecord { region: "eu-west-1".parse().unwrap(), ..record("a", 1) },
        UsageRecord { architecture: Architecture::Arm, ..record("a", 1) },
        record("b", 1),
    ] {
        usage.record(&other).unwrap();
    }
    let rows = |query: &UsageQuery| {
        let rows = usage.sum(query).unwrap();
        assert_eq!(usage.recount(query).unwrap(), rows);
        rows.len()
    };
    let all = query(0, 10);
    assert_eq!(rows(&all), 4, "never another account's");
    assert_eq!(rows(&UsageQuery { region: Some(base.region.clone()), ..all.clone() }), 3);
    assert_eq!(rows(&UsageQuery { function: Some(base.function.clone()), ..all.clone() }), 3);
    assert_eq!(rows(&query(2, 10)), 0);
}

#[test]
fn sums_that_are_missing_or_unsound_are_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let usage = open(dir.path(), small());
    for number in 0..20 {
        usage.record(&record("a", number)).unwrap();
    }
    let all = usage.sum(&query(0, HOUR_MS)).unwrap();
    std::fs::remove_file(path(&usage.dir, 1, SUMS)).unwrap();
    std::fs::write(path(&usage.dir, 2, SUMS), "nonsense").unwrap();
    assert_eq!(usage.sum(&query(0, HOUR_MS)).unwrap(), all);
    assert!(hours::read(&path(&usage.dir, 1, SUMS)).is_some());
}

#[test]
fn a_start_reads_only_what_the_newest_sums_do_not_cover() {
    let dir = tempfile::tempdir().unwrap();
    let options = UsageOptions { sums_every_bytes: 1_000, ..UsageOptions::default() };
    let usage = open(dir.path(), options.clone());
    for number in 0..30 {
        usage.record(&record("a", number)).unwrap();
    }
    drop(usage);
    let (covered, _) = hours::read(&path(&dir.path().join("usage"), 1, SUMS)).unwrap();
    let usage = open(dir.path(), options);
    let read = usage.lock().recent.len();
    assert!(covered > 3_000 && (1..10).contains(&read), "{covered} bytes covered, {read} records read");
    assert_eq!(usage.sum(&query(0, HOUR_MS)).unwrap()[0].sums.requests, 30);
    assert_eq!(usage.recount(&query(0, HOUR_MS)).unwrap(), usage.sum(&query(0, HOUR_MS)).unwrap());
}

#[test]
fn old_records_go_and_their_hours_stay() {
    let dir = tempfile::tempdir().unwrap();
    let usage = open(dir.path(), UsageOptions { records_bytes_max: 3_000, ..small() });
    for number in 0..100 {
        usage.record(&record("a", number)).unwrap();
    }
    assert!(numbers(&usage.dir).unwrap().len() < 6);
    assert_eq!(usage.sum(&query(0, HOUR_MS)).unwrap()[0].sums.requests, 100);
}

#[test]
fn a_file_is_closed_when_it_spans_many_hours() {
    let dir = tempfile::tempdir().unwrap();
    let usage = open(dir.path(), UsageOptions { open_rows_max: 4, ..UsageOptions::default() });
    for hour in 0..10 {
        usage.record(&record("a", hour * HOUR_MS)).unwrap();
    }
    assert_eq!(numbers(&usage.dir).unwrap(), [1, 2, 3]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn hourly_sums_and_single_records_agree_on_every_range(
        calls in prop::collection::vec((0..3_u8, 0..20 * HOUR_MS, 1..900_000_u64, 128..10_240_u32, 0..1_000_000_000_u64), 1..60),
        ranges in prop::collection::vec((0..21 * HOUR_MS, 0..21 * HOUR_MS), 1..8),
        aligned in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let usage = open(dir.path(), UsageOptions { open_rows_max: 7, ..small() });
        let mut records = Vec::new();
        for (function, ended, billed_ms, memory, peak) in calls {
            let record = UsageRecord {
                billed_ms,
                memory: MemoryMib::new(memory).unwrap(),
                memory_peak_bytes: peak,
                cpu: Duration::from_nanos(peak),
                ..record(["a", "b", "c"][usize::from(function)], ended)
            };
            usage.record(&record).unwrap();
            records.push(record);
        }
        for (from, to) in ranges {
            let round = |time: u64| if aligned { time / HOUR_MS * HOUR_MS } else { time };
            let query = query(round(from), round(to));
            let sums = usage.sum(&query).unwrap();
            prop_assert_eq!(&usage.recount(&query).unwrap(), &sums);
            let inside = records.iter().filter(|record| query.from <= record.ended && record.ended < query.to);
            let want: u128 = inside.map(|record| u128::from(record.memory.get()) * u128::from(record.billed_ms)).sum();
            prop_assert_eq!(sums.iter().map(|row| row.sums.memory_mib_ms).sum::<u128>(), want);
        }
    }
}
