//! Trees on top of each other: what a function sees of its layers.
//!
//! Files are linked, not copied: a merged tree costs its names. It is known by the hashes that it was made of, so
//! that functions with the same layers share one.

use crate::{ArtifactError, Artifacts, CodeDir, Package};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

impl CodeDir {
    /// The tree of `packages` on top of each other, complete and durable; where two have the same name, the later
    /// one's is seen. `None` for no packages.
    ///
    /// # Errors
    /// [`ArtifactError::Damaged`], [`ArtifactError::Disk`].
    pub fn merged(packages: &[Package]) -> Result<Option<Self>, ArtifactError> {
        let [first, _, ..] = packages else { return packages.first().map(Package::unpack).transpose() };
        let shelf = Artifacts(first.0.shelf.clone());
        let merged = shelf.claim_merged(packages);
        if let Some(there) = merged.unpacked() {
            return Ok(Some(there));
        }
        let staged = shelf.new_tree()?;
        for package in packages {
            lay(&package.unpack()?, staged.path()).map_err(ArtifactError::disk("merge layers"))?;
        }
        merged.0.restage(staged);
        merged.unpack().map(Some)
    }
}

impl CodeDir {
    /// Refuses a function whose code and layers are more together than a package may be.
    ///
    /// # Errors
    /// [`ArtifactError::UnzippedTooLarge`]; [`ArtifactError::Damaged`], [`ArtifactError::Disk`].
    pub fn check_with(&self, layers: &[Package]) -> Result<(), ArtifactError> {
        let mut bytes = size(self).map_err(ArtifactError::disk("measure code"))?;
        for layer in layers {
            bytes += size(&layer.unpack()?).map_err(ArtifactError::disk("measure layers"))?;
        }
        let max = self.package().0.shelf.limits.unzipped_bytes_max;
        if bytes > max { Err(ArtifactError::UnzippedTooLarge { max }) } else { Ok(()) }
    }
}

/// What the files of a tree hold, bytes.
fn size(tree: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(tree)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { size(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}

/// Lays the tree `from` over the tree `onto`. Nothing is ever written through a link of an earlier tree.
fn lay(from: &Path, onto: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), onto.join(entry.file_name()));
        let kind = entry.file_type()?;
        let lying = fs::symlink_metadata(&target).ok().map(|about| about.file_type());
        match lying {
            Some(lying) if lying.is_dir() && kind.is_dir() => {}
            Some(lying) if lying.is_dir() => fs::remove_dir_all(&target)?,
            Some(_) => fs::remove_file(&target)?,
            None => {}
        }
        if kind.is_dir() {
            if !lying.is_some_and(|lying| lying.is_dir()) {
                fs::create_dir(&target)?;
                fs::set_permissions(&target, fs::Permissions::from_mode(0o755))?;
            }
            lay(&source, &target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else {
            fs::hard_link(&source, &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Trees as `(path, content)`; a content that begins with `->` is a link, and none is a folder.
    fn tree(entries: &[(&str, Option<&str>)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in entries {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match content {
                None => fs::create_dir_all(path).unwrap(),
                Some(text) => match text.strip_prefix("->") {
                    Some(target) => symlink(target, path).unwrap(),
                    None => fs::write(path, text).unwrap(),
                },
            }
        }
        folder
    }

    #[test]
    fn the_later_tree_wins_and_what_it_does_not_have_stays() {
        let first = tree(&[
            ("both", Some("1")),
            ("only", Some("1")),
            ("dir/a", Some("1")),
            ("turns", Some("1")),
            ("d/x", Some("1")),
        ]);
        let second = tree(&[("both", Some("2")), ("dir/b", Some("2")), ("turns/in", Some("2")), ("d", Some("2"))]);
        let onto = tempfile::tempdir().unwrap();
        lay(first.path(), onto.path()).unwrap();
        lay(second.path(), onto.path()).unwrap();
        let read = |path: &str| fs::read_to_string(onto.path().join(path)).unwrap();
        for (path, want) in
            [("both", "2"), ("only", "1"), ("dir/a", "1"), ("dir/b", "2"), ("turns/in", "2"), ("d", "2")]
        {
            assert_eq!(read(path), want, "{path}");
        }
        assert_eq!(fs::read_to_string(first.path().join("both")).unwrap(), "1", "the trees themselves stay");
    }

    #[test]
    fn nothing_is_laid_through_a_link() {
        let first = tree(&[("lib", Some("->target")), ("target/a", Some("1")), ("file", Some("->target/a"))]);
        let second = tree(&[("lib/b", Some("2")), ("file", Some("2"))]);
        let onto = tempfile::tempdir().unwrap();
        lay(first.path(), onto.path()).unwrap();
        lay(second.path(), onto.path()).unwrap();
        assert!(!onto.path().join("target/b").exists());
        assert!(fs::symlink_metadata(onto.path().join("lib")).unwrap().is_dir());
        assert_eq!(fs::read_to_string(onto.path().join("target/a")).unwrap(), "1");
    }
}
