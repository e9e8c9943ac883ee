//! Versions that start from a snapshot: Pending until it is taken, or cannot be.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_catalog::{Catalog, ConfigChange, FunctionView, Publication, Snapshot, TakeSnapshot};
use lacewing_model::{Qualifier, SnapStart};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use support::{created, name, open_taking, owner, settled};

async fn open(dir: &Path, take: TakeSnapshot) -> Catalog {
    open_taking(dir, Arc::new(|_| Ok(())), take).await
}

async fn publish(catalog: &Catalog) {
    created(catalog, "f", "one").await;
    let change = ConfigChange { snap_start: Some(SnapStart::PublishedVersions), ..Default::default() };
    catalog.update_config(&owner(), &name("f"), change).await.unwrap();
    settled(catalog, "f").await;
    catalog.publish(&owner(), &name("f"), Publication::default()).await.unwrap();
}

fn one(catalog: &Catalog) -> FunctionView {
    catalog.get(&owner(), &name("f"), Some(&Qualifier::Number(1))).unwrap()
}

async fn until(catalog: &Catalog, what: impl Fn(&FunctionView) -> bool) -> FunctionView {
    loop {
        let view = one(catalog);
        if what(&view) {
            return view;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_version_is_pending_until_its_snapshot_is_taken_and_latest_needs_none() {
    let dir = tempfile::tempdir().unwrap();
    let (go, gone) = mpsc::channel::<Result<(), String>>();
    let (began, begins) = mpsc::channel();
    let gone = Mutex::new(gone);
    let take: TakeSnapshot = Arc::new(move |runnable| {
        began.send(runnable.version.number).unwrap();
        gone.lock().unwrap().recv().unwrap()
    });
    let catalog = open(dir.path(), take).await;
    publish(&catalog).await;
    assert_eq!(begins.recv().unwrap().to_string(), "1");
    assert_eq!((one(&catalog).state(), one(&catalog).snapshot), ("Pending", Snapshot::None));
    go.send(Ok(())).unwrap();
    let active = until(&catalog, |view| view.state() == "Active").await;
    assert_eq!(active.snapshot, Snapshot::Taken);
    assert!(begins.try_recv().is_err(), "$LATEST has none");
}

#[tokio::test]
async fn a_version_without_its_snapshot_is_active_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path(), Arc::new(|_| Err("it has threads".into()))).await;
    publish(&catalog).await;
    let active = until(&catalog, |view| view.state() == "Active").await;
    assert_eq!(active.snapshot, Snapshot::Refused("it has threads".into()));
    assert!(catalog.resolve(&owner(), &name("f"), Some(&Qualifier::Number(1))).is_ok());
}

#[tokio::test]
async fn a_version_whose_snapshot_was_given_up_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path(), Arc::new(|_| Ok(()))).await;
    publish(&catalog).await;
    let before = until(&catalog, |view| view.snapshot == Snapshot::Taken).await;
    catalog.lose_snapshot(lacewing_model::RevisionId::random(), "of another".into());
    catalog.lose_snapshot(before.version.generation, "it was lost".into());
    let after = until(&catalog, |view| view.snapshot != Snapshot::Taken).await;
    assert_eq!(after.snapshot, Snapshot::Refused("it was lost".into()));
    assert_eq!((after.state(), after.version), ("Active", before.version), "it serves on, and nothing was written");
}

#[tokio::test]
async fn snapshots_are_taken_again_after_a_restart_while_the_version_serves() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path(), Arc::new(|_| Ok(()))).await;
    publish(&catalog).await;
    let before = until(&catalog, |view| view.state() == "Active").await;
    drop(catalog);
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let take: TakeSnapshot = Arc::new(move |_| gone.lock().unwrap().recv().map_err(|_| "stopped".into()));
    let catalog = open(dir.path(), take).await;
    assert_eq!((one(&catalog).state(), one(&catalog).snapshot), ("Active", Snapshot::None));
    assert!(catalog.resolve(&owner(), &name("f"), Some(&Qualifier::Number(1))).is_ok());
    go.send(()).unwrap();
    let after = until(&catalog, |view| view.snapshot == Snapshot::Taken).await;
    assert_eq!(after.version, before.version, "nothing was written");
}
