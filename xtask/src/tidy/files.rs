//! Rules about files: length, module docs, and where `unsafe` may live.

use super::arrows::Crate;
use std::path::Path;
use std::process::Command;

/// A file longer than this is more than one idea.
const LINES_MAX: usize = 600;

/// Endings of files that somebody wrote and somebody reads.
const SOURCES: [&str; 8] = [".rs", ".py", ".mjs", ".cjs", ".js", ".sh", ".toml", "justfile"];

/// Crates that may hold `unsafe`: the drivers whose work is system calls.
const UNSAFE_ALLOWED: [&str; 2] = ["lacewing-sandbox-linux", "lacewing-sandbox-wasm"];

/// Every file that breaks a rule, as a sentence.
///
/// # Errors
/// When git or a file cannot be read.
pub fn broken(root: &Path, crates: &[Crate]) -> Result<Vec<String>, String> {
    let mut broken = Vec::new();
    for path in tracked(root)? {
        let whole = root.join(&path);
        if !SOURCES.iter().any(|ending| path.ends_with(ending)) || !whole.is_file() {
            continue; // deleted but not yet committed, or not ours to read
        }
        let text = std::fs::read_to_string(&whole).map_err(|error| format!("{path}: {error}"))?;
        let owner = crates.iter().filter(|one| inside(&path, &one.folder)).max_by_key(|one| one.folder.len());
        broken.extend(broken_rules(&path, &text, owner.map(|one| one.name.as_str())));
    }
    for one in crates {
        let manifest = root.join(&one.folder).join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
        if !inherits_lints(&text) {
            broken.push(format!("{}: add `[lints] workspace = true`, so that its lints are the house's", one.name));
        }
    }
    Ok(broken)
}

fn inside(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn inherits_lints(manifest: &str) -> bool {
    let flat: String = manifest.split_whitespace().collect();
    flat.contains("[lints]workspace=true")
}

/// Files that git knows or would add; others are somebody's scratch paper.
pub(super) fn tracked(root: &Path) -> Result<Vec<String>, String> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(arguments).current_dir(root).output();
    let output = output.map_err(|error| format!("git ls-files: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

fn broken_rules(path: &str, text: &str, owner: Option<&str>) -> Vec<String> {
    let mut broken = Vec::new();
    let lines = text.lines().count();
    if lines > LINES_MAX {
        broken.push(format!("{path}: {lines} lines, at most {LINES_MAX}: which are its two ideas?"));
    }
    if !path.ends_with(".rs") {
        return broken;
    }
    let is_entry = path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs");
    if is_entry && !text.starts_with("//!") {
        broken.push(format!("{path}: open it with a module doc that says what the crate is for"));
    }
    // Written in two halves, or this file would break its own rules.
    if text.contains(concat!("todo", "!(")) || text.contains(concat!("unimplemented", "!(")) {
        broken.push(format!("{path}: holds an unwritten part; write it or file an issue"));
    }
    let opens_unsafe =
        text.contains(concat!("allow(", "unsafe_code")) || text.contains(concat!("expect(", "unsafe_code"));
    if opens_unsafe && !owner.is_some_and(|name| UNSAFE_ALLOWED.contains(&name)) {
        broken.push(format!("{path}: `unsafe` lives in {} only", UNSAFE_ALLOWED.join(" and ")));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_seen_alone() {
        let long = "x\n".repeat(LINES_MAX + 1);
        let unsafe_code = format!("//! Doc.\n#![{}]", concat!("allow(", "unsafe_code)"));
        for (why, path, text, owner, broken) in [
            ("a short file is fine", "crates/node/src/a.rs", "//! A.", "lacewing-node", 0),
            ("a long one is not", "crates/node/src/a.rs", long.as_str(), "lacewing-node", 1),
            ("nor in another language", "conformance/a.py", long.as_str(), "", 1),
            ("a crate says what it is", "crates/node/src/lib.rs", "mod a;", "lacewing-node", 1),
            ("what is unwritten shows", "crates/node/src/a.rs", concat!("todo", "!()"), "lacewing-node", 1),
            ("unsafe has a home", "crates/x/src/a.rs", &unsafe_code, "lacewing-sandbox-linux", 0),
            ("and only one", "crates/x/src/a.rs", &unsafe_code, "lacewing-node", 1),
        ] {
            assert_eq!(broken_rules(path, text, Some(owner)).len(), broken, "{why}");
        }
    }

    #[test]
    fn a_folder_holds_only_what_is_below_it() {
        assert!(inside("crates/node/src/a.rs", "crates/node"));
        assert!(!inside("crates/nodes/src/a.rs", "crates/node"));
    }
}
