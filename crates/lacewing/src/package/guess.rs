//! What runs these files: decided by what is there, never by a coin. What is not clear is an error that lists the
//! candidates and names the flag that decides.

use super::source::{node_handlers, python_handlers};
use super::tree::Tree;
use crate::failure::Failure;
use serde_json::Value;

/// Python files that are looked into, besides a lone one.
const PYTHON_FILES: [&str; 5] = ["lambda_function.py", "app.py", "main.py", "handler.py", "index.py"];
/// Stems of JavaScript files that are looked into, besides a lone one and package.json's `main`.
const NODE_STEMS: [&str; 6] = ["index", "app", "main", "handler", "lambda", "src/index"];
const NODE_ENDS: [&str; 3] = ["mjs", "js", "cjs"];

/// What the command line decides already.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Wanted {
    pub runtime: Option<String>,
    pub handler: Option<String>,
}

/// The language, and through it the choice of a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Family {
    Python,
    Node,
    Provided,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The language.
    pub family: Family,
    /// The runtime, where the command line names one.
    pub runtime: Option<String>,
    /// The handler.
    pub handler: String,
    /// `x86_64` or `arm64`, where the package says.
    pub architecture: Option<&'static str>,
}

impl Family {
    pub(super) fn of_runtime(runtime: &str) -> Option<Self> {
        if runtime.starts_with("python") {
            Some(Self::Python)
        } else if runtime.starts_with("nodejs") {
            Some(Self::Node)
        } else if runtime.starts_with("provided") {
            Some(Self::Provided)
        } else {
            None
        }
    }
}

/// Decides language, runtime and handler.
///
/// # Errors
/// [`Failure`] when nothing can run or more than one thing could.
pub fn choose(tree: &Tree, wanted: &Wanted) -> Result<Chosen, Failure> {
    let family = wanted.runtime.as_deref().map(|runtime| {
        Family::of_runtime(runtime).ok_or_else(|| {
            let hint = format!("one of: {}", lacewing_model::Runtime::SERVED.join(", "));
            Failure::usage(format!("runtime '{runtime}' is not served"), hint)
        })
    });
    let family = family.transpose()?;
    let mut candidates = candidates(tree);
    if let Some(family) = family {
        candidates.retain(|candidate| candidate.family == family);
    }
    let chosen = match (&wanted.handler, family) {
        (Some(handler), Some(family)) => Candidate { family, handler: handler.clone() },
        (Some(handler), None) => {
            Candidate { family: family_of_handler(tree, handler, &candidates)?, handler: handler.clone() }
        }
        (None, _) => only(tree, candidates, family)?,
    };
    let architecture = if chosen.family == Family::Provided { machine(&tree.head("bootstrap"))? } else { None };
    Ok(Chosen { family: chosen.family, runtime: wanted.runtime.clone(), handler: chosen.handler, architecture })
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    family: Family,
    handler: String,
}

/// Everything in the tree that could take a call.
fn candidates(tree: &Tree) -> Vec<Candidate> {
    // A `bootstrap` is nothing but the program of a custom runtime: whatever lies beside it is its business.
    if tree.files.contains_key("bootstrap") {
        return vec![Candidate { family: Family::Provided, handler: "bootstrap".to_owned() }];
    }
    let mut found = Vec::new();
    for file in python_files(tree) {
        let stem = file.trim_end_matches(".py");
        for name in python_handlers(&tree.text(&file)) {
            found.push(Candidate { family: Family::Python, handler: format!("{stem}.{name}") });
        }
    }
    for file in node_files(tree) {
        let stem = file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem);
        for name in node_handlers(&tree.text(&file)) {
            let handler = format!("{stem}.{name}");
            // `index.mjs` beside `index.js` is one handler: the runtime picks the file.
            if !found
                .iter()
                .any(|candidate: &Candidate| candidate.handler == handler && candidate.family == Family::Node)
            {
                found.push(Candidate { family: Family::Node, handler });
            }
        }
    }
    found
}

fn python_files(tree: &Tree) -> Vec<String> {
    at_top(tree, &["py"], |name| PYTHON_FILES.contains(&name))
}

fn node_files(tree: &Tree) -> Vec<String> {
    if let Some(main) = package_main(tree) {
        return vec![main];
    }
    let usual = |name: &str| {
        NODE_STEMS.iter().any(|stem| {
            NODE_ENDS.iter().any(|end| name.strip_prefix(stem).and_then(|rest| rest.strip_prefix('.')) == Some(end))
        })
    };
    let mut files = at_top(tree, &NODE_ENDS, usual);
    files.extend(tree.files.keys().filter(|name| name.contains('/') && usual(name)).cloned());
    files
}

