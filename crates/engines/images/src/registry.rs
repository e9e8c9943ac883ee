//! An image in a registry that speaks the OCI distribution protocol.

use crate::manifest::{DOCUMENT_BYTES_MAX, Descriptor};
use crate::name::ImageName;
use crate::reading::{Deadline, Pulled};
use crate::source::{text, too_long};
use crate::{ImageError, RegistryOptions};
use docker_credential::{CredentialRetrievalError, DockerCredential};
use futures_util::StreamExt;
use lacewing_model::CodeSha256;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use std::io::Read;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// What is taken for a manifest or an index.
const ACCEPTED: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
/// How long a registry may say nothing.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long a helper of Docker's may take to say who asks.
const HELPER_MAX: Duration = Duration::from_secs(20);
/// How long connecting to it may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

pub(crate) struct Registry {
    client: Client,
    host: String,
    path: String,
    /// Under which name Docker's configuration knows it.
    login_name: String,
    login: Option<(String, String)>,
}

impl Registry {
    pub(crate) fn new(uri: &str, (host, path): (&str, &str), options: &RegistryOptions) -> Result<Self, ImageError> {
        // The rest of the house does its TLS with the same provider; whoever comes first sets it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let asked = options.mirror.as_deref().unwrap_or(host);
        let is_clear = is_loopback(asked) && options.authorities.is_empty();
        let authority = |der: &Vec<u8>| Certificate { encoding: CertificateEncoding::Der, data: der.clone() };
        let is_hub = asked == "docker.io";
        let config = ClientConfig {
            protocol: if is_clear { ClientProtocol::Http } else { ClientProtocol::Https },
            extra_root_certificates: options.authorities.iter().map(authority).collect(),
            connect_timeout: Some(CONNECT_MAX),
            read_timeout: Some(SILENCE_MAX),
            user_agent: concat!("lacewing/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        Ok(Self {
            client: Client::try_from(config).map_err(|error| unreachable(uri, &error))?,
            host: asked.to_owned(),
            // Docker's own hub has images without a folder.
            path: if is_hub && !path.contains('/') { format!("library/{path}") } else { path.to_owned() },
            login_name: if is_hub { "https://index.docker.io/v1/".to_owned() } else { asked.to_owned() },
            login: options.login.clone(),
        })
    }

    pub(crate) async fn by_tag(&self, name: &ImageName) -> Result<String, ImageError> {
        self.manifest(&name.uri, Reference::with_tag(self.host.clone(), self.path.clone(), name.tag.clone())).await
    }

    pub(crate) async fn by_digest(&self, uri: &str, digest: &CodeSha256) -> Result<String, ImageError> {
        self.manifest(uri, self.reference(digest)).await
    }

    async fn manifest(&self, uri: &str, reference: Reference) -> Result<String, ImageError> {
        let auth = self.auth().await;
        let pulled = self.client.pull_manifest_raw(&reference, &auth, &ACCEPTED).await;
        let (bytes, _) = pulled.map_err(|error| refused(uri, &error))?;
        if bytes.len() as u64 > DOCUMENT_BYTES_MAX { Err(too_long(uri)) } else { text(uri, bytes.to_vec()) }
    }

