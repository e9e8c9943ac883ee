//! Published versions, from the writer to calls.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_catalog::{Catalog, CatalogError, FunctionView, Publication};
use lacewing_model::{Qualifier, VersionNumber};
use support::{caught_up, code, created, memory, name, names, new, open, owner, settled};

fn number(number: u64) -> Option<Qualifier> {
    Some(Qualifier::Number(number))
}

async fn publish(catalog: &Catalog) -> FunctionView {
    catalog.publish(&owner(), &name("f"), Publication::default()).await.unwrap()
}

/// Waits until the version is no longer Pending.
async fn ready(catalog: &Catalog, version: u64) -> FunctionView {
    loop {
        let view = catalog.get(&owner(), &name("f"), number(version).as_ref()).unwrap();
        if view.state() != "Pending" {
            return view;
        }
        tokio::task::yield_now().await;
    }
}

async fn update(catalog: &Catalog, content: &str) -> FunctionView {
    catalog.update_code(&owner(), &name("f"), code(content)).await.unwrap();
    settled(catalog, "f").await
}

/// What calls with the qualifier run.
fn runs(catalog: &Catalog, qualifier: Option<Qualifier>) -> String {
    let runnable = catalog.resolve(&owner(), &name("f"), qualifier.as_ref()).unwrap();
    std::fs::read_to_string(runnable.code.join("app.py")).unwrap()
}

fn numbers(catalog: &Catalog) -> Vec<String> {
    let page = catalog.versions(&owner(), &name("f"), None, 50).unwrap();
    page.items.iter().map(|view| view.version.number.to_string()).collect()
}

#[tokio::test]
async fn a_version_is_active_at_once_and_freezes_code_and_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    let before = created(&catalog, "f", "one").await;
    let active = publish(&catalog).await;
    assert_eq!((active.state(), active.update_status()), ("Active", Some("Successful")));
    assert_eq!(active.version.number, VersionNumber::Published(1));
    assert_eq!(runs(&catalog, number(1)), "one");
    let latest = catalog.get(&owner(), &name("f"), None).unwrap();
    assert_ne!(latest.version.revision, before.version.revision, "publishing is seen on $LATEST");
    assert_eq!(latest.version.generation, before.version.generation, "but its sandboxes stay warm");

    update(&catalog, "two").await;
    catalog.update_config(&owner(), &name("f"), memory(512)).await.unwrap();
    settled(&catalog, "f").await;
    assert_eq!((runs(&catalog, None), runs(&catalog, number(1))), ("two".into(), "one".into()));
    let one = catalog.get(&owner(), &name("f"), number(1).as_ref()).unwrap();
    assert_eq!(one.version, active.version);
    assert_eq!(names(dir.path(), "packages").len(), 2);
    let shown = catalog.package(&owner(), &name("f"), one.version.code_sha256.as_str()).await.unwrap();
    assert_eq!(shown, support::package("one"));
}

#[tokio::test]
async fn versions_never_share_a_sandbox() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    created(&catalog, "f", "one").await;
    publish(&catalog).await;
    catalog.delete(&owner(), &name("f"), number(1).as_ref()).await.unwrap();
    publish(&catalog).await;
    let kept = |qualifier: Option<Qualifier>| {
        catalog.resolve(&owner(), &name("f"), qualifier.as_ref()).unwrap().version.generation
    };
    assert_ne!(kept(None), kept(number(2)), "a sandbox is told which version it runs");
}

#[tokio::test]
async fn what_has_not_changed_is_not_published_again_and_numbers_are_never_reused() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    created(&catalog, "f", "one").await;
    let first = publish(&catalog).await;
    assert_eq!(publish(&catalog).await.version, first.version);
    update(&catalog, "two").await;
    assert_eq!(publish(&catalog).await.version.number, VersionNumber::Published(2));
    catalog.delete(&owner(), &name("f"), number(2).as_ref()).await.unwrap();
    assert_eq!(numbers(&catalog), ["$LATEST", "1"]);
    drop(catalog);
    let catalog = open(dir.path()).await;
    assert_eq!(publish(&catalog).await.version.number, VersionNumber::Published(3));
    assert_eq!(numbers(&catalog), ["$LATEST", "1", "3"]);
}

