//! Requests about functions, as sent: nothing in them is checked yet but their JSON.

use crate::{ApiError, ErrorCode};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::error::Category;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// `CreateFunction`; its configuration is read from the same body as [`FunctionSettings`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct CreateFunctionRequest<'a> {
    pub function_name: Option<String>,
    #[serde(borrow)]
    pub code: Option<FunctionCode<'a>>,
    pub publish: Option<bool>,
    pub publish_to: Option<String>,
    pub package_type: Option<String>,
    pub architectures: Option<Vec<String>>,
    pub tags: Option<BTreeMap<String, String>>,
    pub code_signing_config_arn: Option<String>,
    pub tenancy_config: Option<TenancyConfig>,
}

/// `TenancyConfig`, both ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct TenancyConfig {
    pub tenant_isolation_mode: Option<String>,
}

/// `Code` of `CreateFunction`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct FunctionCode<'a> {
    #[serde(borrow)]
    pub zip_file: Option<Base64Text<'a>>,
    pub s3_bucket: Option<String>,
    pub s3_key: Option<String>,
    pub s3_object_version: Option<String>,
    pub s3_object_storage_mode: Option<String>,
    pub image_uri: Option<String>,
    #[serde(rename = "SourceKMSKeyArn")]
    pub source_kms_key_arn: Option<String>,
}

/// Base64 as sent: borrowed from the body, which may be 70 MB, unless it holds escapes.
#[derive(Debug, Deserialize)]
pub struct Base64Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// `UpdateFunctionCode`; where the code is stands in the same body, as [`FunctionCode`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct UpdateFunctionCodeRequest {
    pub architectures: Option<Vec<String>>,
    pub publish: Option<bool>,
    pub publish_to: Option<String>,
    pub dry_run: Option<bool>,
    pub revision_id: Option<String>,
}

/// `PublishVersion`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct PublishVersionRequest {
    pub code_sha256: Option<String>,
    pub description: Option<String>,
    pub revision_id: Option<String>,
    pub publish_to: Option<String>,
}

/// What `CreateFunction` and `UpdateFunctionConfiguration` may set.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct FunctionSettings {
    pub runtime: Option<String>,
    pub role: Option<String>,
    pub handler: Option<String>,
    pub description: Option<String>,
    pub timeout: Option<i64>,
    pub memory_size: Option<i64>,
    pub ephemeral_storage: Option<EphemeralStorage>,
    pub environment: Option<Environment>,
    pub tracing_config: Option<TracingSettings>,
    pub logging_config: Option<LoggingSettings>,
    pub snap_start: Option<SnapStart>,
    pub revision_id: Option<String>,
    #[serde(rename = "KMSKeyArn")]
    pub kms_key_arn: Option<String>,
    pub dead_letter_config: Option<DeadLetterConfig>,
    pub vpc_config: Option<VpcSettings>,
    pub layers: Option<Vec<String>>,
    pub file_system_configs: Option<Vec<FileSystemConfig>>,
    pub image_config: Option<ImageConfig>,
    pub capacity_provider_config: Option<Value>,
    pub durable_config: Option<Value>,
    pub runtime_config: Option<Value>,
    pub accelerator_config: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct EphemeralStorage {
    pub size: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct Environment {
    pub variables: Option<Variables>,
}

/// Environment variables in the order in which they were sent: a refusal shows them so.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Variables(pub Vec<(String, String)>);

impl Serialize for Variables {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for Variables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Variables;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Variables, A::Error> {
        let mut variables = Vec::new();
        while let Some(variable) = map.next_entry()? {
            variables.push(variable);
        }
        Ok(Variables(variables))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct TracingSettings {
    pub mode: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct LoggingSettings {
    pub log_format: Option<String>,
    pub application_log_level: Option<String>,
    pub system_log_level: Option<String>,
    pub log_group: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct SnapStart {
    pub apply_on: Option<String>,
}

/// `DeadLetterConfig`, both ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct DeadLetterConfig {
    pub target_arn: Option<String>,
}

/// `VpcConfig` of requests.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct VpcSettings {
    pub subnet_ids: Option<Vec<String>>,
    pub security_group_ids: Option<Vec<String>>,
    pub ipv6_allowed_for_dual_stack: Option<bool>,
}

/// An item of `FileSystemConfigs`, both ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct FileSystemConfig {
    pub arn: String,
    pub local_mount_path: String,
}

/// `ImageConfig`, both ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct ImageConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
}

/// Reads a request's JSON; no body at all is an empty object.
///
/// # Errors
/// `InvalidRequestContentException` for what is no JSON, `SerializationException` for JSON of another shape.
pub fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    let body = match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => b"{}",
        // A list would be taken for the fields in their order.
        Some(b'[') => return Err(ApiError::new(ErrorCode::Serialization, "The request's JSON must be an object.")),
        Some(_) => body,
    };
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => {
            ApiError::new(ErrorCode::Serialization, format!("The request's JSON is not of its shape: {error}"))
        }
        Category::Io | Category::Syntax | Category::Eof => {
            ApiError::new(ErrorCode::InvalidRequestContent, format!("Could not parse request body into json: {error}"))
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_body_is_read_as_what_it_holds() {
        let body = br#"{"FunctionName":"f","Code":{"ZipFile":"UEs\/"},"Timeout":5,"Future":{"x":1},"VpcConfig":null}"#;
        let request: CreateFunctionRequest<'_> = parse(body).unwrap();
        assert_eq!(request.code.unwrap().zip_file.unwrap().0, "UEs/");
        let settings: FunctionSettings = parse(body).unwrap();
        assert!(settings.timeout == Some(5) && settings.vpc_config.is_none());
        let empty: FunctionSettings = parse(b"").unwrap();
        assert_eq!(empty.runtime, None);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let code = |body: &[u8]| parse::<FunctionSettings>(body).unwrap_err().code;
        assert_eq!(code(b"{"), ErrorCode::InvalidRequestContent);
        assert_eq!(code(br#"{"Timeout":"5"}"#), ErrorCode::Serialization);
        assert_eq!(code(b"[]"), ErrorCode::Serialization);
    }
}
