//! Records that go with functions: changed by one writer, on the disk before the answer, gone with their function.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_catalog::CatalogError;
use lacewing_catalog::records::{Document, Family, Recursion, UrlConfig};
use support::{created, name, open, owner};

fn url(id: &str) -> UrlConfig {
    UrlConfig { id: id.into(), signed: false, streams: false, cors: None, created_ms: 1, modified_ms: 1 }
}

#[tokio::test]
async fn a_record_survives_its_process_and_goes_with_its_function() {
    let dir = tempfile::tempdir().unwrap();
    let key = owner().function_record(Family::UrlConfig, &name("f"), "live");
    {
        let catalog = open(dir.path()).await;
        created(&catalog, "f", "one").await;
        created(&catalog, "g", "one").await;
        catalog.put_record(key.clone(), url("abc")).await.unwrap();
        let other = owner().function_record(Recursion::FAMILY, &name("g"), "");
        catalog.put_record(other, Recursion { allowed: true }).await.unwrap();
    }
    let catalog = open(dir.path()).await;
    assert_eq!(catalog.record::<UrlConfig>(&key).as_deref(), Some(&url("abc")));
    let target = catalog.url("abc").unwrap();
    assert_eq!((target.function, target.alias.as_deref()), (name("f"), Some("live")));
    assert_eq!(catalog.function_records::<UrlConfig>(&owner(), &name("f")).len(), 1);

    catalog.delete(&owner(), &name("f"), None).await.unwrap();
    assert!(catalog.record::<UrlConfig>(&key).is_none() && catalog.url("abc").is_none());
    drop(catalog);
    let catalog = open(dir.path()).await;
    assert!(catalog.all_records::<UrlConfig>(&owner()).is_empty());
    assert_eq!(catalog.all_records::<Recursion>(&owner()).len(), 1);
}

#[tokio::test]
async fn a_change_that_is_refused_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    created(&catalog, "f", "one").await;
    let key = owner().function_record(Recursion::FAMILY, &name("f"), "");
    let refused = catalog.change_record(key.clone(), |document: &mut Option<Recursion>| {
        *document = Some(Recursion { allowed: true });
        Err::<(), _>(CatalogError::Conflict("no".into()))
    });
    assert!(matches!(refused.await, Err(CatalogError::Conflict(_))));
    assert!(catalog.record::<Recursion>(&key).is_none());
    let orphan = owner().function_record(Recursion::FAMILY, &name("none"), "");
    let refused = catalog.put_record(orphan, Recursion { allowed: true });
    assert!(matches!(refused.await, Err(CatalogError::NotFound { .. })));
}

#[tokio::test]
async fn changes_at_once_are_all_made() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    created(&catalog, "f", "one").await;
    let key = owner().function_record(Family::UrlConfig, &name("f"), "");
    let mut changes = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (catalog, key) = (catalog.clone(), key.clone());
        changes.spawn(async move {
            let count = |document: &mut Option<UrlConfig>| {
                document.get_or_insert_with(|| url("x")).modified_ms += 1;
                Ok(())
            };
            catalog.change_record(key, count).await.unwrap();
        });
    }
    changes.join_all().await;
    assert_eq!(catalog.record::<UrlConfig>(&key).unwrap().modified_ms, 21);
    let taken = catalog.change_record(key.clone(), |document: &mut Option<UrlConfig>| Ok(document.take())).await;
    assert!(taken.unwrap().is_some());
    assert!(catalog.record::<UrlConfig>(&key).is_none());
}
