//! From a path to a package: what is there, what runs it, and one zip that is always the same for the same files.

mod guess;
mod source;
mod tree;
mod web;
mod zip;

pub use guess::{Chosen, Family, Wanted};
pub use tree::{Content, Entry, Tree, name_for, read as read_tree};
pub use web::{WebChosen, WebWanted, choose_web};
pub use zip::pack;

use crate::failure::Failure;
use std::path::Path;

/// The largest package that is sent directly, bytes: what a server with relaxed limits takes. A strict one says so itself.
pub const ZIP_BYTES_MAX: usize = 200 << 20;

/// The handler of a web function, which says nothing.
const WEB_HANDLER: &str = "web";

/// What is to be deployed.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Package {
    /// The name guessed from the path.
    pub name: String,
    pub chosen: Chosen,
    pub zip: Vec<u8>,
}

/// Reads `path`, decides runtime and handler, and packs.
///
/// # Errors
/// [`Failure`] when a file cannot be read, nothing there can run, more than one thing could, or it is too large.
pub fn package(path: &Path, wanted: &Wanted) -> Result<Package, Failure> {
    let (name, tree, ready) = read(path)?;
    let mut chosen = guess::choose(&tree, wanted)?;
    if chosen.family == Family::Python && chosen.runtime.is_none() {
        chosen.runtime = tree.python_built_for();
    }
    Ok(Package { name, chosen, zip: packed(&tree, ready)? })
}

/// The same for a web application: what starts its server, in place of a handler.
///
/// # Errors
/// As [`package`].
pub fn web_package(path: &Path, wanted: &WebWanted) -> Result<(Package, WebChosen), Failure> {
    let (name, tree, ready) = read(path)?;
    let web = choose_web(&tree, wanted)?;
    let chosen = Chosen {
        family: web.family,
        runtime: match web.family {
            Family::Python => wanted.runtime.clone().or_else(|| tree.python_built_for()),
            Family::Node | Family::Provided => wanted.runtime.clone(),
        },
        handler: WEB_HANDLER.to_owned(),
        architecture: web.architecture,
    };
    Ok((Package { name, chosen, zip: packed(&tree, ready)? }, web))
}

fn read(path: &Path) -> Result<(String, Tree, Option<Vec<u8>>), Failure> {
    let path = std::path::absolute(path).map_err(|error| Failure::file(path, &error))?;
    let (tree, ready) = tree::read(&path)?;
    Ok((tree::name_for(&path), tree, ready))
}

fn packed(tree: &Tree, ready: Option<Vec<u8>>) -> Result<Vec<u8>, Failure> {
    // A zip that somebody made is sent as it is.
    let zip = match ready {
        Some(zip) => zip,
        None => zip::pack(tree)?,
    };
    if zip.len() > ZIP_BYTES_MAX {
        return Err(Failure::usage(
            format!("the package has {} bytes; at most {ZIP_BYTES_MAX} can be sent", zip.len()),
            "leave out what the function does not need (tests, data, development packages)",
        ));
    }
    Ok(zip)
}
