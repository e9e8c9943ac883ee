//! The tree that layers are laid into, one entry at a time.
//!
//! A name of a layer is never a path of the host: its folder is opened by the kernel with the tree as the root
//! (`openat2`, `RESOLVE_IN_ROOT`), so that links of the image lead where they lead inside, and the last part is made in
//! that folder without following anything. Owners, attributes and the bits that would give somebody else's rights are
//! dropped; devices are never made.

use crate::ImageError;
use crate::error::printable;
use crate::reading::Budget;
use lacewing_model::Limits;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawMode, ResolveFlags, Timespec, Timestamps, chmodat, fchmod, fstat,
    futimens, linkat, mkdirat, openat, openat2, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Longest path of an entry, bytes.
const PATH_BYTES_MAX: usize = 1_024;
/// Folders in folders: what removes a tree goes down into them.
const DEPTH_MAX: usize = 256;
/// Longest target of a link, bytes. Source: `PATH_MAX`.
const LINK_BYTES_MAX: usize = 4_095;
/// What an entry is called that takes away one of a former layer. Source: OCI image specification, "Whiteouts".
const WHITEOUT: &[u8] = b".wh.";
/// And one that takes away all that its folder had.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Rights that are kept; nobody but the server writes.
const MODE_KEPT: RawMode = 0o755;
/// Folders that the sandbox mounts its own on, or in.
const MOUNT_POINTS: [&str; 4] = ["proc", "dev", "tmp", "etc"];
/// Files of `/etc` that it puts its own in the place of.
const OWN_FILES: [&str; 2] = ["resolv.conf", "hosts"];

/// One entry of a layer, as it says itself.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a [u8],
    /// Where a link of either kind leads.
    pub(crate) link: &'a [u8],
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) modified: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    Link,
    HardLink,
    Device,
    Other,
}

/// The tree being made, and what may still be added to it.
pub(crate) struct Tree<'a> {
    pub(crate) uri: &'a str,
    /// Bytes of layers that may still come.
    pub(crate) budget: Budget,
    limits: &'a Limits,
    root: OwnedFd,
    /// Where the root is, for telling how deep a folder lies.
    root_path: PathBuf,
    entries_left: usize,
    /// What this layer made, by inode: whiteouts are meant for former layers.
    made: HashSet<u64>,
    /// The folder that was used last: most entries follow one in the same.
    last: Option<(PathBuf, OwnedFd)>,
    buffer: Box<[u8]>,
}

