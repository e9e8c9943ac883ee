//! `lacewing simulate` by the real binary.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use std::process::Output;
use support::{command, file, text};

fn simulate(dir: &tempfile::TempDir, arguments: &[&str]) -> Output {
    command(dir.path()).arg("simulate").args(arguments).output().unwrap()
}

fn document(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn policies_are_compared_as_a_table_as_json_and_as_a_figure() {
    let dir = tempfile::tempdir().unwrap();
    let (svg, day) = (dir.path().join("day.svg"), ["--synthetic", "azure2019", "--functions", "50", "--hours", "1"]);
    let two = ["--policy", "fixed:600", "--policy", "fixed:60", "--svg", svg.to_str().unwrap()];
    let shown = simulate(&dir, &[&day[..], &two].concat());
    let table = text(&shown.stdout);
    assert!(shown.status.success() && table.contains("synthetic azure2019: 50 functions, 1 hours, seed 1"), "{table}");
    assert!(table.contains("fixed:600") && table.contains("cold starts") && table.contains("100 %"), "{table}");
    assert!(text(&shown.stderr).contains("decisions"), "{}", text(&shown.stderr));
    assert!(std::fs::read_to_string(&svg).unwrap().contains(">fixed:60<"));

    let first = simulate(&dir, &[&day[..], &two, &["--json"]].concat());
    let report = document(&first);
    let calls = |nth: usize| report["policies"][nth]["calls"].as_u64().unwrap();
    assert!(calls(0) > 0 && calls(0) == calls(1));
    assert_eq!(first.stdout, simulate(&dir, &[&day[..], &two, &["--json"]].concat()).stdout, "one seed, one report");
}

#[test]
fn a_trace_is_played_on_more_nodes_and_a_broken_one_is_told_by_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let good = file(&dir, "good.csv", "app,func,end_timestamp,duration\na,f,1,0.5\na,g,2,1\na,f,700,0.5\n");
    let arguments = ["--trace", good.to_str().unwrap(), "--policy", "fixed:60", "--nodes", "3", "--json"];
    let report = document(&simulate(&dir, &arguments));
    let one = &report["policies"][0];
    assert_eq!((&report["nodes"], &one["calls"], &one["cold"]), (&3.into(), &3.into(), &3.into()));

    let bad = file(&dir, "bad.csv", "app,func,end_timestamp,duration\na,f,1,0.5\na,g,x,1\n");
    let refused = simulate(&dir, &["--trace", bad.to_str().unwrap()]);
    let talk = text(&refused.stderr);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0));
    assert!(talk.contains("bad.csv: line 3, column 3 ('end_timestamp'): 'x'") && talk.contains("hint:"), "{talk}");
}
