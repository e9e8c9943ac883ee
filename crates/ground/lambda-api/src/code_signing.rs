//! Code signing configurations: requests and replies.

use crate::Violations;
use crate::policies::ARN_PATTERN;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(crate) const CONFIG_PATTERN: &str = r"arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:code-signing-config:csc-[a-z0-9]{17}";

/// `CreateCodeSigningConfig` and `UpdateCodeSigningConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct CodeSigningRequest {
    pub description: Option<String>,
    pub allowed_publishers: Option<AllowedPublishers>,
    pub code_signing_policies: Option<CodeSigningPolicies>,
    pub tags: Option<BTreeMap<String, String>>,
}

/// `PutFunctionCodeSigningConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct FunctionCodeSigningRequest {
    pub code_signing_config_arn: Option<String>,
}

/// The signing profiles that are trusted.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct AllowedPublishers {
    pub signing_profile_version_arns: Option<Vec<String>>,
}

/// What becomes of packages that nobody trusted has signed.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct CodeSigningPolicies {
    pub untrusted_artifact_on_deployment: Option<String>,
}

impl CodeSigningRequest {
    /// Notes what the model refuses, but for what is missing as a whole.
    pub fn check(&self, violations: &mut Violations) {
        if let Some(description) = &self.description {
            violations.length(description, "description", 0, 256);
        }
        if let Some(publishers) = &self.allowed_publishers {
            let path = "allowedPublishers.signingProfileVersionArns";
            match publishers.signing_profile_version_arns.as_deref() {
                None => violations.null(path),
                Some([]) => violations.add("[]", path, "have length greater than or equal to 1"),
                Some(arns) => {
                    let shown = format!("[{}]", arns.join(", "));
                    if arns.len() > 20 {
                        violations.add(&shown, path, "have length less than or equal to 20");
                    }
                    let mut each = Violations::default();
                    arns.iter().for_each(|arn| each.matches(arn, path, ARN_PATTERN));
                    if each.text().is_some() {
                        let rule = format!(
                            "Member must satisfy constraint: [Member must satisfy regular expression pattern: \
                             {ARN_PATTERN}]"
                        );
                        violations.add_members(Some(&shown), path, rule);
                    }
                }
            }
        }
        let policies = self.code_signing_policies.as_ref();
        if let Some(word) = policies.and_then(|policies| policies.untrusted_artifact_on_deployment.as_deref()) {
            violations.one_of(word, "codeSigningPolicies.untrustedArtifactOnDeployment", &["Warn", "Enforce"]);
        }
    }
}

/// Checks the ARN of a code signing configuration.
pub fn check_code_signing_arn(arn: &str, violations: &mut Violations) {
    violations.matches(arn, "codeSigningConfigArn", CONFIG_PATTERN);
}

/// A code signing configuration.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct CodeSigningReply {
    pub code_signing_config_id: String,
    pub code_signing_config_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub allowed_publishers: AllowedPublishers,
    pub code_signing_policies: CodeSigningPolicies,
    pub last_modified: String,
}

/// `ListCodeSigningConfigs`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct ListCodeSigningReply {
    pub code_signing_configs: Vec<CodeSigningReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}

/// `ListFunctionsByCodeSigningConfig`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct ListSignedFunctionsReply {
    pub function_arns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}
