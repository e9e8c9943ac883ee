//! The folders that packages and their trees lie in.

use crate::elsewhere::fetch;
use crate::package::{Held, Package};
use crate::unpack::unpack;
use crate::{ArtifactError, Elsewhere, ImageFault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lacewing_model::{CodeSha256, Limits};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::thread::JoinHandle;
use tempfile::TempDir;

/// Unpacks the image of a document, which was put under this hash, into an empty folder.
pub type UnpackImage = Arc<dyn Fn(&[u8], &CodeSha256, &Path) -> Result<(), ArtifactError> + Send + Sync>;

/// What is being written is called this and six characters.
const NEW: &str = ".new-";
/// What is being removed is called this and six characters.
const GONE: &str = ".gone-";
/// What ends the name of an image's document.
const IMAGE: &str = ".image";

/// All packages of one data directory. Cheap to clone. Its methods read and write files: call them off
/// the async threads.
#[derive(Clone)]
pub struct Artifacts(pub(crate) Arc<Shelf>);

impl Artifacts {
    /// Opens what lies below `data_dir` (`packages/` and `code/`), making it where it is absent, and removes
    /// what a process that died left half written.
    ///
    /// # Errors
    /// [`ArtifactError::Disk`].
    pub fn open(data_dir: &Path, limits: &Limits) -> Result<Self, ArtifactError> {
        let nobody = |_: &[u8], _: &CodeSha256, _: &Path| {
            let message = "this server has no way to images".to_owned();
            Err(ArtifactError::Image { message, fault: ImageFault::Machine })
        };
        Self::open_with_images(data_dir, limits, Arc::new(nobody))
    }

    /// The same, with a way to unpack images.
    ///
    /// # Errors
    /// [`ArtifactError::Disk`].
    pub fn open_with_images(
        data_dir: &Path,
        limits: &Limits,
        unpack_image: UnpackImage,
    ) -> Result<Self, ArtifactError> {
        let packages = make_folder(&data_dir.join("packages"), 0o700)?;
        // Searchable, because a sandbox's own user may have to walk through it.
        let code = make_folder(&data_dir.join("code"), 0o711)?;
        for folder in [&packages, &code] {
            for name in list(folder)? {
                if name.starts_with('.') {
                    remove(&folder.join(name)).map_err(ArtifactError::disk("remove what was left half written"))?;
                }
            }
        }
        let (reaper, reap) = mpsc::channel::<PathBuf>();
        let thread = std::thread::Builder::new()
            .name("code-reaper".into())
            .spawn(move || {
                for path in reap {
                    // What cannot be removed now is swept at the next start.
                    let _ = remove(&path);
                }
            })
            .map_err(ArtifactError::disk("start a thread"))?;
        Ok(Self(Arc::new(Shelf {
            packages,
            code,
            limits: limits.clone(),
            unpack_image,
            held: Mutex::default(),
            reaper: Some(reaper),
            thread: Some(thread),
        })))
    }

    /// Verifies a package by unpacking it, and keeps it. It is durable when this returns; the tree is put
    /// in its place by [`Package::unpack`].
    ///
    /// # Errors
    /// What is wrong with the package, or [`ArtifactError::Disk`].
    pub fn put(&self, zip: &[u8]) -> Result<Package, ArtifactError> {
        let sha256 = hash(zip);
        // One that was damaged on the disk is put anew: uploading it again is what mends it.
        if let Some(package) = self.0.held(&sha256).filter(|_| self.0.read(&sha256).is_ok()) {
            return Ok(package);
        }
        let staged = self.0.new_tree()?;
        unpack(zip, staged.path(), &self.0.limits)?;
        let file = self.0.write_package(zip)?;
        let mut held = self.0.lock();
        let path = self.0.package_path(&sha256);
        file.persist(&path).map_err(|error| error.error).map_err(ArtifactError::disk("keep a package"))?;
        sync(&self.0.packages)?;
        if let Some(package) = held.get(&sha256).and_then(Weak::upgrade) {
            package.restage(staged);
            return Ok(Package(package));
        }
        Ok(Shelf::hold(&self.0, &mut held, sha256, zip.len() as u64, Some(staged)))
    }

    /// Verifies a package that stays in `place` by unpacking it; of its bytes nothing is kept.
    ///
    /// # Errors
    /// What is wrong with the package, or [`ArtifactError::Disk`].
    pub fn put_elsewhere(&self, zip: &[u8], place: Elsewhere) -> Result<Package, ArtifactError> {
        let sha256 = hash(zip);
        let is_here = |package: &Package| package.unpacked().is_some() || self.0.read(&sha256).is_ok();
        let package = match self.0.held(&sha256).filter(is_here) {
            Some(package) => package,
            None => {
                let staged = self.0.new_tree()?;
                unpack(zip, staged.path(), &self.0.limits)?;
                let mut held = self.0.lock();
                match held.get(&sha256).and_then(Weak::upgrade) {
                    Some(package) => {
                        package.restage(staged);
                        Package(package)
                    }
                    None => Shelf::hold(&self.0, &mut held, sha256, zip.len() as u64, Some(staged)),
                }
            }
        };
        package.stays_in(place);
        Ok(package)
    }

    /// Keeps what an image is made from, under its digest; durable when this returns. Its layers are fetched and
    /// unpacked by [`Package::unpack`], which may take long.
    ///
    /// # Errors
    /// [`ArtifactError::Disk`].
    pub fn put_image(&self, digest: &CodeSha256, document: &[u8]) -> Result<Package, ArtifactError> {
        let file = self.0.write_package(document)?;
        let mut held = self.0.lock();
        let path = self.0.image_path(digest);
        file.persist(&path).map_err(|error| error.error).map_err(ArtifactError::disk("keep an image"))?;
        sync(&self.0.packages)?;
        match held.get(digest).and_then(Weak::upgrade) {
            Some(package) => Ok(Package(package)),
            None => Ok(Shelf::hold(&self.0, &mut held, digest.clone(), 0, None)),
        }
    }

    /// Takes hold of a package that was put earlier, perhaps by a former process. Nothing is read yet: one
    /// that is missing or damaged shows when it is read or unpacked.
    #[must_use]
    pub fn claim(&self, sha256: &CodeSha256, bytes: u64) -> Package {
        let mut held = self.0.lock();
        match held.get(sha256).and_then(Weak::upgrade) {
            Some(package) => Package(package),
            None => Shelf::hold(&self.0, &mut held, sha256.clone(), bytes, None),
        }
    }

    /// Takes hold of the tree that `packages` make together; there is no package of it.
    pub(crate) fn claim_merged(&self, packages: &[Package]) -> Package {
        let list = packages.iter().map(|package| package.sha256().as_str()).collect::<Vec<_>>().join("\n");
        self.claim(&hash(list.as_bytes()), 0)
    }

    /// The most that a package may hold, unpacked.
    #[must_use]
    pub fn unzipped_bytes_max(&self) -> u64 {
        self.0.limits.unzipped_bytes_max
    }

    pub(crate) fn new_tree(&self) -> Result<TempDir, ArtifactError> {
        self.0.new_tree()
    }

    /// Removes every package and tree that nobody holds. For the start, after all that is wanted was claimed.
    ///
    /// # Errors
    /// [`ArtifactError::Disk`] when the folders cannot be read.
    pub fn sweep(&self) -> Result<(), ArtifactError> {
        let held = self.0.lock();
        let wanted: std::collections::HashSet<String> = held.keys().map(CodeSha256::hex).collect();
        for name in list(&self.0.code)?.into_iter().filter(|name| !name.starts_with('.')) {
            if !wanted.contains(&name) {
                self.0.discard(&self.0.code.join(name));
            }
        }
        for name in list(&self.0.packages)?.into_iter().filter(|name| !name.starts_with('.')) {
            let stem = name.strip_suffix(".zip").or_else(|| name.strip_suffix(IMAGE));
            if !stem.is_some_and(|name| wanted.contains(name)) {
                self.0.discard(&self.0.packages.join(name));
            }
        }
        Ok(())
    }
}

/// The folders, and which packages are held now.
pub(crate) struct Shelf {
    packages: PathBuf,
    code: PathBuf,
    pub(crate) limits: Limits,
    unpack_image: UnpackImage,
    held: Mutex<HashMap<CodeSha256, Weak<Held>>>,
    reaper: Option<mpsc::Sender<PathBuf>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Shelf {
    fn drop(&mut self) {
        drop(self.reaper.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shelf {
    /// The map of held packages. It is consistent between any two statements, so a panic elsewhere harms nothing.
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<CodeSha256, Weak<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self, sha256: &CodeSha256) -> Option<Package> {
        self.lock().get(sha256).and_then(Weak::upgrade).map(Package)
    }

    fn hold(
        shelf: &Arc<Self>,
        held: &mut HashMap<CodeSha256, Weak<Held>>,
        sha256: CodeSha256,
        bytes: u64,
        staged: Option<TempDir>,
    ) -> Package {
        let package = Arc::new(Held::new(shelf.clone(), sha256.clone(), bytes, staged));
        held.insert(sha256, Arc::downgrade(&package));
        Package(package)
    }

    pub(crate) fn package_path(&self, sha256: &CodeSha256) -> PathBuf {
        self.packages.join(sha256.hex() + ".zip")
    }

    pub(crate) fn image_path(&self, digest: &CodeSha256) -> PathBuf {
        self.packages.join(digest.hex() + IMAGE)
    }

    pub(crate) fn tree_path(&self, sha256: &CodeSha256) -> PathBuf {
        self.code.join(sha256.hex())
    }

    /// The package's bytes, or that they are no longer those that were put.
    pub(crate) fn read(&self, sha256: &CodeSha256) -> Result<Vec<u8>, ArtifactError> {
        let zip = match fs::read(self.package_path(sha256)) {
            Ok(zip) => zip,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ArtifactError::Damaged { sha256: sha256.to_string() });
            }
            Err(error) => return Err(ArtifactError::disk("read a package")(error)),
        };
        if hash(&zip) == *sha256 { Ok(zip) } else { Err(ArtifactError::Damaged { sha256: sha256.to_string() }) }
    }

    /// True when the package's bytes are on this disk.
    pub(crate) fn has(&self, sha256: &CodeSha256) -> bool {
        self.package_path(sha256).is_file()
    }

    /// A new tree from a package kept earlier, or from where it stays.
    pub(crate) fn stage(&self, sha256: &CodeSha256, places: &[Elsewhere]) -> Result<TempDir, ArtifactError> {
        if let Ok(document) = fs::read(self.image_path(sha256)) {
            let staged = self.new_tree()?;
            (self.unpack_image)(&document, sha256, staged.path())?;
            return Ok(staged);
        }
        let zip = match self.read(sha256) {
            Err(ArtifactError::Damaged { .. }) if !places.is_empty() => fetch(places, sha256)?,
            read => read?,
        };
        let staged = self.new_tree()?;
        unpack(&zip, staged.path(), &self.limits)?;
        Ok(staged)
    }

    fn new_tree(&self) -> Result<TempDir, ArtifactError> {
        let tree = tempfile::Builder::new().prefix(NEW).tempdir_in(&self.code);
        let tree = tree.map_err(ArtifactError::disk("make a folder for code"))?;
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(tree.path(), mode).map_err(ArtifactError::disk("make a folder for code"))?;
        Ok(tree)
    }

    fn write_package(&self, zip: &[u8]) -> Result<tempfile::NamedTempFile, ArtifactError> {
        let write = || {
            let mut file = tempfile::Builder::new().prefix(NEW).tempfile_in(&self.packages)?;
            file.write_all(zip)?;
            file.as_file().sync_all()?;
            Ok(file)
        };
        write().map_err(ArtifactError::disk("keep a package"))
    }

    /// Takes `path` out of sight at once and removes it in its own time.
    pub(crate) fn discard(&self, path: &Path) {
        let gone = self.code.join(format!("{GONE}{:016x}", fresh_number()));
        if fs::rename(path, &gone).is_ok()
            && let Some(reaper) = &self.reaper
        {
            let _ = reaper.send(gone);
        }
    }
}

/// A number that no other call in this process got.
fn fresh_number() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

pub(crate) fn hash(zip: &[u8]) -> CodeSha256 {
    from_digest(&Sha256::digest(zip))
}

/// The API's form of a hash: base64 of 32 bytes always fits the type.
#[allow(clippy::expect_used)]
fn from_digest(digest: &[u8]) -> CodeSha256 {
    BASE64.encode(digest).parse().expect("base64 of 32 bytes is 44 characters")
}

/// Makes what was renamed in `folder` durable.
fn sync(folder: &Path) -> Result<(), ArtifactError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(ArtifactError::disk("keep a package"))
}

fn make_folder(path: &Path, mode: u32) -> Result<PathBuf, ArtifactError> {
    let doing = || ArtifactError::disk(format!("make the folder {}", path.display()));
    fs::create_dir_all(path).map_err(doing())?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(doing())?;
    Ok(path.to_owned())
}

fn list(folder: &Path) -> Result<Vec<String>, ArtifactError> {
    let names = || -> io::Result<Vec<String>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    names().map_err(ArtifactError::disk(format!("read the folder {}", folder.display())))
}

fn remove(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}
