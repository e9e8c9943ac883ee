//! Rules about what a page points to: it is there, and each decision has a number of its own.

use super::files::tracked;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Endings of files that may name a page of the docs.
const READ: [&str; 6] = [".md", ".rs", ".py", ".toml", ".mjs", ".sh"];
/// Where pages lie.
const DOCS: &str = "docs/";
const DECISIONS: &str = "docs/decisions/";

/// Every dead link, and every number that two decisions share, as a sentence.
///
/// # Errors
/// When git or a file cannot be read.
pub fn broken(root: &Path) -> Result<Vec<String>, String> {
    let all = tracked(root)?;
    let exists = |path: &str| root.join(path).exists();
    let mut broken = Vec::new();
    for path in all.iter().filter(|path| READ.iter().any(|ending| path.ends_with(ending)) && exists(path)) {
        let text = std::fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))?;
        broken.extend(dead(path, &text, exists));
    }
    broken.extend(shared_numbers(all.iter().map(String::as_str).filter(|path| exists(path))));
    Ok(broken)
}

fn dead(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut targets = mentions(text);
    if path.ends_with(".md") {
        targets.extend(links(text).filter_map(|link| beside(path, link)));
    }
    targets.retain(|target| !exists(target));
    targets.dedup();
    targets.into_iter().map(|target| format!("{path}: {target} is not there; mend the link")).collect()
}

/// What the links of a page in Markdown point to.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

/// A link of `page` as a path below the root; `None` where it points elsewhere.
fn beside(page: &str, link: &str) -> Option<String> {
    let target = link.split('#').next().unwrap_or_default();
    if target.is_empty() || target.contains(':') || target.contains(char::is_whitespace) {
        return None;
    }
    let mut whole = PathBuf::from(page);
    whole.pop();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => drop(whole.pop()),
            Component::CurDir => {}
            other => whole.push(other),
        }
    }
    Some(whole.to_string_lossy().into_owned())
}

/// Pages of the docs that a text names by their path, linked or not.
fn mentions(text: &str) -> Vec<String> {
    let is_of_path = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    let begins = text
        .match_indices(DOCS)
        .filter(|(at, _)| !text[..*at].ends_with(|before: char| is_of_path(before) && before != '/'));
    let named = begins.map(|(at, _)| {
        let rest = &text[at..];
        let end = rest.find(|letter| !is_of_path(letter)).unwrap_or(rest.len());
        rest[..end].trim_end_matches('.').to_owned()
    });
    named.filter(|path| path.ends_with(".md")).collect()
}

fn shared_numbers<'a>(all: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    let mut shared = Vec::new();
    for page in all.filter_map(|path| path.strip_prefix(DECISIONS)) {
        let Some((number, _)) = page.split_once('-') else { continue };
        if let Some(other) = known.insert(number, page) {
            shared.push(format!("{DECISIONS}{page}: {other} has the same number; take the next one that is free"));
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_dead() {
        // The names are put together, or this file would name pages that are not there.
        let (there, gone) = (concat!("docs", "/a/b.md"), concat!("docs", "/a/z.md"));
        let exists = |path: &str| ["README.md", there, "docs/a/c.svg"].contains(&path);
        for (why, page, text, found) in [
            ("beside it", there, "![x](c.svg) and [y](../../README.md#part)".to_owned(), 0),
            ("gone", there, "[x](d.svg)".to_owned(), 1),
            ("elsewhere, or in the page", "README.md", "[x](https://a.b/c.md) [y](#here)".to_owned(), 0),
            ("named", "README.md", format!("see {there}, and `{there}`."), 0),
            ("named, and gone", "crates/x/src/a.rs", format!("//! {gone}. More."), 1),
            ("of somewhere else", "README.md", format!("https://other.{gone}"), 0),
        ] {
            assert_eq!(dead(page, &text, exists).len(), found, "{why}");
        }
    }

    #[test]
    fn each_decision_has_a_number_of_its_own() {
        let pages = ["README.md", "docs/decisions/0001-a", "docs/decisions/0002-b", "docs/decisions/0002-c"];
        assert_eq!(shared_numbers(pages.into_iter()).len(), 1);
    }
}
