//! What starts the server of a web application: decided by what is there, never by a coin.

use super::guess::{Family, machine};
use super::tree::Tree;
use crate::failure::Failure;
use serde_json::Value;

/// Python files that are looked into, besides a lone one.
const PYTHON_FILES: [&str; 6] = ["app.py", "main.py", "server.py", "asgi.py", "wsgi.py", "api.py"];
/// JavaScript files that are looked into where package.json says nothing.
const NODE_FILES: [&str; 8] =
    ["server.js", "server.mjs", "app.js", "app.mjs", "index.js", "index.mjs", "main.js", "main.mjs"];
/// Applications that an ASGI server runs, and those that a WSGI server does.
const ASGI: [&str; 5] = ["FastAPI", "Starlette", "Quart", "Litestar", "BlackSheep"];
const WSGI: [&str; 2] = ["Flask", "Bottle"];

/// What the command line decides already.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct WebWanted {
    pub runtime: Option<String>,
    pub command: Option<String>,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebChosen {
    /// The language, and through it the interpreter to be had.
    pub family: Family,
    /// What starts the server: a line for the shell.
    pub command: String,
    /// `x86_64` or `arm64`, where the package says.
    pub architecture: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    family: Family,
    command: String,
}

/// Decides language and command.
///
/// # Errors
/// [`Failure`] when nothing there is a server, or more than one thing could be.
pub fn choose_web(tree: &Tree, wanted: &WebWanted) -> Result<WebChosen, Failure> {
    let said = wanted.runtime.as_deref().map(|runtime| {
        Family::of_runtime(runtime).ok_or_else(|| {
            let hint = format!("one of: {}", lacewing_model::Runtime::SERVED.join(", "));
            Failure::usage(format!("runtime '{runtime}' is not served"), hint)
        })
    });
    let said = said.transpose()?;
    let Candidate { family, command } = match &wanted.command {
        Some(command) => Candidate { family: family_of(command), command: command.clone() },
        None => guess(tree)?,
    };
    let family = said.unwrap_or(family);
    let program = command.strip_prefix("./").unwrap_or_default();
    let architecture = if program.is_empty() { None } else { machine(&tree.head(program))? };
    Ok(WebChosen { family, command, architecture })
}

/// The language of a command, by its first word.
fn family_of(command: &str) -> Family {
    let first = command.split_whitespace().find(|word| *word != "exec" && !word.contains('=')).unwrap_or_default();
    match first.rsplit('/').next().unwrap_or_default() {
        word if word.starts_with("python") => Family::Python,
        "uvicorn" | "gunicorn" | "flask" | "hypercorn" | "waitress-serve" | "fastapi" => Family::Python,
        "node" | "npm" | "npx" | "yarn" | "pnpm" => Family::Node,
        _ => Family::Provided,
    }
}

fn guess(tree: &Tree) -> Result<Candidate, Failure> {
    // What says what to start is asked first: in it somebody has decided.
    if let Some(command) = procfile(tree) {
        return Ok(Candidate { family: family_of(&command), command });
    }
    if let Some(script) = start_script(tree) {
        return Ok(Candidate { family: Family::Node, command: runnable(tree, &script)? });
    }
    let mut found = programs(tree);
    found.extend(python(tree));
    if found.is_empty() {
        found.extend(node(tree));
    }
    match &found[..] {
        [_] => Ok(found.remove(0)),
        [] => Err(nothing(tree)),
        [first, ..] => {
            let list: Vec<&str> = found.iter().map(|candidate| candidate.command.as_str()).collect();
            let hint = format!("say which with --command, for example --command '{}'", first.command);
            Err(Failure::usage(format!("more than one server could be meant: {}", list.join(" | ")), hint))
        }
    }
}

/// The `web:` line of a Procfile.
fn procfile(tree: &Tree) -> Option<String> {
    let text = tree.text("Procfile");
    let line = text.lines().find_map(|line| line.strip_prefix("web:"))?;
    Some(line.trim().to_owned()).filter(|command| !command.is_empty())
}

/// `scripts.start` of package.json.
fn start_script(tree: &Tree) -> Option<String> {
    let package: Value = serde_json::from_str(&tree.text("package.json")).ok()?;
    package.pointer("/scripts/start")?.as_str().map(|script| script.trim().to_owned())
}

