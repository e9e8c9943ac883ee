//! Function URLs: requests and replies.

use crate::Violations;
use serde::{Deserialize, Serialize};

/// The model's pattern for the only qualifier that a URL can have, an alias.
pub const ALIAS_QUALIFIER_PATTERN: &str = r"((?!^\d+$)^[0-9a-zA-Z-_]+$)";

/// `CreateFunctionUrlConfig` and `UpdateFunctionUrlConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct UrlConfigRequest {
    pub auth_type: Option<String>,
    pub cors: Option<CorsSettings>,
    pub invoke_mode: Option<String>,
}

/// Who may call from a page of another origin. Replies show what was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct CorsSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_credentials: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_headers: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_methods: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_origins: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expose_headers: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<i64>,
}

impl UrlConfigRequest {
    /// Notes what the model refuses, but for what is missing.
    pub fn check(&self, violations: &mut Violations) {
        if let Some(kind) = &self.auth_type {
            violations.one_of(kind, "authType", &["NONE", "AWS_IAM"]);
        }
        if let Some(mode) = &self.invoke_mode {
            violations.one_of(mode, "invokeMode", &["RESPONSE_STREAM", "BUFFERED"]);
        }
        let Some(cors) = &self.cors else { return };
        for (list, name, count_max, shortest, longest) in [
            (&cors.allow_headers, "allowHeaders", 100, 0, 1_024),
            (&cors.allow_methods, "allowMethods", 6, 0, 6),
            (&cors.allow_origins, "allowOrigins", 100, 1, 253),
            (&cors.expose_headers, "exposeHeaders", 100, 0, 1_024),
        ] {
            let Some(list) = list else { continue };
            let (path, shown) = (format!("cors.{name}"), format!("[{}]", list.join(", ")));
            if list.len() > count_max {
                violations.add(&shown, &path, format_args!("have length less than or equal to {count_max}"));
            }
            if list.iter().any(|item| !(shortest..=longest).contains(&item.chars().count())) {
                let rule = format!(
                    "Member must satisfy constraint: [Member must have length less than or equal to {longest}, Member \
                     must have length greater than or equal to {shortest}, Member must satisfy regular expression \
                     pattern: .*]"
                );
                violations.add_members(Some(&shown), &path, rule);
            }
        }
        if let Some(seconds) = cors.max_age {
            violations.range(seconds, "cors.maxAge", 0, 86_400);
        }
    }
}

/// A URL configuration. A field that a recorded reply of an operation lacks is `None` there.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct UrlConfigReply {
    pub function_url: String,
    pub function_arn: String,
    pub auth_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<CorsSettings>,
    pub creation_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoke_mode: Option<&'static str>,
}

/// `ListFunctionUrlConfigs`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct ListUrlConfigsReply {
    pub function_url_configs: Vec<UrlConfigReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}
