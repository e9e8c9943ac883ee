//! Asynchronous calls: taken, counted, run.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use bytes::Bytes;
use lacewing_catalog::Scope;
use lacewing_events::EventsWaiting;
use lacewing_invoke::Call;
use lacewing_testkit::FakeDriver;
use std::sync::Arc;
use std::time::Duration;
use support::{ACCOUNT, House};

/// Shorter than the queue's own look at its table: what takes longer was not told of an event.
const PATIENCE: Duration = Duration::from_secs(20);

fn call(payload: &'static str) -> Call {
    Call {
        scope: Arc::new(Scope { account: ACCOUNT.parse().unwrap(), region: "us-east-1".parse().unwrap() }),
        name: "f".parse().unwrap(),
        qualifier: None,
        payload: Bytes::from_static(payload.as_bytes()),
        trace_id: None,
        client_context: None,
        tenant: None,
        tail: false,
        request_id: None,
        resolved: None,
    }
}

/// What waits, once `wanted` says that it is that.
async fn waiting(house: &House, wanted: impl Fn(&EventsWaiting) -> bool) -> EventsWaiting {
    let reached = async {
        loop {
            let events = house.events.clone();
            let now = tokio::task::spawn_blocking(move || events.waiting().unwrap()).await.unwrap();
            if wanted(&now) {
                return now;
            }
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap()
}

#[tokio::test]
async fn an_event_is_taken_with_202_and_told_in_metrics_until_it_has_run() {
    let house = House::with(FakeDriver::gated(1, 0)).await;
    house.create("f", "").await;
    let later = [("x-amz-invocation-type", "Event")];
    let got = house.ask("POST", "/2015-03-31/functions/f/invocations", &later, b"{}").await;
    assert_eq!((got.status, got.body.len()), (202, 0), "{}", got.shown());
    let figure = async |name: &str| {
        let text = house.ask("GET", "/_lacewing/metrics", &[], b"").await.body;
        let text = String::from_utf8(text.to_vec()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().parse::<f64>().unwrap()
    };
    assert_eq!(figure("lacewing_async_events_waiting ").await, 1.0);
    assert_eq!(figure("lacewing_async_events_waiting_bytes ").await, 2.0);
    let ages = waiting(&house, |now| now.oldest.is_some_and(|age| age > Duration::ZERO)).await;
    assert!(figure("lacewing_async_events_oldest_age_seconds ").await >= ages.oldest.unwrap().as_secs_f64());
    house.driver.runs.add_permits(1);
    waiting(&house, |now| *now == EventsWaiting::default()).await;
    assert_eq!(figure("lacewing_async_events_waiting ").await, 0.0);
    assert_eq!(figure("lacewing_async_events_oldest_age_seconds ").await, 0.0);
}

#[tokio::test]
async fn an_event_whose_caller_hung_up_while_it_was_written_runs_and_is_counted() {
    let house = House::new().await;
    house.create("f", "").await;
    tokio::select! {
        biased;
        _ = house.events.enqueue(call("{}")) => {}
        () = std::future::ready(()) => {}
    }
    waiting(&house, |now| now.events == 0 && house.driver.started() == 1).await;
    assert_eq!(waiting(&house, |_| true).await, EventsWaiting::default());
    house.events.enqueue(call("{}")).await.unwrap();
}
