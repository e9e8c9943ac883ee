//! The same small function in each language: a greeting, JSON in and JSON out.

use crate::machine::version;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;

/// One language, with what it takes to run it on the platform and without.
pub struct Language {
    /// As the table shows it.
    pub name: &'static str,
    /// The runtime's identifier.
    pub runtime: String,
    /// The handler.
    pub handler: &'static str,
    /// The package.
    pub zip: Vec<u8>,
    /// How to run the same without a platform.
    pub bare: Bare,
    /// Most milliseconds that a cold call may take at the median.
    pub cold_goal_ms: f64,
    /// Most milliseconds that a warm call may take at the median.
    pub warm_goal_ms: f64,
}

/// The bare program.
pub enum Bare {
    /// Speaks the Runtime API.
    Client(PathBuf),
    /// An interpreter with a script that answers lines with lines.
    Lines(String, Vec<String>),
}

impl Language {
    /// True for the one without an interpreter.
    pub fn is_native(&self) -> bool {
        matches!(self.bare, Bare::Client(_))
    }
}

const PYTHON: &str =
    "def handler(event, context):\n    return {\"message\": \"hello \" + event.get(\"name\", \"world\")}\n";
const NODE: &str = "exports.handler = async (event) => ({ message: `hello ${event.name ?? 'world'}` });\n";

/// The bare loops load the same handler and do the same with JSON, from pipe to pipe.
const PYTHON_LINES: &str = "import sys, json\nEVENTS = sys.stdin\nexec(sys.argv[1])\nfor line in EVENTS:\n    \
    sys.stdout.write(json.dumps(handler(json.loads(line), None)) + \"\\n\")\n    sys.stdout.flush()\n";
const NODE_LINES: &str = "const fs = require('fs'), exports = {}; eval(process.argv[1]); const chunk = Buffer.alloc(65536);\n\
    (async () => { for (let rest = '', count; (count = fs.readSync(0, chunk)) > 0;) {\n\
    rest += chunk.toString('utf8', 0, count); let end;\n\
    while ((end = rest.indexOf('\\n')) >= 0) { const line = rest.slice(0, end); rest = rest.slice(end + 1);\n\
    fs.writeSync(1, JSON.stringify(await exports.handler(JSON.parse(line))) + '\\n'); } } })();\n";

/// Every language that this machine can run.
pub fn here(guest: &Path) -> Result<Vec<Language>, String> {
    let program = std::fs::read(guest).map_err(|error| format!("{}: {error}", guest.display()))?;
    let mut all = vec![Language {
        name: "native (lambda_runtime)",
        runtime: "provided.al2023".into(),
        handler: "bootstrap",
        zip: zip("bootstrap", &program)?,
        bare: Bare::Client(guest.to_owned()),
        cold_goal_ms: 4.0,
        warm_goal_ms: 0.3,
    }];
    let number = |text: String, at: usize| {
        let digits = text.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
        digits.map(str::to_owned).nth(at)
    };
    let python = "/usr/bin/python3";
    if let Some(minor) = version(python).and_then(|text| number(text, 1)) {
        let script = ["-S", "-s", "-E", "-c", PYTHON_LINES, PYTHON].map(str::to_owned).to_vec();
        all.push(Language {
            name: "Python",
            runtime: format!("python3.{minor}"),
            handler: "app.handler",
            zip: zip("app.py", PYTHON.as_bytes())?,
            bare: Bare::Lines(python.into(), script),
            cold_goal_ms: 35.0,
            warm_goal_ms: 0.35,
        });
    }
    if let Some(major) = version("node").and_then(|text| number(text, 0)) {
        all.push(Language {
            name: "Node",
            runtime: format!("nodejs{major}.x"),
            handler: "index.handler",
            zip: zip("index.js", NODE.as_bytes())?,
            bare: Bare::Lines("node".into(), ["-e", NODE_LINES, NODE].map(str::to_owned).to_vec()),
            cold_goal_ms: 55.0,
            warm_goal_ms: 0.4,
        });
    }
    Ok(all)
}

fn zip(name: &str, content: &[u8]) -> Result<Vec<u8>, String> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().unix_permissions(0o755);
    writer.start_file(name, options).map_err(|error| error.to_string())?;
    writer.write_all(content).map_err(|error| error.to_string())?;
    Ok(writer.finish().map_err(|error| error.to_string())?.into_inner())
}
