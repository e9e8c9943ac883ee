//! Capacity providers: requests and replies.

use crate::Violations;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(crate) const NAME_PATTERN: &str = r"(arn:aws[a-zA-Z-]*:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:capacity-provider:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+";
pub(crate) const SUBNET_PATTERN: &str = "subnet-[0-9a-z]*";
pub(crate) const GROUP_PATTERN: &str = "sg-[0-9a-zA-Z]*";
pub(crate) const OPERATOR_PATTERN: &str = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+";

/// `CreateCapacityProvider`; `UpdateCapacityProvider` sends a part of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct CapacityProviderRequest {
    pub capacity_provider_name: Option<String>,
    pub tags: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    pub settings: CapacityProviderSettings,
}

/// What a capacity provider is set to; replies show it as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct CapacityProviderSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_config: Option<ProviderVpcConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_config: Option<ProviderPermissions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_requirements: Option<InstanceRequirements>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity_provider_scaling_config: Option<ProviderScaling>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagate_tags: Option<PropagateTags>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telemetry_config: Option<ProviderTelemetry>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct ProviderVpcConfig {
    pub subnet_ids: Vec<String>,
    pub security_group_ids: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct ProviderPermissions {
    pub capacity_provider_operator_role_arn: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct InstanceRequirements {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architectures: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_instance_types: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excluded_instance_types: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct ProviderScaling {
    #[serde(rename = "MaxVCpuCount", skip_serializing_if = "Option::is_none")]
    pub max_vcpu_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling_mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling_policies: Option<Vec<ScalingPolicy>>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct ScalingPolicy {
    pub predefined_metric_type: String,
    pub target_value: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct PropagateTags {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explicit_tags: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct ProviderTelemetry {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging_config: Option<ProviderLogging>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct ProviderLogging {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_log_level: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_group: Option<String>,
}

/// Checks the name or ARN of a capacity provider, and gives the name.
pub fn check_capacity_provider<'a>(text: &'a str, violations: &mut Violations) -> &'a str {
    violations.length(text, "capacityProviderName", 1, 140);
    violations.matches(text, "capacityProviderName", NAME_PATTERN);
    text.rsplit(':').next().unwrap_or(text)
}

impl CapacityProviderSettings {
    /// Notes what the model refuses, but for what is missing as a whole.
    pub fn check(&self, violations: &mut Violations) {
        if let Some(vpc) = &self.vpc_config {
            for (list, path, fewest, most, pattern) in [
                (&vpc.subnet_ids, "vpcConfig.subnetIds", 1, 16, SUBNET_PATTERN),
                (&vpc.security_group_ids, "vpcConfig.securityGroupIds", 0, 5, GROUP_PATTERN),
            ] {
                let shown = format!("[{}]", list.join(", "));
                if list.len() < fewest {
                    violations.add(&shown, path, format_args!("have length greater than or equal to {fewest}"));
                } else if list.len() > most {
                    violations.add(&shown, path, format_args!("have length less than or equal to {most}"));
                }
                let mut each = Violations::default();
                list.iter().for_each(|id| each.matches(id, path, pattern));
                if each.text().is_some() {
                    let rule = format!(
                        "Member must satisfy constraint: [Member must satisfy regular expression pattern: {pattern}]"
                    );
                    violations.add_members(Some(&shown), path, rule);
                }
            }
        }
        if let Some(permissions) = &self.permissions_config {
            let path = "permissionsConfig.capacityProviderOperatorRoleArn";
            violations.matches(&permissions.capacity_provider_operator_role_arn, path, OPERATOR_PATTERN);
        }
        if let Some(scaling) = &self.capacity_provider_scaling_config {
            if let Some(count) = scaling.max_vcpu_count {
                violations.range(count, "capacityProviderScalingConfig.maxVCpuCount", 2, 15_000);
            }
            if let Some(mode) = &scaling.scaling_mode {
                violations.one_of(mode, "capacityProviderScalingConfig.scalingMode", &["Auto", "Manual"]);
            }
        }
        if let Some(mode) = self.propagate_tags.as_ref().and_then(|propagate| propagate.mode.as_deref()) {
            violations.one_of(mode, "propagateTags.mode", &["None", "Explicit"]);
        }
    }

    /// These settings, and those of `newer` where it has any.
    #[must_use]
    pub fn updated(self, newer: Self) -> Self {
        Self {
            capacity_provider_scaling_config: newer
                .capacity_provider_scaling_config
                .or(self.capacity_provider_scaling_config),
            propagate_tags: newer.propagate_tags.or(self.propagate_tags),
            telemetry_config: newer.telemetry_config.or(self.telemetry_config),
            ..self
        }
    }
}

/// A capacity provider.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct CapacityProviderReply {
    pub capacity_provider_arn: String,
    pub state: &'static str,
    #[serde(flatten)]
    pub settings: serde_json::Value,
    pub last_modified: String,
}

/// `ListCapacityProviders`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct ListCapacityProvidersReply {
    pub capacity_providers: Vec<CapacityProviderReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}
