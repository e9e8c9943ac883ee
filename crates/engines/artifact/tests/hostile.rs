//! Packages that mean harm: refused with the right words, and nothing is left of them.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_artifact::ArtifactError;
use proptest::prelude::*;
use support::{assert_harmless, headers, renamed, shelf, walk, zip};

const FILE: u32 = 0o100_644;
const LINK: u32 = 0o120_777;
const NOT_A_ZIP: &str = "Could not unzip uploaded file. Please check your file, then try to upload again.";

/// Sets the 32-bit number at `offset` of every central header.
fn patched(mut zip: Vec<u8>, offset: usize, value: u32) -> Vec<u8> {
    for at in headers(&zip) {
        zip[at + offset..at + offset + 4].copy_from_slice(&value.to_le_bytes());
    }
    zip
}

/// A package whose second entry's header points at the first one's bytes.
fn overlapping() -> Vec<u8> {
    let noise: Vec<u8> = (0..4_096_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut bytes = zip(&[("a", FILE, &noise), ("b", FILE, &noise)]);
    let second = headers(&bytes)[1];
    bytes[second + 42..second + 46].copy_from_slice(&0_u32.to_le_bytes());
    // Half of the second one's own bytes go, so that both claim more than there is.
    let own = bytes.len() / 2 + 8;
    let directory = headers(&bytes)[0];
    let cut = directory - own;
    bytes.drain(own..directory);
    let end = bytes.len() - 22;
    bytes[end + 16..end + 20].copy_from_slice(&u32::try_from(directory - cut).unwrap().to_le_bytes());
    bytes
}

#[test]
fn hostile_packages_are_refused_and_leave_nothing() {
    let many: Vec<(String, u32, &[u8])> = (0..65).map(|number| (number.to_string(), FILE, &b""[..])).collect();
    let many: Vec<_> = many.iter().map(|(name, mode, content)| (name.as_str(), *mode, *content)).collect();
    let deep = "d/".repeat(100) + "x";
    let bomb = vec![0; (1 << 20) + 1];
    let halves = vec![0; (1 << 19) + 1];
    let fine = || zip(&[("a", FILE, b"content")]);
    for (why, bytes, want) in [
        ("empty", Vec::new(), "Uploaded file must be a non-empty zip"),
        ("no entries", zip(&[]), "Uploaded file must be a non-empty zip"),
        ("no zip", b"hello".to_vec(), NOT_A_ZIP),
        ("cut off", fine()[..fine().len() - 10].to_vec(), NOT_A_ZIP),
        ("bad checksum", patched(fine(), 16, 0xdead_beef), NOT_A_ZIP),
        ("encrypted", patched(fine(), 8, 0x0008_0001), NOT_A_ZIP),
        ("unknown compression", patched(fine(), 8, 0x000e_0000), NOT_A_ZIP),
        ("a bomb", zip(&[("a", FILE, &bomb)]), "Unzipped size must be smaller than 1048576 bytes"),
        ("a bomb in two", zip(&[("a", FILE, &halves), ("b", FILE, &halves)]), "Unzipped size must be smaller"),
        ("a bomb that lies", patched(zip(&[("a", FILE, &bomb)]), 24, 1), "Unzipped size|Could not unzip"),
        ("too large", vec![b'x'; (1 << 20) + 1], "Zipped size must be smaller than 1048576 bytes"),
        ("too many entries", zip(&many), "more than 64 entries"),
        ("too many implied folders", zip(&[(&deep, FILE, b"")]), "more than 64 entries"),
        ("overlapping entries", overlapping(), "shares its bytes|Could not unzip"),
        ("absolute", renamed(zip(&[("xetc/passwd", FILE, b"")]), b"xetc", b"/etc"), "absolute name"),
        ("parent", renamed(zip(&[("xx/passwd", FILE, b"")]), b"xx/", b"../"), "'..' in its name"),
        ("parent inside", renamed(zip(&[("a/xx/b", FILE, b"")]), b"/xx/", b"/../"), "'..' in its name"),
        ("backslash", renamed(zip(&[("axb", FILE, b"")]), b"axb", b"a\\b"), "backslash"),
        ("zero byte", renamed(zip(&[("axb", FILE, b"")]), b"axb", b"a\0b"), "zero byte"),
        ("not UTF-8", renamed(zip(&[("axb", FILE, b"")]), b"axb", b"a\xffb"), "not UTF-8"),
        ("twice", renamed(zip(&[("ab", FILE, b"1"), ("ac", FILE, b"2")]), b"ac", b"ab"), "same name"),
        ("twice by another spelling", zip(&[("ab", FILE, b"1"), ("./ab", FILE, b"2")]), "same name"),
        ("a device", zip(&[("null", 0o020_666, b"")]), "neither a file"),
        ("a disk", zip(&[("sda", 0o060_666, b"")]), "neither a file"),
        ("a pipe", zip(&[("pipe", 0o010_666, b"")]), "neither a file"),
        ("a socket", zip(&[("socket", 0o140_666, b"")]), "neither a file"),
        ("a link out", zip(&[("l", LINK, b"../../etc/shadow")]), "leaves the package"),
        ("a link to the root", zip(&[("l", LINK, b"/etc/shadow")]), "absolute target"),
        ("a link out through another", zip(&[("l", LINK, b"m/.."), ("m", LINK, b".")]), "leaves the package"),
        ("a file through a link", zip(&[("l", LINK, b"."), ("l/x", FILE, b"")]), "stands where another entry"),
        ("a file as a folder", zip(&[("a", FILE, b""), ("a/b", FILE, b"")]), "stands where another entry"),
        ("an endless link", zip(&[("l", LINK, &[b'x'; 5_000])]), "target is empty, too long"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let shelf = shelf(dir.path());
        let error = shelf.put(&bytes).err().unwrap_or_else(|| panic!("{why} was taken"));
        assert!(error.is_senders_fault(), "{why}: {error}");
        assert!(want.split('|').any(|want| error.to_string().contains(want)), "{why}: {error}");
        drop(shelf);
        let left: Vec<_> = walk(dir.path()).into_iter().filter(|path| path.parent() != Some(dir.path())).collect();
        assert!(left.is_empty(), "{why} left {left:?}");
    }
}

#[test]
fn a_bomb_is_stopped_at_the_limit_and_not_after() {
    let dir = tempfile::tempdir().unwrap();
    let exactly = vec![0; 1 << 20];
    assert!(shelf(dir.path()).put(&zip(&[("a", FILE, &exactly)])).is_ok());
}

/// What names and targets are put together from.
fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-c]",
        2 => Just("..".to_owned()),
        1 => Just(".".to_owned()),
        1 => Just(String::new()),
        1 => "\\PC{1,3}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(part(), 1..5).prop_map(|parts| parts.join("/"))
}

