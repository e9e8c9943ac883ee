//! Whether a process can be forked: what INIT left in it, by what the kernel says and not by what it says itself.

use super::gate::PROC;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::fs::FileTypeExt;

/// Descriptors that every runtime has from us, and each copy gets its own in their place: output, errors, door, log.
pub(super) const OURS: std::ops::RangeInclusive<RawFd> = 1..=4;
/// Descriptors besides that a template may have.
const FILES_MAX: usize = 256;
/// Devices that remember nothing.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
/// Of the flags of an open file, those that it is opened with again.
const KEPT_FLAGS: libc::c_int = libc::O_ACCMODE | libc::O_NONBLOCK | libc::O_CLOEXEC;

/// What a copy must be given again, because it shares it with nobody.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Belongings {
    /// Where it was working.
    pub(super) directory: CString,
    pub(super) files: Vec<OpenFile>,
}

/// A file that INIT left open: each copy opens it for itself, at the same place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OpenFile {
    pub(super) fd: RawFd,
    pub(super) path: CString,
    pub(super) flags: libc::c_int,
    pub(super) offset: u64,
}

/// Looks at the process `pid`, alone with its init in a group where `processes` are.
///
/// # Errors
/// Why it cannot be forked, in words for the function's owner.
pub(super) fn judge(pid: libc::pid_t, processes: &[libc::pid_t]) -> Result<Belongings, String> {
    if let Some(more) = processes.len().checked_sub(2).filter(|more| *more > 0) {
        return Err(format!("INIT left {more} child process{} running", if more == 1 { "" } else { "es" }));
    }
    let about = |error: io::Error| format!("the process cannot be looked at: {error}");
    let threads = fs::read_dir(format!("{PROC}/{pid}/task")).map_err(about)?.count();
    if threads != 1 {
        return Err(format!("INIT left {threads} threads running, and a fork keeps only one"));
    }
    let maps = fs::read_to_string(format!("{PROC}/{pid}/maps")).map_err(about)?;
    if maps.lines().any(is_shared) {
        let all = fs::read_to_string(format!("{PROC}/{pid}/smaps")).map_err(about)?;
        if let Some(name) = writable_shared(&all) {
            return Err(format!("INIT left memory that others could share ({name})"));
        }
    }
    let directory = fs::read_link(format!("{PROC}/{pid}/cwd")).map_err(about)?;
    let directory =
        CString::new(directory.into_os_string().into_encoded_bytes()).map_err(|error| about(error.into()))?;
    Ok(Belongings { directory, files: open_files(pid)? })
}

/// Whether a line of `/proc/PID/maps` is of a shared mapping.
fn is_shared(line: &str) -> bool {
    line.split_ascii_whitespace().nth(1).is_some_and(|rights| rights.ends_with('s'))
}

/// The first shared mapping of a table as in `/proc/PID/smaps` that is, or can be made, writable. Source: proc(5).
fn writable_shared(table: &str) -> Option<&str> {
    let mut shared = None;
    for line in table.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            let found = shared.take();
            if found.is_some() && flags.split_ascii_whitespace().any(|flag| matches!(flag, "wr" | "mw")) {
                return found;
            }
        } else if is_shared(line) {
            shared = Some(line.split_ascii_whitespace().nth(5).unwrap_or("nameless"));
        }
    }
    None
}

fn open_files(pid: libc::pid_t) -> Result<Vec<OpenFile>, String> {
    let about = |error: io::Error| format!("its descriptors cannot be looked at: {error}");
    let mut files = Vec::new();
    for entry in fs::read_dir(format!("{PROC}/{pid}/fd")).map_err(about)? {
        let name = entry.map_err(about)?.file_name();
        let Some(fd) = name.to_str().and_then(|name| name.parse::<RawFd>().ok()) else { continue };
        if OURS.contains(&fd) {
            continue;
        }
        if files.len() == FILES_MAX {
            return Err(format!("INIT left more than {FILES_MAX} files open"));
        }
        files.push(open_file(pid, fd)?);
    }
    files.sort_unstable_by_key(|file| file.fd);
    if files.first().is_none_or(|file| file.fd != 0) {
        return Err("INIT closed its standard input".to_owned());
    }
    Ok(files)
}

fn open_file(pid: libc::pid_t, fd: RawFd) -> Result<OpenFile, String> {
    let about = |error: io::Error| format!("descriptor {fd} cannot be looked at: {error}");
    let path = fs::read_link(format!("{PROC}/{pid}/fd/{fd}")).map_err(about)?;
    let shown = path.display().to_string();
    let kind = fs::metadata(format!("{PROC}/{pid}/fd/{fd}")).map_err(about)?.file_type();
    let info = fs::read_to_string(format!("{PROC}/{pid}/fdinfo/{fd}")).map_err(about)?;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let flags = field("flags:").and_then(|octal| libc::c_int::from_str_radix(octal, 8).ok()).unwrap_or(-1);
    let offset = field("pos:").and_then(|offset| offset.parse().ok()).unwrap_or(0);
    let for_reading = flags & (libc::O_ACCMODE | libc::O_PATH) == libc::O_RDONLY;
    let device = kind.is_char_device() && DEVICES.contains(&shown.as_str());
    let file = kind.is_file() && for_reading && !shown.ends_with(" (deleted)");
    if !device && !file {
        let what = if kind.is_file() { "a file that is written to or was deleted" } else { "open" };
        return Err(format!("INIT left descriptor {fd} {what}: {shown}"));
    }
    let path = CString::new(path.into_os_string().into_encoded_bytes()).map_err(|error| about(error.into()))?;
    Ok(OpenFile { fd, path, flags: flags & KEPT_FLAGS, offset: if device { 0 } else { offset } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_memory_counts_where_it_can_be_written() {
        let maps = |rights: &str, flags: &str| {
            format!("7f00-7f01 {rights} 00000000 00:01 7   /tmp/x y\nRss:  4 kB\nVmFlags: {flags} \n")
        };
        for (rights, flags, found) in [
            ("rw-s", "rd wr sh mr mw me ms", Some("/tmp/x")),
            ("r--s", "rd sh mr mw me ms", Some("/tmp/x")),
            ("r--s", "rd mr me ms", None),
            ("rw-p", "rd wr mr mw me ac", None),
        ] {
            assert_eq!(writable_shared(&maps(rights, flags)), found, "{rights} {flags}");
        }
    }
}
