//! The lines that the platform writes into a function's log. Source: CloudWatch logs of Lambda functions.

use lacewing_ledger::{UsageOutcome, billed_ms};
use lacewing_model::{LogFormat, LogLevel, MemoryMib, RequestId, SandboxId, TenantId, Timestamp, Version};
use lacewing_pool::Story;
use lacewing_sandbox::{Ending, FunctionError, InitEnding, InitReport, Outcome, Rung, StartPhases, platform_line};
use serde_json::json;
use std::fmt::Write;
use std::time::Duration;

/// Everything that the lines of one finished invocation speak of.
pub(crate) struct Account<'a> {
    pub(crate) request_id: RequestId,
    pub(crate) version: &'a Version,
    pub(crate) outcome: &'a Outcome,
    /// The INIT that this call pays for.
    pub(crate) init: Option<Duration>,
    pub(crate) story: Option<&'a Story>,
    pub(crate) queued: Duration,
    /// What of the answer was streamed.
    pub(crate) streamed_bytes: u64,
    pub(crate) sandbox: Option<SandboxId>,
    /// Adds how the start went, which AWS's line has no field for.
    pub(crate) start_phases: bool,
    pub(crate) tenant: Option<&'a TenantId>,
    pub(crate) now: Timestamp,
}

/// `INIT_START`, when a sandbox begins; `initialization` is what the function finds as its initialization type.
pub(crate) fn init_start(version: &Version, initialization: &str, now: Timestamp) -> Option<String> {
    // The line is of a runtime's version, which an image has not.
    if version.config.image.is_some() {
        return None;
    }
    let runtime = &version.config.runtime;
    let arn = runtime.version_arn(&version.region);
    event(version, LogLevel::Info, now, "platform.initStart", || {
        let record = json!({
            "initializationType": initialization, "phase": "init", "runtimeVersion": runtime.version_name(),
            "runtimeVersionArn": arn, "functionName": version.name.as_str(),
            "functionVersion": version.number.to_string(),
        });
        (record, format!("INIT_START Runtime Version: {}\tRuntime Version ARN: {arn}", runtime.version_name()))
    })
}

/// `RESTORE_START`, when a sandbox begins from a snapshot.
pub(crate) fn restore_start(version: &Version, now: Timestamp) -> Option<String> {
    let runtime = &version.config.runtime;
    let arn = runtime.version_arn(&version.region);
    event(version, LogLevel::Info, now, "platform.restoreStart", || {
        let record = json!({
            "runtimeVersion": runtime.version_name(), "runtimeVersionArn": arn,
            "functionName": version.name.as_str(), "functionVersion": version.number.to_string(),
        });
        (record, format!("RESTORE_START Runtime Version: {}\tRuntime Version ARN: {arn}", runtime.version_name()))
    })
}

/// `RESTORE_REPORT`, of every restore.
pub(crate) fn restore_report(version: &Version, restore: &InitReport, now: Timestamp) -> Option<String> {
    let (status, kind) = match &restore.ending {
        InitEnding::Ready => ("success", None),
        InitEnding::TimedOut => ("timeout", None),
        InitEnding::Failed(error) => ("error", Some(error.kind.as_str())),
    };
    let level = if status == "success" { LogLevel::Info } else { LogLevel::Warn };
    event(version, level, now, "platform.restoreReport", || {
        let mut text = format!("RESTORE_REPORT Restore Duration: {}", ms(restore.duration));
        if status != "success" {
            let _ = write!(text, "\tStatus: {status}");
        }
        if let Some(kind) = kind {
            let _ = write!(text, "\tError Type: {kind}");
        }
        let mut record = json!({"status": status, "metrics": {"durationMs": number(restore.duration)}});
        if let Some(kind) = kind {
            record["errorType"] = kind.into();
        }
        (record, text)
    })
}

/// `INIT_REPORT`, for an INIT that did not end well.
pub(crate) fn init_report(version: &Version, init: &InitReport, phase: &str, now: Timestamp) -> Option<String> {
    let (status, kind) = match &init.ending {
        InitEnding::Ready => return None,
        InitEnding::TimedOut => ("timeout", None),
        InitEnding::Failed(error) => ("error", Some(error.kind.as_str())),
    };
    event(version, LogLevel::Warn, now, "platform.initReport", || {
        let mut text = format!("INIT_REPORT Init Duration: {}\tPhase: {phase}\tStatus: {status}", ms(init.duration));
        if let Some(kind) = kind {
            let _ = write!(text, "\tError Type: {kind}");
        }
        let record = json!({
            "initializationType": "on-demand", "phase": phase, "status": status, "errorType": kind,
            "metrics": {"durationMs": number(init.duration)},
        });
        (record, text)
    })
}