/// The script as it can be run in a sandbox: a program of a package is run by its own file, because links do not
/// survive packing.
fn runnable(tree: &Tree, script: &str) -> Result<String, Failure> {
    let (first, rest) = script.split_once(char::is_whitespace).unwrap_or((script, ""));
    if matches!(first, "node" | "/usr/bin/node") || first.contains('=') || first.starts_with("./") {
        return Ok(script.to_owned());
    }
    let package: Option<Value> = serde_json::from_str(&tree.text(&format!("node_modules/{first}/package.json"))).ok();
    let bin = package.as_ref().and_then(|package| {
        let bin = package.get("bin")?;
        bin.as_str().or_else(|| bin.get(first)?.as_str()).map(|bin| bin.trim_start_matches("./").to_owned())
    });
    match bin {
        Some(bin) => Ok(format!("node node_modules/{first}/{bin} {rest}").trim_end().to_owned()),
        None => Err(Failure::usage(
            format!("package.json starts '{script}', and '{first}' is no program that is found in node_modules"),
            "install the packages (npm install), or say what to run with --command, for example --command 'node server.js'",
        )),
    }
}

/// Executables at the top.
fn programs(tree: &Tree) -> Vec<Candidate> {
    let program =
        |name: &&String| !name.contains('/') && tree.files[*name].executable && tree.head(name).starts_with(b"\x7fELF");
    let mut names: Vec<&String> = tree.files.keys().filter(program).collect();
    if names.is_empty() && tree.files.get("bootstrap").is_some_and(|entry| entry.executable) {
        names.extend(tree.files.keys().filter(|name| *name == "bootstrap"));
    }
    names.iter().map(|name| Candidate { family: Family::Provided, command: format!("./{name}") }).collect()
}

/// Applications in Python files, each with the server that runs its kind.
fn python(tree: &Tree) -> Vec<Candidate> {
    let mut files: Vec<&String> = tree.files.keys().filter(|name| PYTHON_FILES.contains(&name.as_str())).collect();
    if files.is_empty() {
        let lone: Vec<&String> =
            tree.files.keys().filter(|name| !name.contains('/') && name.ends_with(".py")).take(2).collect();
        files.extend(lone.first().filter(|_| lone.len() == 1));
    }
    let mut found = Vec::new();
    for file in files {
        let text = tree.text(file);
        let module = file.trim_end_matches(".py");
        let commands: Vec<String> = applications(&text).map(|app| served(tree, module, app)).collect();
        let serves_itself = ["serve_forever(", "uvicorn.run(", "web.run_app(", "waitress.serve("];
        if commands.is_empty() && serves_itself.iter().any(|call| text.contains(call)) {
            found.push(Candidate { family: Family::Python, command: format!("python3 {file}") });
        }
        found.extend(commands.into_iter().map(|command| Candidate { family: Family::Python, command }));
    }
    found
}

/// `NAME = FastAPI(...)` and its like at the top level of a file: the name, and whether it is ASGI.
fn applications(text: &str) -> impl Iterator<Item = (&str, bool)> {
    text.lines().filter_map(|line| {
        let (left, right) = line.split_once('=')?;
        let name = left.split(':').next()?.trim_end();
        let is_name = !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
        let class = right.trim_start().split('(').next().filter(|_| right.contains('('))?;
        let class = class.rsplit('.').next()?.trim();
        let asgi = ASGI.contains(&class);
        (is_name && (asgi || WSGI.contains(&class))).then_some((name, asgi))
    })
}

/// How an application of a module is served: by the server that lies beside it, else by the usual one.
fn served(tree: &Tree, module: &str, (app, asgi): (&str, bool)) -> String {
    let has = |package: &str| tree.files.contains_key(&format!("{package}/__init__.py"));
    match asgi {
        true if has("hypercorn") && !has("uvicorn") => {
            format!("python3 -m hypercorn {module}:{app} --bind 0.0.0.0:$PORT")
        }
        true => format!("python3 -m uvicorn {module}:{app} --host 0.0.0.0 --port $PORT"),
        false if has("waitress") => format!("python3 -m waitress --listen=0.0.0.0:$PORT {module}:{app}"),
        false if has("gunicorn") => format!("python3 -m gunicorn {module}:{app} --bind 0.0.0.0:$PORT --threads 8"),
        false => format!("python3 -m flask --app {module}:{app} run --host 0.0.0.0 --port $PORT"),
    }
}

/// JavaScript files that listen.
fn node(tree: &Tree) -> Vec<Candidate> {
    let listens = |name: &&&str| {
        let text = tree.text(name);
        [".listen(", "serve(", "createServer("].iter().any(|call| text.contains(call))
    };
    let files = NODE_FILES.iter().filter(|name| tree.files.contains_key(**name)).filter(listens);
    files.map(|file| Candidate { family: Family::Node, command: format!("node {file}") }).collect()
}

