//! The same small function in each language: a greeting, JSON in and JSON out, after a pause where the event has one.

use crate::machine::version;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;

/// One language, with what it takes to run it on the platform and without.
#[derive(Clone)]
pub struct Language {
    /// As the table shows it.
    pub name: &'static str,
    /// The runtime's identifier.
    pub runtime: String,
    /// The handler.
    pub handler: &'static str,
    /// The package.
    pub zip: Vec<u8>,
    /// How to run the same without a platform, from nothing.
    pub bare: Bare,
    /// The very process that runs in a sandbox, to be called directly.
    pub worker: Bare,
    /// What is to be reached.
    pub goals: Goals,
}

/// Milliseconds are p50 and p99.
#[derive(Clone, Copy)]
pub struct Goals {
    /// Cold, a sandbox prepared.
    pub prepared_ms: [f64; 2],
    /// Cold, nothing prepared.
    pub unprepared_ms: [f64; 2],
    /// A hundred calls at once: until the last answer.
    pub burst_ms: f64,
    /// Cold starts each second.
    pub churn: Option<f64>,
    /// Added to the worker called directly.
    pub added_ms: [f64; 2],
    /// Warm requests each second.
    pub load: f64,
    /// Memory of an idle sandbox, MiB.
    pub memory_mib: f64,
}

/// A program without a platform.
#[derive(Clone)]
pub enum Bare {
    /// An interpreter with a script that answers lines with lines.
    Lines(String, Vec<String>),
    /// Speaks the Runtime API over TCP.
    Client(Command),
    /// Speaks the Runtime API over the stream that it finds as its input: our own bootstraps.
    Own(Command),
}

/// Program, arguments and variables.
#[derive(Clone, Default)]
pub struct Command {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(&'static str, String)>,
}

const PYTHON: &str = "def handler(event, context):\n    if \"sleep_ms\" in event:\n        import time\n        \
    time.sleep(event[\"sleep_ms\"] / 1000)\n    return {\"message\": \"hello \" + event.get(\"name\", \"world\")}\n";
const NODE: &str = "exports.handler = async (event) => {\n  if (event.sleep_ms) await new Promise((done) => \
    setTimeout(done, event.sleep_ms));\n  return { message: `hello ${event.name ?? 'world'}` };\n};\n";

/// The bare loops load the same handler and do the same with JSON, from pipe to pipe.
const PYTHON_LINES: &str = "import sys, json\nEVENTS = sys.stdin\nexec(sys.argv[1])\nfor line in EVENTS:\n    \
    sys.stdout.write(json.dumps(handler(json.loads(line), None)) + \"\\n\")\n    sys.stdout.flush()\n";
const NODE_LINES: &str = "const fs = require('fs'), exports = {}; eval(process.argv[1]); const chunk = Buffer.alloc(65536);\n\
    (async () => { for (let rest = '', count; (count = fs.readSync(0, chunk)) > 0;) {\n\
    rest += chunk.toString('utf8', 0, count); let end;\n\
    while ((end = rest.indexOf('\\n')) >= 0) { const line = rest.slice(0, end); rest = rest.slice(end + 1);\n\
    fs.writeSync(1, JSON.stringify(await exports.handler(JSON.parse(line))) + '\\n'); } } })();\n";

const SYSTEM_PYTHON: &str = "/usr/bin/python3";

/// Where the functions' files and our bootstraps lie for those that are called directly.
pub struct Folders<'a> {
    /// The native function.
    pub guest: &'a Path,
    /// The repository's `runtimes`.
    pub runtimes: &'a Path,
    /// An empty folder.
    pub scratch: &'a Path,
}

/// Every language that this machine can run.
pub fn here(folders: &Folders<'_>) -> Result<Vec<Language>, String> {
    let mut all = vec![native(folders)?];
    let number = |text: String, at: usize| {
        let digits = text.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
        digits.map(str::to_owned).nth(at)
    };
    if let Some(minor) = version(SYSTEM_PYTHON).and_then(|text| number(text, 1)) {
        all.push(python(folders, &minor)?);
    }
    if let Some(major) = version("node").and_then(|text| number(text, 0)) {
        all.push(node(folders, &major)?);
    }
    Ok(all)
}