#[tokio::test]
async fn a_version_may_have_a_description_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    created(&catalog, "f", "one").await;
    let publication = Publication { description: Some("the first".into()), ..Default::default() };
    catalog.publish(&owner(), &name("f"), publication).await.unwrap();
    drop(catalog);
    let catalog = open(dir.path()).await;
    let words = |qualifier: Option<Qualifier>| {
        catalog.get(&owner(), &name("f"), qualifier.as_ref()).unwrap().version.config.description.clone()
    };
    assert_eq!((words(None), words(number(1))), (String::new(), "the first".into()));
    assert_eq!(publish(&catalog).await.version.number, VersionNumber::Published(1), "the words are no change");
}

#[tokio::test]
async fn publishing_is_refused_under_conditions_that_do_not_hold() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    let nobody = catalog.publish(&owner(), &name("f"), Publication::default()).await.unwrap_err();
    assert!(matches!(nobody, CatalogError::NotFound { .. }));
    let old = created(&catalog, "f", "one").await;
    let stale = Publication { revision: Some(lacewing_model::RevisionId::random()), ..Default::default() };
    let stale = catalog.publish(&owner(), &name("f"), stale).await.unwrap_err();
    assert!(matches!(stale, CatalogError::StaleRevision));
    let other = Publication { code_sha256: Some("somehash".into()), ..Default::default() };
    let other = catalog.publish(&owner(), &name("f"), other).await.unwrap_err();
    assert_eq!(
        other.to_string(),
        format!(
            "CodeSHA256 (somehash) is different from current CodeSHA256 in $LATEST ({}). Please try again with the \
             CodeSHA256 in $LATEST.",
            old.version.code_sha256
        )
    );
    let good = Publication {
        code_sha256: Some(old.version.code_sha256.to_string()),
        revision: Some(old.version.revision),
        description: None,
    };
    catalog.publish(&owner(), &name("f"), good).await.unwrap();
}

#[tokio::test]
async fn creating_and_updating_publish_where_that_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    let mut draft = new("f", "one");
    draft.publish = true;
    let shown = catalog.create(&owner(), draft).await.unwrap();
    assert_eq!((shown.version.number, shown.state()), (VersionNumber::Published(1), "Pending"));
    ready(&catalog, 1).await;
    settled(&catalog, "f").await;
    let mut change = code("two");
    change.publish = true;
    let shown = catalog.update_code(&owner(), &name("f"), change).await.unwrap();
    assert_eq!((shown.version.number, shown.state()), (VersionNumber::Published(2), "Pending"));
    ready(&catalog, 2).await;
    settled(&catalog, "f").await;
    assert_eq!([None, number(1), number(2)].map(|which| runs(&catalog, which)), ["two", "one", "two"]);
    assert_eq!(catalog.totals(&owner()).functions, 1);
}

#[tokio::test]
async fn the_code_of_a_version_goes_with_the_last_that_needs_it() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    created(&catalog, "f", "one").await;
    let first = publish(&catalog).await;
    update(&catalog, "two").await;
    // What the update retired is announced after it can be seen: that must be over.
    caught_up(&catalog).await;
    let mut retired = catalog.retired();
    catalog.delete(&owner(), &name("f"), number(1).as_ref()).await.unwrap();
    assert_eq!(retired.recv().await.unwrap(), first.version.generation);
    caught_up(&catalog).await;
    assert_eq!(names(dir.path(), "packages").len(), 1);
    let missing = catalog.resolve(&owner(), &name("f"), number(1).as_ref()).unwrap_err();
    assert_eq!(missing.to_string(), "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:1");
    publish(&catalog).await;
    catalog.delete(&owner(), &name("f"), None).await.unwrap();
    caught_up(&catalog).await;
    assert!(names(dir.path(), "packages").is_empty());
}

#[tokio::test]
async fn listings_of_versions_come_in_pages() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    created(&catalog, "f", "0").await;
    for round in 1..4 {
        publish(&catalog).await;
        update(&catalog, &round.to_string()).await;
    }
    created(&catalog, "g", "0").await;
    let first = catalog.versions(&owner(), &name("f"), None, 3).unwrap();
    let second = catalog.versions(&owner(), &name("f"), Some(first.items[2].version.number), 3).unwrap();
    assert_eq!((first.items.len(), first.more, second.items.len(), second.more), (3, true, 1, false));
    let mut after = None;
    let mut found = Vec::new();
    loop {
        let page = catalog.list_versions(&owner(), after.as_ref(), 2);
        let mut keys = page.items.iter().map(|view| (view.version.name.clone(), view.version.number));
        found.extend(keys.clone().map(|(name, number)| format!("{name}:{number}")));
        after = keys.next_back();
        if !page.more {
            break;
        }
    }
    assert_eq!(found, ["f:$LATEST", "f:1", "f:2", "f:3", "g:$LATEST"]);
}
