//! Concurrency that is set aside, as the pool is told of it.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_catalog::{AliasChange, Catalog, CatalogError, Publication};
use lacewing_model::{Qualifier, Routing, VersionNumber};
use support::{code, created, name, open, owner, settled};

const ACCOUNT_MAX: u32 = 1_000;

fn live() -> Qualifier {
    Qualifier::Alias("live".into())
}

async fn provision(catalog: &Catalog, qualifier: &Qualifier, count: Option<u32>) -> Result<(), CatalogError> {
    catalog.provision(&owner(), &name("f"), qualifier, count, ACCOUNT_MAX).await
}

async fn lead(catalog: &Catalog, version: u64, second: Option<(u64, f64)>) {
    let routing = Some(second.map(|(number, weight)| Routing { number, weight }));
    let change = AliasChange { version: Some(VersionNumber::Published(version)), routing, ..Default::default() };
    catalog.update_alias(&owner(), &name("f"), "live", change).await.unwrap();
}

/// What the pool is told: how many sandboxes of which version.
fn wanted(catalog: &Catalog) -> Vec<(String, u32)> {
    let wanted = catalog.provisioned().borrow().clone();
    let mut wanted: Vec<_> =
        wanted.values().map(|one| (one.runnable.version.number.to_string(), one.sandboxes)).collect();
    wanted.sort();
    wanted
}

fn told(all: &[(&str, u32)]) -> Vec<(String, u32)> {
    all.iter().map(|(number, count)| ((*number).to_owned(), *count)).collect()
}

/// A function with versions 1 and 2, and the alias `live` of 1.
async fn with_alias(catalog: &Catalog) {
    created(catalog, "f", "one").await;
    for content in ["two", "three"] {
        catalog.publish(&owner(), &name("f"), Publication::default()).await.unwrap();
        catalog.update_code(&owner(), &name("f"), code(content)).await.unwrap();
        settled(catalog, "f").await;
    }
    let change = AliasChange { version: Some(VersionNumber::Published(1)), ..Default::default() };
    catalog.create_alias(&owner(), &name("f"), "live".parse().unwrap(), change).await.unwrap();
}

#[tokio::test]
async fn what_is_provisioned_moves_with_its_alias_and_is_shared_by_weight() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    with_alias(&catalog).await;
    provision(&catalog, &live(), Some(10)).await.unwrap();
    assert_eq!(wanted(&catalog), told(&[("1", 10)]));
    lead(&catalog, 1, Some((2, 0.3))).await;
    assert_eq!(wanted(&catalog), told(&[("1", 7), ("2", 3)]));
    lead(&catalog, 2, None).await;
    assert_eq!(wanted(&catalog), told(&[("2", 10)]));
    drop(catalog);
    let catalog = open(dir.path()).await;
    let mut told_again = catalog.provisioned();
    told_again.wait_for(|wanted| !wanted.is_empty()).await.unwrap();
    assert_eq!(wanted(&catalog), told(&[("2", 10)]), "after a restart too");
    catalog.delete_alias(&owner(), &name("f"), "live").await.unwrap();
    assert!(wanted(&catalog).is_empty());
}

#[tokio::test]
async fn an_alias_that_moves_onto_a_provisioned_version_adds_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    with_alias(&catalog).await;
    provision(&catalog, &live(), Some(1)).await.unwrap();
    provision(&catalog, &Qualifier::Number(2), Some(2)).await.unwrap();
    lead(&catalog, 2, None).await;
    assert_eq!(wanted(&catalog), told(&[("2", 3)]));
    let twice = provision(&catalog, &live(), Some(4)).await.unwrap_err();
    assert!(matches!(twice, CatalogError::Conflict(_)), "{twice}");
}

#[tokio::test]
async fn calls_are_told_what_is_reserved() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    with_alias(&catalog).await;
    let reserved = || catalog.resolve(&owner(), &name("f"), Some(&live())).unwrap().reserved;
    assert_eq!(reserved(), None);
    catalog.reserve(&owner(), &name("f"), Some(3), ACCOUNT_MAX).await.unwrap();
    assert_eq!((reserved(), catalog.reserved(&owner())), (Some(3), 3));
    created(&catalog, "g", "one").await;
    let too_much = catalog.reserve(&owner(), &name("g"), Some(898), ACCOUNT_MAX).await.unwrap_err();
    assert!(matches!(too_much, CatalogError::BadConcurrency(_)), "{too_much}");
    catalog.reserve(&owner(), &name("g"), Some(897), ACCOUNT_MAX).await.unwrap();
}
