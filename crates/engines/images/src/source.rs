//! Where an image lies: a layout on the disk, or a registry.

use crate::layout::Layout;
use crate::manifest::{DOCUMENT_BYTES_MAX, Descriptor, Found, check_digest, hash, unsupported};
use crate::name::ImageName;
use crate::reading::Deadline;
use crate::registry::Registry;
use crate::{ImageError, ImageOptions};
use lacewing_model::{Architecture, CodeSha256};
use std::io::Read;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// An index may lead to another one; deeper is nobody's image.
const INDEXES_MAX: usize = 3;

pub(crate) enum Source {
    Layout(Layout),
    Registry(Box<Registry>),
}

impl Source {
    /// Where the operator says that this repository is.
    ///
    /// # Errors
    /// [`ImageError::BadName`] with what to add to the configuration.
    pub(crate) fn of(name: &ImageName, options: &ImageOptions) -> Result<Self, ImageError> {
        if let Some(folder) = options.layouts.get(&name.repository) {
            return Ok(Self::Layout(Layout::new(folder.clone())));
        }
        let refused = |hint| ImageError::BadName { uri: name.uri.clone(), hint };
        let Some((host, path)) = name.in_registry() else {
            let hint = format!("This server has no layout named {}: add it to [images.layouts].", name.repository);
            return Err(refused(hint));
        };
        let Some(registry) = options.registries.get(host) else {
            let hint =
                format!("This server asks no registry that is not named to it: add [images.registries.\"{host}\"].");
            return Err(refused(hint));
        };
        Ok(Self::Registry(Box::new(Registry::new(&name.uri, (host, path), registry)?)))
    }

    /// The manifest for `architecture` that the name leads to, through indexes where there are any: its digest and
    /// its very bytes.
    pub(crate) async fn manifest(
        &self,
        name: &ImageName,
        architecture: Architecture,
    ) -> Result<(CodeSha256, String), ImageError> {
        let mut text = match &name.digest {
            Some(digest) => self.by_digest(&name.uri, digest).await?,
            None => match self {
                Self::Layout(layout) => layout.by_tag(name, architecture).await?,
                Self::Registry(registry) => registry.by_tag(name).await?,
            },
        };
        for _ in 0..INDEXES_MAX {
            match Found::read(&name.uri, &text)? {
                Found::Manifest => return Ok((hash(text.as_bytes()), text)),
                Found::Index(index) => {
                    let chosen = index.choose(&name.uri, architecture)?;
                    let digest = chosen.sha256().ok_or_else(|| unsupported(&name.uri, "an entry has no digest"))?;
                    text = self.by_digest(&name.uri, &digest).await?;
                }
            }
        }
        Err(unsupported(&name.uri, "indexes lead to indexes"))
    }

    async fn by_digest(&self, uri: &str, digest: &CodeSha256) -> Result<String, ImageError> {
        let text = match self {
            Self::Layout(layout) => layout.document(uri, digest).await?,
            Self::Registry(registry) => registry.by_digest(uri, digest).await?,
        };
        check_digest(uri, "the manifest", text.as_bytes(), digest)?;
        Ok(text)
    }

    /// The configuration that a manifest names.
    pub(crate) async fn config(&self, uri: &str, config: &Descriptor) -> Result<String, ImageError> {
        let digest = config.sha256().ok_or_else(|| unsupported(uri, "its configuration has no digest"))?;
        if config.size > DOCUMENT_BYTES_MAX {
            return Err(too_long(uri));
        }
        let text = match self {
            Self::Layout(layout) => layout.document(uri, &digest).await?,
            Self::Registry(registry) => registry.small_blob(uri, &digest).await?,
        };
        check_digest(uri, "the configuration", text.as_bytes(), &digest)?;
        Ok(text)
    }

    /// A layer as it is kept there: nothing of it is checked yet.
    pub(crate) fn blob(
        &self,
        uri: &str,
        blob: &Descriptor,
        runtime: &Handle,
        until: (&Arc<watch::Sender<bool>>, Deadline),
    ) -> Result<Box<dyn Read>, ImageError> {
        match self {
            Self::Layout(layout) => layout.blob(uri, blob, until.0.subscribe()),
            Self::Registry(registry) => registry.blob(uri, blob, runtime, (until.0.subscribe(), until.1)),
        }
    }
}

/// A document over its limit.
pub(crate) fn too_long(uri: &str) -> ImageError {
    ImageError::TooLarge { uri: uri.to_owned(), what: "a longer manifest or configuration", max: DOCUMENT_BYTES_MAX }
}

/// A document as text; JSON is UTF-8.
pub(crate) fn text(uri: &str, bytes: Vec<u8>) -> Result<String, ImageError> {
    String::from_utf8(bytes).map_err(|_| unsupported(uri, "a document is not UTF-8"))
}
