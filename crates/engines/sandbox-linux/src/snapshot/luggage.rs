//! What INIT left in `/tmp` goes along: each copy has its own of it, as a snapshot of a machine would.
//!
//! The copying is done by a process of ours that is in the new sandbox's group, so that the pages are its memory. The
//! tree is the function's work: it is walked by descriptors and without following links, within limits. It stands still,
//! because nothing runs any more where it lies.

use super::gate::PROC;
use crate::sys;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Entries that are copied; a `/tmp` of Lambda's least size has room for 131,072 files.
const ENTRIES_MAX: usize = 131_072;
/// Directories within each other: each holds two descriptors while it is walked.
const DEPTH_MAX: usize = 64;

/// The `/tmp` of the sandbox whose init is `pid`.
pub(super) fn tmp_of(pid: libc::pid_t) -> io::Result<OwnedFd> {
    // Its own root has been left by none of its processes: `/tmp` is the sandbox's mount.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(format!("{PROC}/{pid}/root/tmp"), flags, Mode::empty())?)
}

/// Whether there is anything in it.
pub(super) fn is_empty(directory: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(names(directory)?.is_empty())
}

/// Copies all of `from` into `to`, whose owner becomes host user `owner`, as a member of the groups behind `doors`.
///
/// # Errors
/// It could not be copied whole: a limit, or no room.
pub(super) fn carry(from: &OwnedFd, to: &OwnedFd, owner: u32, doors: &[OwnedFd]) -> io::Result<()> {
    // SAFETY: this process has one thread.
    #[allow(unsafe_code)]
    let porter = unsafe { sys::clone_into(0, None) }?;
    let Some((pid, _)) = porter else {
        let carried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for door in doors {
                rustix::io::write(door, b"0")?;
            }
            make_as(owner)?;
            let mut left = ENTRIES_MAX;
            carry_below(from.as_fd(), to.as_fd(), &mut left, DEPTH_MAX)
        }));
        let error = match carried {
            Ok(Ok(())) => 0,
            Ok(Err(error)) => error.raw_os_error().filter(|number| (1..=255).contains(number)).unwrap_or(libc::EIO),
            Err(_) => libc::EIO,
        };
        sys::exit_now(error);
    };
    match sys::reap(pid, 0)? {
        Some((_, status)) if libc::WIFEXITED(status) => match libc::WEXITSTATUS(status) {
            0 => Ok(()),
            number => Err(io::Error::from_raw_os_error(number)),
        },
        _ => Err(io::Error::from_raw_os_error(libc::ENOMEM)),
    }
}

/// What this process makes from now on belongs to host user and group `owner`, whom the new `/tmp` knows, unlike root. It
/// keeps root's right to read what is the template's.
#[allow(unsafe_code)]
fn make_as(owner: u32) -> io::Result<()> {
    /// Powers stay when the user changes. Source: capabilities(7).
    const SECBIT_NO_SETUID_FIXUP: libc::c_ulong = 1 << 2;
    sys::prctl(libc::PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0)?;
    // SAFETY: integers only. They return what was before; whether they were heeded shows at the first file.
    unsafe {
        libc::setfsgid(owner);
        libc::setfsuid(owner);
    }
    Ok(())
}

fn carry_below(from: BorrowedFd<'_>, to: BorrowedFd<'_>, left: &mut usize, depth: usize) -> io::Result<()> {
    for name in names(from)? {
        *left = left.checked_sub(1).ok_or_else(|| io::Error::from_raw_os_error(libc::EMFILE))?;
        let about = rustix::fs::statat(from, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        let mode = Mode::from_raw_mode(about.st_mode & 0o7777);
        let give = |at: BorrowedFd<'_>| -> io::Result<()> {
            let times = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds as _ };
            let times = Timestamps {
                last_access: times(about.st_atime as _, about.st_atime_nsec),
                last_modification: times(about.st_mtime as _, about.st_mtime_nsec),
            };
            rustix::fs::fchmod(at, mode)?;
            Ok(rustix::fs::futimens(at, &times)?)
        };
        match FileType::from_raw_mode(about.st_mode) {
            FileType::RegularFile => {
                let mut source = File::from(open(from, &name, OFlags::RDONLY | OFlags::NONBLOCK)?);
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
                let mut copy = File::from(open(to, &name, flags)?);
                io::copy(&mut source, &mut copy)?;
                give(copy.as_fd())?;
            }
            FileType::Directory if depth > 0 => {
                rustix::fs::mkdirat(to, &name, Mode::RWXU)?;
                let source = open(from, &name, OFlags::RDONLY | OFlags::DIRECTORY)?;
                let copy = open(to, &name, OFlags::RDONLY | OFlags::DIRECTORY)?;
                carry_below(source.as_fd(), copy.as_fd(), left, depth - 1)?;
                give(copy.as_fd())?;
            }
            FileType::Directory => return Err(io::Error::from_raw_os_error(libc::ELOOP)),
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(from, &name, Vec::new())?;
                rustix::fs::symlinkat(target, to, &name)?;
            }
            // A pipe or a socket is nothing without who made it.
            _ => {}
        }
    }
    Ok(())
}

fn open(at: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(at, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)?)
}

fn names(directory: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    let mut all = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            all.push(entry.file_name().to_owned());
        }
        if all.len() > ENTRIES_MAX {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
    }
    Ok(all)
}