impl<'a> Tree<'a> {
    /// In `folder`, which is there and empty.
    pub(crate) fn open(folder: &Path, uri: &'a str, limits: &'a Limits) -> Result<Self, ImageError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, folder, flags, Mode::empty()).map_err(io::Error::from);
        let root = root.map_err(ImageError::disk("open the folder of an image"))?;
        let root_path = real_path(&root).map_err(ImageError::disk("find the folder of an image"))?;
        Ok(Self {
            uri,
            budget: Budget::new(limits.image_bytes_max),
            limits,
            root,
            root_path,
            entries_left: limits.image_entries_max,
            made: HashSet::new(),
            last: None,
            buffer: vec![0; 128 << 10].into_boxed_slice(),
        })
    }

    /// What comes next belongs to another layer.
    pub(crate) fn end_layer(&mut self) {
        self.made.clear();
    }

    /// More bytes came than may.
    pub(crate) fn too_large(&self) -> ImageError {
        let (uri, max) = (self.uri.to_owned(), self.limits.image_bytes_max);
        ImageError::TooLarge { uri, what: "layers of more bytes unpacked", max }
    }

    /// Adds what an entry says.
    pub(crate) fn add(&mut self, entry: Entry<'_>, content: &mut impl Read) -> Result<(), ImageError> {
        let path = self.judge(entry.name, entry.name)?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            // The root itself, which is there.
            return if entry.kind == Kind::Folder { Ok(()) } else { Err(self.bad(entry.name, "has no name")) };
        };
        if name.as_bytes() == OPAQUE {
            return self.clear(entry.name, parent);
        }
        if let Some(gone) = name.as_bytes().strip_prefix(WHITEOUT) {
            return self.white_out(entry.name, parent, OsStr::from_bytes(gone));
        }
        match entry.kind {
            // What the sandbox's own /dev hides need not be made; elsewhere a device could only be meant for harm.
            Kind::Device if path.starts_with("dev") => return Ok(()),
            Kind::Device => return Err(self.bad(entry.name, "is a device")),
            Kind::Other => return Err(self.bad(entry.name, "is neither a file, a folder nor a link")),
            Kind::File | Kind::Folder | Kind::Link | Kind::HardLink => {}
        }
        self.one_more()?;
        self.enter(entry.name, parent)?;
        match entry.kind {
            Kind::Folder => self.make_folder(&entry, name),
            Kind::Link => self.make_link(&entry, name),
            Kind::HardLink => self.make_hard_link(&entry, name),
            _ => self.write_file(&entry, name, content),
        }
    }

    /// The path that a name means: relative, of plain parts.
    fn judge(&self, name: &[u8], shown: &[u8]) -> Result<PathBuf, ImageError> {
        if name.len() > PATH_BYTES_MAX {
            return Err(self.bad(shown, "has a name of more than 1024 bytes"));
        }
        if name.contains(&0) {
            return Err(self.bad(shown, "has a zero byte in its name"));
        }
        let mut path = PathBuf::new();
        for component in Path::new(OsStr::from_bytes(name)).components() {
            match component {
                Component::Normal(part) if part.len() > 255 => {
                    return Err(self.bad(shown, "has a part of its name of more than 255 bytes"));
                }
                Component::Normal(part) => path.push(part),
                // Names of tars are meant from the root, with a slash or without.
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
                Component::ParentDir => return Err(self.bad(shown, "has '..' in its name")),
            }
        }
        Ok(path)
    }

    /// Opens the folder at `path`, making what is missing of it.
    fn enter(&mut self, shown: &[u8], path: &Path) -> Result<(), ImageError> {
        if self.last.as_ref().is_some_and(|(last, _)| last == path) {
            return Ok(());
        }
        let folder = match self.find(path) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => {
                let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
                    return Err(ImageError::disk("open the root of an image")(io::Error::from(Errno::NOENT)));
                };
                self.one_more()?;
                self.enter(shown, above)?;
                let made = mkdirat(self.folder(), name, Mode::from_raw_mode(0o755));
                made.map_err(|error| self.refused(shown, error))?;
                chmodat(self.folder(), name, Mode::from_raw_mode(0o755), AtFlags::empty()).map_err(disk)?;
                self.note(name)?;
                self.find(path).map_err(|error| self.refused(shown, error))?
            }
            Err(error) => return Err(self.refused(shown, error)),
        };
        let place = real_path(&folder).map_err(ImageError::disk("find a folder of an image"))?;
        let inside = place.strip_prefix(&self.root_path);
        // It cannot lie outside: the kernel saw to it. Should it, nothing is written.
        let depth = inside.map_err(|_| self.bad(shown, "leads out of the image"))?.components().count();
        if depth >= DEPTH_MAX || place.as_os_str().len() > self.root_path.as_os_str().len() + 2 * PATH_BYTES_MAX {
            return Err(self.bad(shown, "lies in more than 256 folders"));
        }
        self.last = Some((path.to_owned(), folder));
        Ok(())
    }

    fn find(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        loop {
            match openat2(&self.root, path, flags, Mode::empty(), resolve) {
                // Something was renamed on this machine meanwhile; the kernel wants to be asked again.
                Err(Errno::AGAIN | Errno::INTR) => {}
                found => return found,
            }
        }
    }

    /// The folder that was entered last.
    fn folder(&self) -> BorrowedFd<'_> {
        self.last.as_ref().map_or(self.root.as_fd(), |(_, folder)| folder.as_fd())
    }

    fn one_more(&mut self) -> Result<(), ImageError> {
        let max = self.limits.image_entries_max as u64;
        let left = self.entries_left.checked_sub(1);
        let too_many = || ImageError::TooLarge { uri: self.uri.to_owned(), what: "more files", max };
        self.entries_left = left.ok_or_else(too_many)?;
        Ok(())
    }

    /// Notes that this layer made, or named, what is called so.
    fn note(&mut self, name: &OsStr) -> Result<(), ImageError> {
        let about = statat(self.folder(), name, AtFlags::SYMLINK_NOFOLLOW).map_err(disk)?;
        self.made.insert(about.st_ino);
        Ok(())
    }

    /// Makes room for `name` in the folder: whatever has it goes.
    fn make_room(&mut self, name: &OsStr) -> Result<(), ImageError> {
        let removed = remove(self.folder(), name).map_err(ImageError::disk("remove what a layer replaces"));
        // What was opened through it leads elsewhere now.
        if let Some((path, folder)) = self.last.take() {
            let again = self.find(&path).unwrap_or(folder);
            self.last = Some((path, again));
        }
        removed
    }

    /// Does `make`, after room was made if there was none.
    fn make(
        &mut self,
        shown: &[u8],
        name: &OsStr,
        make: impl Fn(BorrowedFd<'_>) -> Result<(), Errno>,
    ) -> Result<(), ImageError> {
        match make(self.folder()) {
            Err(Errno::EXIST) => {
                self.make_room(name)?;
                make(self.folder()).map_err(|error| self.refused(shown, error))
            }
            made => made.map_err(|error| self.refused(shown, error)),
        }
    }

    fn make_folder(&mut self, entry: &Entry<'_>, name: &OsStr) -> Result<(), ImageError> {
        let about = statat(self.folder(), name, AtFlags::SYMLINK_NOFOLLOW);
        let is_there = about.is_ok_and(|about| FileType::from_raw_mode(about.st_mode) == FileType::Directory);
        if !is_there {
            self.make(entry.name, name, |folder| mkdirat(folder, name, Mode::from_raw_mode(0o700)))?;
        }
        // The server must be able to go in and to remove it.
        let mode = Mode::from_raw_mode(entry.mode as RawMode & MODE_KEPT | 0o700);
        chmodat(self.folder(), name, mode, AtFlags::empty()).map_err(disk)?;
        self.note(name)
    }

    fn make_link(&mut self, entry: &Entry<'_>, name: &OsStr) -> Result<(), ImageError> {
        if entry.link.is_empty() || entry.link.contains(&0) || entry.link.len() > LINK_BYTES_MAX {
            return Err(self.bad(entry.name, "is a link whose target is empty, too long or has a zero byte"));
        }
        let target = OsStr::from_bytes(entry.link);
        self.make(entry.name, name, |folder| symlinkat(target, folder, name))?;
        self.note(name)
    }

    fn make_hard_link(&mut self, entry: &Entry<'_>, name: &OsStr) -> Result<(), ImageError> {
        let target = self.judge(entry.link, entry.name)?;
        let (Some(above), Some(its_name)) = (target.parent(), target.file_name()) else {
            return Err(self.bad(entry.name, "is a link to no file"));
        };
        let missing = |_| self.bad(entry.name, "is a link to a file that is not in the image");
        let source = self.find(above).map_err(missing)?;
        let about = statat(&source, its_name, AtFlags::SYMLINK_NOFOLLOW).map_err(missing)?;
        if !matches!(FileType::from_raw_mode(about.st_mode), FileType::RegularFile | FileType::Symlink) {
            return Err(self.bad(entry.name, "is a link to what is no file"));
        }
        let there = statat(self.folder(), name, AtFlags::SYMLINK_NOFOLLOW);
        if there.is_ok_and(|there| there.st_ino == about.st_ino) {
            return Ok(());
        }
        self.make(entry.name, name, |folder| linkat(&source, its_name, folder, name, AtFlags::empty()))?;
        self.note(name)
    }

    fn write_file(&mut self, entry: &Entry<'_>, name: &OsStr, content: &mut impl Read) -> Result<(), ImageError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = std::cell::Cell::new(None);
        self.make(entry.name, name, |folder| {
            opened.set(Some(openat(folder, name, flags, Mode::from_raw_mode(0o600))?));
            Ok(())
        })?;
        let file = opened.take().ok_or_else(|| self.bad(entry.name, "could not be made"))?;
        let mut file = File::from(file);
        loop {
            let read = match content.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(ImageError::BadLayer {
                        uri: self.uri.to_owned(),
                        why: printable(error.to_string().as_bytes()),
                    });
                }
            };
            file.write_all(&self.buffer[..read]).map_err(ImageError::disk("unpack an image"))?;
        }
        fchmod(&file, Mode::from_raw_mode(entry.mode as RawMode & MODE_KEPT | 0o400)).map_err(disk)?;
        // Compiled Python is valid for sources of one time only.
        let time = Timespec { tv_sec: i64::try_from(entry.modified).unwrap_or_default(), tv_nsec: 0 };
        // A time that the file system does not have is nobody's loss.
        let _ = futimens(&file, &Timestamps { last_access: time, last_modification: time });
        self.made.insert(fstat(&file).map_err(disk)?.st_ino);
        Ok(())
    }

    /// Takes away what a former layer has there.
    fn white_out(&mut self, shown: &[u8], parent: &Path, name: &OsStr) -> Result<(), ImageError> {
        // `.wh..wh.` begins what other builders note for themselves.
        if name.as_bytes().starts_with(WHITEOUT) {
            return Ok(());
        }
        if matches!(name.as_bytes(), b"" | b"." | b"..") {
            return Err(self.bad(shown, "takes away nothing that has a name"));
        }
        let Ok(folder) = self.find(parent) else { return Ok(()) };
        let Ok(about) = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) else { return Ok(()) };
        if self.made.contains(&about.st_ino) {
            return Ok(());
        }
        self.last = None;
        remove(folder.as_fd(), name).map_err(ImageError::disk("remove what a layer takes away"))
    }

    /// Takes away what former layers have in a folder.
    fn clear(&mut self, shown: &[u8], path: &Path) -> Result<(), ImageError> {
        self.enter(shown, path)?;
        let cleared = clear(self.folder(), &self.made).map(drop);
        self.last = None;
        cleared.map_err(ImageError::disk("remove what a layer takes away"))
    }

    /// Sees to it that there is what the sandbox mounts its own on, none of it a link.
    pub(crate) fn make_mount_points(mut self) -> Result<(), ImageError> {
        self.last = None;
        for name in MOUNT_POINTS {
            self.make_mount_point(OsStr::new(name))?;
        }
        let etc = self.find(Path::new("etc")).map_err(disk)?;
        for name in OWN_FILES {
            let about = statat(&etc, name, AtFlags::SYMLINK_NOFOLLOW);
            if about.is_ok_and(|about| FileType::from_raw_mode(about.st_mode) == FileType::RegularFile) {
                continue;
            }
            remove(etc.as_fd(), OsStr::new(name)).map_err(ImageError::disk("make room in /etc"))?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(&etc, name, flags, Mode::from_raw_mode(0o644)).map_err(disk)?;
        }
        Ok(())
    }

    fn make_mount_point(&self, name: &OsStr) -> Result<(), ImageError> {
        match statat(&self.root, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(about) if FileType::from_raw_mode(about.st_mode) == FileType::Directory => Ok(()),
            Ok(_) => Err(self.bad(name.as_bytes(), "must be a folder: the sandbox has its own there")),
            Err(_) => {
                mkdirat(&self.root, name, Mode::from_raw_mode(0o755)).map_err(disk)?;
                chmodat(&self.root, name, Mode::from_raw_mode(0o755), AtFlags::empty()).map_err(disk)
            }
        }
    }

    fn bad(&self, name: &[u8], rule: &'static str) -> ImageError {
        ImageError::BadEntry { uri: self.uri.to_owned(), entry: printable(name), rule }
    }

    /// A name that is a file here and a folder there is the layer's fault; the rest is the disk's.
    fn refused(&self, name: &[u8], error: Errno) -> ImageError {
        match error {
            Errno::EXIST | Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::NOENT | Errno::XDEV => {
                self.bad(name, "lies below what is no folder, or leads nowhere")
            }
            Errno::NAMETOOLONG => self.bad(name, "has too long a name"),
            Errno::MLINK => self.bad(name, "is one link too many"),
            other => disk(other),
        }
    }
}

