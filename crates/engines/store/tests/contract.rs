//! What every dialect of the store promises. A second one adds a line to `dialects`.
#![allow(clippy::unwrap_used)]

use lacewing_model::{
    Architecture, Egress, EphemeralMib, FailReason, FunctionConfig, Lifecycle, LogFormat, LoggingConfig, MemoryMib,
    RevisionId, Timeout, Timestamp, TracingMode, UpdateStatus,
};
use lacewing_store::{FunctionKey, Generation, Store, StoreError, StoredFunction};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Opens the same database again and again.
type Open = Box<dyn Fn() -> Store>;

fn dialects(dir: &Path) -> Vec<(&'static str, Open)> {
    let path = dir.join("lacewing.db");
    vec![("sqlite", Box::new(move || Store::open(&path).unwrap()))]
}

fn on_every_dialect(test: impl Fn(&dyn Fn() -> Store)) {
    let dir = tempfile::tempdir().unwrap();
    for (dialect, open) in dialects(dir.path()) {
        println!("dialect: {dialect}");
        test(&*open);
    }
}

fn config(memory: u32) -> FunctionConfig {
    FunctionConfig {
        runtime: "python3.12".parse().unwrap(),
        handler: "app.handler".parse().unwrap(),
        role: "arn:aws:iam::000000000000:role/r".parse().unwrap(),
        description: String::new(),
        timeout: Timeout::default(),
        memory: MemoryMib::new(memory).unwrap(),
        ephemeral: EphemeralMib::default(),
        environment: Some(BTreeMap::from([("K".into(), "it's \"v\"".into())])),
        architecture: Architecture::X86,
        logging: LoggingConfig {
            format: LogFormat::Text,
            application_level: None,
            system_level: None,
            group: "/aws/lambda/f".into(),
        },
        tracing: TracingMode::PassThrough,
        egress: Egress::Internet,
    }
}

fn generation(memory: u32) -> Arc<Generation> {
    Arc::new(Generation {
        id: RevisionId::random(),
        config: config(memory),
        code_sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse().unwrap(),
        code_bytes: 22,
        modified: Timestamp(1_700_000_000_123),
    })
}

fn function(name: &str) -> StoredFunction {
    StoredFunction {
        key: FunctionKey {
            account: "000000000000".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            name: name.parse().unwrap(),
        },
        revision: RevisionId::random(),
        lifecycle: Lifecycle::Creating,
        tags: Arc::new(BTreeMap::from([("team".into(), "a".into())])),
        latest: generation(128),
        serving: None,
    }
}

fn with_revision(function: &StoredFunction, lifecycle: Lifecycle) -> StoredFunction {
    StoredFunction { revision: RevisionId::random(), lifecycle, ..function.clone() }
}

/// The only function of the store.
fn only(store: &Store) -> StoredFunction {
    let mut functions = store.functions().unwrap();
    assert_eq!(functions.len(), 1);
    functions.remove(0)
}

#[test]
fn a_function_comes_back_as_it_was_written() {
    on_every_dialect(|open| {
        let creating = function("f");
        open().insert(&creating).unwrap();
        assert_eq!(only(&open()), creating);
        let mut active = with_revision(&creating, Lifecycle::Active { update: UpdateStatus::Successful });
        active.serving = Some(active.latest.clone());
        open().replace(&creating, &active).unwrap();
        assert_eq!(only(&open()), active);
        // An update under way: two generations at once.
        let mut updating = with_revision(&active, Lifecycle::Active { update: UpdateStatus::InProgress });
        updating.latest = generation(256);
        open().replace(&active, &updating).unwrap();
        assert_eq!(only(&open()), updating);
        let reason = FailReason { code: "InternalError".into(), message: "lost".into() };
        let failed = with_revision(&updating, Lifecycle::Active { update: UpdateStatus::Failed(reason) });
        open().replace(&updating, &failed).unwrap();
        assert_eq!(only(&open()), failed);
        open().remove(&failed).unwrap();
        assert!(open().functions().unwrap().is_empty());
    });
}

#[test]
fn a_name_is_taken_once_per_account_and_region() {
    on_every_dialect(|open| {
        let store = open();
        let first = function("f");
        store.insert(&first).unwrap();
        assert!(matches!(store.insert(&function("f")), Err(StoreError::AlreadyExists)));
        let mut elsewhere = function("f");
        elsewhere.key.region = "eu-west-1".parse().unwrap();
        store.insert(&elsewhere).unwrap();
        let mut of_another = function("f");
        of_another.key.account = "111111111111".parse().unwrap();
        store.insert(&of_another).unwrap();
        let found = store.functions().unwrap();
        assert_eq!(found, [elsewhere, first, of_another], "ordered by account, region and name");
    });
}

#[test]
fn a_writer_that_is_behind_changes_nothing() {
    on_every_dialect(|open| {
        let store = open();
        let first = function("f");
        store.insert(&first).unwrap();
        let second = with_revision(&first, Lifecycle::Active { update: UpdateStatus::Successful });
        store.replace(&first, &second).unwrap();
        let late = with_revision(&first, Lifecycle::Creating);
        assert!(matches!(store.replace(&first, &late), Err(StoreError::Changed)));
        assert!(matches!(store.remove(&first), Err(StoreError::Changed)));
        assert_eq!(only(&store), second);
        store.remove(&second).unwrap();
        assert!(matches!(store.replace(&second, &late), Err(StoreError::Changed)));
        assert!(store.functions().unwrap().is_empty());
        // The name is free again.
        store.insert(&function("f")).unwrap();
    });
}

#[test]
fn writers_at_once_each_write_or_learn_that_they_are_behind() {
    on_every_dialect(|open| {
        let (one, other) = (open(), open());
        let first = function("f");
        one.insert(&first).unwrap();
        let won: usize = std::thread::scope(|scope| {
            let writers: Vec<_> = [&one, &other, &one, &other]
                .map(|store| {
                    let next = with_revision(&first, Lifecycle::Active { update: UpdateStatus::Successful });
                    let first = &first;
                    scope.spawn(move || match store.replace(first, &next) {
                        Ok(()) => 1,
                        Err(StoreError::Changed) => 0,
                        Err(error) => panic!("{error}"),
                    })
                })
                .into_iter()
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).sum()
        });
        assert_eq!(won, 1);
    });
}

#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("lacewing.db")).unwrap();
    store.insert(&function("f")).unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}
