//! What is kept of a package, and for how long.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_artifact::{ArtifactError, Artifacts, CodeDir};
use lacewing_model::Limits;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use support::{assert_harmless, shelf, walk, zip};

const FILE: u32 = 0o100_644;

#[test]
fn a_package_unpacks_with_plain_modes() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = shelf(dir.path());
    let bytes = zip(&[
        ("app.py", 0o100_600, b"code"),
        ("bootstrap", 0o104_750, b"#!"),
        ("lib/", 0o040_700, b""),
        ("lib/deep/x.js", FILE, b"x"),
        ("bin", 0o120_777, b"lib/deep"),
        ("lib/up", 0o120_777, b"../app.py"),
    ]);
    let package = shelf.put(&bytes).unwrap();
    let code = package.unpack().unwrap();
    assert_harmless(&code);
    let mode = |name: &str| fs::symlink_metadata(code.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("app.py"), mode("bootstrap"), mode("lib"), mode("lib/deep")), (0o644, 0o755, 0o755, 0o755));
    assert_eq!(fs::read_to_string(code.join("bin/x.js")).unwrap(), "x");
    assert_eq!(fs::read_to_string(code.join("lib/up")).unwrap(), "code");
    assert_eq!(fs::metadata(&*code).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(package.read().unwrap(), bytes);
    assert_eq!(package.bytes(), bytes.len() as u64);
    // What `openssl dgst -sha256 -binary | base64` says of these bytes has this form.
    assert_eq!(package.sha256().as_str().len(), 44);
}

#[test]
fn a_package_stays_if_kept_and_goes_if_not() {
    let dir = tempfile::tempdir().unwrap();
    {
        let shelf = shelf(dir.path());
        let kept = shelf.put(&zip(&[("a", FILE, b"kept")])).unwrap();
        kept.keep();
        kept.unpack().unwrap();
        let code = shelf.put(&zip(&[("a", FILE, b"not kept")])).unwrap().unpack().unwrap();
        assert!(code.join("a").exists(), "a tree that is held is there, kept or not");
        let never_unpacked = shelf.put(&zip(&[("a", FILE, b"never unpacked")])).unwrap();
        drop((kept, code, never_unpacked));
    }
    // One file of a package, a folder and a file of a tree, and the two folders themselves.
    assert_eq!(walk(dir.path()).len(), 5, "{:?}", walk(dir.path()));
}

#[test]
fn a_package_is_taken_up_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = zip(&[("a", FILE, b"content")]);
    let package = shelf(dir.path()).put(&bytes).unwrap();
    package.keep();
    let sha256 = package.sha256().clone();
    drop(package);

    let shelf = shelf(dir.path());
    let package = shelf.claim(&sha256, bytes.len() as u64);
    package.keep();
    assert!(package.unpacked().is_none(), "the former process ended before it was in its place");
    assert_eq!(fs::read(package.unpack().unwrap().join("a")).unwrap(), b"content");
    assert!(package.unpacked().is_some());
}

#[test]
fn what_nobody_claims_is_swept_and_so_is_what_was_half_written() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = zip(&[("a", FILE, b"wanted")]);
    let put = |shelf: &lacewing_artifact::Artifacts, bytes: &[u8]| {
        let package = shelf.put(bytes).unwrap();
        package.keep();
        package.unpack().unwrap();
        package.sha256().clone()
    };
    let sha256 = {
        let shelf = shelf(dir.path());
        put(&shelf, &zip(&[("a", FILE, b"unwanted")]));
        put(&shelf, &wanted)
    };
    fs::create_dir_all(dir.path().join("code/.new-abc/deep")).unwrap();
    fs::create_dir_all(dir.path().join("code/.gone-abc/deep")).unwrap();
    fs::write(dir.path().join("packages/.new-abc"), "half").unwrap();
    {
        let shelf = shelf(dir.path());
        let package = shelf.claim(&sha256, wanted.len() as u64);
        package.keep();
        shelf.sweep().unwrap();
        assert!(package.unpacked().is_some());
    }
    assert_eq!(walk(dir.path()).len(), 5, "{:?}", walk(dir.path()));
}

#[test]
fn a_package_damaged_on_disk_is_never_handed_out_and_mended_by_putting_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = zip(&[("a", FILE, b"content")]);
    let shelf = shelf(dir.path());
    let package = shelf.put(&bytes).unwrap();
    let file = fs::read_dir(dir.path().join("packages")).unwrap().next().unwrap().unwrap().path();
    for damage in [&b"other bytes"[..], b""] {
        fs::write(&file, damage).unwrap();
        assert!(matches!(package.read(), Err(ArtifactError::Damaged { .. })));
    }
    fs::remove_file(&file).unwrap();
    assert!(matches!(package.read(), Err(ArtifactError::Damaged { .. })));
    let again = shelf.put(&bytes).unwrap();
    assert_eq!(again.read().unwrap(), bytes);
    assert_eq!(package.read().unwrap(), bytes);
}

#[test]
fn the_same_package_put_by_many_at_once_is_kept_once() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = shelf(dir.path());
    let bytes = zip(&[("a", FILE, b"content")]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let package = shelf.put(&bytes).unwrap();
                package.keep();
                assert_eq!(fs::read(package.unpack().unwrap().join("a")).unwrap(), b"content");
            });
        }
    });
    drop(shelf);
    assert_eq!(walk(dir.path()).len(), 5, "{:?}", walk(dir.path()));
}

#[test]
fn packages_on_top_of_each_other_make_one_tree_that_is_shared() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = shelf(dir.path());
    let one = shelf.put(&zip(&[("both", FILE, b"one"), ("lib/a", FILE, b"a")])).unwrap();
    let two = shelf.put(&zip(&[("both", FILE, b"two"), ("lib/b", FILE, b"b")])).unwrap();
    let merged = |packages: &[_]| CodeDir::merged(packages).unwrap().unwrap();
    let (first, second) = (merged(&[one.clone(), two.clone()]), merged(&[two.clone(), one.clone()]));
    assert_eq!(fs::read_to_string(first.join("both")).unwrap(), "two");
    assert_eq!(fs::read_to_string(second.join("both")).unwrap(), "one");
    assert!(first.join("lib/a").exists() && first.join("lib/b").exists());
    assert_eq!(merged(&[one.clone(), two.clone()]).path(), first.path());
    assert_eq!(merged(std::slice::from_ref(&one)).path(), one.unpack().unwrap().path());
    assert!(CodeDir::merged(&[]).unwrap().is_none());
    let path = first.path().to_owned();
    drop(first);
    assert!(!path.exists(), "nobody holds it");
    assert!(second.join("both").exists());
}

#[test]
fn code_and_layers_may_not_be_more_than_a_package_may() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { unzipped_bytes_max: 10, ..Limits::default() };
    let shelf = Artifacts::open(dir.path(), &limits).unwrap();
    let code = shelf.put(&zip(&[("a", FILE, b"123456")])).unwrap().unpack().unwrap();
    let layer = shelf.put(&zip(&[("b", FILE, b"1234")])).unwrap();
    assert!(code.check_with(std::slice::from_ref(&layer)).is_ok());
    let other = shelf.put(&zip(&[("c", FILE, b"5")])).unwrap();
    assert!(matches!(code.check_with(&[layer, other]), Err(ArtifactError::UnzippedTooLarge { max: 10 })));
}