fn disk(error: Errno) -> ImageError {
    ImageError::disk("unpack an image")(error.into())
}

/// Where a folder lies on the host.
fn real_path(folder: &OwnedFd) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd()))
}

/// Removes `name` from `folder` with all that is in it; nothing is followed. What is not there is removed already.
fn remove(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {
            let inside = open_folder(folder, name)?;
            for child in children(&inside)? {
                remove(inside.as_fd(), &child)?;
            }
            Ok(unlinkat(folder, name, AtFlags::REMOVEDIR)?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Removes from `folder` all that is not in `made`. True if anything was left.
fn clear(folder: BorrowedFd<'_>, made: &HashSet<u64>) -> io::Result<bool> {
    let mut left = false;
    for child in children(&open_folder(folder, OsStr::new("."))?)? {
        let about = statat(folder, &child, AtFlags::SYMLINK_NOFOLLOW)?;
        let is_made = made.contains(&about.st_ino);
        let holds = FileType::from_raw_mode(about.st_mode) == FileType::Directory
            && clear(open_folder(folder, &child)?.as_fd(), made)?;
        if !is_made && !holds {
            remove(folder, &child)?;
        }
        left |= is_made || holds;
    }
    Ok(left)
}

fn open_folder(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder, name, flags, Mode::empty())?)
}

fn children(folder: &OwnedFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(folder)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}
