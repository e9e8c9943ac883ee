//! The corridor with a real catalog and ledger, and sandboxes that the test runs.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use lacewing_catalog::{
    Artifacts, Catalog, CatalogOptions, Code, ImageOptions, Images, NewFunction, ObjectOptions, Objects, Scope, Store,
};
use lacewing_invoke::{Answer, Call, Flowing, Invoke, InvokeError, InvokeParts, Streamed, ThrottleReason};
use lacewing_ledger::{Ledger, LedgerOptions, UsageQuery};
use lacewing_model::{Clock, Limits, SystemClock, Timestamp};
use lacewing_pool::PoolOptions;
use lacewing_sandbox::{Credentials, Ending};
use lacewing_testkit::{FakeDriver, FakePassage, version_named};
use std::io::Write;
use std::sync::Arc;
use tempfile::TempDir;

struct House {
    invoke: Invoke,
    ledger: Ledger,
    driver: Arc<FakeDriver>,
    scope: Arc<Scope>,
    _dir: TempDir,
}

impl House {
    async fn build(driver: Arc<FakeDriver>, concurrency: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let limits = Limits { account_concurrency_max: concurrency, ..Limits::default() };
        let ledger = Ledger::open(LedgerOptions::new(dir.path().into(), Arc::clone(&clock))).unwrap();
        let catalog = Catalog::open(CatalogOptions {
            store: Store::open(&dir.path().join("lacewing.db")).unwrap(),
            artifacts: Artifacts::open(dir.path(), &limits).unwrap(),
            clock: Arc::clone(&clock),
            can_run: Arc::new(|_| Ok(())),
            objects: Objects::new(ObjectOptions::default()),
            images: Images::new(ImageOptions::default(), Limits::default()),
            take_snapshot: Arc::new(|_| Err("none here".into())),
        })
        .await
        .unwrap();
        let scope = Arc::new(Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() });
        let function = NewFunction {
            name: "f".parse().unwrap(),
            config: (*version_named("f").config).clone(),
            code: Code::Zip(package()),
            image: Default::default(),
            layers: Vec::new(),
            tags: std::collections::BTreeMap::new(),
            publish: false,
            code_signing: None,
        };
        catalog.create(&scope, function).await.unwrap();
        while catalog.resolve(&scope, &"f".parse().unwrap(), None).is_err() {
            tokio::task::yield_now().await;
        }
        let invoke = Invoke::new(InvokeParts {
            catalog,
            ledger: ledger.clone(),
            driver: Arc::clone(&driver) as _,
            clock,
            limits,
            pool: PoolOptions { memory_mib: 4_096, ..PoolOptions::default() },
            memory_left: Arc::new(|| None),
            open_session: Arc::new(|_| {
                let text = String::new;
                let none = Credentials { access_key_id: text(), secret_access_key: text(), session_token: text() };
                (none, Box::new(()))
            }),
            api: Arc::new(FakePassage),
            start_phases: false,
        });
        Self { invoke, ledger, driver, scope, _dir: dir }
    }

    fn call(&self, payload: &'static str) -> Call {
        Call {
            scope: Arc::clone(&self.scope),
            name: "f".parse().unwrap(),
            qualifier: None,
            payload: Bytes::from_static(payload.as_bytes()),
            trace_id: None,
            client_context: None,
            tenant: None,
            tail: true,
            request_id: None,
            resolved: None,
        }
    }

    fn bytes_out(&self) -> u64 {
        let (account, ever) = (self.scope.account.clone(), Timestamp(u64::MAX));
        let everything = UsageQuery { account, region: None, function: None, from: Timestamp(0), to: ever };
        self.ledger.usage(&everything).unwrap().iter().map(|row| row.sums.bytes_out).sum()
    }

    fn calls_in_the_books(&self) -> u64 {
        let (account, ever) = (self.scope.account.clone(), Timestamp(u64::MAX));
        let everything = UsageQuery { account, region: None, function: None, from: Timestamp(0), to: ever };
        self.ledger.usage(&everything).unwrap().iter().map(|row| row.sums.requests).sum()
    }
}

fn package() -> Bytes {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    zip.start_file("bootstrap", options).unwrap();
    zip.write_all(b"#!/bin/sh\n").unwrap();
    zip.finish().unwrap().into_inner().into()
}

