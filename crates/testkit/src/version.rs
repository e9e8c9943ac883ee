//! A version as a test wants it.

use lacewing_model::{
    Architecture, Egress, FunctionConfig, LogFormat, LoggingConfig, RevisionId, Timestamp, TracingMode, Version,
    VersionNumber,
};

/// A native function version with every default, called `name`.
///
/// # Panics
/// When `name` is no function name.
#[must_use]
#[allow(clippy::unwrap_used)]
pub fn version_named(name: &str) -> Version {
    Version {
        account: "000000000000".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
        name: name.parse().unwrap(),
        number: VersionNumber::Latest,
        config: FunctionConfig {
            runtime: "provided.al2023".parse().unwrap(),
            handler: "bootstrap".parse().unwrap(),
            role: "arn:aws:iam::000000000000:role/test".parse().unwrap(),
            description: String::new(),
            timeout: lacewing_model::Timeout::default(),
            memory: lacewing_model::MemoryMib::default(),
            ephemeral: lacewing_model::EphemeralMib::default(),
            environment: None,
            architecture: Architecture::X86,
            logging: LoggingConfig {
                format: LogFormat::Text,
                application_level: None,
                system_level: None,
                group: format!("/aws/lambda/{name}"),
            },
            tracing: TracingMode::PassThrough,
            egress: Egress::Internet,
        },
        code_sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse().unwrap(),
        code_bytes: 1,
        revision: RevisionId::random(),
        generation: RevisionId::random(),
        last_modified: Timestamp(0),
    }
}