/// The files at the top with one of the usual names; where there is none, the lone file of this kind.
fn at_top(tree: &Tree, ends: &[&str], usual: impl Fn(&str) -> bool) -> Vec<String> {
    let of_kind =
        |name: &&String| !name.contains('/') && name.rsplit_once('.').is_some_and(|(_, end)| ends.contains(&end));
    let all: Vec<&String> = tree.files.keys().filter(of_kind).collect();
    let usual: Vec<String> = all.iter().filter(|name| usual(name)).map(|name| (*name).clone()).collect();
    if usual.is_empty() { all.into_iter().cloned().collect() } else { usual }
}

/// `main` of package.json, where it names a file that is there.
fn package_main(tree: &Tree) -> Option<String> {
    let package: Value = serde_json::from_str(&tree.text("package.json")).ok()?;
    let main = package.get("main")?.as_str()?.trim_start_matches("./");
    let with_ends = NODE_ENDS.iter().map(|end| format!("{main}.{end}"));
    std::iter::once(main.to_owned()).chain(with_ends).find(|name| tree.files.contains_key(name))
}

/// The one candidate, or an error that names what decides.
fn only(tree: &Tree, mut candidates: Vec<Candidate>, family: Option<Family>) -> Result<Candidate, Failure> {
    if candidates.len() == 1 {
        return Ok(candidates.remove(0));
    }
    if candidates.is_empty() {
        return match family {
            // A custom runtime's handler is only text for its `bootstrap`.
            Some(Family::Provided) => Err(Failure::usage(
                "the package has no file named bootstrap at its top",
                "name the executable `bootstrap`, or deploy the executable itself",
            )),
            _ => Err(nothing(tree)),
        };
    }
    let list: Vec<&str> = candidates.iter().map(|candidate| candidate.handler.as_str()).collect();
    let languages = candidates.iter().any(|candidate| candidate.family != candidates[0].family);
    let message = format!("more than one handler could be meant: {}", list.join(", "));
    let flag = if languages { "--handler (and --runtime)" } else { "--handler" };
    Err(Failure::usage(message, format!("say which with {flag}, for example --handler {}", list[0])))
}

fn nothing(tree: &Tree) -> Failure {
    let has = |name: &str| tree.files.contains_key(name);
    let hint = if has("Cargo.toml") {
        "this is a Rust project: `cargo build --release`, then deploy target/release/NAME"
    } else if has("go.mod") {
        "this is a Go project: `CGO_ENABLED=0 go build -o bootstrap`, then deploy ./bootstrap"
    } else {
        "it looks for a `bootstrap`, `def handler`/`def lambda_handler` in a .py file or an exported `handler` in a .js/.mjs/.cjs file; --runtime and --handler say it directly"
    };
    Failure::usage("no handler was found", hint)
}

/// The language of a handler that the command line names: by the file it names, else by the only language there.
fn family_of_handler(tree: &Tree, handler: &str, candidates: &[Candidate]) -> Result<Family, Failure> {
    if let [Candidate { family: Family::Provided, .. }] = candidates {
        return Ok(Family::Provided);
    }
    let module = handler.rsplit_once('.').map_or(handler, |(module, _)| module);
    let python = tree.files.contains_key(&format!("{}.py", module.replace('.', "/")));
    let node = NODE_ENDS.iter().any(|end| tree.files.contains_key(&format!("{module}.{end}")));
    match (python, node) {
        (true, false) => Ok(Family::Python),
        (false, true) => Ok(Family::Node),
        (true, true) => Err(Failure::usage(
            format!("'{handler}' could be Python or JavaScript"),
            "say which with --runtime, for example --runtime python3.13",
        )),
        (false, false) => Err(Failure::usage(
            format!("handler '{handler}': there is no file {module}.py, .js, .mjs or .cjs"),
            "write it as FILE.FUNCTION, with the file's name without its ending",
        )),
    }
}

