//! `cargo xtask tidy`: the rules of the house that the compiler does not know.

mod arrows;
mod files;
mod links;

use crate::conformance;
use crate::workspace::Workspace;
use arrows::{Crate, Dependency};
use cargo_metadata::DependencyKind;

/// Prints every broken rule.
///
/// # Errors
/// How many rules were broken.
pub fn run() -> Result<(), String> {
    let workspace = Workspace::load()?;
    let crates = crates_of(&workspace);
    let mut broken = arrows::broken(&crates);
    broken.extend(files::broken(workspace.root(), &crates)?);
    broken.extend(links::broken(workspace.root())?);
    broken.extend(conformance::broken(workspace.root())?);
    for line in &broken {
        println!("{line}");
    }
    match broken.len() {
        0 => {
            println!("tidy: {} crates, every rule kept", crates.len());
            Ok(())
        }
        count => Err(format!("tidy: {count} broken rules (see ARCHITECTURE.md for why each holds)")),
    }
}

fn crates_of(workspace: &Workspace) -> Vec<Crate> {
    let root = workspace.metadata.workspace_root.as_path();
    let describe = |package: &cargo_metadata::Package| {
        let folder = package.manifest_path.parent().unwrap_or(root);
        let folder = folder.strip_prefix(root).unwrap_or(folder);
        Crate {
            name: package.name.to_string(),
            folder: folder.to_string(),
            dependencies: package
                .dependencies
                .iter()
                .map(|one| Dependency { name: one.name.clone(), for_tests: one.kind == DependencyKind::Development })
                .collect(),
        }
    };
    workspace.metadata.workspace_packages().into_iter().map(describe).collect()
}
