//! Documents: what lies in a column as JSON, and the words for states.
//!
//! Every field is named here, so that a change of the model is not a change of the files by accident. A new
//! field gets `#[serde(default)]`: old rows lack it. An unknown one is refused: reading on would lose it at
//! the next write.

use crate::StoreError;
use lacewing_model::{
    Architecture, Egress, EphemeralMib, FailReason, FileSystem, FunctionConfig, ImageCode, ImageSettings, LayerUse,
    Lifecycle, LogFormat, LogLevel, LoggingConfig, MemoryMib, ObjectCode, Runtime, SnapStart, Tenancy, Timeout,
    TracingMode, UpdateStatus, VpcConfig,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigDocument {
    runtime: String,
    handler: String,
    role: String,
    description: String,
    timeout_seconds: u32,
    memory_mib: u32,
    ephemeral_mib: u32,
    environment: Option<BTreeMap<String, String>>,
    architecture: String,
    logging: LoggingDocument,
    tracing: String,
    egress: String,
    #[serde(default)]
    layers: Vec<LayerDocument>,
    #[serde(default, skip_serializing_if = "is_default")]
    snap_start: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dead_letter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kms_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vpc: Option<VpcDocument>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    file_systems: Vec<FileSystemDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<ImageDocument>,
    #[serde(default, skip_serializing_if = "is_default")]
    per_tenant: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object: Option<ObjectDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_kms_key: Option<String>,
}

/// A version of an object that code stays in, as documents have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ObjectDocument {
    pub bucket: String,
    pub key: String,
    pub version: String,
}

impl From<ObjectCode> for ObjectDocument {
    fn from(object: ObjectCode) -> Self {
        let ObjectCode { bucket, key, version } = object;
        Self { bucket, key, version }
    }
}

impl From<ObjectDocument> for ObjectCode {
    fn from(document: ObjectDocument) -> Self {
        let ObjectDocument { bucket, key, version } = document;
        Self { bucket, key, version }
    }
}

