//! How long packages and code trees stay on the disk.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_catalog::Code;
use lacewing_model::{Lifecycle, RevisionId, UpdateStatus};
use lacewing_store::{Generation, Store, StoredFunction};
use std::sync::Arc;
use support::{caught_up, code, content, created, name, names, new, open, owner, settled};

#[tokio::test]
async fn code_goes_when_no_function_and_no_sandbox_needs_it() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    created(&catalog, "f", "one").await;
    created(&catalog, "g", "one").await;
    assert_eq!(names(dir.path(), "packages").len(), 1, "the same code is kept once");
    catalog.delete(&owner(), &name("f"), None).await.unwrap();
    assert_eq!(content(&catalog, "g"), "one", "the other function needs it");

    let sandbox = catalog.resolve(&owner(), &name("g"), None).unwrap();
    catalog.update_code(&owner(), &name("g"), code("two")).await.unwrap();
    settled(&catalog, "g").await;
    assert!(sandbox.code.join("app.py").exists(), "a sandbox still reads the former code");
    caught_up(&catalog).await;
    let former = sandbox.code.to_path_buf();
    drop(sandbox);
    assert!(!former.exists());
    assert_eq!(names(dir.path(), "packages").len(), 1);
    assert_eq!(content(&catalog, "g"), "two");
}

#[tokio::test]
async fn a_clean_stop_keeps_all_code_and_leaves_no_litter() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    created(&catalog, "f", "one").await;
    let before = created(&catalog, "g", "two").await;
    drop(catalog);
    assert_eq!(names(dir.path(), "code").len(), 2);
    let catalog = open(dir.path()).await;
    assert_eq!(content(&catalog, "f"), "one");
    let after = catalog.get(&owner(), &name("g"), None).unwrap();
    assert_eq!(after.version, before.version);
    assert_eq!(after.tags, before.tags);
}

#[tokio::test]
async fn a_lost_tree_is_made_again_and_a_lost_package_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    created(&catalog, "f", "one").await;
    drop(catalog);
    std::fs::remove_dir_all(dir.path().join("code")).unwrap();
    let catalog = open(dir.path()).await;
    assert_eq!(content(&catalog, "f"), "one");
    drop(catalog);
    std::fs::remove_dir_all(dir.path().join("code")).unwrap();
    std::fs::remove_dir_all(dir.path().join("packages")).unwrap();
    let catalog = open(dir.path()).await;
    let view = catalog.get(&owner(), &name("f"), None).unwrap();
    assert_eq!(view.state(), "Failed");
    assert!(view.state_reason().unwrap().text.contains("Upload the function's code again"));
    assert!(catalog.resolve(&owner(), &name("f"), None).is_err());
    catalog.update_code(&owner(), &name("f"), code("one")).await.unwrap();
    assert_eq!(settled(&catalog, "f").await.state(), "Active");
    assert_eq!(content(&catalog, "f"), "one");
}

#[tokio::test]
async fn a_refused_package_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    created(&catalog, "f", "one").await;
    assert!(catalog.create(&owner(), new("f", "another")).await.is_err());
    let mut bad = new("g", "x");
    if let Code::Zip(zip) = &mut bad.code {
        *zip = zip.slice(..zip.len() - 30);
    }
    assert!(catalog.create(&owner(), bad).await.is_err());
    drop(catalog);
    assert_eq!((names(dir.path(), "packages").len(), names(dir.path(), "code").len()), (1, 1));
}

#[tokio::test]
async fn a_preparation_that_fails_after_a_restart_says_why_and_the_former_generation_serves_on() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    created(&catalog, "updated", "one").await;
    drop(catalog);
    // As if the process had been killed before it prepared, and the packages were lost since.
    let store = Store::open(&dir.path().join("lacewing.db")).unwrap();
    let active = store.functions().unwrap().remove(0);
    let lost = Arc::new(Generation {
        id: RevisionId::random(),
        code_sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse().unwrap(),
        ..(*active.latest).clone()
    });
    let in_progress = Lifecycle::Active { update: UpdateStatus::InProgress };
    let revision = RevisionId::random();
    let updating = StoredFunction { latest: lost.clone(), lifecycle: in_progress, revision, ..active.clone() };
    store.replace(&active, &updating).unwrap();
    let mut creating = StoredFunction { serving: None, lifecycle: Lifecycle::Creating, ..updating };
    creating.key.name = name("created");
    store.insert(&creating).unwrap();
    drop(store);

    let catalog = open(dir.path()).await;
    let updated = settled(&catalog, "updated").await;
    assert_eq!((updated.state(), updated.update_status()), ("Active", Some("Failed")));
    assert_eq!(updated.update_reason().unwrap().code, "InternalError");
    assert_eq!(content(&catalog, "updated"), "one");
    let created = settled(&catalog, "created").await;
    assert_eq!((created.state(), created.update_status()), ("Failed", None));
    assert!(created.state_reason().unwrap().text.contains("missing or damaged"));
    let refused = catalog.resolve(&owner(), &name("created"), None).unwrap_err();
    assert!(refused.to_string().ends_with("currently in the following state: Failed"), "{refused}");
    // New code mends both.
    for function in ["updated", "created"] {
        catalog.update_code(&owner(), &name(function), code("two")).await.unwrap();
        assert_eq!(settled(&catalog, function).await.update_status(), Some("Successful"));
        assert_eq!(content(&catalog, function), "two");
    }
}
