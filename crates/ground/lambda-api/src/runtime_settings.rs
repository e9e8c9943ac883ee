//! Settings of one word or two, each with operations of its own: requests and replies.

use serde::{Deserialize, Serialize};

/// The model's pattern for `RuntimeVersionArn`.
pub const RUNTIME_VERSION_PATTERN: &str = r"((arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}::runtime:.+)|(arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:runtime/[A-Za-z0-9_.-]{1,128}/version/[A-Za-z0-9_.-]{1,128}))";

/// `PutFunctionRecursionConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct RecursionRequest {
    pub recursive_loop: Option<String>,
}

/// `PutRuntimeManagementConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct RuntimeManagementRequest {
    pub update_runtime_on: Option<String>,
    pub runtime_version_arn: Option<String>,
}

/// `PutRuntimeManagementConfig` and `GetRuntimeManagementConfig`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct RuntimeManagementReply {
    pub update_runtime_on: String,
    pub function_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_version_arn: Option<String>,
}

/// `PutFunctionScalingConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct FunctionScalingRequest {
    pub function_scaling_config: Option<ScalingBounds>,
}

/// How many execution environments there are, at least and at most.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct ScalingBounds {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_execution_environments: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_execution_environments: Option<i64>,
}

/// `GetFunctionScalingConfig`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct FunctionScalingReply {
    pub function_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_function_scaling_config: Option<ScalingBounds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_function_scaling_config: Option<ScalingBounds>,
}
