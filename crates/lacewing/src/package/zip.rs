//! Packs a tree: sorted names, one fixed time, two modes, so that the same files give the same bytes and hash.

use super::tree::{Content, Entry, Tree};
use crate::failure::Failure;
use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, DateTime, ZipWriter};
use std::io::{Cursor, Write};

/// Packs all files of `tree`.
///
/// # Errors
/// [`Failure`] when a file cannot be read.
pub fn pack(tree: &Tree) -> Result<Vec<u8>, Failure> {
    let broken = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("the package cannot be made: {error}"), "check that no file changes meanwhile")
    };
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, Entry { executable, content }) in &tree.files {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(if *executable { 0o755 } else { 0o644 });
        zip.start_file(name.as_str(), options).map_err(|error| broken(&error))?;
        match content {
            Content::Bytes(bytes) => zip.write_all(bytes).map_err(|error| broken(&error))?,
            Content::Disk(path) => {
                let mut file = std::fs::File::open(path).map_err(|error| Failure::file(path, &error))?;
                std::io::copy(&mut file, &mut zip).map_err(|error| Failure::file(path, &error))?;
            }
        }
    }
    Ok(zip.finish().map_err(|error| broken(&error))?.into_inner())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn entry(content: &str, executable: bool) -> Entry {
        Entry { executable, content: Content::Bytes(content.as_bytes().to_vec()) }
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let make = |names: [&str; 2]| {
            let mut tree = Tree::default();
            for name in names {
                tree.files.insert(name.to_owned(), entry(name, false));
            }
            pack(&tree).unwrap()
        };
        assert_eq!(make(["a.py", "b/c.py"]), make(["b/c.py", "a.py"]));
    }

    #[test]
    fn programs_stay_executable() {
        let mut tree = Tree::default();
        tree.files.insert("bootstrap".to_owned(), entry("#!/bin/sh\n", true));
        tree.files.insert("data.txt".to_owned(), entry("x", false));
        let mut archive = ::zip::ZipArchive::new(Cursor::new(pack(&tree).unwrap())).unwrap();
        let mut mode = |name: &str| archive.by_name(name).unwrap().unix_mode().unwrap() & 0o777;
        assert_eq!((mode("bootstrap"), mode("data.txt")), (0o755, 0o644));
    }
}
