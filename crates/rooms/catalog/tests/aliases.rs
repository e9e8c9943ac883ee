//! Aliases: where they lead, and what is refused.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_catalog::{AliasChange, Catalog, CatalogError, Publication};
use lacewing_model::{AliasName, Qualifier, RevisionId, Routing, VersionNumber};
use support::{code, created, name, open, owner, settled};

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

fn to(number: u64) -> AliasChange {
    AliasChange { version: Some(VersionNumber::Published(number)), ..Default::default() }
}

fn weighted(first: u64, second: u64, weight: f64) -> AliasChange {
    AliasChange { routing: Some(Some(Routing { number: second, weight })), ..to(first) }
}

fn live() -> AliasName {
    "live".parse().unwrap()
}

async fn make(catalog: &Catalog, change: AliasChange) -> Result<(), CatalogError> {
    catalog.create_alias(&owner(), &name("f"), live(), change).await.map(drop)
}

async fn update(catalog: &Catalog, change: AliasChange) -> Result<RevisionId, CatalogError> {
    catalog.update_alias(&owner(), &name("f"), "live", change).await.map(|alias| alias.revision)
}

fn runs(catalog: &Catalog) -> VersionNumber {
    let qualifier = Qualifier::Alias("live".into());
    catalog.resolve(&owner(), &name("f"), Some(&qualifier)).unwrap().version.number
}

/// A function with versions 1 and 2, both ready.
async fn with_two_versions(catalog: &Catalog) {
    created(catalog, "f", "one").await;
    for content in ["two", "three"] {
        catalog.publish(&owner(), &name("f"), Publication::default()).await.unwrap();
        catalog.update_code(&owner(), &name("f"), code(content)).await.unwrap();
        settled(catalog, "f").await;
    }
}

#[tokio::test]
async fn an_alias_leads_to_its_version_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    with_two_versions(&catalog).await;
    make(&catalog, to(1)).await.unwrap();
    assert_eq!(runs(&catalog), VersionNumber::Published(1));
    let view = catalog.get(&owner(), &name("f"), Some(&Qualifier::Alias("live".into()))).unwrap();
    let one = catalog.get(&owner(), &name("f"), Some(&Qualifier::Number(1))).unwrap();
    assert_eq!(view.version, one.version);
    let latest = catalog.get(&owner(), &name("f"), None).unwrap().version.revision;
    let moved = update(&catalog, weighted(2, 1, 0.0)).await.unwrap();
    drop(catalog);
    let catalog = open(dir.path()).await;
    let alias = catalog.alias(&owner(), &name("f"), "live").unwrap();
    assert_eq!((alias.revision, alias.routing), (moved, Some(Routing { number: 1, weight: 0.0 })));
    assert_eq!(runs(&catalog), VersionNumber::Published(2));
    assert_eq!(catalog.get(&owner(), &name("f"), None).unwrap().version.revision, latest, "the function is as it was");
}

#[tokio::test]
async fn calls_are_shared_out_by_weight() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    with_two_versions(&catalog).await;
    make(&catalog, weighted(1, 2, 0.25)).await.unwrap();
    let calls = 20_000_u32;
    let second = (0..calls).filter(|_| runs(&catalog) == VersionNumber::Published(2)).count();
    // Six standard deviations: chance fails this once in five hundred million runs.
    let (mean, deviation) = (f64::from(calls) * 0.25, (f64::from(calls) * 0.25 * 0.75).sqrt());
    assert!((f64::from(u32::try_from(second).unwrap()) - mean).abs() < 6.0 * deviation, "{second} of {calls}");
}

#[tokio::test]
async fn changes_keep_what_they_do_not_name() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    with_two_versions(&catalog).await;
    let described = AliasChange { description: Some("moves".into()), ..weighted(1, 2, 0.5) };
    make(&catalog, described).await.unwrap();
    let stale = update(&catalog, AliasChange { revision: Some(RevisionId::random()), ..to(1) }).await.unwrap_err();
    assert!(matches!(stale, CatalogError::StaleRevision));
    let first = update(&catalog, AliasChange::default()).await.unwrap();
    let alias = catalog.alias(&owner(), &name("f"), "live").unwrap();
    assert_eq!((alias.description.as_str(), alias.routing.unwrap().weight, alias.revision), ("moves", 0.5, first));
    let cleared = AliasChange { routing: Some(None), revision: Some(first), ..Default::default() };
    assert_ne!(update(&catalog, cleared).await.unwrap(), first);
    assert_eq!(catalog.alias(&owner(), &name("f"), "live").unwrap().routing, None);
}

#[tokio::test]
async fn what_leads_nowhere_is_refused_in_aws_words() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    let text = |result: Result<(), CatalogError>| result.unwrap_err().to_string();
    assert_eq!(text(make(&catalog, to(1)).await), format!("Function not found: {ARN}:1"));
    with_two_versions(&catalog).await;
    assert_eq!(text(make(&catalog, to(9)).await), format!("Function not found: {ARN}:9"));
    assert_eq!(text(make(&catalog, weighted(1, 9, 0.5)).await), format!("Function not found: {ARN}:9"));
    let twice = text(make(&catalog, weighted(1, 1, 0.5)).await);
    assert!(twice.ends_with("Function version 1 is already included in routing configuration."), "{twice}");
    let latest = AliasChange { version: Some(VersionNumber::Latest), ..weighted(1, 2, 0.5) };
    let latest = text(make(&catalog, latest).await);
    assert_eq!(latest, "$LATEST is not supported for an alias pointing to more than 1 version");
    let missing = catalog.alias(&owner(), &name("f"), "live").unwrap_err();
    assert_eq!(missing.to_string(), format!("Cannot find alias arn: {ARN}:live"));
    assert_eq!(update(&catalog, to(1)).await.unwrap_err().to_string(), format!("Alias not found: {ARN}:live"));
    make(&catalog, to(1)).await.unwrap();
    assert_eq!(text(make(&catalog, to(1)).await), format!("Alias already exists: {ARN}:live"));
}

#[tokio::test]
async fn a_version_that_an_alias_leads_to_is_not_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    with_two_versions(&catalog).await;
    make(&catalog, weighted(1, 2, 0.5)).await.unwrap();
    for number in [1, 2] {
        let kept = catalog.delete(&owner(), &name("f"), Some(&Qualifier::Number(number))).await.unwrap_err();
        assert_eq!(kept.to_string(), "Unable to delete version because the following aliases reference it: [live]");
    }
    for _ in 0..2 {
        catalog.delete_alias(&owner(), &name("f"), "live").await.unwrap();
    }
    catalog.delete(&owner(), &name("f"), Some(&Qualifier::Number(1))).await.unwrap();
}

#[tokio::test]
async fn aliases_are_listed_by_name_and_by_version() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(dir.path()).await;
    with_two_versions(&catalog).await;
    for (alias, number) in [("c", 1), ("a", 2), ("b", 1)] {
        catalog.create_alias(&owner(), &name("f"), alias.parse().unwrap(), to(number)).await.unwrap();
    }
    let list = |of, after: Option<&str>, max| {
        let after = after.map(|after| after.parse::<AliasName>().unwrap());
        let page = catalog.aliases(&owner(), &name("f"), of, after.as_ref(), max).unwrap();
        (page.items.iter().map(|alias| alias.name.to_string()).collect::<Vec<_>>().join(""), page.more)
    };
    assert_eq!(list(None, None, 2), ("ab".into(), true));
    assert_eq!(list(None, Some("b"), 2), ("c".into(), false));
    assert_eq!(list(Some(VersionNumber::Published(1)), None, 9), ("bc".into(), false));
}
