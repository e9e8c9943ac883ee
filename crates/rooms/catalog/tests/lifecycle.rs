//! What callers see of a function from its creation to its end.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_catalog::{CatalogError, Code};
use lacewing_model::{LogFormat, Qualifier};
use std::sync::Arc;
use support::{code, content, created, memory, name, names, new, open, open_with, owner, settled};

#[tokio::test]
async fn a_new_function_is_pending_and_then_active_under_another_revision() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    let pending = catalog.create(&owner(), new("f", "one")).await.unwrap();
    assert_eq!((pending.state(), pending.update_status()), ("Pending", None));
    let reason = pending.state_reason().unwrap();
    assert_eq!((reason.code, reason.text), ("Creating", "The function is being created."));
    let active = settled(&catalog, "f").await;
    assert_eq!((active.state(), active.update_status()), ("Active", Some("Successful")));
    assert!(active.state_reason().is_none() && active.update_reason().is_none());
    assert_ne!(active.version.revision, pending.version.revision);
    assert_eq!(active.version.generation, pending.version.generation);
    assert_eq!(active.version.last_modified, pending.version.last_modified);
    assert_eq!(active.tags.get("team").map(String::as_str), Some("a"));
    assert_eq!(content(&catalog, "f"), "one");
    let bytes = catalog.package(&owner(), &name("f"), active.version.code_sha256.as_str()).await.unwrap();
    assert_eq!(bytes, support::package("one"));
}

#[tokio::test]
async fn an_update_is_in_progress_while_the_former_generation_serves() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    let before = created(&catalog, "f", "one").await;
    let mut retired = catalog.retired();
    let update = catalog.update_code(&owner(), &name("f"), code("two")).await.unwrap();
    assert_eq!((update.state(), update.update_status()), ("Active", Some("InProgress")));
    let reason = update.update_reason().unwrap();
    assert_eq!((reason.code, reason.text), ("Creating", "The function is being created."));
    assert_ne!(update.version.generation, before.version.generation);
    assert!(catalog.resolve(&owner(), &name("f"), None).is_ok());
    let after = settled(&catalog, "f").await;
    assert_eq!(after.update_status(), Some("Successful"));
    assert_ne!(after.version.revision, update.version.revision);
    assert_eq!(content(&catalog, "f"), "two");
    assert_eq!(retired.recv().await.unwrap(), before.version.generation);
}

#[tokio::test]
async fn an_update_that_changes_nothing_gets_a_revision_but_keeps_its_generation() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    let before = created(&catalog, "f", "one").await;
    let mut retired = catalog.retired();
    let update = catalog.update_code(&owner(), &name("f"), code("one")).await.unwrap();
    assert_eq!(update.update_status(), Some("InProgress"));
    assert_ne!(update.version.revision, before.version.revision);
    let after = settled(&catalog, "f").await;
    assert_eq!(after.version.generation, before.version.generation);
    assert!(retired.try_recv().is_err(), "warm sandboxes stay warm");
}

#[tokio::test]
async fn configuration_changes_keep_what_they_do_not_name() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    let before = created(&catalog, "f", "one").await;
    let mut change = memory(256);
    change.logging = Some(lacewing_catalog::LoggingChange { format: Some(LogFormat::Json), ..Default::default() });
    catalog.update_config(&owner(), &name("f"), change).await.unwrap();
    let after = settled(&catalog, "f").await;
    assert_eq!(after.version.config.memory.get(), 256);
    assert_eq!(after.version.config.environment, before.version.config.environment);
    assert_eq!(after.version.config.logging.group, before.version.config.logging.group);
    assert_eq!(after.version.code_sha256, before.version.code_sha256);
}

#[tokio::test]
async fn of_two_creations_of_one_name_exactly_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    let creations: Vec<_> = (0..8)
        .map(|number| {
            let catalog = catalog.clone();
            tokio::spawn(async move { catalog.create(&owner(), new("f", &number.to_string())).await })
        })
        .collect();
    let mut won = 0;
    for creation in creations {
        match creation.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert!(matches!(error, CatalogError::AlreadyExists { .. }), "{error}"),
        }
    }
    assert_eq!(won, 1);
    settled(&catalog, "f").await;
    assert_eq!(catalog.list(&owner(), None, 10).items.len(), 1);
}

