//! Unpacks a package into an empty folder, believing nothing that it says of itself.
//!
//! Bounds, all kept while it goes on and not from declared sizes: bytes written, files and folders made,
//! bytes read (overlapping entries would make us inflate the same bytes over and over), length of a link.

use crate::ArtifactError;
use crate::entry::{Kind, bad_entry, judge, judge_link};
use lacewing_model::Limits;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// A central directory header takes at least this many bytes. Source: APPNOTE.TXT 4.3.12.
const HEADER_BYTES_MIN: usize = 46;
const HEADER_MAGIC: &[u8] = b"PK\x01\x02";
/// One byte more than a link's target may have, so that a longer one is seen to be longer.
const LINK_BYTES_MAX: u64 = 1_025;

/// Unpacks `zip` into `folder`, which must be there and empty. What it leaves behind on an error is
/// for the caller to remove.
pub(crate) fn unpack(zip: &[u8], folder: &Path, limits: &Limits) -> Result<(), ArtifactError> {
    // What is sent along was held to its own, smaller limit at the door.
    let max = limits.zip_bytes_max.max(limits.unzipped_bytes_max);
    if u64::try_from(zip.len()).unwrap_or(u64::MAX) > max {
        return Err(ArtifactError::ZipTooLarge { max });
    }
    if zip.is_empty() {
        return Err(ArtifactError::Empty);
    }
    check_headers(zip, limits.zip_entries_max)?;
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(not_a_zip)?;
    if archive.is_empty() {
        return Err(ArtifactError::Empty);
    }
    if archive.has_duplicate_names() {
        return Err(ArtifactError::DuplicateEntry);
    }
    let mut tree = Tree::new(folder, limits);
    let mut read_left = zip.len() as u64;
    let mut links = Vec::new();
    for index in 0..archive.len() {
        // Encrypted entries and unknown compressions fail here.
        let mut entry = archive.by_index(index).map_err(not_a_zip)?;
        let raw_name = entry.name_raw().to_vec();
        read_left = read_left
            .checked_sub(entry.compressed_size())
            .ok_or_else(|| bad_entry(&raw_name, "shares its bytes with another entry"))?;
        let (path, kind) = judge(&raw_name, entry.unix_mode())?;
        if !tree.names.insert(path.clone()) {
            return Err(ArtifactError::DuplicateEntry);
        }
        match kind {
            Kind::Folder => tree.make_folder(&raw_name, &path)?,
            Kind::File { executable } => tree.write_file(&raw_name, &path, executable, &mut entry)?,
            Kind::Link => {
                let mut target = Vec::new();
                entry.take(LINK_BYTES_MAX).read_to_end(&mut target).map_err(not_a_zip)?;
                let target = judge_link(&raw_name, &path, &target)?;
                links.push((raw_name, path, target));
            }
        }
    }
    // Last, so that nothing is ever written through a link.
    for (raw_name, path, target) in links {
        tree.make_link(&raw_name, &path, &target)?;
    }
    Ok(())
}

/// Refuses a package that could hold more than `max` entries, before a reader makes a list of them.
fn check_headers(zip: &[u8], max: usize) -> Result<(), ArtifactError> {
    if zip.len() / HEADER_BYTES_MIN <= max {
        return Ok(());
    }
    let mut headers = 0_usize;
    let mut rest = zip;
    while let Some(at) = rest.iter().position(|byte| *byte == HEADER_MAGIC[0]) {
        rest = &rest[at..];
        if rest.starts_with(HEADER_MAGIC) {
            headers += 1;
        }
        rest = &rest[1..];
    }
    if headers > max { Err(ArtifactError::TooManyEntries { max }) } else { Ok(()) }
}

fn not_a_zip(error: impl std::fmt::Display) -> ArtifactError {
    ArtifactError::NotAZip { detail: error.to_string() }
}

/// The tree being made, and what may still be added to it.
struct Tree<'a> {
    root: &'a Path,
    names: HashSet<PathBuf>,
    folders: HashSet<PathBuf>,
    nodes_left: usize,
    nodes_max: usize,
    bytes_left: u64,
    bytes_max: u64,
    buffer: Box<[u8]>,
}

impl<'a> Tree<'a> {
    fn new(root: &'a Path, limits: &Limits) -> Self {
        Self {
            root,
            names: HashSet::new(),
            folders: HashSet::from([PathBuf::new()]),
            nodes_left: limits.zip_entries_max,
            nodes_max: limits.zip_entries_max,
            bytes_left: limits.unzipped_bytes_max,
            bytes_max: limits.unzipped_bytes_max,
            buffer: vec![0; 64 << 10].into_boxed_slice(),
        }
    }

    /// Counts one more file, folder or link: folders that are only implied count like any other.
    fn one_more(&mut self) -> Result<(), ArtifactError> {
        let left = self.nodes_left.checked_sub(1);
        self.nodes_left = left.ok_or(ArtifactError::TooManyEntries { max: self.nodes_max })?;
        Ok(())
    }

    fn make_folder(&mut self, raw_name: &[u8], path: &Path) -> Result<(), ArtifactError> {
        if self.folders.contains(path) {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.make_folder(raw_name, parent)?;
        }
        self.one_more()?;
        let full = self.root.join(path);
        fs::create_dir(&full).map_err(clash(raw_name))?;
        fs::set_permissions(&full, fs::Permissions::from_mode(0o755)).map_err(ArtifactError::disk("unpack"))?;
        self.folders.insert(path.to_owned());
        Ok(())
    }

    fn make_parent(&mut self, raw_name: &[u8], path: &Path) -> Result<(), ArtifactError> {
        match path.parent() {
            Some(parent) => self.make_folder(raw_name, parent),
            None => Ok(()),
        }
    }

    fn write_file(
        &mut self,
        raw_name: &[u8],
        path: &Path,
        executable: bool,
        content: &mut impl Read,
    ) -> Result<(), ArtifactError> {
        self.make_parent(raw_name, path)?;
        self.one_more()?;
        let mode = if executable { 0o755 } else { 0o644 };
        let full = self.root.join(path);
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(&full).map_err(clash(raw_name))?;
        self.copy(content, &mut file)?;
        // Again, past the umask.
        file.set_permissions(fs::Permissions::from_mode(mode)).map_err(ArtifactError::disk("unpack"))
    }

    fn copy(&mut self, content: &mut impl Read, file: &mut File) -> Result<(), ArtifactError> {
        loop {
            let read = match content.read(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(not_a_zip(error)),
            };
            let left = self.bytes_left.checked_sub(read as u64);
            self.bytes_left = left.ok_or(ArtifactError::UnzippedTooLarge { max: self.bytes_max })?;
            file.write_all(&self.buffer[..read]).map_err(ArtifactError::disk("unpack"))?;
        }
    }

    fn make_link(&mut self, raw_name: &[u8], path: &Path, target: &Path) -> Result<(), ArtifactError> {
        self.make_parent(raw_name, path)?;
        self.one_more()?;
        symlink(target, self.root.join(path)).map_err(clash(raw_name))
    }
}

/// A name that is a file here and a folder there is the package's fault; the rest is the disk's.
fn clash(raw_name: &[u8]) -> impl FnOnce(io::Error) -> ArtifactError {
    move |error| match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            bad_entry(raw_name, "stands where another entry needs a file or a folder")
        }
        _ => ArtifactError::Disk { doing: "unpack".into(), source: error },
    }
}
