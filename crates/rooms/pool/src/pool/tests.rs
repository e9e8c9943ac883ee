//! The pool with a driver whose sandboxes run in the test.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::decide::KeepAlive;
use bytes::Bytes;
use lacewing_model::{ManualClock, RequestId, SandboxId, TenantId, Timestamp};
use lacewing_sandbox::Work;
use lacewing_testkit::{FakeDriver, FakePassage, FakeStart, QuietSink, version_named};
use std::time::Duration;

fn pool(driver: &Arc<FakeDriver>, memory_mib: u64) -> (Pool<()>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp(0)));
    let keep_alive = KeepAlive::Fixed(Duration::from_secs(60));
    let options = PoolOptions { memory_mib, keep_alive, ..PoolOptions::default() };
    (Pool::new(Arc::clone(driver) as _, options, Arc::clone(&clock) as _), clock)
}

fn version() -> Arc<Version> {
    Arc::new(version_named("f"))
}

fn recipe(version: &Arc<Version>) -> Recipe<()> {
    let version = Arc::clone(version);
    Arc::new(move |_| {
        let spec = StartSpec {
            id: SandboxId::random(),
            version: Arc::clone(&version),
            code_dir: "/code".into(),
            layers_dir: None,
            environment: Vec::new(),
            init_max: Duration::from_secs(10),
            logs: Arc::new(QuietSink::default()),
            api: Arc::new(FakePassage),
        };
        (spec, ())
    })
}

async fn lend(pool: &Pool<()>, version: &Arc<Version>) -> Result<Lease<()>, PoolError> {
    pool.lease(version, None, || recipe(version)).await
}

fn work(payload: &'static str, version: &Arc<Version>) -> Work {
    Work {
        request_id: RequestId::random(),
        invoked_arn: version.arn(),
        deadline: Timestamp(3_000),
        timeout: Duration::from_secs(3),
        payload: Bytes::from_static(payload.as_bytes()),
        trace_id: String::new(),
        client_context: None,
        tenant: None,
        stream: None,
    }
}

async fn run(pool: &Pool<()>, version: &Arc<Version>, payload: &'static str) {
    let mut lease = lend(pool, version).await.unwrap();
    let _ = lease.run(work(payload, version), Instant::now() + Duration::from_secs(3)).await;
}

#[tokio::test]
async fn a_sandbox_is_reused_and_its_story_told_once() {
    let driver = FakeDriver::open();
    let (pool, _) = pool(&driver, 1_024);
    let version = version();
    let mut lease = lend(&pool, &version).await.unwrap();
    assert!(lease.take_story().is_some());
    lease.run(work("1", &version), Instant::now()).await.unwrap();
    drop(lease);
    let mut lease = lend(&pool, &version).await.unwrap();
    assert!(lease.take_story().is_none());
    drop(lease);
    assert_eq!(driver.started(), 1);
}

#[tokio::test]
async fn a_tenants_sandbox_is_lent_to_no_other_and_nothing_is_remembered_of_one_that_has_gone() {
    let driver = FakeDriver::open();
    let (pool, clock) = pool(&driver, 1_024);
    let version = version();
    let (a, b): (TenantId, TenantId) = ("a".parse().unwrap(), "b".parse().unwrap());
    let lend = async |tenant: &TenantId| pool.lease(&version, Some(tenant), || recipe(&version)).await.unwrap();
    for (tenant, is_new) in [(&a, true), (&a, false), (&b, true), (&b, false), (&a, false)] {
        let mut lease = lend(tenant).await;
        assert_eq!(lease.take_story().is_some(), is_new, "a new sandbox for {tenant}");
        lease.run(work("1", &version), Instant::now()).await.unwrap();
    }
    assert_eq!((driver.started(), pool.hall().tenants.known()), (2, 2));
    clock.advance(Duration::from_secs(60));
    pool.tick();
    assert_eq!((driver.alive(), pool.hall().tenants.known()), (0, 0));
}

#[tokio::test]
async fn a_broken_spent_or_abandoned_run_ends_its_sandbox() {
    let driver = FakeDriver::gated(8, 2);
    let (pool, _) = pool(&driver, 1_024);
    let version = version();
    run(&pool, &version, "\"break\"").await;
    run(&pool, &version, "\"spent\"").await;
    assert_eq!(driver.alive(), 0);
    {
        let stuck = run(&pool, &version, "1");
        tokio::pin!(stuck);
        while driver.alive() == 0 {
            assert!(!futures_poll_once(stuck.as_mut()).await, "no permit is left for this run");
            tokio::task::yield_now().await;
        }
        assert!(!futures_poll_once(stuck).await);
    }
    assert_eq!((driver.alive(), pool.census()), (0, Census::default()));
}

async fn futures_poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_ready())).await
}