fn tail(answer: &Answer) -> String {
    String::from_utf8(answer.log_tail.clone().unwrap()).unwrap()
}

#[tokio::test]
async fn a_call_is_answered_logged_and_booked() {
    let house = House::build(FakeDriver::open(), 10).await;
    let cold = house.invoke.call(house.call("{\"n\":1}")).await.unwrap();
    assert_eq!(cold.ending, Ending::Answer(Bytes::from_static(b"{\"n\":1}")));
    let lines = tail(&cold);
    let id = cold.request_id;
    assert!(lines.starts_with(&format!("START RequestId: {id} Version: $LATEST\nEND RequestId: {id}\n")), "{lines}");
    assert!(lines.contains("Duration: 1.50 ms\tBilled Duration: 7 ms\t") && lines.contains("Init Duration: 5.00 ms\t"));
    let warm = house.invoke.call(house.call("")).await.unwrap();
    assert_eq!(warm.ending, Ending::Answer(Bytes::from_static(b"{}")), "an empty event is an empty object");
    assert!(!tail(&warm).contains("Init Duration"));
    assert_eq!((house.driver.started(), house.calls_in_the_books()), (1, 2));
}

#[tokio::test]
async fn what_is_no_event_is_refused_before_anything_starts() {
    let house = House::build(FakeDriver::open(), 10).await;
    assert!(matches!(house.invoke.call(house.call("{nope")).await, Err(InvokeError::NotJson(_))));
    let no_text = Call { payload: Bytes::from_static(b"\"\xff\""), ..house.call("") };
    assert!(matches!(house.invoke.call(no_text).await, Err(InvokeError::NotJson(_))));
    let large = Call { payload: Bytes::from(vec![b'1'; 6_291_457]), ..house.call("") };
    assert!(matches!(house.invoke.call(large).await, Err(InvokeError::PayloadTooLarge { bytes: 6_291_457, .. })));
    let missing = Call { name: "g".parse().unwrap(), ..house.call("") };
    assert!(matches!(house.invoke.call(missing).await, Err(InvokeError::Catalog(_))));
    assert_eq!((house.driver.started(), house.calls_in_the_books()), (0, 0));
}

#[tokio::test]
async fn an_account_at_its_limit_is_throttled_and_recovers() {
    let house = House::build(FakeDriver::gated(8, 0), 1).await;
    let running = tokio::spawn({
        let (invoke, call) = (house.invoke.clone(), house.call("1"));
        async move { invoke.call(call).await }
    });
    while house.invoke.census().busy == 0 {
        tokio::task::yield_now().await;
    }
    let refused = house.invoke.call(house.call("2")).await;
    let reason = ThrottleReason::ConcurrentInvocationLimitExceeded;
    assert!(matches!(refused, Err(InvokeError::Throttled { reason: got, .. }) if got == reason));
    house.driver.runs.add_permits(2);
    running.await.unwrap().unwrap();
    house.invoke.call(house.call("3")).await.unwrap();
    assert_eq!(house.calls_in_the_books(), 2, "a throttled call is not booked");
}

#[tokio::test]
async fn a_caller_that_hangs_up_stops_no_function() {
    let house = House::build(FakeDriver::gated(8, 0), 10).await;
    let abandoned = tokio::spawn({
        let (invoke, call) = (house.invoke.clone(), house.call("1"));
        async move { invoke.call(call).await }
    });
    while house.invoke.census().busy == 0 {
        tokio::task::yield_now().await;
    }
    abandoned.abort();
    assert!(abandoned.await.is_err());
    assert_eq!(house.invoke.census().busy, 1, "it still runs");
    house.driver.runs.add_permits(1);
    while house.calls_in_the_books() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!((house.invoke.census().idle, house.driver.alive()), (1, 1), "and its sandbox is as good as ever");
}

#[tokio::test]
async fn a_broken_sandbox_is_an_error_of_ours_and_the_next_call_gets_another() {
    let house = House::build(FakeDriver::open(), 10).await;
    assert!(matches!(house.invoke.call(house.call("\"break\"")).await, Err(InvokeError::Internal(_))));
    assert_eq!(house.driver.alive(), 0);
    house.invoke.call(house.call("1")).await.unwrap();
    assert_eq!(house.driver.started(), 2);
}

async fn piece(flowing: &mut Flowing) -> Option<Bytes> {
    std::future::poll_fn(|context| flowing.poll_next(context)).await
}

