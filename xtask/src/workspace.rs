//! Where things are: the repository's root and the target directory, as cargo sees them.

use cargo_metadata::{Metadata, MetadataCommand};
use std::path::{Path, PathBuf};

/// The workspace as cargo describes it.
pub struct Workspace {
    /// Cargo's own description, without packages of others.
    pub metadata: Metadata,
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    /// What cargo said.
    pub fn load() -> Result<Self, String> {
        let mut command = MetadataCommand::new();
        command.no_deps();
        let metadata = command.exec().map_err(|error| format!("cargo metadata: {error}"))?;
        Ok(Self { metadata })
    }

    /// The repository's root.
    pub fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Where cargo builds; `CARGO_TARGET_DIR` is respected.
    pub fn target(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// The virtual environment with the outside clients.
    pub fn venv(&self) -> PathBuf {
        self.target().join("test-venv")
    }
}