#[tokio::test]
async fn a_sandbox_that_died_idle_is_given_to_nobody() {
    let driver = FakeDriver::open();
    let (pool, _) = pool(&driver, 1_024);
    let version = version();
    drop(lend(&pool, &version).await.unwrap().take_story());
    driver.kill_all();
    run(&pool, &version, "2").await;
    assert_eq!((driver.started(), driver.alive(), pool.census().idle), (2, 1, 1));
}

#[tokio::test]
async fn a_failed_start_tells_its_waiter_why() {
    let driver = FakeDriver::open();
    driver.next_starts(FakeStart::Fails(StartError::Broken("as asked".into())));
    let (pool, _) = pool(&driver, 1_024);
    let refused = lend(&pool, &version()).await.map(|_| ());
    assert_eq!(refused, Err(PoolError::Start(StartError::Broken("as asked".into()))));
    assert_eq!(pool.census(), Census::default());
}

#[tokio::test]
async fn an_abandoned_wait_leaves_its_start_to_the_next_call() {
    let driver = FakeDriver::gated(0, 8);
    let (pool, _) = pool(&driver, 1_024);
    let version = version();
    {
        let wait = lend(&pool, &version);
        tokio::pin!(wait);
        assert!(!futures_poll_once(wait).await);
    }
    assert_eq!(pool.census().waiting, 0);
    driver.starts.add_permits(1);
    run(&pool, &version, "1").await;
    assert_eq!((driver.started(), pool.census().idle), (1, 1));
}

#[tokio::test]
async fn a_full_machine_lets_calls_wait_and_zero_comes_after_the_keep_alive() {
    let driver = FakeDriver::open();
    let (pool, clock) = pool(&driver, 128);
    let version = version();
    let lease = lend(&pool, &version).await.unwrap();
    {
        let wait = lend(&pool, &version);
        tokio::pin!(wait);
        assert!(!futures_poll_once(wait.as_mut()).await);
        drop(lease);
        assert!(futures_poll_once(wait).await, "the first sandbox that is free serves it");
    }
    let (small, _) = self::pool(&driver, 64);
    assert_eq!(lend(&small, &version).await.map(|_| ()), Err(PoolError::Refused(Refusal::NoRoom)));
    clock.advance(Duration::from_secs(60));
    pool.tick();
    assert_eq!((driver.alive(), pool.census()), (0, Census::default()));
}

#[tokio::test]
async fn a_draining_pool_lends_nothing_and_keeps_nothing() {
    let driver = FakeDriver::open();
    let (pool, _) = pool(&driver, 1_024);
    let version = version();
    let lease = lend(&pool, &version).await.unwrap();
    pool.drain();
    assert_eq!(lend(&pool, &version).await.map(|_| ()), Err(PoolError::Stopping));
    drop(lease);
    assert_eq!(driver.alive(), 0);
}

#[tokio::test]
async fn provisioned_sandboxes_are_started_for_that_purpose_and_say_why_they_are_missing() {
    let driver = FakeDriver::open();
    let (pool, clock) = pool(&driver, 1_024);
    let version = version();
    driver.next_starts(FakeStart::Fails(StartError::Broken("as asked".into())));
    pool.provision(&version, 2, || recipe(&version));
    until(|| pool.census().starting == 0).await;
    let status = pool.provisioned(version.generation);
    assert_eq!(
        (status.figures.available, status.reason.as_deref()),
        (0, Some("the sandbox could not be made: as asked"))
    );
    driver.next_starts(FakeStart::Well);
    clock.advance(Duration::from_secs(10));
    pool.tick();
    until(|| pool.provisioned(version.generation).figures.available == 2).await;
    assert_eq!(pool.provisioned(version.generation).reason, None);
    let mut lease = lend(&pool, &version).await.unwrap();
    assert_eq!(lease.take_story().unwrap().purpose, Purpose::Provisioned);
    drop(lease);
    pool.provision(&version, 0, || recipe(&version));
    assert_eq!((driver.alive(), pool.census()), (0, Census::default()));
}

#[tokio::test]
async fn idle_sandboxes_are_frozen_and_the_driver_keeps_some_prepared() {
    let driver = FakeDriver::open();
    let (pool, clock) = pool(&driver, 1_024);
    let version = version();
    run(&pool, &version, "1").await;
    clock.advance(Duration::from_secs(2));
    pool.tick();
    assert_eq!((driver.frozen(), pool.census().frozen), (1, 1));
    assert_eq!(pool.prepared(), [(Preparation::of(&version), 2)]);
    run(&pool, &version, "1").await;
    assert_eq!((driver.frozen(), driver.started()), (0, 1), "a run thaws it");
    let told: Vec<_> = pool.history(Some(version.generation)).iter().map(|record| record.what.as_str()).collect();
    assert_eq!(told, ["start", "started", "freeze"]);
    pool.drain();
    assert_eq!(pool.prepared(), [(Preparation::of(&version), 0)]);
}

async fn until(done: impl Fn() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}
