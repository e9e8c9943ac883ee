//! What one entry of a package is, and the rules that it must keep.

use crate::ArtifactError;
use std::path::{Component, Path, PathBuf};

/// Longest path inside a package, bytes: what fits below any data directory within `PATH_MAX`.
const PATH_BYTES_MAX: usize = 1_024;
/// Longest name between two slashes, bytes. Source: `NAME_MAX` of every usual file system.
const COMPONENT_BYTES_MAX: usize = 255;

const TYPE_MASK: u32 = 0o170_000;
const TYPE_FILE: u32 = 0o100_000;
const TYPE_FOLDER: u32 = 0o040_000;
const TYPE_LINK: u32 = 0o120_000;

/// What an entry becomes on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file, with or without the right to execute it. Every other bit of its mode is dropped.
    File { executable: bool },
    /// A folder.
    Folder,
    /// A symbolic link; its content is the target.
    Link,
}

/// Judges an entry's name and type. The path that comes back is relative and has only plain components.
pub(crate) fn judge(raw_name: &[u8], mode: Option<u32>) -> Result<(PathBuf, Kind), ArtifactError> {
    let bad = |rule| bad_entry(raw_name, rule);
    let name = std::str::from_utf8(raw_name).map_err(|_| bad("has a name that is not UTF-8"))?;
    if name.contains('\0') {
        return Err(bad("has a zero byte in its name"));
    }
    if name.contains('\\') {
        return Err(bad("has a backslash in its name (a path takes '/')"));
    }
    if name.len() > PATH_BYTES_MAX {
        return Err(bad("has a name of more than 1024 bytes"));
    }
    let mut path = PathBuf::new();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) if part.len() > COMPONENT_BYTES_MAX => {
                return Err(bad("has a part of its name of more than 255 bytes"));
            }
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err(bad("has '..' in its name")),
            Component::RootDir | Component::Prefix(_) => return Err(bad("has an absolute name")),
        }
    }
    let kind = match mode.unwrap_or_default() & TYPE_MASK {
        _ if name.ends_with('/') => Kind::Folder,
        TYPE_FOLDER => Kind::Folder,
        TYPE_LINK => Kind::Link,
        TYPE_FILE | 0 => Kind::File { executable: mode.unwrap_or_default() & 0o111 != 0 },
        _ => return Err(bad("is neither a file, a folder nor a symbolic link")),
    };
    if path.as_os_str().is_empty() && kind != Kind::Folder {
        return Err(bad("has no name"));
    }
    Ok((path, kind))
}

/// Judges where a link at `path` points: below the root, and `..` only at the start of the target.
///
/// That is enough, without asking the disk: links are made last and into real folders, so the leading `..`
/// climb real folders, and what follows only descends, through other links of which the same holds.
pub(crate) fn judge_link(raw_name: &[u8], path: &Path, target: &[u8]) -> Result<PathBuf, ArtifactError> {
    let bad = |rule| bad_entry(raw_name, rule);
    let target = std::str::from_utf8(target).map_err(|_| bad("is a link whose target is not UTF-8"))?;
    if target.is_empty() || target.contains('\0') || target.len() > PATH_BYTES_MAX {
        return Err(bad("is a link whose target is empty, too long or has a zero byte"));
    }
    let mut above = path.components().count().saturating_sub(1);
    let mut descends = false;
    for component in Path::new(target).components() {
        match component {
            Component::CurDir => {}
            Component::Normal(_) => descends = true,
            Component::ParentDir if !descends && above > 0 => above -= 1,
            Component::ParentDir => return Err(bad("is a link that leaves the package")),
            Component::RootDir | Component::Prefix(_) => return Err(bad("is a link with an absolute target")),
        }
    }
    Ok(PathBuf::from(target))
}

/// The refusal of an entry, its name made printable and cut to 256 characters.
pub(crate) fn bad_entry(raw_name: &[u8], rule: &'static str) -> ArtifactError {
    let entry = String::from_utf8_lossy(raw_name).chars().take(256).flat_map(char::escape_debug).collect();
    ArtifactError::BadEntry { entry, rule }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_tree_or_hide_are_refused() {
        let long_part = "x".repeat(256);
        let long_path = "x/".repeat(600);
        for (name, want) in [
            (&b"index.py"[..], Some("index.py")),
            (b"./a//b.js", Some("a/b.js")),
            (b"a/b/", Some("a/b")),
            (b"./", Some("")),
            ("bücher.py".as_bytes(), Some("bücher.py")),
            (b"/etc/passwd", None),
            (b"../x", None),
            (b"a/../../x", None),
            (b"a/..", None),
            (b"a\\..\\b", None),
            (b"a\0b", None),
            (b"\xff\xfe", None),
            (b"", None),
            (b".", None),
            (long_part.as_bytes(), None),
            (long_path.as_bytes(), None),
        ] {
            let got = judge(name, None).ok().map(|(path, _)| path);
            assert_eq!(got, want.map(PathBuf::from), "{}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn only_files_folders_and_links_become_something() {
        for (mode, want) in [
            (Some(0o100_644), Some(Kind::File { executable: false })),
            (Some(0o104_755), Some(Kind::File { executable: true })),
            (Some(0o600), Some(Kind::File { executable: false })),
            (None, Some(Kind::File { executable: false })),
            (Some(0o040_700), Some(Kind::Folder)),
            (Some(0o120_777), Some(Kind::Link)),
            (Some(0o020_666), None),
            (Some(0o060_666), None),
            (Some(0o010_666), None),
            (Some(0o140_666), None),
        ] {
            assert_eq!(judge(b"x", mode).ok().map(|(_, kind)| kind), want, "{mode:?}");
        }
    }

    #[test]
    fn a_link_stays_inside_or_is_refused() {
        for (path, target, fine) in [
            ("bin/x", "../lib/x.js", true),
            ("x", "lib", true),
            ("a/b/c", "../../d", true),
            ("a/b/c", "../..", true),
            ("x", "..", false),
            ("bin/x", "../../etc", false),
            ("x", "/etc/shadow", false),
            ("x", "lib/../../etc", false),
            ("a/b/c", "d/../../..", false),
            ("x", "", false),
        ] {
            assert_eq!(judge_link(b"x", Path::new(path), target.as_bytes()).is_ok(), fine, "{path} -> {target}");
        }
    }
}
