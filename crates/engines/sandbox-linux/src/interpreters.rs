//! The interpreters of the host, and which one runs what.
//!
//! Found once, at launch: names are looked up in known places, each file is asked for its version once and the
//! answer kept by path and time of change, so that later launches run nothing.

use crate::options::InterpreterOptions;
use crate::runtime_files::show_to_all;
use lacewing_model::{Language, Version};
use lacewing_sandbox::{InterpreterInfo, StartError};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Interpreters that are considered at all: a directory full of them must not hold up the start.
const FOUND_MAX: usize = 64;

/// An interpreter and how it gets into a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interpreter {
    pub(crate) language: Kind,
    /// Major, minor, patch.
    pub(crate) version: (u16, u16, u16),
    /// The executable, links resolved.
    pub(crate) path: PathBuf,
}

/// Languages that need one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Kind {
    Python,
    Node,
}

/// All that were found, best first: the operator's, then the host's, then those of version managers.
#[derive(Debug, Default)]
pub(crate) struct Interpreters {
    found: Vec<Interpreter>,
    nearest: bool,
    /// Packages that hold boto3, by the interpreter that has none of its own.
    borrowed: HashMap<PathBuf, PathBuf>,
}

#[derive(Default, Serialize, Deserialize)]
struct Remembered {
    /// By path: time of change in nanoseconds, size, and what it said it was.
    files: HashMap<PathBuf, (i128, u64, Option<Interpreter>)>,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "nodejs",
        }
    }

    fn of(language: Language) -> Option<(Self, u16)> {
        match language {
            Language::Python(minor) => Some((Self::Python, minor)),
            Language::Node(major) => Some((Self::Node, major)),
            Language::Provided | Language::Foreign | Language::Image => None,
        }
    }
}

impl Interpreter {
    /// The number that the runtime's identifier names: Python's minor version, Node's major one.
    fn named(&self) -> u16 {
        match self.language {
            Kind::Python => self.version.1,
            Kind::Node => self.version.0,
        }
    }

    /// As people say it: `Python 3.11.2`.
    pub(crate) fn title(&self) -> String {
        let (major, minor, patch) = self.version;
        let name = if self.language == Kind::Python { "Python" } else { "Node.js" };
        format!("{name} {major}.{minor}.{patch}")
    }

    /// Where its packages are installed.
    fn packages(&self) -> Option<PathBuf> {
        if self.language != Kind::Python {
            return None;
        }
        if self.path.starts_with("/usr") {
            return Some(PathBuf::from("/usr/lib/python3/dist-packages"));
        }
        let prefix = self.path.parent()?.parent()?;
        Some(prefix.join(format!("lib/python3.{}/site-packages", self.version.1)))
    }

    /// Where it finds boto3 among its own packages.
    fn sdk(&self) -> Option<PathBuf> {
        self.packages().filter(|packages| packages.join("boto3/__init__.py").is_file())
    }

    /// The directory to be seen as `/var/lang`: its own prefix, or for one of the host's `/usr`, which is in the
    /// sandbox anyway, a directory of links made below `links`.
    ///
    /// # Errors
    /// The links cannot be made.
    pub(crate) fn language_root(&self, links: &Path) -> io::Result<PathBuf> {
        let names: Vec<String> = match self.language {
            Kind::Python => vec!["python3".into(), "python".into(), format!("python3.{}", self.version.1)],
            Kind::Node => vec!["node".into()],
        };
        if !self.path.starts_with("/usr")
            && let Some(prefix) = self.path.parent().and_then(Path::parent)
            && prefix.join("bin").join(&names[0]).exists()
        {
            return Ok(prefix.to_path_buf());
        }
        let (major, minor, patch) = self.version;
        let root = links.join(format!("{}-{major}.{minor}.{patch}", self.language.name()));
        let bin = root.join("bin");
        let is_right = |name: &String| fs::read_link(bin.join(name)).ok().as_deref() == Some(&self.path);
        if !names.iter().all(is_right) {
            fs::create_dir_all(&bin)?;
            for name in &names {
                let _ = fs::remove_file(bin.join(name));
                std::os::unix::fs::symlink(&self.path, bin.join(name))?;
            }
            show_to_all(&root)?;
        }
        Ok(root)
    }
}