/// The processor that an executable is built for. Source: the ELF specification, `e_machine`.
pub(super) fn machine(head: &[u8]) -> Result<Option<&'static str>, Failure> {
    if !head.starts_with(b"\x7fELF") {
        return Ok(None);
    }
    match head.get(18..20) {
        Some([62, 0]) => Ok(Some("x86_64")),
        Some([183, 0]) => Ok(Some("arm64")),
        _ => Err(Failure::usage(
            "the executable is built for another processor than x86_64 or arm64",
            "build it for this machine, for example with `cargo build --release`",
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tree::{Content, Entry};
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let entry = |text: &str| Entry { executable: false, content: Content::Bytes(text.as_bytes().to_vec()) };
        Tree { files: files.iter().map(|(name, text)| ((*name).to_owned(), entry(text))).collect() }
    }

    const PYTHON: &str = "def handler(event, context): pass";
    const ESM: &str = "export const handler = async () => 1";
    const COMMON: &str = "exports.handler = async () => 1";

    #[test]
    fn what_is_clear_is_decided() {
        for (why, files, family, handler) in [
            (
                "AWS's default name",
                vec![("lambda_function.py", "def lambda_handler(e, c): 1")],
                Family::Python,
                "lambda_function.lambda_handler",
            ),
            ("a lone file", vec![("resize.py", PYTHON)], Family::Python, "resize.handler"),
            (
                "a usual name wins over helpers",
                vec![("app.py", PYTHON), ("lib.py", PYTHON)],
                Family::Python,
                "app.handler",
            ),
            ("a module", vec![("index.mjs", ESM)], Family::Node, "index.handler"),
            (
                "package.json decides",
                vec![("package.json", r#"{"main":"./dist/a.js"}"#), ("dist/a.js", COMMON), ("index.js", COMMON)],
                Family::Node,
                "dist/a.handler",
            ),
            (
                "main without ending",
                vec![("package.json", r#"{"main":"lib"}"#), ("lib.js", COMMON)],
                Family::Node,
                "lib.handler",
            ),
            ("two endings, one handler", vec![("index.js", COMMON), ("index.mjs", ESM)], Family::Node, "index.handler"),
            (
                "packages are not looked into",
                vec![("index.js", COMMON), ("node_modules/x/index.js", COMMON)],
                Family::Node,
                "index.handler",
            ),
            (
                "bootstrap is a custom runtime",
                vec![("bootstrap", "#!/bin/sh"), ("app.py", PYTHON)],
                Family::Provided,
                "bootstrap",
            ),
        ] {
            let chosen = choose(&tree(&files), &Wanted::default()).unwrap();
            assert_eq!((chosen.family, chosen.handler.as_str()), (family, handler), "{why}");
        }
    }

    #[test]
    fn what_is_unclear_lists_the_candidates_and_the_flag() {
        let failure = choose(&tree(&[("app.py", PYTHON), ("main.py", PYTHON)]), &Wanted::default()).unwrap_err();
        assert!(failure.message.contains("app.handler, main.handler"), "{}", failure.message);
        assert!(failure.hint.contains("--handler app.handler"), "{}", failure.hint);
        let failure = choose(&tree(&[("app.py", PYTHON), ("index.js", COMMON)]), &Wanted::default()).unwrap_err();
        assert!(failure.hint.contains("--runtime"), "{}", failure.hint);
        let failure = choose(&tree(&[("Cargo.toml", "")]), &Wanted::default()).unwrap_err();
        assert!(failure.hint.contains("cargo build"), "{}", failure.hint);
    }

    #[test]
    fn the_flags_decide() {
        let both = tree(&[("app.py", PYTHON), ("index.js", COMMON)]);
        let node = Wanted { runtime: Some("nodejs20.x".to_owned()), handler: None };
        assert_eq!(choose(&both, &node).unwrap().handler, "index.handler");
        let python = Wanted { runtime: None, handler: Some("app.other".to_owned()) };
        assert_eq!(choose(&both, &python).unwrap().family, Family::Python);
        let absent = Wanted { runtime: None, handler: Some("nowhere.f".to_owned()) };
        assert!(choose(&both, &absent).unwrap_err().message.contains("nowhere"));
        let unknown = Wanted { runtime: Some("cobol1".to_owned()), handler: None };
        assert!(choose(&both, &unknown).unwrap_err().hint.contains("python3.13"));
    }

    #[test]
    fn the_processor_is_read_from_the_program() {
        let mut head = b"\x7fELF".to_vec();
        head.resize(18, 0);
        let with = |code: u8| [head.clone(), vec![code, 0]].concat();
        assert_eq!(machine(&with(62)).unwrap(), Some("x86_64"));
        assert_eq!(machine(&with(183)).unwrap(), Some("arm64"));
        assert!(machine(&with(8)).is_err());
        assert_eq!(machine(b"#!/bin/sh").unwrap(), None);
    }
}
