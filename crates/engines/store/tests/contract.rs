//! What every dialect of the store promises. A second one adds a line to `dialects`.
#![allow(clippy::unwrap_used)]

use lacewing_model::{
    Alias, FailReason, FunctionConfig, Lifecycle, MemoryMib, Provisioned, RevisionId, Routing, Timestamp, UpdateStatus,
    VersionNumber,
};
use lacewing_store::identities::{
    Grants, Identity, IdentityChange, IdentityKind, KeyRecord, PolicyRecord, PolicyVersion, RoleRecord, UserRecord,
};
use lacewing_store::records::{Document, Family, Policy, RecordKey, Recursion, StoredRecord, UrlConfig};
use lacewing_store::{FunctionKey, Generation, Store, StoreError, StoredFunction, StoredVersion};
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
        memory: MemoryMib::new(memory).unwrap(),
        environment: Some(BTreeMap::from([("K".into(), "it's \"v\"".into())])),
        ..FunctionConfig::new(
            &"f".parse().unwrap(),
            "python3.12".parse().unwrap(),
            "app.handler".parse().unwrap(),
            "arn:aws:iam::000000000000:role/r".parse().unwrap(),
        )
    }
}

fn generation(memory: u32) -> Arc<Generation> {
    Arc::new(Generation {
        id: RevisionId::random(),
        config: Arc::new(config(memory)),
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
        published: 0,
        reserved: None,
        versions: Vec::new(),
        aliases: Vec::new(),
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

fn version(number: u64, generation: &Arc<Generation>) -> StoredVersion {
    StoredVersion {
        number,
        id: RevisionId::random(),
        generation: generation.clone(),
        revision: RevisionId::random(),
        lifecycle: Lifecycle::Creating,
        description: format!("the {number}."),
        modified: Timestamp(1_700_000_000_456),
        provisioned: None,
    }
}

fn alias(name: &str, version: VersionNumber, routing: Option<Routing>) -> Alias {
    Alias {
        name: name.parse().unwrap(),
        version,
        routing,
        description: "moves".into(),
        revision: RevisionId::random(),
        provisioned: None,
    }
}

#[test]
fn versions_and_aliases_come_back_and_their_writes_leave_the_function_as_it_was() {
    on_every_dialect(|open| {
        let mut first = function("f");
        first.lifecycle = Lifecycle::Active { update: UpdateStatus::Successful };
        first.versions = vec![version(1, &first.latest)];
        first.published = 1;
        open().insert(&first).unwrap();
        assert_eq!(only(&open()), first);
        // What a version froze stays, even when nothing else points at it any more.
        let mut second = with_revision(&first, first.lifecycle.clone());
        second.latest = generation(256);
        second.reserved = Some(7);
        open().replace(&first, &second).unwrap();
        assert_eq!(only(&open()), second);
        let mut third = second.clone();
        let active = Lifecycle::Active { update: UpdateStatus::Successful };
        let provisioned = Some(Provisioned { requested: 3, since: Timestamp(9) });
        third.versions[0] = StoredVersion {
            revision: RevisionId::random(),
            lifecycle: active,
            provisioned,
            ..third.versions[0].clone()
        };
        third.versions.push(version(2, &third.latest));
        third.published = 2;
        let routing = Some(Routing { number: 2, weight: 0.25 });
        third.aliases = vec![
            alias("dev", VersionNumber::Latest, None),
            Alias { provisioned, ..alias("live", VersionNumber::Published(1), routing) },
        ];
        open().replace(&second, &third).unwrap();
        assert_eq!(only(&open()), third);
        let mut fourth = third.clone();
        fourth.versions.remove(1);
        fourth.aliases.remove(0);
        fourth.aliases[0] = alias("live", VersionNumber::Published(1), None);
        open().replace(&third, &fourth).unwrap();
        assert_eq!(only(&open()), fourth, "the number 2 is not forgotten");
        open().remove(&fourth).unwrap();
        open().insert(&function("f")).unwrap();
        assert!(only(&open()).versions.is_empty() && only(&open()).aliases.is_empty());
    });
}

#[test]
fn a_writer_that_is_behind_on_a_version_or_an_alias_changes_nothing() {
    on_every_dialect(|open| {
        let store = open();
        let mut first = function("f");
        first.versions = vec![version(1, &first.latest)];
        first.aliases = vec![alias("live", VersionNumber::Published(1), None)];
        store.insert(&first).unwrap();
        let mut second = first.clone();
        second.versions[0].revision = RevisionId::random();
        second.aliases[0].revision = RevisionId::random();
        store.replace(&first, &second).unwrap();
        for late in [
            StoredFunction { versions: vec![version(1, &first.latest)], ..first.clone() },
            StoredFunction { versions: Vec::new(), ..first.clone() },
            StoredFunction { aliases: vec![alias("live", VersionNumber::Latest, None)], ..first.clone() },
            StoredFunction { aliases: Vec::new(), ..first.clone() },
        ] {
            assert!(matches!(store.replace(&first, &late), Err(StoreError::Changed)));
        }
        assert_eq!(only(&store), second);
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

fn record<T: Document>(function: Option<&str>, name: &str, document: T) -> StoredRecord {
    let FunctionKey { account, region, .. } = function_key();
    let function = function.map(|name| name.parse().unwrap());
    let key = RecordKey { account, region, family: T::FAMILY, function, name: name.into() };
    StoredRecord { key: Arc::new(key), revision: RevisionId::random(), record: T::wrap(Arc::new(document)) }
}

fn function_key() -> FunctionKey {
    function("f").key
}

#[test]
fn a_record_comes_back_as_it_was_written_and_goes_with_its_function() {
    on_every_dialect(|open| {
        let store = open();
        let f = function("f");
        store.insert(&f).unwrap();
        let own = record(Some("f"), "live", Policy::default());
        let other = record(Some("g"), "", Recursion { allowed: true });
        let nobodys = record(None, "x", Recursion { allowed: false });
        for record in [&own, &other, &nobodys] {
            store.put_record(record, None).unwrap();
        }
        assert!(matches!(store.put_record(&own, None), Err(StoreError::AlreadyExists)));
        assert_eq!(open().records().unwrap(), [own, nobodys.clone(), other.clone()]);
        store.remove(&f).unwrap();
        assert_eq!(open().records().unwrap(), [nobodys, other]);
    });
}

#[test]
fn with_an_alias_goes_what_is_its_own_but_for_its_url() {
    on_every_dialect(|open| {
        let store = open();
        let mut f = function("f");
        f.aliases = vec![alias("live", VersionNumber::Latest, None), alias("test", VersionNumber::Latest, None)];
        store.insert(&f).unwrap();
        let cors = None;
        let url = UrlConfig { id: "x".into(), signed: false, streams: false, cors, created_ms: 1, modified_ms: 1 };
        let gone = record(Some("f"), "live", Policy::default());
        let kept = [
            record(Some("f"), "test", Policy::default()),
            record(Some("f"), "live", url),
            record(Some("f"), "", Policy::default()),
        ];
        for record in kept.iter().chain([&gone]) {
            store.put_record(record, None).unwrap();
        }
        let mut without = f.clone();
        without.aliases.remove(0);
        store.replace(&f, &without).unwrap();
        let left = open().records().unwrap();
        assert_eq!(left.len(), kept.len());
        assert!(kept.iter().all(|record| left.contains(record)));
    });
}

#[test]
fn a_record_is_changed_by_who_knows_its_revision() {
    on_every_dialect(|open| {
        let store = open();
        let first = record(Some("f"), "", Recursion { allowed: false });
        store.put_record(&first, None).unwrap();
        let second = record(Some("f"), "", Recursion { allowed: true });
        store.put_record(&second, Some(first.revision)).unwrap();
        assert!(matches!(store.put_record(&first, Some(first.revision)), Err(StoreError::Changed)));
        assert!(matches!(store.remove_record(&first), Err(StoreError::Changed)));
        assert_eq!(store.records().unwrap(), std::slice::from_ref(&second));
        assert_eq!(second.key.family, Family::Recursion);
        store.remove_record(&second).unwrap();
        assert!(store.records().unwrap().is_empty());
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

fn identities() -> Vec<Identity> {
    let grants = Grants {
        inline: BTreeMap::from([("p".into(), r#"{"Statement":[]}"#.into())]),
        attached: vec!["arn:aws:iam::aws:policy/AWSLambdaRole".into()],
        boundary: Some("arn:aws:iam::000000000000:policy/b".into()),
    };
    let tags = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    let (id, path, created_ms) = ("AIDAX".to_owned(), "/x/".to_owned(), 5);
    let user = UserRecord { name: "n".into(), id, path, created_ms, tags, grants };
    let role = RoleRecord {
        name: "n".into(),
        id: "AROAX".into(),
        path: "/".into(),
        created_ms: 6,
        tags: BTreeMap::new(),
        grants: Grants::default(),
        trust: "{}".into(),
        description: Some("it's \"it\"".into()),
        session_seconds_max: 3_600,
    };
    let policy = PolicyRecord {
        name: "n".into(),
        id: "ANPAX".into(),
        path: "/".into(),
        created_ms: 7,
        updated_ms: 8,
        tags: BTreeMap::new(),
        description: None,
        versions: BTreeMap::from([(2, PolicyVersion { document: "{}".into(), created_ms: 8 })]),
        default: 2,
        newest: 2,
    };
    let key = KeyRecord { id: "AKIAX".into(), user: Some("n".into()), active: true, created_ms: 9 };
    // In the order of the table.
    vec![Identity::Key(key), Identity::Policy(policy), Identity::Role(role), Identity::User(user)]
}

#[test]
fn identities_come_back_as_they_were_written_and_go_by_kind_and_name() {
    on_every_dialect(|open| {
        let account: lacewing_model::AccountId = "000000000000".parse().unwrap();
        let other: lacewing_model::AccountId = "111111111111".parse().unwrap();
        let puts: Vec<_> = identities().into_iter().map(Box::new).map(IdentityChange::Put).collect();
        open().change_identities(&account, &puts).unwrap();
        let of = |owner: &lacewing_model::AccountId| -> Vec<Identity> {
            let all = open().identities().unwrap().into_iter();
            all.filter(|(account, _)| account == owner).map(|(_, identity)| identity).collect()
        };
        assert_eq!(of(&account), identities());
        // One step of another account takes nothing of this one.
        let removes: Vec<_> =
            [IdentityKind::User, IdentityKind::Role].map(|kind| IdentityChange::Remove(kind, "n".to_owned())).to_vec();
        open().change_identities(&other, &removes).unwrap();
        assert_eq!(of(&account).len(), 4);
        open().change_identities(&account, &removes).unwrap();
        assert_eq!(of(&account), identities()[..2]);
        open().change_identities(&account, &puts[2..]).unwrap();
        open().change_identities(&account, &puts[2..]).unwrap();
        assert_eq!(of(&account), identities(), "put again");
    });
}