/// `START`.
pub(crate) fn start(
    version: &Version,
    request_id: RequestId,
    tenant: Option<&TenantId>,
    now: Timestamp,
) -> Option<String> {
    event(version, LogLevel::Info, now, "platform.start", || {
        let mut record = json!({"requestId": request_id.to_string(), "version": version.number.to_string()});
        with_tenant(&mut record, tenant);
        (record, format!("START RequestId: {request_id} Version: {}", version.number))
    })
}

/// `END`; JSON logs have `platform.runtimeDone` in its place, at level DEBUG unless something went wrong.
pub(crate) fn end(account: &Account<'_>) -> Option<String> {
    let (status, kind) = status(account.outcome);
    let level = if status == "success" { LogLevel::Debug } else { LogLevel::Warn };
    let text_level = LogLevel::Fatal; // text logs have no levels
    let level = if account.version.config.logging.format == LogFormat::Json { level } else { text_level };
    event(account.version, level, account.now, "platform.runtimeDone", || {
        let mut record = json!({
            "requestId": account.request_id.to_string(), "status": status, "errorType": kind,
            "metrics": {"durationMs": number(account.outcome.duration), "producedBytes": produced(account)},
        });
        with_tenant(&mut record, account.tenant);
        (record, format!("END RequestId: {}", account.request_id))
    })
}

/// `REPORT`.
pub(crate) fn report(account: &Account<'_>) -> Option<String> {
    let (status, kind) = status(account.outcome);
    let level = if status == "success" { LogLevel::Info } else { LogLevel::Warn };
    event(account.version, level, account.now, "platform.report", || report_forms(account, status, kind))
}

/// The same as a record, for telemetry.
pub(crate) fn report_record(account: &Account<'_>) -> serde_json::Value {
    let (status, kind) = status(account.outcome);
    let mut record = report_forms(account, status, kind).0;
    if let Some(metrics) = record["metrics"].as_object_mut() {
        // AWS's record has no such field.
        metrics.remove("start");
    }
    record
}

fn report_forms(account: &Account<'_>, status: &str, kind: Option<&str>) -> (serde_json::Value, String) {
    let Account { outcome, version, .. } = account;
    let billed = billed_ms(account.init, outcome.duration);
    let memory = version.config.memory;
    let used = peak_mib(outcome.memory_peak_bytes, memory);
    let mut text = format!(
        "REPORT RequestId: {}\tDuration: {}\tBilled Duration: {billed} ms\tMemory Size: {} MB\tMax Memory Used: {used} MB\t",
        account.request_id,
        ms(outcome.duration),
        memory.get(),
    );
    let mut metrics = json!({
        "durationMs": number(outcome.duration), "billedDurationMs": billed, "memorySizeMB": memory.get(),
        "maxMemoryUsedMB": used,
    });
    let restored = account.story.filter(|story| story.rung == Rung::Snapshot && outcome.init.is_none());
    if let (Some(init), Some(story)) = (account.init, restored) {
        let billed = billed_ms(Some(init), Duration::ZERO);
        let _ = write!(text, "Restore Duration: {}\tBilled Restore Duration: {billed} ms\t", ms(story.init.duration));
        metrics["restoreDurationMs"] = number(story.init.duration);
        metrics["billedRestoreDurationMs"] = billed.into();
    } else if let Some(init) = account.init {
        let _ = write!(text, "Init Duration: {}\t", ms(init));
        metrics["initDurationMs"] = number(init);
    }
    if let (true, Some(story)) = (account.start_phases, account.story) {
        text.push_str(&start_text(story, account.queued));
        metrics["start"] = start_record(story, account.queued);
    }
    match (&outcome.ending, kind) {
        (Ending::Failed(FunctionError { timed_out: true, .. }), _) => text.push_str("Status: timeout"),
        (Ending::Failed(FunctionError { by_platform: true, .. }), Some(kind)) => {
            let _ = write!(text, "Status: error\tError Type: {kind}");
        }
        _ => {}
    }
    let mut record = json!({
        "requestId": account.request_id.to_string(), "status": status, "metrics": metrics,
    });
    if let Some(kind) = kind {
        record["errorType"] = kind.into();
    }
    with_tenant(&mut record, account.tenant);
    (record, text)
}

/// Records name the tenant, lines of text do not. Source: Lambda documentation, "Monitoring Lambda functions with
/// tenant isolation".
fn with_tenant(record: &mut serde_json::Value, tenant: Option<&TenantId>) {
    if let Some(tenant) = tenant {
        record["tenantId"] = tenant.as_str().into();
    }
}