#[tokio::test]
async fn changes_are_refused_with_awss_words() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    let f = name("f");
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let missing = catalog.update_code(&owner(), &f, code("x")).await.unwrap_err();
    assert_eq!(missing.to_string(), format!("Function not found: {arn}"));
    let missing = catalog.resolve(&owner(), &f, None).unwrap_err();
    assert_eq!(missing.to_string(), format!("Function not found: {arn}:$LATEST"));
    let missing = catalog.get(&owner(), &f, Some(&Qualifier::Number(7))).unwrap_err();
    assert_eq!(missing.to_string(), format!("Function not found: {arn}:7"));

    let old = created(&catalog, "f", "one").await;
    catalog.update_config(&owner(), &f, memory(256)).await.unwrap();
    settled(&catalog, "f").await;
    let mut stale = memory(512);
    stale.revision = Some(old.version.revision);
    let stale = catalog.update_config(&owner(), &f, stale).await.unwrap_err();
    assert!(stale.to_string().starts_with("The Revision Id provided does not match"), "{stale}");

    let mut zip = code("x");
    zip.code = Code::Zip("no zip".into());
    let bad = catalog.update_code(&owner(), &f, zip).await.unwrap_err();
    assert_eq!(bad.to_string(), "Could not unzip uploaded file. Please check your file, then try to upload again.");
    let latest = catalog.delete(&owner(), &f, Some(&Qualifier::Latest)).await.unwrap_err();
    assert_eq!(latest.to_string(), "$LATEST version cannot be deleted without deleting the function.");
}

#[tokio::test]
async fn deleting_a_version_that_is_not_there_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    let (f, seven) = (name("f"), Qualifier::Number(7));
    created(&catalog, "f", "one").await;
    for _ in 0..2 {
        catalog.delete(&owner(), &f, Some(&seven)).await.unwrap();
    }
    catalog.get(&owner(), &f, None).unwrap();

    let nobody = name("nobody");
    let missing = catalog.delete(&owner(), &nobody, Some(&seven)).await.unwrap_err();
    assert_eq!(missing.to_string(), "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody");
    let latest = catalog.delete(&owner(), &nobody, Some(&Qualifier::Latest)).await.unwrap_err();
    assert_eq!(latest.to_string(), "$LATEST version cannot be deleted without deleting the function.");
}

#[tokio::test]
async fn of_many_updates_at_once_each_is_made_alone_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    created(&catalog, "f", "one").await;
    let updates: Vec<_> = (0..16)
        .map(|number| {
            let catalog = catalog.clone();
            tokio::spawn(async move { catalog.update_config(&owner(), &name("f"), memory(256 + number)).await })
        })
        .collect();
    let mut made = 0;
    for update in updates {
        match update.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert!(matches!(error, CatalogError::UpdateInProgress { .. }), "{error}"),
        }
    }
    assert!(made >= 1);
    assert_eq!(settled(&catalog, "f").await.update_status(), Some("Successful"));
}

#[tokio::test]
async fn a_dry_run_checks_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    let before = created(&catalog, "f", "one").await;
    let mut change = code("two");
    change.dry_run = true;
    let shown = catalog.update_code(&owner(), &name("f"), change).await.unwrap();
    assert_ne!(shown.version.code_sha256, before.version.code_sha256);
    let after = catalog.get(&owner(), &name("f"), None).unwrap();
    assert_eq!(after.version, before.version);
    assert_eq!(names(dir.path(), "packages").len(), 1);
}

#[tokio::test]
async fn a_runtime_that_nothing_here_can_run_is_refused_before_anything_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let only_python: lacewing_catalog::CanRun = Arc::new(|version| match version.config.runtime.id() {
        "python3.12" => Ok(()),
        other => Err(format!("The runtime {other} is not available here. Available: python3.12.")),
    });
    let catalog = open_with(dir.path(), only_python).await;
    let mut node = new("f", "one");
    node.config.runtime = "nodejs20.x".parse().unwrap();
    let error = catalog.create(&owner(), node).await.unwrap_err();
    assert!(matches!(&error, CatalogError::Invalid(text) if text.contains("Available: python3.12")), "{error}");
    assert!(names(dir.path(), "packages").is_empty());
    created(&catalog, "f", "one").await;
    let change = lacewing_catalog::ConfigChange { runtime: Some("nodejs20.x".parse().unwrap()), ..Default::default() };
    assert!(matches!(catalog.update_config(&owner(), &name("f"), change).await, Err(CatalogError::Invalid(_))));
}

#[tokio::test]
async fn listings_come_in_pages_in_the_order_of_names() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    for function in ["c", "a", "e", "b", "d"] {
        created(&catalog, function, "same").await;
    }
    let mut after = None;
    let mut pages = Vec::new();
    loop {
        let page = catalog.list(&owner(), after.as_ref(), 2);
        let found: Vec<_> = page.items.iter().map(|view| view.version.name.to_string()).collect();
        after = page.items.last().map(|view| view.version.name.clone());
        pages.push(found.join(""));
        if !page.more {
            break;
        }
    }
    assert_eq!(pages, ["ab", "cd", "e"]);
    assert_eq!(catalog.totals(&owner()).functions, 5);
    let elsewhere = lacewing_catalog::Scope { region: "eu-west-1".parse().unwrap(), ..owner() };
    assert!(catalog.list(&elsewhere, None, 10).items.is_empty());
}
