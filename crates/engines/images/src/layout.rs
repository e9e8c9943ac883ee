//! An image in the OCI image layout: a directory that `skopeo copy`, `crane` or `docker buildx` writes.

use crate::ImageError;
use crate::manifest::{DOCUMENT_BYTES_MAX, Descriptor, Index, unsupported};
use crate::name::ImageName;
use crate::reading::Stoppable;
use crate::source::{text, too_long};
use lacewing_model::{Architecture, CodeSha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use tokio::sync::watch;

/// Which tag a manifest of the index is. Source: OCI image specification, annotations.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

pub(crate) struct Layout(PathBuf);

impl Layout {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// What the index has under the name's tag.
    pub(crate) async fn by_tag(&self, name: &ImageName, architecture: Architecture) -> Result<String, ImageError> {
        let uri = &name.uri;
        let index = self.read(uri, self.0.join("index.json")).await?;
        let index: Index = serde_json::from_str(&index).map_err(|error| unsupported(uri, error))?;
        let is_tagged = |one: &&Descriptor| {
            // Some builders write the whole name.
            let named = one.annotations.get(REF_NAME).map(|named| named.rsplit(':').next().unwrap_or(named));
            named == Some(name.tag.as_str())
        };
        let mut tagged: Vec<_> = index.manifests.iter().filter(is_tagged).cloned().collect();
        if let ([only], true) = (index.manifests.as_slice(), tagged.is_empty() && name.tag == "latest") {
            // One image without a name needs none.
            tagged.extend(Some(only.clone()).filter(|only| !only.annotations.contains_key(REF_NAME)));
        }
        let chosen = match tagged.as_slice() {
            [] => return Err(ImageError::NotFound { uri: uri.clone() }),
            [only] => only.clone(),
            _ => Index { manifests: tagged }.choose(uri, architecture)?.clone(),
        };
        let digest = chosen.sha256().ok_or_else(|| unsupported(uri, "an entry of its index has no digest"))?;
        let document = self.document(uri, &digest).await?;
        crate::manifest::check_digest(uri, "the manifest", document.as_bytes(), &digest)?;
        Ok(document)
    }

    /// A manifest, an index or a configuration.
    pub(crate) async fn document(&self, uri: &str, digest: &CodeSha256) -> Result<String, ImageError> {
        self.read(uri, self.path(digest)).await
    }

    /// A layer.
    pub(crate) fn blob(
        &self,
        uri: &str,
        blob: &Descriptor,
        stopped: watch::Receiver<bool>,
    ) -> Result<Box<dyn Read>, ImageError> {
        let digest = blob.sha256().ok_or_else(|| unsupported(uri, "a layer has no digest"))?;
        let file = File::open(self.path(&digest)).map_err(|error| missing(uri, &error))?;
        Ok(Box::new(Stoppable { inner: file, stopped }))
    }

    fn path(&self, digest: &CodeSha256) -> PathBuf {
        self.0.join("blobs/sha256").join(digest.hex())
    }

    async fn read(&self, uri: &str, path: PathBuf) -> Result<String, ImageError> {
        let read = move || {
            let mut bytes = Vec::new();
            File::open(path)?.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
            Ok::<_, io::Error>(bytes)
        };
        let read = tokio::task::spawn_blocking(read).await.map_err(io::Error::other);
        let bytes = read.and_then(|read| read).map_err(|error| missing(uri, &error))?;
        if bytes.len() as u64 > DOCUMENT_BYTES_MAX { Err(too_long(uri)) } else { text(uri, bytes) }
    }
}

fn missing(uri: &str, error: &io::Error) -> ImageError {
    match error.kind() {
        io::ErrorKind::NotFound => ImageError::NotFound { uri: uri.to_owned() },
        _ => ImageError::Unreachable { uri: uri.to_owned(), why: error.to_string() },
    }
}
