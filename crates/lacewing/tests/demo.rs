//! The first thing anyone runs.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{command, text};

#[test]
fn the_demo_goes_from_nothing_to_a_bill_and_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let demo = |arguments: &[&str]| {
        let output =
            command(temporary.path()).arg("demo").args(arguments).env("TMPDIR", temporary.path()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        output.stdout
    };
    let document: Value = serde_json::from_slice(&demo(&["--json"])).unwrap();
    let functions = document["functions"].as_array().unwrap();
    assert_eq!(functions.len(), 3);
    let native = functions.iter().find(|function| function["name"] == "native").unwrap();
    assert_eq!(native["answer"]["event"]["name"], "you");
    let ran = functions.iter().filter(|function| function["skipped"].is_null()).count();
    assert_eq!(document["bill"]["requests"], 21 * ran);

    let page = text(&demo(&[]));
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    for part in ["cold", "warm", "REPORT RequestId:", "total", "lacewing serve"] {
        assert!(page.contains(part), "{part} in:\n{page}");
    }
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "the demo's data dir is gone");
}