/// How the start went that this call waited for. `place` is what of its wait was not the start itself.
fn start_text(story: &Story, queued: Duration) -> String {
    let mut text = format!("Start: {} (queue {}", story.rung.as_str(), ms(queued));
    for (name, took) in start_phases(story, queued) {
        let _ = write!(text, ", {name} {}", ms(took));
    }
    match &story.missed {
        Some(missed) => text.push_str(&format!("; {missed})\t")),
        None => text.push_str(")\t"),
    }
    text
}

fn start_record(story: &Story, queued: Duration) -> serde_json::Value {
    let mut record = json!({"rung": story.rung.as_str(), "queueMs": number(queued)});
    for (name, took) in start_phases(story, queued) {
        record[format!("{name}Ms")] = number(took);
    }
    if let Some(missed) = &story.missed {
        record["missed"] = missed.to_string().into();
    }
    record
}

fn start_phases(story: &Story, queued: Duration) -> [(&'static str, Duration); 5] {
    let phases = &story.phases;
    let place = queued.saturating_sub(phases.total());
    let StartPhases { sandbox, mount, boot, init } = *phases;
    [("place", place), ("sandbox", sandbox), ("mount", mount), ("boot", boot), ("init", init)]
}

/// How an outcome stands in the books.
pub(crate) fn usage_outcome(outcome: &Outcome) -> UsageOutcome {
    match &outcome.ending {
        Ending::Answer(_) => UsageOutcome::Success,
        Ending::Failed(error) if error.timed_out => UsageOutcome::Timeout,
        Ending::Failed(error) if error.kind == "Runtime.OutOfMemory" => UsageOutcome::OutOfMemory,
        Ending::Failed(error) if error.by_platform => UsageOutcome::Crash,
        Ending::Failed(_) => UsageOutcome::FunctionError,
    }
}

/// The size of what the caller gets.
pub(crate) fn produced(account: &Account<'_>) -> u64 {
    let whole = match &account.outcome.ending {
        Ending::Answer(bytes) => bytes.len(),
        Ending::Failed(error) => error.payload.len(),
    };
    account.streamed_bytes + whole as u64
}

fn status(outcome: &Outcome) -> (&'static str, Option<&str>) {
    match &outcome.ending {
        Ending::Answer(_) => ("success", None),
        Ending::Failed(error) if error.timed_out => ("timeout", None),
        Ending::Failed(error) if error.by_platform => ("failure", Some(&error.kind)),
        Ending::Failed(error) => ("error", Some(&error.kind)),
    }
}

/// The form that the function's log format asks for; `None` where its system level hides the event.
fn event(
    version: &Version,
    level: LogLevel,
    now: Timestamp,
    kind: &str,
    forms: impl FnOnce() -> (serde_json::Value, String),
) -> Option<String> {
    platform_line(&version.config.logging, level, now, kind, forms)
}

/// Whole mebibytes, rounded up: at least 1, at most what the function was given.
fn peak_mib(bytes: u64, given: MemoryMib) -> u64 {
    bytes.div_ceil(1 << 20).clamp(1, u64::from(given.get()))
}

fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1_000.0)
}

