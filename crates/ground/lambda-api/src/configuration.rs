//! Replies about functions.

use crate::{ConcurrencyReply, DeadLetterConfig, FileSystemConfig, ImageConfig, TenancyConfig};
use serde::Serialize;
use std::collections::BTreeMap;

/// `FunctionConfiguration`. Fields that AWS leaves out where they do not apply are `None` then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct FunctionConfigurationReply {
    pub function_name: String,
    pub function_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    pub role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
    pub code_size: u64,
    pub description: String,
    pub timeout: u32,
    pub memory_size: u32,
    pub last_modified: String,
    pub code_sha256: String,
    pub version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_config_response: Option<ImageConfigReply>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerReply>,
    pub tracing_config: TracingReply,
    pub revision_id: String,
    pub package_type: &'static str,
    pub architectures: [&'static str; 1],
    pub ephemeral_storage: EphemeralStorageReply,
    pub snap_start: SnapStartReply,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter_config: Option<DeadLetterConfig>,
    #[serde(rename = "KMSKeyArn", skip_serializing_if = "Option::is_none")]
    pub kms_key_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_config: Option<VpcReply>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub file_system_configs: Vec<FileSystemConfig>,
    pub logging_config: LoggingReply,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenancy_config: Option<TenancyConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_reason_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_status_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_status_reason_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_version_config: Option<RuntimeVersionReply>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct EnvironmentReply {
    pub variables: BTreeMap<String, String>,
}

/// `ImageConfigResponse`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct ImageConfigReply {
    pub image_config: ImageConfig,
}

/// A layer of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct LayerReply {
    pub arn: String,
    pub code_size: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct TracingReply {
    pub mode: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct EphemeralStorageReply {
    pub size: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct SnapStartReply {
    pub apply_on: &'static str,
    pub optimization_status: &'static str,
}

/// `VpcConfig` of replies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct VpcReply {
    pub subnet_ids: Vec<String>,
    pub security_group_ids: Vec<String>,
    /// Always empty: which network a subnet belongs to, only AWS could tell.
    pub vpc_id: String,
    pub ipv6_allowed_for_dual_stack: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct LoggingReply {
    pub log_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_log_level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_log_level: Option<&'static str>,
    pub log_group: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct RuntimeVersionReply {
    pub runtime_version_arn: String,
}

/// `GetFunction`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct GetFunctionReply {
    pub configuration: FunctionConfigurationReply,
    pub code: CodeLocation,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags_error: Option<TagsError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<ConcurrencyReply>,
}

/// `TagsError` of `GetFunction`: why there are no tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct TagsError {
    pub error_code: &'static str,
    pub message: String,
}

/// `Code` of `GetFunction`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CodeLocation {
    /// `S3` for packages, `ECR` for images.
    pub repository_type: &'static str,
    /// Of a package: a signed URL, good for ten minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Of an image: its name as it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_uri: Option<String>,
    /// Of an image: the same repository and the digest that the name stood for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_image_uri: Option<String>,
    /// Of a package that stays in S3: which object it is.
    #[serde(rename = "ResolvedS3Object", skip_serializing_if = "Option::is_none")]
    pub resolved_s3_object: Option<ResolvedS3Object>,
    /// Of a package: the key that AWS would encrypt it with.
    #[serde(rename = "SourceKMSKeyArn", skip_serializing_if = "Option::is_none")]
    pub source_kms_key_arn: Option<String>,
    /// Why the code could not be had, where it is kept elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<CodeError>,
}

/// The object that a package stays in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct ResolvedS3Object {
    #[serde(rename = "S3Bucket")]
    pub s3_bucket: String,
    #[serde(rename = "S3Key")]
    pub s3_key: String,
    #[serde(rename = "S3ObjectVersion")]
    pub s3_object_version: String,
}

/// `Error` of `Code`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct CodeError {
    pub error_code: String,
    pub message: String,
}

/// `ListVersionsByFunction`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct ListVersionsReply {
    pub versions: Vec<FunctionConfigurationReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}

/// `ListFunctions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct ListFunctionsReply {
    pub functions: Vec<FunctionConfigurationReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}
