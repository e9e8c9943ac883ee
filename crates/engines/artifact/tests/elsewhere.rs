//! Packages that stay somewhere else.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_artifact::{ArtifactError, Elsewhere, Package};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use support::{shelf, zip};

const FILE: u32 = 0o100_644;

/// A place with one package, or none any more; counts how often it is asked.
#[derive(Clone, Default)]
struct Place {
    content: Arc<Mutex<Option<Vec<u8>>>>,
    asked: Arc<Mutex<u32>>,
}

impl Place {
    fn with(content: &[u8]) -> Self {
        let place = Self::default();
        place.set(Some(content));
        place
    }

    fn set(&self, content: Option<&[u8]>) {
        *self.content.lock().unwrap() = content.map(<[u8]>::to_vec);
    }

    fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }

    fn named(&self, name: &str) -> Elsewhere {
        let place = self.clone();
        let fetch = Arc::new(move || {
            *place.asked.lock().unwrap() += 1;
            let content = place.content.lock().unwrap().clone();
            content.ok_or_else(|| ArtifactError::NotFetched { message: "it is gone".into() })
        });
        Elsewhere { name: name.into(), fetch }
    }
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn only_the_tree_is_kept_and_is_fetched_again_when_it_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = zip(&[("a", FILE, b"content")]);
    let place = Place::with(&bytes);
    let sha256 = {
        let shelf = shelf(dir.path());
        let package = shelf.put_elsewhere(&bytes, place.named("there")).unwrap();
        package.keep();
        assert_eq!(package.bytes(), bytes.len() as u64);
        assert!(!package.has_to_be_fetched(), "it was unpacked already");
        let code = package.unpack().unwrap();
        assert_eq!(fs::read(code.join("a")).unwrap(), b"content");
        assert!(files(&dir.path().join("packages")).is_empty(), "its bytes are not ours to keep");
        package.sha256().clone()
    };
    assert_eq!(place.asked(), 0);
    let claim = |shelf: &lacewing_artifact::Artifacts| -> Package {
        let package = shelf.claim(&sha256, 1);
        package.keep();
        package.stays_in(place.named("there"));
        package.stays_in(place.named("there"));
        package
    };
    {
        let package = claim(&shelf(dir.path()));
        assert!(!package.has_to_be_fetched());
        package.unpack().unwrap();
        assert_eq!(place.asked(), 0, "the tree lies there");
    }
    fs::remove_dir_all(dir.path().join("code")).unwrap();
    {
        let package = claim(&shelf(dir.path()));
        assert!(package.has_to_be_fetched());
        assert_eq!(fs::read(package.unpack().unwrap().join("a")).unwrap(), b"content");
        package.unpack().unwrap();
        assert_eq!(place.asked(), 1);
    }
}

#[test]
fn a_place_that_has_lost_it_or_has_another_one_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, other) = (zip(&[("a", FILE, b"content")]), zip(&[("a", FILE, b"evil")]));
    let (first, second) = (Place::with(&other), Place::default());
    let shelf = shelf(dir.path());
    let sha256 = {
        let elsewhere = tempfile::tempdir().unwrap();
        support::shelf(elsewhere.path()).put(&bytes).unwrap().sha256().clone()
    };
    let package = shelf.claim(&sha256, 1);
    package.stays_in(first.named("first"));
    assert!(matches!(package.unpack(), Err(ArtifactError::OtherNow { place }) if place == "first"));
    package.stays_in(second.named("second"));
    assert!(matches!(package.unpack(), Err(ArtifactError::NotFetched { .. })));
    assert!(files(&dir.path().join("code")).is_empty(), "nothing of another package is left");
    second.set(Some(&bytes));
    assert_eq!(fs::read(package.unpack().unwrap().join("a")).unwrap(), b"content", "any place will do");
}

#[test]
fn a_package_that_is_uploaded_too_is_kept_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = zip(&[("a", FILE, b"content")]);
    let place = Place::with(&bytes);
    let shelf = shelf(dir.path());
    let package = shelf.put_elsewhere(&bytes, place.named("there")).unwrap();
    assert!(package.read().is_err());
    let same = shelf.put(&bytes).unwrap();
    assert_eq!(same.read().unwrap(), bytes);
    package.unpack().unwrap();
    let again = shelf.put_elsewhere(&bytes, place.named("there")).unwrap();
    assert_eq!((again.sha256(), place.asked()), (package.sha256(), 0));
}

#[test]
fn a_bad_package_is_refused_wherever_it_stays() {
    let dir = tempfile::tempdir().unwrap();
    let refused = shelf(dir.path()).put_elsewhere(b"no zip", Place::default().named("there"));
    assert!(matches!(refused, Err(ArtifactError::NotAZip { .. })));
}
