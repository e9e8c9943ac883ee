//! Container images: what a name stands for, and its layers unpacked into one tree.
//!
//! ```text
//! resolve(uri)   layout or registry ─ index ─ manifest ─ configuration ─► Resolved: a digest, and a document
//! unpack(doc)    the document's layers, in their order, streamed ─ hashed ─ inflated ─► one tree
//! ```
//!
//! A name means a repository that the operator has named: a directory in the OCI image layout, or one in a
//! registry of the list. Nothing that a caller sends is ever a path or an address of its own
//! (`docs/decisions/0023-images-on-a-root-of-their-own.md`).
//!
//! Every byte of an image is hostile. What it says of itself is compared with its digests, and a tree is only
//! worth something when all of them were right: until then it lies in a folder that is thrown away (`layer` and
//! `tree` hold the rules of unpacking).

mod error;
mod layer;
mod layout;
mod manifest;
mod name;
mod reading;
mod registry;
mod source;
mod tree;

pub use error::ImageError;

use crate::manifest::{Config, Document, Manifest};
use crate::name::ImageName;
use crate::source::Source;
use lacewing_model::{Architecture, CodeSha256, ImageSettings, Limits};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::watch;

/// How long finding out what a name stands for may take.
const RESOLVE_MAX: Duration = Duration::from_secs(40);
/// How long fetching and unpacking the layers may take: 10 GiB at 12 MB/s.
const UNPACK_MAX: Duration = Duration::from_secs(15 * 60);

/// Where images come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageOptions {
    /// Directories in the OCI image layout, by the repository name that they stand for.
    pub layouts: BTreeMap<String, PathBuf>,
    /// Registries that may be asked, by their name: a host, perhaps with a port.
    pub registries: BTreeMap<String, RegistryOptions>,
}

/// How a registry is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryOptions {
    /// The `host:port` that is asked in its place: a mirror.
    pub mirror: Option<String>,
    /// Name and password; else what Docker's own configuration says of it, else nobody.
    pub login: Option<(String, String)>,
    /// Certificates (DER) of authorities that are trusted besides the usual ones. With any, the registry is asked over
    /// HTTPS wherever it is.
    pub authorities: Vec<Vec<u8>>,
}

/// The certificates of a PEM file, for [`RegistryOptions::authorities`].
///
/// # Errors
/// Why it cannot be read, or that it holds none.
pub fn authorities(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| error.to_string())?;
    match found.is_empty() {
        true => Err("it holds no certificate in PEM form".to_owned()),
        false => Ok(found.into_iter().map(|one| one.to_vec()).collect()),
    }
}

/// The way to images. Cheap to clone.
#[derive(Clone)]
pub struct Images(Arc<Inner>);

struct Inner {
    options: ImageOptions,
    limits: Limits,
    runtime: Handle,
    stopped: Arc<watch::Sender<bool>>,
}

/// What a name stood for when it was asked for.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The digest of the manifest for one architecture.
    pub digest: CodeSha256,
    /// The repository and this digest.
    pub uri: String,
    /// Everything but the layers, and where those are: for [`Images::unpack`].
    pub document: Vec<u8>,
    /// How it says that it is run.
    pub settings: ImageSettings,
    /// Its variables.
    pub environment: Vec<(String, String)>,
}

impl Images {
    /// Makes ready; nothing is asked yet. Call it inside tokio.
    #[must_use]
    pub fn new(options: ImageOptions, limits: Limits) -> Self {
        Self(Arc::new(Inner {
            options,
            limits,
            runtime: Handle::current(),
            stopped: Arc::new(watch::Sender::new(false)),
        }))
    }

    /// Finds out what `uri` stands for, down to the configuration; no layer is read.
    ///
    /// # Errors
    /// [`ImageError`]: the name, or what it stands for, is no image that can be run here.
    pub async fn resolve(&self, uri: &str, architecture: Architecture) -> Result<Resolved, ImageError> {
        let found = self.find(uri, architecture);
        tokio::time::timeout(RESOLVE_MAX, found).await.unwrap_or_else(|_| {
            Err(ImageError::Unreachable { uri: uri.to_owned(), why: "it took too long".to_owned() })
        })
    }

    async fn find(&self, uri: &str, architecture: Architecture) -> Result<Resolved, ImageError> {
        let name = ImageName::parse(uri)?;
        let source = Source::of(&name, &self.0.options)?;
        let (digest, text) = source.manifest(&name, architecture).await?;
        let manifest = Manifest::read(uri, &text)?;
        manifest.check(uri, &self.0.limits)?;
        let config_text = source.config(uri, &manifest.config).await?;
        let config = Config::read(uri, &config_text)?;
        config.check(uri, architecture, &manifest)?;
        let document = Document { repository: name.repository.clone(), manifest: text, config: config_text };
        Ok(Resolved {
            uri: format!("{}@sha256:{}", name.repository, digest.hex()),
            digest,
            settings: config.settings(),
            environment: config.environment(),
            document: document.write(),
        })
    }

    /// Unpacks the image of a document into `folder`, which is there and empty. What it leaves behind on an error is
    /// for the caller to remove. Waits for disk and network: to be called off the async threads.
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn unpack(&self, document: &[u8], digest: &CodeSha256, folder: &Path) -> Result<(), ImageError> {
        let document = Document::read(document)?;
        let uri = format!("{}@sha256:{}", document.repository, digest.hex());
        let (manifest, config) = document.parts(&uri, digest)?;
        let source = Source::of(&ImageName::parse(&uri)?, &self.0.options)?;
        let limits = &self.0.limits;
        manifest.check(&uri, limits)?;
        let mut tree = tree::Tree::open(folder, &uri, limits)?;
        let deadline = Instant::now() + UNPACK_MAX;
        for (blob, diff_id) in manifest.layers.iter().zip(&config.rootfs.diff_ids) {
            if *self.0.stopped.borrow() {
                return Err(ImageError::Stopped);
            }
            let bytes = source.blob(&uri, blob, &self.0.runtime, (&self.0.stopped, deadline))?;
            let applied = layer::apply(&mut tree, bytes, blob, diff_id);
            // What broke off because the server stops is no fault of the image.
            if *self.0.stopped.borrow() {
                return Err(ImageError::Stopped);
            }
            applied?;
        }
        tree.make_mount_points()
    }

    /// Ends what is being unpacked, for good: at the end of the process, so that nobody waits for a slow registry.
    pub fn stop(&self) {
        self.0.stopped.send_replace(true);
    }
}