fn entry() -> impl Strategy<Value = (String, u32, Vec<u8>)> {
    let mode =
        prop_oneof![Just(FILE), Just(LINK), Just(0o040_755), Just(0o106_777), any::<u32>().prop_map(|m| m & 0xffff)];
    (path(), mode, prop_oneof![path().prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..64)])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_package_holds_its_tree_is_harmless(
        entries in prop::collection::vec(entry(), 1..8),
        scribbles in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut seen = std::collections::HashSet::new();
        let entries: Vec<_> = entries.iter().filter(|(name, ..)| seen.insert(name.clone())).collect();
        let entries: Vec<_> = entries.iter().map(|(name, mode, content)| (name.as_str(), *mode, &content[..])).collect();
        let mut bytes = zip(&entries);
        for (at, byte) in scribbles {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let dir = tempfile::tempdir().unwrap();
        let shelf = shelf(dir.path());
        match shelf.put(&bytes) {
            Ok(package) => assert_harmless(&package.unpack().unwrap()),
            Err(ArtifactError::Disk { doing, source }) => panic!("blamed the disk: {doing}: {source}"),
            Err(_) => {}
        }
        drop(shelf);
        for path in walk(dir.path()) {
            prop_assert!(path.strip_prefix(dir.path()).unwrap().components().count() <= 2, "{}", path.display());
        }
    }
}