/// Milliseconds with three decimals, as telemetry has them.
fn number(duration: Duration) -> serde_json::Value {
    ((duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use lacewing_model::LoggingConfig;
    use lacewing_pool::{Place, Purpose};
    use lacewing_sandbox::{Missed, Rung};
    use lacewing_testkit::version_named;
    use std::sync::Arc;

    fn outcome(ending: Ending, duration: f64) -> Outcome {
        Outcome {
            ending,
            duration: Duration::from_secs_f64(duration / 1_000.0),
            init: None,
            memory_peak_bytes: 30 << 20,
            cpu: Duration::ZERO,
            after_runtime: Duration::ZERO,
            share: None,
            usable: true,
            unfinished: false,
        }
    }

    fn failed(kind: &str, by_platform: bool, timed_out: bool) -> Ending {
        Ending::Failed(FunctionError { kind: kind.into(), payload: Bytes::new(), by_platform, timed_out })
    }

    fn account<'a>(version: &'a Version, outcome: &'a Outcome, init: Option<Duration>) -> Account<'a> {
        let request_id = "4ca9f4f8-4f42-4b0f-9ad1-77a2a0a4b9a6".parse().unwrap();
        let now = Timestamp(1_795_000_000_123);
        Account {
            request_id,
            version,
            outcome,
            init,
            story: None,
            queued: Duration::ZERO,
            streamed_bytes: 0,
            sandbox: None,
            start_phases: false,
            tenant: None,
            now,
        }
    }

    #[test]
    fn reports_have_the_fields_of_their_ending() {
        let version = version_named("f");
        let id = "REPORT RequestId: 4ca9f4f8-4f42-4b0f-9ad1-77a2a0a4b9a6\t";
        let memory = "Memory Size: 128 MB\tMax Memory Used: 30 MB\t";
        for (ending, duration, init, want) in [
            (
                Ending::Answer(Bytes::new()),
                1.23,
                Some(80.0),
                "Duration: 1.23 ms\tBilled Duration: 82 ms\t{m}Init Duration: 80.00 ms\t",
            ),
            (failed("ValueError", false, false), 1.0, None, "Duration: 1.00 ms\tBilled Duration: 1 ms\t{m}"),
            (
                failed("Sandbox.Timedout", true, true),
                3_000.0,
                None,
                "Duration: 3000.00 ms\tBilled Duration: 3000 ms\t{m}Status: timeout",
            ),
            (
                failed("Runtime.ExitError", true, false),
                9.5,
                None,
                "Duration: 9.50 ms\tBilled Duration: 10 ms\t{m}Status: error\tError Type: Runtime.ExitError",
            ),
        ] {
            let outcome = outcome(ending, duration);
            let init = init.map(|ms: f64| Duration::from_secs_f64(ms / 1_000.0));
            let got = report(&account(&version, &outcome, init)).unwrap();
            assert_eq!(got, format!("{id}{}", want.replace("{m}", memory)));
        }
    }

    #[test]
    fn a_start_is_told_with_its_phases_and_what_it_missed() {
        let ms = Duration::from_millis;
        let story = Story {
            place: Place(1),
            purpose: Purpose::Call,
            rung: Rung::Full,
            missed: Some(Missed::NonePrepared),
            phases: StartPhases { sandbox: ms(2), mount: ms(1), boot: ms(20), init: ms(5) },
            init: InitReport { duration: ms(25), ending: InitEnding::Ready },
        };
        assert_eq!(
            start_text(&story, ms(30)),
            "Start: full (queue 30.00 ms, place 2.00 ms, sandbox 2.00 ms, mount 1.00 ms, boot 20.00 ms, init 5.00 ms; \
             none of its kind was prepared)\t"
        );
        assert_eq!(start_record(&story, ms(30))["bootMs"], 20.0);
    }

    #[test]
    fn json_logs_bear_events_and_keep_to_their_level() {
        let mut version = version_named("f");
        let logging = LoggingConfig { format: LogFormat::Json, ..version.config.logging.clone() };
        Arc::make_mut(&mut version.config).logging = logging;
        let outcome = outcome(Ending::Answer(Bytes::from_static(b"null")), 1.5);
        let account = account(&version, &outcome, None);
        assert_eq!(end(&account), None, "runtimeDone is DEBUG");
        assert_eq!(
            report(&account).unwrap(),
            r#"{"record":{"metrics":{"billedDurationMs":2,"durationMs":1.5,"maxMemoryUsedMB":30,"memorySizeMB":128},"requestId":"4ca9f4f8-4f42-4b0f-9ad1-77a2a0a4b9a6","status":"success"},"time":"2026-11-18T11:06:40.123Z","type":"platform.report"}"#
        );
        Arc::make_mut(&mut version.config).logging.system_level = Some(LogLevel::Warn);
        assert_eq!(start(&version, RequestId::random(), None, Timestamp(0)), None);
    }

    #[test]
    fn records_name_the_tenant_and_text_does_not() {
        let mut version = version_named("f");
        let (tenant, id): (TenantId, RequestId) = ("Blue Tenant".parse().unwrap(), RequestId::random());
        let line = start(&version, id, Some(&tenant), Timestamp(0)).unwrap();
        assert_eq!(line, format!("START RequestId: {id} Version: $LATEST"));
        let logging = LoggingConfig {
            format: LogFormat::Json,
            system_level: Some(LogLevel::Debug),
            ..version.config.logging.clone()
        };
        Arc::make_mut(&mut version.config).logging = logging;
        let outcome = outcome(Ending::Answer(Bytes::from_static(b"null")), 1.5);
        let account = Account { tenant: Some(&tenant), ..account(&version, &outcome, None) };
        for line in [start(&version, id, Some(&tenant), Timestamp(0)), end(&account), report(&account)] {
            let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            assert_eq!(line["record"]["tenantId"], "Blue Tenant", "{line}");
        }
        assert_eq!(report_record(&account)["tenantId"], "Blue Tenant");
    }

    #[test]
    fn a_failed_init_is_reported_and_a_good_one_is_not() {
        let version = version_named("f");
        let init = InitReport { duration: Duration::from_secs(10), ending: InitEnding::TimedOut };
        let line = init_report(&version, &init, "init", Timestamp(0)).unwrap();
        assert_eq!(line, "INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout");
        let fine = InitReport { ending: InitEnding::Ready, ..init };
        assert_eq!(init_report(&version, &fine, "init", Timestamp(0)), None);
    }
}
