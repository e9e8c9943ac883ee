//! TLS with a certificate that the operator gives.

use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ProtocolVersion, ServerConfig, ServerConnection};

/// The protocols that are offered within, best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Certificate and key with which connections are encrypted.
#[derive(Clone)]
pub struct TlsIdentity(pub(crate) TlsAcceptor);

/// Why a certificate or its key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; give a certificate chain and its private key in PEM form")]
pub struct TlsError(String);

impl TlsIdentity {
    /// Reads a certificate chain, the server's own first, and its private key, both PEM.
    ///
    /// # Errors
    /// [`TlsError`] when they are not there, are of no known kind or do not belong together.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let failed = |what: &str, error: &dyn std::fmt::Display| TlsError(format!("{what}: {error}"));
        let chain = CertificateDer::pem_slice_iter(certificates).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| failed("the certificate", &error))?;
        if chain.is_empty() {
            return Err(TlsError("there is no certificate".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| failed("the private key", &error))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| failed("the certificate and its key", &error))?;
        config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

/// What a connection was encrypted with, as a function is told.
#[derive(Clone, Debug)]
pub(crate) struct Encrypted {
    pub(crate) version: &'static str,
    pub(crate) suite: String,
}

impl Encrypted {
    pub(crate) fn of(connection: &ServerConnection) -> Self {
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLSv1.2",
        };
        let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        // As AWS writes them: `TLS_AES_128_GCM_SHA256`, where rustls has `TLS13_AES_128_GCM_SHA256`.
        Self { version, suite: suite.unwrap_or_default().replacen("TLS13_", "TLS_", 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused_with_a_hint() {
        let refused = TlsIdentity::from_pem(b"", b"").err().map(|error| error.to_string());
        assert_eq!(
            refused.as_deref(),
            Some("there is no certificate; give a certificate chain and its private key in PEM form")
        );
        assert!(TlsIdentity::from_pem(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"").is_err());
    }
}