impl Interpreters {
    /// Looks for them. `memory` is the file that keeps the answers.
    pub(crate) fn discover(options: &InterpreterOptions, memory: &Path) -> Self {
        let remembered: Remembered =
            fs::read(memory).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let mut files = HashMap::new();
        let mut found: Vec<Interpreter> = Vec::new();
        let mut asked = Vec::new();
        let mut order = Vec::new();
        for path in candidates(options) {
            if files.contains_key(&path) || order.contains(&path) || order.len() >= FOUND_MAX {
                continue;
            }
            let Ok(about) = fs::metadata(&path) else { continue };
            let stamp = (i128::from(about.mtime()) * 1_000_000_000 + i128::from(about.mtime_nsec()), about.size());
            match remembered.files.get(&path) {
                Some((time, size, known)) if (*time, *size) == stamp => {
                    files.insert(path.clone(), (stamp.0, stamp.1, known.clone()));
                }
                // All are asked at once, and waited for below.
                _ => asked.push((path.clone(), stamp, ask(&path))),
            }
            order.push(path);
        }
        let news = !asked.is_empty();
        for (path, stamp, child) in asked {
            let said = child.and_then(std::process::Child::wait_with_output);
            let known = said.ok().and_then(|said| understand(&path, &String::from_utf8_lossy(&said.stdout)));
            files.insert(path, (stamp.0, stamp.1, known));
        }
        for path in order {
            found.extend(files.get(&path).and_then(|(_, _, known)| known.clone()));
        }
        if news && let Ok(bytes) = serde_json::to_vec(&Remembered { files }) {
            // Only a memory: without it the next launch asks again.
            let _ = fs::write(memory, bytes);
        }
        let mut interpreters = Self { found, nearest: options.nearest, borrowed: HashMap::new() };
        interpreters.borrow_sdk();
        interpreters
    }

    /// Lambda's Python always has boto3. It is Python alone, so that any interpreter's will do for one that has none.
    fn borrow_sdk(&mut self) {
        let Some(lender) = self.found.iter().find_map(Interpreter::sdk) else { return };
        let lacks = |found: &&Interpreter| found.language == Kind::Python && found.sdk().is_none();
        self.borrowed = self.found.iter().filter(lacks).map(|found| (found.path.clone(), lender.clone())).collect();
    }

    /// What runs `version`; `None` for packages that bring their own `bootstrap`.
    ///
    /// # Errors
    /// [`StartError::RuntimeUnavailable`] with what there is.
    pub(crate) fn choose(&self, version: &Version) -> Result<Option<&Interpreter>, StartError> {
        let language = version.config.runtime.language();
        match (Kind::of(language), self.of(language)) {
            (Some((kind, _)), None) => Err(StartError::RuntimeUnavailable(self.refusal(version, kind))),
            (_, found) => Ok(found),
        }
    }

    /// Refuses a version whose language nobody here can run.
    ///
    /// # Errors
    /// [`StartError::RuntimeUnavailable`] with what there is.
    pub(crate) fn refuse_foreign(&self, version: &Version) -> Result<(), StartError> {
        match version.config.runtime.language() {
            Language::Foreign => {
                let hint = "package the function for provided.al2023, with its own bootstrap";
                Err(StartError::RuntimeUnavailable(self.lack(version, hint)))
            }
            Language::Python(_) | Language::Node(_) | Language::Provided | Language::Image => Ok(()),
        }
    }

    /// The interpreter of a language; `None` where there is none, or none is needed.
    pub(crate) fn of(&self, language: Language) -> Option<&Interpreter> {
        let (kind, wanted) = Kind::of(language)?;
        let of_kind = || self.found.iter().filter(|found| found.language == kind);
        let exact = of_kind().find(|found| found.named() == wanted);
        // The smallest distance; of two the newer, which is likelier to run older code than the reverse.
        let nearest =
            || of_kind().min_by_key(|found| (found.named().abs_diff(wanted), std::cmp::Reverse(found.named())));
        exact.or_else(|| if self.nearest { nearest() } else { None })
    }

    fn refusal(&self, version: &Version, kind: Kind) -> String {
        let hint = if self.found.iter().any(|found| found.language == kind) {
            "set runtimes.nearest = true to use the nearest version"
        } else {
            "install one in /usr or name its place in [runtimes]"
        };
        self.lack(version, hint)
    }