fn native(folders: &Folders<'_>) -> Result<Language, String> {
    let guest = folders.guest;
    let program = std::fs::read(guest).map_err(|error| format!("{}: {error}", guest.display()))?;
    let client = Bare::Client(Command { program: guest.to_owned(), ..Command::default() });
    Ok(Language {
        name: "native (lambda_runtime)",
        runtime: "provided.al2023".into(),
        handler: "bootstrap",
        zip: zip([("bootstrap", program.as_slice())])?,
        bare: client.clone(),
        worker: client,
        goals: Goals {
            prepared_ms: [1.5, 4.0],
            unprepared_ms: [2.5, 6.0],
            burst_ms: 180.0,
            churn: Some(1_000.0),
            added_ms: [0.15, 0.5],
            load: 12_000.0,
            memory_mib: 0.5,
        },
    })
}

fn python(folders: &Folders<'_>, minor: &str) -> Result<Language, String> {
    let runtime = format!("python3.{minor}");
    let bootstrap = folders.runtimes.join("python/bootstrap.py").display().to_string();
    let worker = Command {
        program: SYSTEM_PYTHON.into(),
        arguments: ["-S", "-s", "-E", "-X", "utf8", &bootstrap].map(str::to_owned).to_vec(),
        environment: own_environment(folders, &runtime, "app.handler"),
    };
    write(folders, "app.py", PYTHON)?;
    Ok(Language {
        name: "Python",
        handler: "app.handler",
        zip: zip([("app.py", PYTHON.as_bytes())])?,
        bare: Bare::Lines(
            SYSTEM_PYTHON.into(),
            ["-S", "-s", "-E", "-c", PYTHON_LINES, PYTHON].map(str::to_owned).to_vec(),
        ),
        worker: Bare::Own(worker),
        runtime,
        goals: Goals {
            prepared_ms: [1.5, 5.0],
            unprepared_ms: [5.0, 12.0],
            burst_ms: 300.0,
            churn: Some(300.0),
            added_ms: [0.12, 0.4],
            load: 8_000.0,
            memory_mib: 2.5,
        },
    })
}

fn node(folders: &Folders<'_>, major: &str) -> Result<Language, String> {
    let runtime = format!("nodejs{major}.x");
    let bootstrap = folders.runtimes.join("node/lacewing_bootstrap.cjs").display().to_string();
    let worker = Command {
        program: "node".into(),
        arguments: vec![bootstrap],
        environment: own_environment(folders, &runtime, "index.handler"),
    };
    write(folders, "index.js", NODE)?;
    Ok(Language {
        name: "Node",
        handler: "index.handler",
        zip: zip([("index.js", NODE.as_bytes())])?,
        bare: Bare::Lines("node".into(), ["-e", NODE_LINES, NODE].map(str::to_owned).to_vec()),
        worker: Bare::Own(worker),
        runtime,
        goals: Goals {
            prepared_ms: [2.0, 8.0],
            unprepared_ms: [50.0, 70.0],
            burst_ms: 1_500.0,
            churn: None,
            added_ms: [0.12, 0.4],
            load: 7_000.0,
            memory_mib: 8.0,
        },
    })
}

/// What our bootstraps are told, but for the door's own variable.
fn own_environment(folders: &Folders<'_>, runtime: &str, handler: &str) -> Vec<(&'static str, String)> {
    let task = folders.scratch.display().to_string();
    vec![
        ("LAMBDA_TASK_ROOT", task),
        ("_HANDLER", handler.to_owned()),
        ("AWS_EXECUTION_ENV", format!("AWS_Lambda_{runtime}")),
        ("AWS_LAMBDA_LOG_FORMAT", "Text".to_owned()),
    ]
}

fn write(folders: &Folders<'_>, name: &str, text: &str) -> Result<(), String> {
    let path = folders.scratch.join(name);
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// A package of these files.
pub fn zip<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Vec<u8>, String> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().unix_permissions(0o755);
    for (name, content) in files {
        writer.start_file(name, options).map_err(|error| error.to_string())?;
        writer.write_all(content).map_err(|error| error.to_string())?;
    }
    Ok(writer.finish().map_err(|error| error.to_string())?.into_inner())
}
