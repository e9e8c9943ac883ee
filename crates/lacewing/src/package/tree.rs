//! The files of a package, from a folder, a single file or a zip, in one order.

use crate::failure::Failure;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

/// All files of a package together, bytes: what a server with relaxed limits takes. A strict one says so itself.
pub const UNZIPPED_BYTES_MAX: u64 = 2 << 30;
/// Files of a package.
pub const FILES_MAX: usize = 100_000;
/// Folders within folders: what is deeper is a loop of links or a mistake.
const DEPTH_MAX: usize = 64;
/// The most that is read of a file in order to guess, bytes.
const SOURCE_BYTES_MAX: u64 = 8 << 20;

/// Folders that never belong into a package.
const LEFT_OUT_FOLDERS: [&str; 9] =
    [".git", ".hg", ".svn", "__pycache__", ".venv", "venv", ".mypy_cache", ".pytest_cache", ".ruff_cache"];
/// Files that never do.
const LEFT_OUT_FILES: [&str; 2] = [".DS_Store", "Thumbs.db"];

/// The files of a package by their path in it (with `/`), sorted.
#[derive(Debug, Default)]
pub struct Tree {
    /// The files.
    pub files: BTreeMap<String, Entry>,
}

/// One file.
#[derive(Debug)]
pub struct Entry {
    /// Whether it may be executed.
    pub executable: bool,
    /// Where its bytes are.
    pub content: Content,
}

