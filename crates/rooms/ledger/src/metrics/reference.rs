//! `docs/reference/metrics.md` is what the code has.
#![allow(clippy::unwrap_used)]

use super::Metrics;
use crate::{Moment, UsageOutcome};
use lacewing_model::Language;
use lacewing_sandbox::{InitEnding, InitReport, Rung, StartPhases};
use lacewing_testkit::version_named;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// Every family once, with the labels of one metric.
fn reference() -> String {
    let metrics = Metrics::new().unwrap();
    let version = version_named("f");
    metrics.function(&version).ended(UsageOutcome::Success, Duration::ZERO);
    metrics.throttled(&version, "ConcurrentInvocationLimitExceeded");
    metrics.failed("stopping");
    let init = InitReport { duration: Duration::ZERO, ending: InitEnding::Ready };
    metrics.started(Language::Provided, Rung::Full, &StartPhases::default(), &init);
    metrics.operation("Invoke").count(200);
    let _ = metrics.expose(&Moment { sandboxes: vec![("idle", 0)], memory_used_bytes: Some(0), ..Moment::default() });
    let mut table = "| name | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for family in metrics.registry.gather() {
        let kind = format!("{:?}", family.get_field_type()).to_lowercase();
        let labels = family.get_metric()[0].get_label().iter().map(|label| format!("`{}`", label.name()));
        let labels = labels.collect::<Vec<_>>().join(", ");
        writeln!(table, "| `{}` | {kind} | {labels} | {} |", family.name(), family.help()).unwrap();
    }
    table
}

#[test]
fn the_reference_lists_what_the_code_has() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/reference/metrics.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (text, listed) = page.split_at(page.find("| name |").unwrap_or(page.len()));
    let now = reference();
    if listed != now && std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, format!("{text}{now}")).unwrap();
        return;
    }
    assert_eq!(listed, now, "renew it: UPDATE_REFERENCE=1 cargo test -p lacewing-ledger reference");
}
