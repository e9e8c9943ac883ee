//! The three functions of the demo, and which of them this host can run.

use crate::client::Host;
use crate::package::{Content, Entry, Tree};
use lacewing_node::InterpreterInfo;
use std::collections::BTreeMap;

const PYTHON: &[u8] = include_bytes!("../../../demo/app.py");
const NODE: &[u8] = include_bytes!("../../../demo/index.mjs");
/// A program of the Runtime API in one file, compiled with this binary (`build.rs`).
const NATIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/demo-native"));

/// A function of the demo.
#[allow(missing_docs)]
pub struct Sample {
    pub name: &'static str,
    pub runtime: String,
    pub handler: &'static str,
    pub tree: Tree,
}

/// One that this host cannot run.
#[allow(missing_docs)]
pub struct Skipped {
    pub name: &'static str,
    pub why: &'static str,
}

/// All three, in the order they are shown.
pub fn samples(interpreters: &[InterpreterInfo]) -> [Result<Sample, Skipped>; 3] {
    let found = interpreters.iter().map(|found| (found.language.to_owned(), found.version.clone())).collect();
    let host = Host { account: String::new(), interpreters: found };
    let managed = |name, language, handler, file, content: &[u8], why| match host.runtime(language) {
        Some(runtime) => Ok(Sample { name, runtime, handler, tree: one(file, content, false) }),
        None => Err(Skipped { name, why }),
    };
    [
        managed(
            "python",
            "python",
            "app.handler",
            "app.py",
            PYTHON,
            "no Python found; install python3 and run it again",
        ),
        managed("node", "nodejs", "index.handler", "index.mjs", NODE, "no Node found; install nodejs and run it again"),
        Ok(Sample {
            name: "native",
            runtime: "provided.al2023".to_owned(),
            handler: "bootstrap",
            tree: one("bootstrap", NATIVE, true),
        }),
    ]
}

fn one(name: &str, content: &[u8], executable: bool) -> Tree {
    let entry = Entry { executable, content: Content::Bytes(content.to_vec()) };
    Tree { files: BTreeMap::from([(name.to_owned(), entry)]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_native_function_always_runs_and_others_are_named_when_skipped() {
        let names: Vec<_> = samples(&[])
            .into_iter()
            .map(|sample| sample.map_or_else(|skipped| (skipped.name, false), |sample| (sample.name, true)))
            .collect();
        assert_eq!(names, [("python", false), ("node", false), ("native", true)]);
        assert!(NATIVE.starts_with(b"\x7fELF"));
    }
}
