//! `GET /_lacewing/why/…`: what the records say about one call, or about one function's last hour.

use crate::Gateway;
use crate::answer::{blocking, ok};
use crate::asked::Asked;
use crate::functions::invalid;
use crate::refusals;
use crate::reply::Reply;
use lacewing_catalog::Snapshot;
use lacewing_invoke::{Invoke, StartRecord};
use lacewing_lambda_api::{ApiError, ErrorCode, WhyDecision, WhyFunctionReply, WhyPhases, WhyRequestReply, WhyStart};
use lacewing_ledger::{Ledger, UsageRecord};
use lacewing_model::{AccountId, RequestId, Timestamp};
use lacewing_pool::{Purpose, Record, What};
use lacewing_sandbox::{Rung, StartPhases};
use percent_encoding::percent_decode_str;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

const ACTION: &str = "lacewing:GetWhy";
/// How far back the pool's records reach.
const REACH_MS: u64 = 3_600_000;

impl Gateway {
    pub(super) async fn why(&self, asked: &Asked<'_>, subject: &str) -> Result<Reply, ApiError> {
        match subject.split_once('/') {
            Some(("requests", id)) => {
                asked.permit(self, ACTION, || "*".to_owned())?;
                let id: RequestId = id.parse().map_err(|_| invalid(format!("'{id}' is no request id.")))?;
                let (ledger, invoke) = (self.inner.ledger.clone(), self.inner.invoke.clone());
                let account = asked.caller.account.clone();
                blocking(move || of_request(&ledger, &invoke, &account, id)).await
            }
            Some(("functions", name)) => {
                let name = percent_decode_str(name).decode_utf8_lossy();
                self.why_function(asked, &name)
            }
            _ => Err(invalid("Ask for /_lacewing/why/requests/REQUEST_ID or /_lacewing/why/functions/FUNCTION.")),
        }
    }

    fn why_function(&self, asked: &Asked<'_>, name: &str) -> Result<Reply, ApiError> {
        let target = self.callee(asked, name, ACTION)?;
        let runnable = self.inner.catalog.resolve(&asked.scope(), &target.name, target.qualifier.as_ref());
        let version = runnable.map_err(refusals::catalog)?.version;
        let starts = self.inner.invoke.starts();
        let first_calls: HashMap<_, _> = starts
            .iter()
            .filter(|start| start.generation == version.generation)
            .map(|start| (start.place, start))
            .collect();
        let decision = |record: &Record| {
            let start = record.place.and_then(|place| first_calls.get(&place));
            let (rung, took) = match record.what {
                What::Started { rung, took } => (Some(rung), Some(took)),
                _ => (None, None),
            };
            let of_start = start.filter(|_| rung.is_some());
            WhyDecision {
                at: record.at.to_string(),
                what: record.what.as_str().to_owned(),
                why: record.why.as_str().to_owned(),
                sandbox: record.place.map(|place| place.0),
                count: record.count,
                rung: rung.map(|rung| rung.as_str().to_owned()),
                took_ms: took.map(ms),
                missed: of_start.and_then(|start| start.missed.as_ref()).map(ToString::to_string),
                request_id: of_start.map(|start| start.request_id.to_string()),
            }
        };
        let view = self.inner.catalog.get(&asked.scope(), &target.name, Some(&version.number.into()));
        let without_snapshot = view.ok().and_then(|view| match view.snapshot {
            Snapshot::Refused(reason) => Some(reason.to_string()),
            Snapshot::None | Snapshot::Taken => None,
        });
        let decisions = self.inner.invoke.history(Some(version.generation)).iter().map(decision).collect();
        Ok(ok(
            200,
            &WhyFunctionReply {
                function: version.name.to_string(),
                version: version.number.to_string(),
                from: Timestamp(asked.now.0.saturating_sub(REACH_MS)).to_string(),
                without_snapshot,
                decisions,
            },
        ))
    }
}

/// Reads usage files: where blocking is allowed.
fn of_request(ledger: &Ledger, invoke: &Invoke, account: &AccountId, id: RequestId) -> Result<Reply, ApiError> {
    let find = |wanted: &dyn Fn(&UsageRecord) -> bool| {
        ledger
            .find_usage(|record| record.account == *account && wanted(record))
            .map_err(|error| refusals::usage(&error))
    };
    let Some(record) = find(&|record| record.request_id == id)? else {
        let text = format!("No finished invocation {id} is known: it runs still, or is not among the newest 400,000.");
        return Err(ApiError::new(ErrorCode::ResourceNotFound, text));
    };
    let mut start = started(invoke, &record).map(|start| of_start(&start));
    // The server was started anew since, or has forgotten: the books know when and how, though not why.
    if let (None, Some(sandbox)) = (&start, record.sandbox) {
        let first = find(&|other| other.sandbox == Some(sandbox) && other.phases.start.is_some())?;
        start = first.as_ref().and_then(of_first_call);
    }
    Ok(ok(
        200,
        &WhyRequestReply {
            request_id: id.to_string(),
            function: record.function.to_string(),
            version: record.version.to_string(),
            ended: record.ended.to_string(),
            outcome: record.outcome.as_str().to_owned(),
            rung: record.rung.as_str().to_owned(),
            waited_ms: ms(record.phases.queue),
            run_ms: ms(record.phases.run),
            init_ms: record.init.map(ms),
            sandbox: record.sandbox.map(|sandbox| sandbox.to_string()).unwrap_or_default(),
            tenant: record.tenant.as_ref().map(|tenant| tenant.id.to_string()),
            start,
        },
    ))
}

fn started(invoke: &Invoke, record: &UsageRecord) -> Option<Arc<StartRecord>> {
    if record.rung != Rung::Warm {
        return invoke.start_of(record.request_id);
    }
    let sandbox = record.sandbox?;
    invoke.starts().into_iter().rev().find(|start| start.sandbox == sandbox)
}

fn of_start(start: &StartRecord) -> WhyStart {
    let purpose = match start.purpose {
        Purpose::Call => "because the call found no idle sandbox",
        Purpose::Rhythm => "ahead of the call that the rhythm of its calls foretold",
        Purpose::Provisioned => "as provisioned concurrency",
    };
    WhyStart {
        first_request_id: start.request_id.to_string(),
        at: start.at.to_string(),
        rung: start.rung.as_str().to_owned(),
        purpose: purpose.to_owned(),
        missed: start.missed.as_ref().map(ToString::to_string).unwrap_or_default(),
        phases: of_phases(start.queued, &start.phases),
    }
}

/// What the usage record of a sandbox's first call knows of its start.
fn of_first_call(record: &UsageRecord) -> Option<WhyStart> {
    Some(WhyStart {
        first_request_id: record.request_id.to_string(),
        at: record.ended.to_string(),
        rung: record.rung.as_str().to_owned(),
        phases: of_phases(record.phases.queue, &record.phases.start?),
        ..WhyStart::default()
    })
}

fn of_phases(queued: Duration, phases: &StartPhases) -> WhyPhases {
    let StartPhases { sandbox, mount, boot, init } = *phases;
    WhyPhases {
        queue_ms: ms(queued),
        place_ms: ms(queued.saturating_sub(phases.total())),
        sandbox_ms: ms(sandbox),
        mount_ms: ms(mount),
        boot_ms: ms(boot),
        load_ms: ms(init),
    }
}

/// Milliseconds with three decimals.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