fn nothing(tree: &Tree) -> Failure {
    let has = |name: &str| tree.files.contains_key(name);
    let hint = if has("Cargo.toml") {
        "this is a Rust project: `cargo build --release`, then deploy --web target/release/NAME"
    } else if has("go.mod") {
        "this is a Go project: `CGO_ENABLED=0 go build -o server`, then deploy --web ./server"
    } else {
        "it looks for a Procfile, package.json's start script, an executable, a FastAPI, Starlette or Flask application in app.py or main.py, and a server.js, app.js or index.js that listens; --command says it directly, for example --command 'node server.js'"
    };
    Failure::usage("what starts the server cannot be decided", hint)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tree::{Content, Entry};
    use super::*;

    fn guessed(files: &[(&str, &str)], command: Option<&str>) -> Result<String, String> {
        let entry = |text: &str| Entry {
            executable: text.starts_with("\u{7f}ELF"),
            content: Content::Bytes(text.as_bytes().to_vec()),
        };
        let tree = Tree { files: files.iter().map(|(name, text)| ((*name).to_owned(), entry(text))).collect() };
        let wanted = WebWanted { runtime: None, command: command.map(str::to_owned) };
        let chosen = choose_web(&tree, &wanted);
        chosen.map(|chosen| format!("{:?}: {}", chosen.family, chosen.command)).map_err(|failure| failure.message)
    }

    #[test]
    fn what_is_clear_is_decided() {
        let fastapi = "from fastapi import FastAPI\n\napp = FastAPI(title='x')\n";
        for (why, files, want) in [
            ("FastAPI", vec![("main.py", fastapi)], "Python: python3 -m uvicorn main:app --host 0.0.0.0 --port $PORT"),
            (
                "Flask, with nothing beside it",
                vec![("app.py", "import flask\nweb: flask.Flask = flask.Flask(__name__)")],
                "Python: python3 -m flask --app app:web run --host 0.0.0.0 --port $PORT",
            ),
            (
                "Flask, with waitress",
                vec![("site.py", "app = Flask(__name__)"), ("waitress/__init__.py", "")],
                "Python: python3 -m waitress --listen=0.0.0.0:$PORT site:app",
            ),
            ("a plain server", vec![("app.py", "HTTPServer(a, b).serve_forever()")], "Python: python3 app.py"),
            (
                "a start script",
                vec![("package.json", r#"{"scripts":{"start":"node ./src/web.js"}}"#), ("index.js", "x.listen(1)")],
                "Node: node ./src/web.js",
            ),
            (
                "a program of a package",
                vec![
                    ("package.json", r#"{"scripts":{"start":"next start -p $PORT"}}"#),
                    ("node_modules/next/package.json", r#"{"bin":{"next":"./dist/bin/next"}}"#),
                ],
                "Node: node node_modules/next/dist/bin/next start -p $PORT",
            ),
            ("a file that listens", vec![("server.mjs", "app.listen(3000)"), ("lib.js", "")], "Node: node server.mjs"),
            (
                "a Procfile",
                vec![("Procfile", "web: gunicorn x:y\nworker: z"), ("main.py", fastapi)],
                "Python: gunicorn x:y",
            ),
        ] {
            assert_eq!(guessed(&files, None).unwrap(), want, "{why}");
        }
        assert_eq!(guessed(&[("a", "")], Some("PORT=1 ./a -v")).unwrap(), "Provided: PORT=1 ./a -v");
        assert_eq!(guessed(&[("a", "")], Some("exec python3.11 a")).unwrap(), "Python: exec python3.11 a");
    }

    #[test]
    fn what_is_not_clear_is_said() {
        let two = [("app.py", "app = Flask(1)"), ("main.py", "api = FastAPI()")];
        assert!(guessed(&two, None).unwrap_err().starts_with("more than one server could be meant: python3 -m flask"));
        assert!(guessed(&[("notes.txt", "")], None).unwrap_err().contains("cannot be decided"));
        let vite = [("package.json", r#"{"scripts":{"start":"vite preview"}}"#)];
        assert!(guessed(&vite, None).unwrap_err().contains("'vite' is no program"));
        assert!(guessed(&[("app.py", "    app = Flask(1)\nx == FastAPI()")], None).is_err(), "not at the top level");
    }
}
