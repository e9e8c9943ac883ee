//! Traces read from files as they are published, cut short; and what is said of broken ones.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::workload::{Call, MINUTE_US, Trigger};
use std::time::Duration;
use tempfile::TempDir;

const UNPUBLISHED: Unpublished = Unpublished { init_median: Duration::from_millis(100) };

fn folder_of(files: &[(&str, String)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn opened(dir: &TempDir) -> Result<Box<dyn Source>, TraceError> {
    open(&[dir.path().to_owned()], 1, &UNPUBLISHED)
}

fn refused(files: &[(&str, String)]) -> String {
    let dir = folder_of(files);
    let error = opened(&dir).and_then(|mut source| source.minute(0, &mut Vec::new())).unwrap_err();
    assert!(!error.hint().is_empty());
    error.to_string().replace(&format!("{}/", dir.path().display()), "")
}

/// A day's file: one row with `counts` from minute 1 on, then zeros.
fn day(rows: &[(&str, &str)]) -> String {
    let minutes: Vec<String> = (1..=1_440).map(|minute| minute.to_string()).collect();
    let mut text = format!("HashOwner,HashApp,HashFunction,Trigger,{}\n", minutes.join(","));
    for (key, counts) in rows {
        let given = counts.split(',').count();
        text.push_str(&format!("{key},{counts}{}\n", ",0".repeat(1_440 - given)));
    }
    text
}

fn durations() -> String {
    let names = "Average,Count,Minimum,Maximum,percentile_Average_0,percentile_Average_1,percentile_Average_25,\
                 percentile_Average_50,percentile_Average_75,percentile_Average_99,percentile_Average_100";
    format!("HashOwner,HashApp,HashFunction,{names}\no1,a1,f1,5,2,5,5,5,5,5,5,5,5,5\n")
}

fn memories() -> String {
    "HashOwner,HashApp,SampleCount,AverageAllocatedMb,AverageAllocatedMb_pct1,AverageAllocatedMb_pct100\n\
     o1,a1,3,150,140,199.2\n"
        .to_owned()
}

#[test]
fn the_2019_trace_is_joined_by_owner_app_and_function() {
    let dir = folder_of(&[
        ("invocations_per_function_md.anon.d01.csv", day(&[("o1,a1,f1,http", "2,0,1"), ("o1,a2,f1,timer", "0,4")])),
        ("invocations_per_function_md.anon.d02.csv", day(&[("o2,a3,f9,queue", "7"), ("o1,a1,f1,http", "1")])),
        ("function_durations_percentiles.anon.d01.csv", durations()),
        ("app_memory_percentiles.anon.d01.csv", memories()),
        ("README.md", "no part of the trace".to_owned()),
    ]);
    let mut source = opened(&dir).unwrap();
    let triggers: Vec<_> = source.functions().iter().map(|function| function.trigger).collect();
    assert_eq!(triggers, [Trigger::Http, Trigger::Timer, Trigger::Queue]);
    let memory: Vec<_> = source.functions().iter().map(|function| function.memory.get()).collect();
    assert_eq!(memory, [200, 170, 170]);
    let owners: Vec<_> = source.functions().iter().map(|function| function.owner).collect();
    assert_eq!((owners, source.minutes()), (vec![0, 0, 1], 2_880));
    let mut all = Vec::new();
    for minute in 0..source.minutes() {
        let mut calls = Vec::new();
        source.minute(minute, &mut calls).unwrap();
        all.extend(calls.into_iter().map(|call| (minute, call)));
    }
    let count = |minute, function| all.iter().filter(|(at, call)| (*at, call.function) == (minute, function)).count();
    assert_eq!([count(0, 0), count(1, 1), count(2, 0), count(1_440, 2), count(1_440, 0)], [2, 4, 1, 7, 1]);
    assert_eq!(all.len(), 15);
    assert!(all.iter().all(|(minute, call)| call.at_us / MINUTE_US == u64::from(*minute)));
    assert!(all.iter().filter(|(_, call)| call.function == 0).all(|(_, call)| call.run_us == 5_000));
    let timer: Vec<_> = all.iter().filter(|(_, call)| call.function == 1).map(|(_, call)| call.at_us).collect();
    assert!(timer.windows(2).all(|pair| pair[1] - pair[0] == 15_000_000), "{timer:?}");
}

#[test]
fn the_2021_trace_gives_each_row_at_its_arrival() {
    let rows = "app,func,end_timestamp,duration\na,f,61.5,0.5\na,g,2,1.25\nb,f,0.1,3\n";
    let mut source = opened(&folder_of(&[("trace.txt", rows.to_owned())])).unwrap();
    let mut minutes = [Vec::new(), Vec::new()];
    for (minute, calls) in (0..).zip(&mut minutes) {
        source.minute(minute, calls).unwrap();
    }
    let call = |at_us, function, run_us| Call { at_us, function, run_us };
    assert_eq!(minutes[0], [call(0, 2, 3_000_000), call(750_000, 1, 1_250_000)]);
    assert_eq!(minutes[1], [call(61_000_000, 0, 500_000)]);
    assert_eq!((source.minutes(), source.functions().len()), (2, 3));
    assert_eq!(source.functions()[2].owner, 1);
}

#[test]
fn a_broken_file_is_told_by_file_line_and_column() {
    let calls = |rows: &str| vec![("t.csv", format!("app,func,end_timestamp,duration\n{rows}"))];
    assert_eq!(
        refused(&calls("a,f,1,1\na,f,soon,1\n")),
        "t.csv: line 3, column 3 ('end_timestamp'): 'soon' is no number from 0 on"
    );
    assert_eq!(refused(&calls("a,f,1,-1\n")), "t.csv: line 2, column 4 ('duration'): '-1' is no number from 0 on");
    let torn = refused(&calls("a,f,1\n"));
    assert!(torn.starts_with("t.csv: ") && torn.contains("line: 2"), "{torn}");
    assert_eq!(
        refused(&[("d.csv", day(&[("o,a,f,http", "1,1.5")]))]),
        "d.csv: line 2, column 6 ('2'): '1.5' is no count (0 to 4294967295)"
    );
    assert_eq!(refused(&[("x.csv", "a,b\n".to_owned())]), "x.csv: line 1: the header is of no layout that is known");
    let short = durations().replace(",percentile_Average_99", "").replace("5,5,5,5,5,5\n", "5,5,5,5,5\n");
    assert_eq!(
        refused(&[("d.csv", day(&[("o,a,f,http", "1")])), ("e.csv", short)]),
        "e.csv: line 1: there is no column 'percentile_Average_99'"
    );
    let both = [("d.csv", day(&[("o,a,f,http", "1")])), calls("a,f,1,1\n").remove(0)];
    assert_eq!(refused(&both), "the files are not one trace");
    assert!(refused(&[]).contains("not one trace"));
}