    fn lack(&self, version: &Version, hint: &str) -> String {
        let runtime = &version.config.runtime;
        let mut titles: Vec<String> = self.found.iter().map(Interpreter::title).collect();
        titles.dedup();
        let there = if titles.is_empty() { "no interpreter".to_owned() } else { titles.join(", ") };
        format!("Runtime {runtime} is not available on this host, which has: {there}. To mend it, {hint}.")
    }

    /// Packages that hold boto3, for an interpreter that has none of its own.
    pub(crate) fn borrowed_sdk(&self, interpreter: &Interpreter) -> Option<&Path> {
        self.borrowed.get(&interpreter.path).map(PathBuf::as_path)
    }

    /// For the operator's eyes.
    pub(crate) fn list(&self) -> Vec<InterpreterInfo> {
        let info = |found: &Interpreter| {
            let (major, minor, patch) = found.version;
            let version = format!("{major}.{minor}.{patch}");
            let sdk = found.sdk().or_else(|| self.borrowed_sdk(found).map(Path::to_owned));
            InterpreterInfo { language: found.language.name(), version, path: found.path.clone(), sdk }
        };
        self.found.iter().map(info).collect()
    }

    /// Each one found.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Interpreter> {
        self.found.iter()
    }
}

/// Files that may be interpreters, links resolved, best first, perhaps more than once.
fn candidates(options: &InterpreterOptions) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for extra in &options.extra {
        if extra.is_file() {
            all.extend(extra.canonicalize());
        }
        look_in(extra, &mut all);
        look_in(&extra.join("bin"), &mut all);
    }
    look_in(Path::new("/usr/bin"), &mut all);
    look_in(Path::new("/usr/local/bin"), &mut all);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let pyenv =
        std::env::var_os("PYENV_ROOT").map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(".pyenv")));
    let nvm = std::env::var_os("NVM_DIR").map(PathBuf::from).or_else(|| home.map(|home| home.join(".nvm")));
    for versions in
        [pyenv.map(|root| root.join("versions")), nvm.map(|root| root.join("versions/node"))].into_iter().flatten()
    {
        let mut prefixes: Vec<PathBuf> =
            fs::read_dir(versions).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        // Newest patch of a version first, more or less; exactly, `choose` takes the first that fits.
        prefixes.sort_by(|a, b| b.cmp(a));
        for prefix in prefixes {
            look_in(&prefix.join("bin"), &mut all);
        }
    }
    all
}

fn look_in(directory: &Path, all: &mut Vec<PathBuf>) {
    let numbered = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    let mut here: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let fits = name == "python3"
            || name.strip_prefix("python3.").is_some_and(numbered)
            || name == "node"
            || name == "nodejs";
        if fits && let Ok(path) = entry.path().canonicalize() {
            here.push(path);
        }
    }
    here.sort_unstable_by(|a, b| b.cmp(a));
    all.extend(here);
}

fn ask(path: &Path) -> io::Result<std::process::Child> {
    // A clean environment: what the operator has set must not decide what is found.
    Command::new(path)
        .arg("--version")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}

/// Reads `Python 3.11.7` or `v20.20.0`.
fn understand(path: &Path, said: &str) -> Option<Interpreter> {
    let said = said.trim();
    let (language, numbers) = match said.strip_prefix("Python ") {
        Some(numbers) => (Kind::Python, numbers),
        None => (Kind::Node, said.strip_prefix('v')?),
    };
    let mut numbers = numbers.split('.').map(|number| {
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        number[..digits].parse::<u16>().ok()
    });
    let version = (numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0));
    if language == Kind::Python && version.0 != 3 {
        return None;
    }
    Some(Interpreter { language, version, path: path.to_path_buf() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_understood() {
        for (said, want) in [
            ("Python 3.11.7\n", Some((Kind::Python, (3, 11, 7)))),
            ("Python 3.14.0rc1", Some((Kind::Python, (3, 14, 0)))),
            ("v20.20.0", Some((Kind::Node, (20, 20, 0)))),
            ("Python 2.7.18", None),
            ("pyenv: python3: command not found", None),
        ] {
            let got = understand(Path::new("/x"), said).map(|found| (found.language, found.version));
            assert_eq!(got, want, "{said}");
        }
    }
}
