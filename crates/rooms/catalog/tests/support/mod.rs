//! A catalog on a temporary data directory, and functions to put into it.
#![allow(clippy::unwrap_used, dead_code, missing_docs)]

use bytes::Bytes;
use lacewing_catalog::{
    Artifacts, CanRun, Catalog, CatalogOptions, Code, CodeChange, ConfigChange, FunctionView, ImageOptions, Images,
    NewFunction, ObjectOptions, Objects, Scope, Store, TakeSnapshot,
};
use lacewing_model::{FunctionConfig, FunctionName, Limits, ManualClock, MemoryMib, Timestamp};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

pub fn owner() -> Scope {
    Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() }
}

pub fn name(name: &str) -> FunctionName {
    name.parse().unwrap()
}

/// A package with one file of this content.
pub fn package(content: &str) -> Bytes {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("app.py", zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(content.as_bytes()).unwrap();
    writer.finish().unwrap().into_inner().into()
}

pub fn config() -> FunctionConfig {
    FunctionConfig {
        environment: Some(BTreeMap::from([("STAGE".into(), "test".into())])),
        ..FunctionConfig::new(
            &"f".parse().unwrap(),
            "python3.12".parse().unwrap(),
            "app.handler".parse().unwrap(),
            "arn:aws:iam::000000000000:role/r".parse().unwrap(),
        )
    }
}

pub fn new(function: &str, content: &str) -> NewFunction {
    NewFunction {
        name: name(function),
        config: config(),
        code: Code::Zip(package(content)),
        image: Default::default(),
        layers: Vec::new(),
        tags: BTreeMap::from([("team".into(), "a".into())]),
        publish: false,
        code_signing: None,
    }
}

pub fn code(content: &str) -> CodeChange {
    CodeChange {
        code: Code::Zip(package(content)),
        source_kms_key: None,
        architecture: None,
        dry_run: false,
        revision: None,
        publish: false,
    }
}

pub fn memory(mib: u32) -> ConfigChange {
    ConfigChange { memory: Some(MemoryMib::new(mib).unwrap()), ..Default::default() }
}

pub async fn open(dir: &Path) -> Catalog {
    open_with(dir, Arc::new(|_| Ok(()))).await
}

pub async fn open_with(dir: &Path, can_run: CanRun) -> Catalog {
    open_taking(dir, can_run, Arc::new(|_| Err("none here".into()))).await
}

pub async fn open_taking(dir: &Path, can_run: CanRun, take_snapshot: TakeSnapshot) -> Catalog {
    Catalog::open(CatalogOptions {
        store: Store::open(&dir.join("lacewing.db")).unwrap(),
        artifacts: Artifacts::open(dir, &Limits::default()).unwrap(),
        clock: Arc::new(ManualClock::at(Timestamp(1_000))),
        can_run,
        objects: Objects::new(ObjectOptions::default()),
        images: Images::new(ImageOptions::default(), Limits::default()),
        take_snapshot,
    })
    .await
    .unwrap()
}

/// Waits until the function is neither Pending nor InProgress.
pub async fn settled(catalog: &Catalog, function: &str) -> FunctionView {
    loop {
        let view = catalog.get(&owner(), &name(function), None).unwrap();
        if view.state() != "Pending" && view.update_status() != Some("InProgress") {
            return view;
        }
        tokio::task::yield_now().await;
    }
}

pub async fn created(catalog: &Catalog, function: &str, content: &str) -> FunctionView {
    catalog.create(&owner(), new(function, content)).await.unwrap();
    settled(catalog, function).await
}

/// What the file of the function's code holds now.
pub fn content(catalog: &Catalog, function: &str) -> String {
    let runnable = catalog.resolve(&owner(), &name(function), None).unwrap();
    std::fs::read_to_string(runnable.code.join("app.py")).unwrap()
}

/// The names in a folder of the data directory, ordered.
pub fn names(dir: &Path, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(dir.join(folder)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Waits until the writer has done all that it was told before, down to what it lets go of.
pub async fn caught_up(catalog: &Catalog) {
    assert!(catalog.update_config(&owner(), &name("nobody"), ConfigChange::default()).await.is_err());
}
