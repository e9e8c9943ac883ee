//! Manifests, indexes and configurations, as far as running an image needs them. All are JSON of others.

use crate::ImageError;
use crate::name::digest_of;
use lacewing_model::{Architecture, CodeSha256, ImageSettings, Limits};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A manifest, an index or a configuration, bytes. Source: registries take manifests of up to 4 MiB.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 4 << 20;
/// Longest working directory, bytes. Source: Lambda API, `ImageConfig`.
const DIRECTORY_BYTES_MAX: usize = 1_000;

/// What points at other bytes.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    #[serde(default)]
    pub(crate) size: u64,
    pub(crate) platform: Option<Platform>,
    #[serde(default)]
    pub(crate) annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub(crate) struct Platform {
    pub(crate) os: String,
    pub(crate) architecture: String,
}

/// Several manifests, for several machines; or the images of a layout.
#[derive(Debug, Deserialize)]
pub(crate) struct Index {
    pub(crate) manifests: Vec<Descriptor>,
}

/// One image for one kind of machine.
#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// How the image says that it is run, and what its layers are unpacked.
#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    config: Option<Execution>,
    pub(crate) rootfs: RootFs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Execution {
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RootFs {
    pub(crate) diff_ids: Vec<String>,
}

/// What a digest of a manifest led to: kept, so that the layers can be fetched later and again.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    /// Where the layers are.
    pub(crate) repository: String,
    /// The manifest's very bytes.
    pub(crate) manifest: String,
    /// The configuration's very bytes.
    pub(crate) config: String,
}

/// What a document of a source turned out to be.
pub(crate) enum Found {
    Index(Index),
    Manifest,
}

impl Descriptor {
    /// Its digest as a hash; `None` for what is none, or of another kind.
    pub(crate) fn sha256(&self) -> Option<CodeSha256> {
        digest_of(&self.digest)
    }
}

impl Found {
    /// Tells what `text` is by its fields: media types are left out often enough.
    pub(crate) fn read(uri: &str, text: &str) -> Result<Self, ImageError> {
        #[derive(Deserialize)]
        struct Fields {
            manifests: Option<serde::de::IgnoredAny>,
            layers: Option<serde::de::IgnoredAny>,
        }
        let fields: Fields = serde_json::from_str(text).map_err(|error| unsupported(uri, error))?;
        match fields {
            Fields { manifests: Some(_), layers: None } => {
                serde_json::from_str(text).map(Self::Index).map_err(|error| unsupported(uri, error))
            }
            Fields { manifests: None, layers: Some(_) } => Ok(Self::Manifest),
            _ => Err(unsupported(uri, "it is neither an index nor a manifest of layers")),
        }
    }
}

impl Index {
    /// The manifest for this architecture.
    pub(crate) fn choose(&self, uri: &str, architecture: Architecture) -> Result<&Descriptor, ImageError> {
        let wanted = word(architecture);
        let fits = |platform: &Platform| platform.os == "linux" && platform.architecture == wanted;
        let found = self.manifests.iter().find(|one| one.platform.as_ref().is_some_and(fits));
        // An index of one manifest often says nothing of it; its configuration will.
        let only = || match self.manifests.as_slice() {
            [only] if only.platform.is_none() => Some(only),
            _ => None,
        };
        found.or_else(only).ok_or_else(|| {
            let platforms = self.manifests.iter().filter_map(|one| one.platform.as_ref()).take(10);
            let named: Vec<_> = platforms
                .map(|one| crate::error::printable(format!("{}/{}", one.os, one.architecture).as_bytes()))
                .collect();
            ImageError::OtherArchitecture {
                uri: uri.to_owned(),
                wanted,
                found: format!("it has manifests for {}", named.join(", ")),
            }
        })
    }
}

impl Manifest {
    pub(crate) fn read(uri: &str, text: &str) -> Result<Self, ImageError> {
        serde_json::from_str(text).map_err(|error| unsupported(uri, error))
    }

    /// Refuses what cannot be unpacked, before anything of it is fetched.
    pub(crate) fn check(&self, uri: &str, limits: &Limits) -> Result<(), ImageError> {
        if self.layers.len() > limits.image_layers_max {
            let max = limits.image_layers_max as u64;
            return Err(ImageError::TooLarge { uri: uri.to_owned(), what: "more layers", max });
        }
        let bytes = self.layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.size));
        if bytes > limits.image_bytes_max {
            let max = limits.image_bytes_max;
            return Err(ImageError::TooLarge { uri: uri.to_owned(), what: "more bytes", max });
        }
        for one in self.layers.iter().chain([&self.config]) {
            if one.sha256().is_none() {
                return Err(unsupported(
                    uri,
                    format!("{:?} is no SHA-256 digest", crate::error::printable(one.digest.as_bytes())),
                ));
            }
        }
        for layer in &self.layers {
            crate::layer::Packing::of(&layer.media_type)
                .ok_or_else(|| unsupported(uri, crate::error::printable(layer.media_type.as_bytes())))?;
        }
        Ok(())
    }
}