#[tokio::test]
async fn a_streamed_answer_flows_before_the_call_is_settled() {
    let house = House::build(FakeDriver::gated(8, 1), 10).await;
    let Streamed::Flowing(mut flowing) = house.invoke.stream(house.call("\"flow\"")).await.unwrap() else { panic!() };
    assert_eq!(
        (piece(&mut flowing).await.unwrap(), flowing.content_type()),
        (Bytes::from_static(b"one,"), "text/flow")
    );
    assert_eq!(house.calls_in_the_books(), 0, "it still runs");
    house.driver.runs.add_permits(1);
    assert_eq!(piece(&mut flowing).await.unwrap(), "two");
    assert_eq!(piece(&mut flowing).await, None);
    let answer = flowing.take_answer().unwrap().unwrap();
    assert_eq!((answer.ending.clone(), answer.request_id), (Ending::Answer(Bytes::new()), flowing.head.request_id));
    assert!(tail(&answer).contains("REPORT RequestId: "));
    assert_eq!((house.calls_in_the_books(), house.bytes_out()), (1, 7));
}

#[tokio::test]
async fn what_does_not_stream_is_answered_whole() {
    let house = House::build(FakeDriver::open(), 10).await;
    let Streamed::Whole(answer) = house.invoke.stream(house.call("1")).await.unwrap() else { panic!() };
    assert_eq!(answer.ending, Ending::Answer(Bytes::from_static(b"1")));
    assert!(matches!(house.invoke.stream(house.call("{nope")).await, Err(InvokeError::NotJson(_))));
    let whole = house.invoke.call(house.call("\"flow\"")).await.unwrap();
    assert_eq!(
        whole.ending,
        Ending::Answer(Bytes::from_static(b"one,two")),
        "a stream is collected for who wants it whole"
    );
}

#[tokio::test]
async fn a_caller_that_vanishes_in_the_middle_stops_no_stream() {
    let house = House::build(FakeDriver::gated(8, 1), 10).await;
    let streamed = house.invoke.stream(house.call("\"flow\"")).await.unwrap();
    drop(streamed);
    assert_eq!(house.invoke.census().busy, 1, "it still runs");
    house.driver.runs.add_permits(1);
    while house.calls_in_the_books() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!((house.invoke.census().idle, house.bytes_out()), (1, 7), "what nobody took was produced all the same");
}

#[tokio::test]
async fn a_stream_that_fails_in_the_middle_says_so_at_its_end() {
    let house = House::build(FakeDriver::open(), 10).await;
    let Streamed::Flowing(mut flowing) = house.invoke.stream(house.call("\"flow and fail\"")).await.unwrap() else {
        panic!()
    };
    assert_eq!(piece(&mut flowing).await.unwrap(), "one,");
    assert_eq!(piece(&mut flowing).await, None);
    assert!(
        matches!(flowing.take_answer().unwrap().unwrap().ending, Ending::Failed(error) if error.kind == "Function.Fails")
    );
}

#[tokio::test]
async fn an_answer_does_not_wait_for_extensions_but_its_place_and_its_record_do() {
    let house = House::build(FakeDriver::gated(9, 1), 1).await;
    let lingers = Call { tail: false, ..house.call("\"linger\"") };
    let answer = house.invoke.call(lingers).await.unwrap();
    assert_eq!(answer.ending, Ending::Answer(Bytes::from_static(b"\"linger\"")));
    let refused = house.invoke.call(house.call("1")).await.unwrap_err();
    assert!(matches!(refused, InvokeError::Throttled { .. }), "it still runs: {refused}");
    assert_eq!(house.calls_in_the_books(), 0);
    house.driver.runs.add_permits(2);
    while house.calls_in_the_books() == 0 {
        tokio::task::yield_now().await;
    }
    while house.invoke.call(house.call("1")).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.driver.started(), 1, "the same sandbox");
}

#[tokio::test]
async fn a_caller_that_wants_the_log_waits_for_extensions() {
    let house = House::build(FakeDriver::gated(9, 2), 1).await;
    let answer = house.invoke.call(house.call("\"linger\"")).await.unwrap();
    assert!(tail(&answer).contains("Duration: 4.00 ms\tBilled Duration: 9 ms"), "{}", tail(&answer));
    assert_eq!(house.calls_in_the_books(), 1);
}
