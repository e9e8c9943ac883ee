//! `cargo xtask conformance`: what of the Lambda API is served, as a page. The table is `lambda-api`'s, where the
//! compiler and its tests see it; here it is only written down, and each test that it names is looked for.

use crate::workspace::Workspace;
use lacewing_lambda_api::{COMPATIBILITY, Family, Field, Served, Support};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Where the page lies.
const PAGE: &str = "docs/reference/compatibility.md";
/// Where the tests lie that stand behind it.
const TESTS: &str = "conformance/python/tests";

/// Writes the page.
///
/// # Errors
/// A test that does not exist, or a file that cannot be read or written.
pub fn run() -> Result<(), String> {
    let workspace = Workspace::load()?;
    let missing = missing_tests(workspace.root())?;
    if !missing.is_empty() {
        return Err(missing.join("\n"));
    }
    let path = workspace.root().join(PAGE);
    fs::write(&path, page()).map_err(|error| format!("{PAGE}: {error}"))?;
    println!("{PAGE}: {}", summary());
    Ok(())
}

/// What is broken about the page, each as a sentence: for `tidy`.
///
/// # Errors
/// When the tests cannot be read.
pub fn broken(root: &Path) -> Result<Vec<String>, String> {
    let mut broken = missing_tests(root)?;
    if fs::read_to_string(root.join(PAGE)).unwrap_or_default() != page() {
        broken.push(format!("{PAGE} is not what lambda-api says: run `cargo xtask conformance`"));
    }
    Ok(broken)
}

fn missing_tests(root: &Path) -> Result<Vec<String>, String> {
    let mut texts: HashMap<&str, String> = HashMap::new();
    let mut missing = Vec::new();
    for served in all() {
        for test in served.tests {
            let (file, function) = test.split_once("::").unwrap_or((test, ""));
            if !texts.contains_key(file) {
                let path = root.join(TESTS).join(file);
                let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                texts.insert(file, text);
            }
            let there = texts.get(file).is_some_and(|text| text.contains(&format!("\ndef {function}(")));
            if !there {
                missing.push(format!("{}: there is no test {test}", served.operation.name()));
            }
        }
    }
    Ok(missing)
}

fn all() -> impl Iterator<Item = &'static Served> {
    COMPATIBILITY.iter().flat_map(|family| family.operations)
}

fn summary() -> String {
    let count = |wanted: fn(Support) -> bool| all().filter(|served| wanted(served.support())).count();
    let (full, partly) = (count(|s| s == Support::Full), count(|s| matches!(s, Support::Partly(_))));
    let not = count(|s| matches!(s, Support::Not(_)));
    format!("of {} operations {full} are supported, {partly} partly, {not} not", full + partly + not)
}

fn page() -> String {
    let mut text = String::from(
        "# Compatibility with the AWS Lambda API\n\n\
         Written by `cargo xtask conformance` from the table in `crates/ground/lambda-api/src/compatibility`; do not \
         edit it here.\n\n",
    );
    let _ = writeln!(
        text,
        "In short: {}. An operation is *partly* supported if a field of its request is not fully. What is *not* \
         supported is refused: an operation with 501 and its name, a field that would change anything too. The tests \
         are those of `{TESTS}`.\n",
        summary().replacen("of", "Of", 1)
    );
    for family in &COMPATIBILITY {
        write_family(&mut text, family);
    }
    text
}

fn write_family(text: &mut String, family: &Family) {
    let _ = writeln!(text, "## {}\n\n| operation | support | tests |\n| --- | --- | --- |", family.title);
    for served in family.operations {
        let name = served.operation.name();
        let support = match served.support() {
            Support::Full => "supported".to_owned(),
            Support::Partly(_) => "partly".to_owned(),
            Support::Not(why) => format!("not: {why}"),
        };
        let tests: Vec<String> = served.tests.iter().map(|test| format!("`{test}`")).collect();
        let _ = writeln!(text, "| {name} | {support} | {} |", tests.join(", "));
    }
    text.push_str("\n| operation | fields of the request | fields of the reply |\n| --- | --- | --- |\n");
    for served in family.operations {
        let (request, reply) = (names(served.request()), names(served.reply()));
        let _ = writeln!(text, "| {} | {request} | {reply} |", served.operation.name());
    }
    let mut gaps: Vec<String> = Vec::new();
    for served in family.operations.iter().filter(|served| !matches!(served.support(), Support::Not(_))) {
        for field in served.request().chain(served.reply()) {
            let line = match field.support {
                Support::Full => continue,
                Support::Partly(what) => format!("- *{}*, partly: {what}", field.name),
                Support::Not(why) => format!("- *{}*, not: {why}", field.name),
            };
            if !gaps.contains(&line) {
                gaps.push(line);
            }
        }
    }
    if !gaps.is_empty() {
        let _ = writeln!(text, "\nWhat is marked:\n\n{}", gaps.join("\n"));
    }
    text.push('\n');
}

/// The names of fields, with a mark at what is not wholly served.
fn names(fields: impl Iterator<Item = Field>) -> String {
    let shown = |field: Field| match field.support {
        Support::Full => field.name.to_owned(),
        Support::Partly(_) => format!("*{} (partly)*", field.name),
        Support::Not(_) => format!("*{} (not)*", field.name),
    };
    fields.map(shown).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_row_for_every_operation() {
        let page = page();
        for served in all() {
            let row = format!("\n| {} | ", served.operation.name());
            assert_eq!(page.matches(&row).count(), 2, "{}", served.operation.name());
        }
    }

    #[test]
    fn fields_are_marked_by_how_far_they_are_served() {
        let field = |name, support| Field { name, support };
        let fields = [field("A", Support::Full), field("B", Support::Partly("x")), field("C", Support::Not("y"))];
        assert_eq!(names(fields.into_iter()), "A, *B (partly)*, *C (not)*");
    }
}