impl Entry {
    /// Its size in bytes; 0 where the file has gone meanwhile.
    pub fn bytes(&self) -> u64 {
        match &self.content {
            Content::Disk(path) => std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
            Content::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

/// Where a file's bytes are.
#[derive(Debug)]
pub enum Content {
    /// On disk.
    Disk(PathBuf),
    /// In memory.
    Bytes(Vec<u8>),
}

impl Tree {
    /// A file's text as far as it is needed to guess; empty where there is no such file or it is no text.
    pub fn text(&self, path: &str) -> String {
        let bytes = match self.files.get(path).map(|entry| &entry.content) {
            Some(Content::Bytes(bytes)) => bytes.clone(),
            Some(Content::Disk(path)) => {
                let mut bytes = Vec::new();
                let read =
                    std::fs::File::open(path).and_then(|file| file.take(SOURCE_BYTES_MAX).read_to_end(&mut bytes));
                if read.is_ok() { bytes } else { Vec::new() }
            }
            None => Vec::new(),
        };
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The first bytes of a file.
    pub fn head(&self, path: &str) -> Vec<u8> {
        const HEAD: u64 = 64;
        match self.files.get(path).map(|entry| &entry.content) {
            Some(Content::Bytes(bytes)) => bytes.iter().copied().take(64).collect(),
            Some(Content::Disk(path)) => {
                let mut head = Vec::new();
                let _ = std::fs::File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
                head
            }
            None => Vec::new(),
        }
    }

    /// The Python runtime that the compiled modules among the files are built for; `None` where there are none, or some for
    /// one and some for another.
    pub fn python_built_for(&self) -> Option<String> {
        let mut built = self.files.keys().filter_map(|name| {
            let minor = name.split_once(".cpython-3")?.1.split_once('-')?.0;
            minor.chars().all(|digit| digit.is_ascii_digit()).then_some(minor)
        });
        let first = built.next()?;
        let runtime = format!("python3.{first}");
        let served = lacewing_model::Runtime::SERVED.contains(&runtime.as_str());
        (served && built.all(|other| other == first)).then_some(runtime)
    }

    fn one(name: &str, path: &Path, executable: bool) -> Self {
        let entry = Entry { executable, content: Content::Disk(path.to_owned()) };
        Self { files: BTreeMap::from([(name.to_owned(), entry)]) }
    }
}

/// Reads what lies at `path`; for a zip also its bytes as they are.
///
/// # Errors
/// [`Failure`] when it cannot be read or is nothing that can be deployed.
pub fn read(path: &Path) -> Result<(Tree, Option<Vec<u8>>), Failure> {
    let metadata = std::fs::metadata(path).map_err(|error| Failure::file(path, &error))?;
    if metadata.is_dir() {
        let mut walk = Walk { tree: Tree::default(), bytes: 0, within: Vec::new() };
        walk.folder(path, "")?;
        return Ok((walk.tree, None));
    }
    let file_name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension {
        "zip" => {
            let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
            Ok((listing(path, &bytes)?, Some(bytes)))
        }
        "py" | "js" | "mjs" | "cjs" => Ok((Tree::one(&file_name, path, false), None)),
        _ => {
            let head = Tree::one("it", path, false).head("it");
            if head.starts_with(b"\x7fELF") || head.starts_with(b"#!") {
                return Ok((Tree::one("bootstrap", path, true), None));
            }
            Err(Failure::usage(
                format!("{} is nothing that can be deployed", path.display()),
                "deploy a folder, a .py, .js, .mjs, .cjs or .zip file, or an executable",
            ))
        }
    }
}

/// The name a function gets when nobody says: the file's or the folder's; the folder's also for files that are called
/// alike in every project.
pub fn name_for(path: &Path) -> String {
    const SAME_EVERYWHERE: [&str; 6] = ["bootstrap", "index", "lambda_function", "app", "main", "handler"];
    let part = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = if path.is_dir() {
        part(path)
    } else {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let parent = path.parent().and_then(part);
        stem.filter(|stem| parent.is_none() || !SAME_EVERYWHERE.contains(&stem.as_str())).or(parent)
    };
    let clean = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    let name: String = name.unwrap_or_default().chars().map(clean).take(64).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "function".to_owned() } else { name.to_owned() }
}

struct Walk {
    tree: Tree,
    bytes: u64,
    /// The real paths of the folders around, so that a link to one of them is seen.
    within: Vec<PathBuf>,
}

impl Walk {
    fn folder(&mut self, path: &Path, prefix: &str) -> Result<(), Failure> {
        let real = std::fs::canonicalize(path).map_err(|error| Failure::file(path, &error))?;
        if self.within.contains(&real) || self.within.len() >= DEPTH_MAX {
            return Err(Failure::usage(
                format!("{}: folders within themselves, or deeper than {DEPTH_MAX}", path.display()),
                "remove the symbolic link that leads back",
            ));
        }
        self.within.push(real);
        for entry in std::fs::read_dir(path).map_err(|error| Failure::file(path, &error))? {
            let entry = entry.map_err(|error| Failure::file(path, &error))?;
            let path = entry.path();
            let Ok(name) = entry.file_name().into_string() else {
                return Err(Failure::usage(format!("{}: the name is not UTF-8", path.display()), "rename the file"));
            };
            // Links are followed: a package holds files, and what a link meant may not exist elsewhere.
            let metadata = std::fs::metadata(&path).map_err(|error| Failure::file(&path, &error))?;
            if metadata.is_dir() {
                if !LEFT_OUT_FOLDERS.contains(&name.as_str()) {
                    self.folder(&path, &format!("{prefix}{name}/"))?;
                }
            } else if metadata.is_file() && !LEFT_OUT_FILES.contains(&name.as_str()) && !name.ends_with(".pyc") {
                self.file(path, format!("{prefix}{name}"), &metadata)?;
            }
        }
        self.within.pop();
        Ok(())
    }

    fn file(&mut self, path: PathBuf, name: String, metadata: &std::fs::Metadata) -> Result<(), Failure> {
        use std::os::unix::fs::PermissionsExt;
        self.bytes += metadata.len();
        let executable = metadata.permissions().mode() & 0o111 != 0;
        self.tree.files.insert(name, Entry { executable, content: Content::Disk(path) });
        if self.bytes > UNZIPPED_BYTES_MAX || self.tree.files.len() > FILES_MAX {
            return Err(Failure::usage(
                format!("more than {UNZIPPED_BYTES_MAX} bytes or {FILES_MAX} files"),
                "deploy the folder that holds only the function and its packages",
            ));
        }
        Ok(())
    }
}

/// The files at the top of a zip that somebody made: enough to guess from.
fn listing(path: &Path, bytes: &[u8]) -> Result<Tree, Failure> {
    let broken = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("{}: not a zip that can be read: {error}", path.display()), "pack it again")
    };
    let mut archive = ::zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    let mut tree = Tree::default();
    for index in 0..archive.len().min(FILES_MAX) {
        let file = archive.by_index(index).map_err(|error| broken(&error))?;
        if file.is_dir() {
            continue;
        }
        let name = file.name().map_err(|error| broken(&error))?.into_owned();
        let executable = file.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
        let readable = !name.starts_with("node_modules/")
            && [".py", ".js", ".mjs", ".cjs", "package.json", "bootstrap"].iter().any(|end| name.ends_with(end));
        let mut content = Vec::new();
        if readable && name.matches('/').count() <= 2 {
            file.take(SOURCE_BYTES_MAX).read_to_end(&mut content).map_err(|error| broken(&error))?;
        }
        tree.files.insert(name, Entry { executable, content: Content::Bytes(content) });
    }
    Ok(tree)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_what_tells_functions_apart() {
        for (path, want) in [
            ("/w/resize.py", "resize"),
            ("/w/shop/app.py", "shop"),
            ("/w/shop/index.mjs", "shop"),
            ("/w/my shop/bootstrap", "my-shop"),
            ("/w/été.py", "t"),
            ("/app.py", "app"),
        ] {
            assert_eq!(name_for(Path::new(path)), want, "{path}");
        }
    }

    #[test]
    fn a_folder_is_read_without_what_never_belongs_into_a_package() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["app.py", ".git/config", "__pycache__/app.pyc", ".venv/bin/python", "lib/x.py", "old.pyc"] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let (tree, ready) = read(dir.path()).unwrap();
        assert!(ready.is_none());
        assert_eq!(tree.files.keys().collect::<Vec<_>>(), ["app.py", "lib/x.py"]);
    }

    #[test]
    fn compiled_modules_tell_their_python() {
        let of = |names: &[&str]| {
            let entry = || Entry { executable: false, content: Content::Bytes(Vec::new()) };
            Tree { files: names.iter().map(|name| ((*name).to_owned(), entry())).collect() }.python_built_for()
        };
        let core = "pydantic_core/_pydantic_core.cpython-311-x86_64-linux-gnu.so";
        assert_eq!(of(&["app.py", core]).as_deref(), Some("python3.11"));
        assert_eq!(of(&[core, "a.cpython-312-x86_64-linux-gnu.so"]), None);
        assert_eq!(of(&["app.py", "crypto.abi3.so"]), None);
    }

    #[test]
    fn a_link_to_a_folder_around_it_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("in")).unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("in/back")).unwrap();
        assert!(read(dir.path()).unwrap_err().message.contains("within themselves"));
    }

    #[test]
    fn a_file_that_is_neither_code_nor_program_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.txt");
        std::fs::write(&path, "hello").unwrap();
        assert!(read(&path).unwrap_err().message.contains("nothing that can be deployed"));
    }
}