    /// A blob of the size of a document.
    pub(crate) async fn small_blob(&self, uri: &str, digest: &CodeSha256) -> Result<String, ImageError> {
        let mut stream = self.stream(uri, digest).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| unreachable(uri, &error))?;
            if (bytes.len() + piece.len()) as u64 > DOCUMENT_BYTES_MAX {
                return Err(too_long(uri));
            }
            bytes.extend_from_slice(&piece);
        }
        text(uri, bytes)
    }

    /// A layer, for a thread that may wait.
    pub(crate) fn blob(
        &self,
        uri: &str,
        blob: &Descriptor,
        runtime: &Handle,
        (stopped, deadline): (watch::Receiver<bool>, Deadline),
    ) -> Result<Box<dyn Read>, ImageError> {
        let digest = blob.sha256().ok_or_else(|| crate::manifest::unsupported(uri, "a layer has no digest"))?;
        let stream = runtime.block_on(self.stream(uri, &digest))?;
        Ok(Box::new(Pulled::new(stream, runtime.clone(), stopped, deadline)))
    }

    async fn stream(&self, uri: &str, digest: &CodeSha256) -> Result<oci_client::client::SizedStream, ImageError> {
        let reference = self.reference(digest);
        self.client.store_auth_if_needed(reference.resolve_registry(), &self.auth().await).await;
        // The name alone: other addresses, which a manifest may list, are not asked.
        let digest = format!("sha256:{}", digest.hex());
        self.client.pull_blob_stream(&reference, digest.as_str()).await.map_err(|error| refused(uri, &error))
    }

    fn reference(&self, digest: &CodeSha256) -> Reference {
        Reference::with_digest(self.host.clone(), self.path.clone(), format!("sha256:{}", digest.hex()))
    }

    /// Who asks.
    async fn auth(&self) -> RegistryAuth {
        if let Some((name, password)) = self.login.clone() {
            return RegistryAuth::Basic(name, password);
        }
        let name = self.login_name.clone();
        // It may run a helper that Docker's configuration names: never one that a caller names.
        let asking = tokio::task::spawn_blocking(move || docker_credential::get_credential(&name));
        match tokio::time::timeout(HELPER_MAX, asking).await {
            Ok(Ok(Ok(DockerCredential::UsernamePassword(name, password)))) => RegistryAuth::Basic(name, password),
            Ok(Ok(Ok(DockerCredential::IdentityToken(token)))) => RegistryAuth::Bearer(token),
            Ok(Ok(Err(error))) if says_nothing(&error) => RegistryAuth::Anonymous,
            Ok(Ok(Err(error))) => self.asked_by_nobody(&error.to_string()),
            Ok(Err(_)) | Err(_) => self.asked_by_nobody("it did not answer in time"),
        }
    }

    /// Nobody in particular; the operator is told why.
    fn asked_by_nobody(&self, why: &str) -> RegistryAuth {
        tracing::warn!(registry = %self.host, why, "Docker's configuration does not say who asks");
        RegistryAuth::Anonymous
    }
}

/// True where Docker's configuration has nothing to say of a registry, which is no fault.
fn says_nothing(error: &CredentialRetrievalError) -> bool {
    use CredentialRetrievalError::{ConfigNotFound, ConfigReadError, HelperFailure, NoCredentialConfigured};
    match error {
        NoCredentialConfigured | ConfigNotFound | ConfigReadError => true,
        // What Docker's own helpers say, all of them. Source: docker-credential-helpers, "credentials not found".
        HelperFailure { stdout, stderr, .. } => {
            [stdout, stderr].iter().any(|said| said.contains("credentials not found"))
        }
        _ => false,
    }
}

/// True for this machine: there nobody listens in, and few have a certificate.
fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

fn refused(uri: &str, error: &OciDistributionError) -> ImageError {
    let named = uri.to_owned();
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) => ImageError::NotFound { uri: named },
        OciDistributionError::ServerError { code: 404, .. } => ImageError::NotFound { uri: named },
        OciDistributionError::RegistryError { envelope, .. } => {
            let is = |codes: &[OciErrorCode]| envelope.errors.iter().any(|error| codes.contains(&error.code));
            if is(&[OciErrorCode::ManifestUnknown, OciErrorCode::NameUnknown, OciErrorCode::BlobUnknown]) {
                ImageError::NotFound { uri: named }
            } else if is(&[OciErrorCode::Unauthorized, OciErrorCode::Denied]) {
                ImageError::Forbidden { uri: named, why: shown(error) }
            } else {
                unreachable(uri, error)
            }
        }
        OciDistributionError::AuthenticationFailure(_) | OciDistributionError::UnauthorizedError { .. } => {
            ImageError::Forbidden { uri: named, why: shown(error) }
        }
        OciDistributionError::DigestError(_) => {
            let (what, digest) = ("what the registry sent", shown(error));
            ImageError::WrongDigest { uri: named, what, digest }
        }
        other => unreachable(uri, other),
    }
}

fn unreachable(uri: &str, error: &(dyn std::error::Error + 'static)) -> ImageError {
    let chain = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
    let why = crate::error::printable(chain.collect::<Vec<_>>().join(": ").as_bytes());
    ImageError::Unreachable { uri: uri.to_owned(), why }
}

fn shown(error: &OciDistributionError) -> String {
    crate::error::printable(error.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_in_the_clear() {
        for (host, clear) in [
            ("127.0.0.1:5000", true),
            ("localhost:5000", true),
            ("localhost", true),
            ("ghcr.io", false),
            ("10.0.0.1:5000", false),
            ("127.0.0.1.example.com", false),
        ] {
            assert_eq!(is_loopback(host), clear, "{host}");
        }
    }
}
