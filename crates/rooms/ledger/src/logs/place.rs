//! Where a group lies on disk: `logs/ACCOUNT/REGION/GROUP/`, with the group's name in readable letters.

use super::LogScope;
use lacewing_model::Timestamp;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Longest folder name that is the whole group's name; Linux allows 255.
const READABLE_BYTES_MAX: usize = 200;

/// The file that holds a group's creation time and name.
const NAME_FILE: &str = "name";

/// The folder of a scope's groups.
pub(crate) fn scope_dir(logs: &Path, scope: &LogScope) -> PathBuf {
    logs.join(scope.account.as_str()).join(scope.region.as_str())
}

/// The folder of one group. Other bytes than letters, digits, `_`, `-` and inner dots become `%XX`; what is too
/// long ends in `~` and a hash.
pub(crate) fn group_dir(logs: &Path, scope: &LogScope, group: &str) -> PathBuf {
    let mut name = String::with_capacity(group.len() + 8);
    for byte in group.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(byte)),
            b'.' if !name.is_empty() => name.push('.'),
            _ => _ = write!(name, "%{byte:02X}"),
        }
    }
    if name.len() > READABLE_BYTES_MAX {
        name.truncate(READABLE_BYTES_MAX - 40);
        name.push('~');
        for byte in &Sha256::digest(group.as_bytes())[..16] {
            _ = write!(name, "{byte:02x}");
        }
    }
    scope_dir(logs, scope).join(name)
}

/// Makes the folder of a group whose first line came at `created`.
pub(crate) fn make(dir: &Path, group: &str, created: Timestamp) -> io::Result<()> {
    // What functions write is nobody else's to read.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let file = dir.join(NAME_FILE);
    if file.exists() {
        return Ok(());
    }
    let unfinished = dir.join("name.unfinished");
    std::fs::write(&unfinished, format!("{}\n{group}", created.0))?;
    std::fs::rename(unfinished, file)
}

/// When the group in this folder was made and its name, `None` for other folders.
pub(crate) fn read(dir: &Path) -> Option<(Timestamp, String)> {
    let text = std::fs::read_to_string(dir.join(NAME_FILE)).ok()?;
    let (created, name) = text.split_once('\n')?;
    Some((Timestamp(created.parse().ok()?), name.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn folder(group: &str) -> String {
        let scope = LogScope { account: "123456789012".parse().unwrap(), region: "us-east-1".parse().unwrap() };
        let dir = group_dir(Path::new("/l"), &scope, group);
        assert_eq!(dir.parent().unwrap(), Path::new("/l/123456789012/us-east-1"));
        dir.file_name().unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn a_group_is_one_folder_whatever_its_name() {
        for (group, want) in
            [("/aws/lambda/a-b_c.d", "%2Faws%2Flambda%2Fa-b_c.d"), ("..", "%2E."), ("a/../b", "a%2F..%2Fb")]
        {
            assert_eq!(folder(group), want);
        }
        let (long, longer) = ("/".repeat(512), "/".repeat(511));
        assert!(folder(&long).len() <= 255);
        assert_ne!(folder(&long), folder(&longer));
    }

    #[test]
    fn a_folder_knows_its_group() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), None);
        make(dir.path(), "/aws/lambda/x", Timestamp(7)).unwrap();
        make(dir.path(), "/aws/lambda/x", Timestamp(9)).unwrap();
        assert_eq!(read(dir.path()), Some((Timestamp(7), "/aws/lambda/x".to_owned())));
    }
}
