//! A package that somebody holds, and its tree.
//!
//! ```text
//! put ─► staged ─ unpack ─► in place ─ last holder drops it: stays if kept, else removed
//! claim ─► (nothing read) ─ unpack ─► in place
//! put_elsewhere ─► staged ─ unpack ─► in place; its bytes are fetched when the tree is gone
//! ```

use crate::shelf::Shelf;
use crate::{ArtifactError, Elsewhere};
use lacewing_model::CodeSha256;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tempfile::TempDir;

/// Up to this many files of a tree are made durable one by one; beyond, the whole file system at once.
const FILES_SYNCED_SINGLY_MAX: usize = 16;

/// A package on the disk. Cheap to clone; while one lives, neither the package nor its tree is removed.
#[derive(Clone)]
pub struct Package(pub(crate) Arc<Held>);

impl Package {
    /// The package's hash.
    #[must_use]
    pub fn sha256(&self) -> &CodeSha256 {
        &self.0.sha256
    }

    /// The package's size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// Says that the package stays on the disk when nobody holds it. A new one does not.
    pub fn keep(&self) {
        self.0.kept.store(true, Ordering::Release);
    }

    /// Says that the package goes when its last holder drops it.
    pub fn release(&self) {
        self.0.kept.store(false, Ordering::Release);
    }

    /// Puts the unpacked tree in its place, complete and durable; does nothing when it lies there.
    ///
    /// # Errors
    /// [`ArtifactError::Damaged`] when the package has to be read again and cannot be; [`ArtifactError::Disk`].
    pub fn unpack(&self) -> Result<CodeDir, ArtifactError> {
        if let Some(code) = self.unpacked() {
            return Ok(code);
        }
        let mut staged = self.0.staged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(code) = self.unpacked() {
            return Ok(code);
        }
        let tree = match staged.take() {
            Some(tree) => tree,
            None => {
                let places = self.0.places.lock().unwrap_or_else(PoisonError::into_inner).clone();
                self.0.shelf.stage(&self.0.sha256, &places)?
            }
        };
        sync_tree(tree.path()).map_err(ArtifactError::disk("make code durable"))?;
        fs::rename(tree.path(), &self.0.tree).map_err(ArtifactError::disk("put code in its place"))?;
        // It has another name now: there is nothing to clean up.
        let _ = tree.keep();
        self.0.in_place.store(true, Ordering::Release);
        Ok(CodeDir(self.0.clone()))
    }

    /// The tree if it lies in its place.
    #[must_use]
    pub fn unpacked(&self) -> Option<CodeDir> {
        // A tree gets its name only when it is complete.
        let there = self.0.in_place.load(Ordering::Acquire) || self.0.tree.is_dir();
        if there {
            self.0.in_place.store(true, Ordering::Release);
        }
        there.then(|| CodeDir(self.0.clone()))
    }

    /// The package's bytes, checked against its hash.
    ///
    /// # Errors
    /// [`ArtifactError::Damaged`], [`ArtifactError::Disk`].
    pub fn read(&self) -> Result<Vec<u8>, ArtifactError> {
        self.0.shelf.read(&self.0.sha256)
    }
}

impl fmt::Debug for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Package").field(&self.0.sha256).finish()
    }
}

/// An unpacked package, on the disk for at least as long as this value lives. Cheap to clone.
#[derive(Clone)]
pub struct CodeDir(Arc<Held>);

impl CodeDir {
    /// The tree's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.tree
    }

    /// The package that it was unpacked from.
    #[must_use]
    pub fn package(&self) -> Package {
        Package(self.0.clone())
    }
}

impl Deref for CodeDir {
    type Target = Path;

    fn deref(&self) -> &Path {
        self.path()
    }
}

impl fmt::Debug for CodeDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CodeDir").field(&self.0.tree).finish()
    }
}

/// What all holders of one package share.
pub(crate) struct Held {
    pub(crate) shelf: Arc<Shelf>,
    sha256: CodeSha256,
    bytes: u64,
    tree: PathBuf,
    kept: AtomicBool,
    in_place: AtomicBool,
    staged: Mutex<Option<TempDir>>,
    /// Where it can be fetched from.
    pub(crate) places: Mutex<Vec<Elsewhere>>,
}

impl Held {
    pub(crate) fn new(shelf: Arc<Shelf>, sha256: CodeSha256, bytes: u64, staged: Option<TempDir>) -> Self {
        let tree = shelf.tree_path(&sha256);
        let (kept, in_place) = (AtomicBool::new(false), AtomicBool::new(false));
        let (staged, places) = (Mutex::new(staged), Mutex::default());
        Self { shelf, sha256, bytes, tree, kept, in_place, staged, places }
    }
}

impl Held {
    pub(crate) fn is_staged(&self) -> bool {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Takes a tree that was unpacked again; it is dropped unless the next [`Package::unpack`] needs it.
    pub(crate) fn restage(&self, tree: TempDir) {
        if !self.tree.is_dir() {
            self.in_place.store(false, Ordering::Release);
            *self.staged.lock().unwrap_or_else(PoisonError::into_inner) = Some(tree);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.shelf.lock();
        // Somebody may have taken hold of the same package anew since the last holder let go.
        let is_mine = held.get(&self.sha256).is_some_and(|other| std::ptr::eq(Weak::as_ptr(other), self));
        if !is_mine {
            return;
        }
        held.remove(&self.sha256);
        if !*self.kept.get_mut() {
            self.shelf.discard(&self.tree);
            self.shelf.discard(&self.shelf.package_path(&self.sha256));
            self.shelf.discard(&self.shelf.image_path(&self.sha256));
        }
    }
}

/// Makes a tree durable before it gets its name: a name that survived a power cut must not stand for
/// files that did not.
fn sync_tree(root: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    let mut next = 0;
    while next < folders.len() && files.len() + folders.len() <= FILES_SYNCED_SINGLY_MAX {
        for entry in fs::read_dir(&folders[next])? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
        next += 1;
    }
    if files.len() + folders.len() > FILES_SYNCED_SINGLY_MAX {
        return rustix::fs::syncfs(File::open(root)?).map_err(io::Error::from);
    }
    files.iter().chain(&folders).try_for_each(|path| File::open(path)?.sync_all())
}
