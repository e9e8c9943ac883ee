//! Packages to put, well-formed and hostile.
#![allow(clippy::unwrap_used, dead_code, missing_docs)]

use lacewing_artifact::Artifacts;
use lacewing_model::Limits;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

pub fn small_limits() -> Limits {
    Limits { zip_bytes_max: 1 << 20, unzipped_bytes_max: 1 << 20, zip_entries_max: 64, ..Limits::default() }
}

pub fn shelf(dir: &Path) -> Artifacts {
    Artifacts::open(dir, &small_limits()).unwrap()
}

/// A package of `(name, mode, content)`; a name that ends in `/` is a folder.
pub fn zip(entries: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, mode, content) in entries {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        writer.start_file(*name, options.unix_permissions(mode & 0o7777)).unwrap();
        writer.write_all(content).unwrap();
    }
    let mut bytes = writer.finish().unwrap().into_inner();
    // The writer decides on types itself; a hostile package does not ask it.
    for (at, (_, mode, _)) in headers(&bytes).into_iter().zip(entries) {
        bytes[at + 38..at + 42].copy_from_slice(&(mode << 16).to_le_bytes());
    }
    bytes
}

/// A package whose name `from` is written over by `to`, of the same length.
pub fn renamed(mut zip: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    for at in 0..zip.len().saturating_sub(from.len()) {
        if zip[at..].starts_with(from) {
            zip[at..at + to.len()].copy_from_slice(to);
        }
    }
    zip
}

/// Where the central directory's headers begin.
pub fn headers(zip: &[u8]) -> Vec<usize> {
    (0..zip.len()).filter(|at| zip[*at..].starts_with(b"PK\x01\x02")).collect()
}

/// Every path below `folder`, without following links.
pub fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                folders.push(path.clone());
            }
            found.push(path);
        }
    }
    found
}

/// Asserts what holds of every tree, whatever the package was.
pub fn assert_harmless(tree: &Path) {
    for path in walk(tree) {
        let metadata = path.symlink_metadata().unwrap();
        let kind = metadata.file_type();
        assert!(kind.is_file() || kind.is_dir() || kind.is_symlink(), "{}", path.display());
        if kind.is_symlink() {
            // One that points at nothing, or at itself, leads nowhere.
            if let Ok(target) = path.canonicalize() {
                assert!(target.starts_with(tree.canonicalize().unwrap()), "{} -> {}", path.display(), target.display());
            }
        } else {
            let mode = metadata.mode() & 0o7777;
            assert!(mode == 0o755 || (mode == 0o644 && kind.is_file()), "{} {mode:o}", path.display());
        }
    }
}
