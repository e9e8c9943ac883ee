//! Measures the catalog: `cargo run --release -p lacewing-catalog --example catalog-costs [FUNCTIONS]`.
//!
//! Prints one line per figure: deploying (request to Active), opening with that many functions, memory of an
//! idle function, and the lookup on the path of every call.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use lacewing_catalog::{
    Artifacts, Catalog, CatalogOptions, Code, ImageOptions, Images, NewFunction, ObjectOptions, Objects, Scope, Store,
};
use lacewing_model::{FunctionConfig, FunctionName, Limits, SystemClock};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const LOOKUPS: u32 = 1_000_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().map_or(1_000, |count| count.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let names: Vec<FunctionName> = (0..count).map(|number| format!("function-{number}").parse().unwrap()).collect();
    match arguments.next() {
        None => {
            let dir = tempfile::tempdir().unwrap();
            measure_deploys(&runtime, dir.path(), &names);
            // In a process of its own, whose memory nothing else has used before.
            let program = std::env::current_exe().unwrap();
            let status = std::process::Command::new(program).arg(count.to_string()).arg(dir.path()).status().unwrap();
            assert!(status.success());
        }
        Some(dir) => measure_opened(&runtime, Path::new(&dir), &names),
    }
}

fn measure_deploys(runtime: &Runtime, dir: &Path, names: &[FunctionName]) {
    let mut times = runtime.block_on(async {
        let catalog = open(dir).await;
        let mut times = Vec::new();
        for name in names {
            times.push(deploy(&catalog, name).await);
        }
        times
    });
    times.sort();
    println!("deploy, request to Active: p50 {:?}, p99 {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);
}

fn measure_opened(runtime: &Runtime, dir: &Path, names: &[FunctionName]) {
    let before = resident_bytes();
    let started = Instant::now();
    let catalog = runtime.block_on(open(dir));
    println!("open with {} functions: {:?}", names.len(), started.elapsed());
    let used = resident_bytes().saturating_sub(before);
    println!("an idle function: at most {} bytes, the database's cache included", used / names.len());
    for threads in [1, 2] {
        println!("resolve, {threads} threads: {:?} each", lookups(&catalog, names, threads));
    }
}

async fn open(dir: &Path) -> Catalog {
    Catalog::open(CatalogOptions {
        store: Store::open(&dir.join("lacewing.db")).unwrap(),
        artifacts: Artifacts::open(dir, &Limits::default()).unwrap(),
        clock: Arc::new(SystemClock),
        can_run: Arc::new(|_| Ok(())),
        objects: Objects::new(ObjectOptions::default()),
        images: Images::new(ImageOptions::default(), Limits::default()),
        take_snapshot: Arc::new(|_| Err("none here".into())),
    })
    .await
    .unwrap()
}

async fn deploy(catalog: &Catalog, name: &FunctionName) -> Duration {
    let new = NewFunction {
        name: name.clone(),
        config: config(),
        // Each its own package, as users have.
        code: Code::Zip(package(name.as_str())),
        image: Default::default(),
        layers: Vec::new(),
        tags: BTreeMap::new(),
        publish: false,
        code_signing: None,
    };
    let started = Instant::now();
    catalog.create(&owner(), new).await.unwrap();
    while catalog.get(&owner(), name, None).unwrap().state() != "Active" {
        tokio::task::yield_now().await;
    }
    started.elapsed()
}

fn lookups(catalog: &Catalog, names: &[FunctionName], threads: u32) -> Duration {
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let owner = owner();
                for name in names.iter().cycle().take(LOOKUPS as usize) {
                    std::hint::black_box(catalog.resolve(&owner, name, None).unwrap());
                }
            });
        }
    });
    started.elapsed() / LOOKUPS
}

fn owner() -> Scope {
    Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() }
}

fn config() -> FunctionConfig {
    FunctionConfig {
        description: "A function that is measured".into(),
        environment: Some(
            (0..8).map(|number| (format!("VARIABLE_{number}"), "a value of some length".into())).collect(),
        ),
        ..FunctionConfig::new(
            &"measured".parse().unwrap(),
            "python3.12".parse().unwrap(),
            "app.handler".parse().unwrap(),
            "arn:aws:iam::000000000000:role/service-role/measured".parse().unwrap(),
        )
    }
}

fn package(content: &str) -> Bytes {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for file in ["app.py", "lib/one.py", "lib/two.py"] {
        writer.start_file(file, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner().into()
}

fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}