impl Config {
    pub(crate) fn read(uri: &str, text: &str) -> Result<Self, ImageError> {
        serde_json::from_str(text).map_err(|error| unsupported(uri, error))
    }

    /// Refuses what is for other machines, or says impossible things.
    pub(crate) fn check(&self, uri: &str, architecture: Architecture, manifest: &Manifest) -> Result<(), ImageError> {
        let wanted = word(architecture);
        if self.os != "linux" || self.architecture != wanted {
            let found = crate::error::printable(format!("it is for {}/{}", self.os, self.architecture).as_bytes());
            return Err(ImageError::OtherArchitecture { uri: uri.to_owned(), wanted, found });
        }
        if self.rootfs.diff_ids.len() != manifest.layers.len() {
            return Err(unsupported(uri, "its configuration names another number of layers than its manifest"));
        }
        let settings = self.settings();
        let texts = settings.entry_point.iter().chain(&settings.command).flatten();
        let all = texts.chain(&settings.working_directory).chain(self.execution().env.iter().flatten());
        if all.into_iter().any(|text| text.contains('\0')) {
            return Err(unsupported(uri, "its configuration has a zero byte"));
        }
        match settings.working_directory.as_deref() {
            Some(path) if !path.starts_with('/') || path.len() > DIRECTORY_BYTES_MAX => {
                Err(unsupported(uri, "its working directory is no absolute path of up to 1000 bytes"))
            }
            _ => Ok(()),
        }
    }

    fn execution(&self) -> &Execution {
        const NOTHING: &Execution = &Execution { env: None, entrypoint: None, cmd: None, working_dir: None };
        self.config.as_ref().unwrap_or(NOTHING)
    }

    /// How it says that it is run: empty lists and texts say nothing.
    pub(crate) fn settings(&self) -> ImageSettings {
        let said = |list: &Option<Vec<String>>| list.clone().filter(|list| !list.is_empty());
        let Execution { entrypoint, cmd, working_dir, .. } = self.execution();
        ImageSettings {
            entry_point: said(entrypoint),
            command: said(cmd),
            working_directory: working_dir.clone().filter(|path| !path.is_empty()),
        }
    }

    /// Its variables, the last of each name.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = Vec::new();
        for (key, value) in self.execution().env.iter().flatten().filter_map(|variable| variable.split_once('=')) {
            all.retain(|(known, _)| known != key);
            if !key.is_empty() {
                all.push((key.to_owned(), value.to_owned()));
            }
        }
        all
    }
}

impl Document {
    /// As it is kept.
    pub(crate) fn write(&self) -> Vec<u8> {
        // A struct of texts always has a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let unreadable = |error: serde_json::Error| ImageError::Disk {
            doing: "read what was kept of an image".to_owned(),
            source: std::io::Error::other(error),
        };
        serde_json::from_slice(bytes).map_err(unreadable)
    }

    /// Manifest and configuration, each with the digest that stands for it.
    pub(crate) fn parts(&self, uri: &str, digest: &CodeSha256) -> Result<(Manifest, Config), ImageError> {
        check_digest(uri, "the manifest", self.manifest.as_bytes(), digest)?;
        let manifest = Manifest::read(uri, &self.manifest)?;
        let named = manifest.config.sha256().ok_or_else(|| unsupported(uri, "its configuration has no digest"))?;
        check_digest(uri, "the configuration", self.config.as_bytes(), &named)?;
        let config = Config::read(uri, &self.config)?;
        if config.rootfs.diff_ids.len() != manifest.layers.len() {
            return Err(unsupported(uri, "its configuration names another number of layers than its manifest"));
        }
        Ok((manifest, config))
    }
}

/// The hash of these bytes.
pub(crate) fn hash(bytes: &[u8]) -> CodeSha256 {
    CodeSha256::of_bytes(&Sha256::digest(bytes).into())
}

pub(crate) fn check_digest(uri: &str, what: &'static str, bytes: &[u8], digest: &CodeSha256) -> Result<(), ImageError> {
    if hash(bytes) == *digest {
        return Ok(());
    }
    Err(ImageError::WrongDigest { uri: uri.to_owned(), what, digest: format!("sha256:{}", digest.hex()) })
}

pub(crate) fn unsupported(uri: &str, detail: impl std::fmt::Display) -> ImageError {
    ImageError::Unsupported { uri: uri.to_owned(), detail: format!(" ({detail})") }
}

/// As images name it.
fn word(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86 => "amd64",
        Architecture::Arm => "arm64",
    }
}