/// The code of a function that is an image.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageDocument {
    uri: String,
    resolved_uri: String,
    own: ImageSettingsDocument,
    environment: Vec<(String, String)>,
    overrides: Option<ImageSettingsDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageSettingsDocument {
    entry_point: Option<Vec<String>>,
    command: Option<Vec<String>>,
    working_directory: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerDocument {
    arn: String,
    code_sha256: String,
    code_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object: Option<ObjectDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VpcDocument {
    subnets: Vec<String>,
    security_groups: Vec<String>,
    ipv6: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSystemDocument {
    arn: String,
    path: String,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoggingDocument {
    format: String,
    application_level: Option<String>,
    system_level: Option<String>,
    group: String,
}

/// The words for values of a closed set, in both directions.
struct Words<T: 'static>(&'static [(T, &'static str)]);

const ARCHITECTURES: Words<Architecture> = Words(&[(Architecture::X86, "x86_64"), (Architecture::Arm, "arm64")]);
const FORMATS: Words<LogFormat> = Words(&[(LogFormat::Text, "text"), (LogFormat::Json, "json")]);
const TRACINGS: Words<TracingMode> =
    Words(&[(TracingMode::PassThrough, "pass_through"), (TracingMode::Active, "active")]);
const EGRESSES: Words<Egress> = Words(&[(Egress::Internet, "internet"), (Egress::None, "none")]);
const LEVELS: Words<LogLevel> = Words(&[
    (LogLevel::Trace, "trace"),
    (LogLevel::Debug, "debug"),
    (LogLevel::Info, "info"),
    (LogLevel::Warn, "warn"),
    (LogLevel::Error, "error"),
    (LogLevel::Fatal, "fatal"),
]);

impl<T: Copy + PartialEq> Words<T> {
    fn word(&self, value: T) -> String {
        self.0.iter().find(|(known, _)| *known == value).map_or_else(String::new, |(_, word)| (*word).to_owned())
    }

    fn value(&self, word: &str) -> Result<T, StoreError> {
        let found = self.0.iter().find(|(_, known)| *known == word);
        found.map(|(value, _)| *value).ok_or_else(|| StoreError::unreadable("configuration", format!("'{word}'")))
    }
}

pub(crate) fn write_config(config: &FunctionConfig) -> Result<String, StoreError> {
    let logging = &config.logging;
    let document = ConfigDocument {
        runtime: config.runtime.id().to_owned(),
        handler: config.handler.as_str().to_owned(),
        role: config.role.as_str().to_owned(),
        description: config.description.clone(),
        timeout_seconds: config.timeout.get(),
        memory_mib: config.memory.get(),
        ephemeral_mib: config.ephemeral.get(),
        environment: config.environment.clone(),
        architecture: ARCHITECTURES.word(config.architecture),
        logging: LoggingDocument {
            format: FORMATS.word(logging.format),
            application_level: logging.application_level.map(|level| LEVELS.word(level)),
            system_level: logging.system_level.map(|level| LEVELS.word(level)),
            group: logging.group.clone(),
        },
        tracing: TRACINGS.word(config.tracing),
        egress: EGRESSES.word(config.egress),
        layers: config.layers.iter().map(write_layer).collect(),
        snap_start: config.snap_start == SnapStart::PublishedVersions,
        dead_letter: config.dead_letter.clone(),
        kms_key: config.kms_key.clone(),
        vpc: config.vpc.clone().map(|VpcConfig { subnets, security_groups, ipv6 }| VpcDocument {
            subnets,
            security_groups,
            ipv6,
        }),
        file_systems: config
            .file_systems
            .iter()
            .cloned()
            .map(|FileSystem { arn, path }| FileSystemDocument { arn, path })
            .collect(),
        image: config.image.clone().map(write_image),
        per_tenant: config.tenancy == Tenancy::PerTenant,
        object: config.object.clone().map(ObjectDocument::from),
        source_kms_key: config.source_kms_key.clone(),
    };
    serde_json::to_string(&document).map_err(|error| StoreError::unreadable("configuration", error))
}

pub(crate) fn read_config(json: &str) -> Result<FunctionConfig, StoreError> {
    fn bad(error: impl std::fmt::Display) -> StoreError {
        StoreError::unreadable("configuration", error)
    }
    let document: ConfigDocument = serde_json::from_str(json).map_err(bad)?;
    let logging = document.logging;
    let level = |word: Option<String>| word.map(|word| LEVELS.value(&word)).transpose();
    Ok(FunctionConfig {
        runtime: match document.image {
            Some(_) => Runtime::of_image(),
            None => document.runtime.parse().map_err(bad)?,
        },
        handler: document.handler.parse().map_err(bad)?,
        image: document.image.map(read_image),
        object: document.object.map(ObjectCode::from),
        source_kms_key: document.source_kms_key,
        role: document.role.parse().map_err(bad)?,
        description: document.description,
        timeout: Timeout::new(document.timeout_seconds).map_err(bad)?,
        memory: MemoryMib::new(document.memory_mib).map_err(bad)?,
        ephemeral: EphemeralMib::new(document.ephemeral_mib).map_err(bad)?,
        environment: document.environment,
        architecture: ARCHITECTURES.value(&document.architecture)?,
        logging: LoggingConfig {
            format: FORMATS.value(&logging.format)?,
            application_level: level(logging.application_level)?,
            system_level: level(logging.system_level)?,
            group: logging.group,
        },
        tracing: TRACINGS.value(&document.tracing)?,
        egress: EGRESSES.value(&document.egress)?,
        layers: document.layers.into_iter().map(read_layer).collect::<Result<_, _>>()?,
        snap_start: if document.snap_start { SnapStart::PublishedVersions } else { SnapStart::None },
        dead_letter: document.dead_letter,
        kms_key: document.kms_key,
        vpc: document.vpc.map(|VpcDocument { subnets, security_groups, ipv6 }| VpcConfig {
            subnets,
            security_groups,
            ipv6,
        }),
        file_systems: document
            .file_systems
            .into_iter()
            .map(|FileSystemDocument { arn, path }| FileSystem { arn, path })
            .collect(),
        tenancy: if document.per_tenant { Tenancy::PerTenant } else { Tenancy::Shared },
    })
}

fn write_image(image: ImageCode) -> ImageDocument {
    fn settings(from: ImageSettings) -> ImageSettingsDocument {
        let ImageSettings { entry_point, command, working_directory } = from;
        ImageSettingsDocument { entry_point, command, working_directory }
    }
    let ImageCode { uri, resolved_uri, own, environment, overrides } = image;
    ImageDocument { uri, resolved_uri, own: settings(own), environment, overrides: overrides.map(settings) }
}

fn read_image(image: ImageDocument) -> ImageCode {
    fn settings(from: ImageSettingsDocument) -> ImageSettings {
        let ImageSettingsDocument { entry_point, command, working_directory } = from;
        ImageSettings { entry_point, command, working_directory }
    }
    let ImageDocument { uri, resolved_uri, own, environment, overrides } = image;
    ImageCode { uri, resolved_uri, own: settings(own), environment, overrides: overrides.map(settings) }
}

fn write_layer(layer: &LayerUse) -> LayerDocument {
    let LayerUse { arn, code_sha256, code_bytes, object } = layer.clone();
    let object = object.map(ObjectDocument::from);
    LayerDocument { arn, code_sha256: code_sha256.to_string(), code_bytes, object }
}

fn read_layer(layer: LayerDocument) -> Result<LayerUse, StoreError> {
    let LayerDocument { arn, code_sha256, code_bytes, object } = layer;
    let code_sha256 = code_sha256.parse().map_err(|error| StoreError::unreadable("configuration", error))?;
    Ok(LayerUse { arn, code_sha256, code_bytes, object: object.map(ObjectCode::from) })
}

pub(crate) fn write_tags(tags: &BTreeMap<String, String>) -> Result<String, StoreError> {
    serde_json::to_string(tags).map_err(|error| StoreError::unreadable("tags", error))
}

pub(crate) fn read_tags(json: &str) -> Result<BTreeMap<String, String>, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::unreadable("tags", error))
}

/// A lifecycle as it lies in columns: a word, and the reason of a failure.
pub(crate) fn write_lifecycle(lifecycle: &Lifecycle) -> (&'static str, Option<&FailReason>) {
    match lifecycle {
        Lifecycle::Creating => ("creating", None),
        Lifecycle::Active { update: UpdateStatus::Successful } => ("active", None),
        Lifecycle::Active { update: UpdateStatus::InProgress } => ("updating", None),
        Lifecycle::Active { update: UpdateStatus::Failed(reason) } => ("update_failed", Some(reason)),
        Lifecycle::Failed(reason) => ("failed", Some(reason)),
        Lifecycle::Inactive(reason) => ("inactive", Some(reason)),
    }
}

pub(crate) fn read_lifecycle(word: &str, reason: Option<FailReason>) -> Result<Lifecycle, StoreError> {
    match (word, reason) {
        ("creating", None) => Ok(Lifecycle::Creating),
        ("active", None) => Ok(Lifecycle::Active { update: UpdateStatus::Successful }),
        ("updating", None) => Ok(Lifecycle::Active { update: UpdateStatus::InProgress }),
        ("update_failed", Some(reason)) => Ok(Lifecycle::Active { update: UpdateStatus::Failed(reason) }),
        ("failed", Some(reason)) => Ok(Lifecycle::Failed(reason)),
        ("inactive", Some(reason)) => Ok(Lifecycle::Inactive(reason)),
        (word, _) => Err(StoreError::unreadable("state", format!("'{word}'"))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn config() -> FunctionConfig {
        FunctionConfig {
            runtime: "python3.12".parse().unwrap(),
            handler: "app.handler".parse().unwrap(),
            role: "arn:aws:iam::000000000000:role/r".parse().unwrap(),
            description: "says \"hé\"".into(),
            timeout: Timeout::new(900).unwrap(),
            memory: MemoryMib::new(10_240).unwrap(),
            ephemeral: EphemeralMib::new(512).unwrap(),
            environment: Some(BTreeMap::from([("K".into(), "v\n".into())])),
            architecture: Architecture::Arm,
            logging: LoggingConfig {
                format: LogFormat::Json,
                application_level: Some(LogLevel::Fatal),
                system_level: Some(LogLevel::Trace),
                group: "/aws/lambda/f".into(),
            },
            tracing: TracingMode::Active,
            egress: Egress::None,
            layers: vec![LayerUse {
                arn: "arn:aws:lambda:us-east-1:000000000000:layer:l:1".into(),
                code_sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse().unwrap(),
                code_bytes: 22,
                object: Some(object("layer.zip")),
            }],
            snap_start: SnapStart::PublishedVersions,
            dead_letter: Some("arn:aws:sqs:us-east-1:000000000000:dead".into()),
            kms_key: Some("arn:aws:kms:us-east-1:000000000000:key/k".into()),
            vpc: Some(VpcConfig { subnets: vec!["subnet-1".into()], security_groups: Vec::new(), ipv6: true }),
            file_systems: vec![FileSystem { arn: "arn:aws:elasticfilesystem:x".into(), path: "/mnt/x".into() }],
            image: None,
            tenancy: Tenancy::PerTenant,
            object: Some(object("f.zip")),
            source_kms_key: Some("arn:aws:kms:us-east-1:000000000000:key/s".into()),
        }
    }

    fn object(key: &str) -> ObjectCode {
        ObjectCode { bucket: "code".into(), key: key.into(), version: "v1".into() }
    }

    #[test]
    fn an_image_comes_back_as_it_was_written() {
        let settings = |word: &str| ImageSettings {
            entry_point: Some(vec![word.into(), String::new()]),
            command: None,
            working_directory: Some("/app".into()),
        };
        let image = ImageCode {
            uri: "r/i:t".into(),
            resolved_uri: "r/i@sha256:0".into(),
            own: settings("/run"),
            environment: vec![("B".into(), "1".into()), ("A".into(), "=".into())],
            overrides: Some(settings("/other")),
        };
        let (runtime, handler) = (Runtime::of_image(), lacewing_model::Handler::of_image());
        let config = FunctionConfig { runtime, handler, image: Some(image), ..config() };
        assert_eq!(read_config(&write_config(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn a_configuration_comes_back_as_it_was_written() {
        assert_eq!(read_config(&write_config(&config()).unwrap()).unwrap(), config());
    }

    #[test]
    fn an_empty_environment_is_not_the_same_as_none() {
        for environment in [None, Some(BTreeMap::new())] {
            let config = FunctionConfig { environment, ..config() };
            assert_eq!(read_config(&write_config(&config).unwrap()).unwrap(), config);
        }
    }

    #[test]
    fn a_document_of_an_older_release_is_read_with_defaults() {
        let mut document: serde_json::Value = serde_json::from_str(&write_config(&config()).unwrap()).unwrap();
        let fields = document.as_object_mut().unwrap();
        for newer in
            ["snap_start", "dead_letter", "kms_key", "vpc", "file_systems", "per_tenant", "object", "source_kms_key"]
        {
            assert!(fields.remove(newer).is_some(), "{newer}");
        }
        let read = read_config(&document.to_string()).unwrap();
        assert_eq!((read.snap_start, read.dead_letter, read.vpc), (SnapStart::None, None, None));
        assert_eq!(read.tenancy, Tenancy::Shared);
    }

    #[test]
    fn a_document_with_a_field_of_another_release_is_refused_by_name() {
        let json = write_config(&config()).unwrap().replacen('{', r#"{"accelerator":"x","#, 1);
        assert!(read_config(&json).unwrap_err().to_string().contains("accelerator"));
    }

    #[test]
    fn every_lifecycle_comes_back_as_it_was_written() {
        let reason = || FailReason { code: "InternalError".into(), message: "m".into() };
        for lifecycle in [
            Lifecycle::Creating,
            Lifecycle::Active { update: UpdateStatus::Successful },
            Lifecycle::Active { update: UpdateStatus::InProgress },
            Lifecycle::Active { update: UpdateStatus::Failed(reason()) },
            Lifecycle::Failed(reason()),
            Lifecycle::Inactive(reason()),
        ] {
            let (word, reason) = write_lifecycle(&lifecycle);
            assert_eq!(read_lifecycle(word, reason.cloned()).unwrap(), lifecycle);
        }
    }
}
