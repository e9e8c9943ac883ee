//! Layers: requests, references to layers and their versions, and replies.

use crate::{FunctionCode, ResolvedS3Object, Violations};
use serde::{Deserialize, Serialize};

pub(crate) const LAYER_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]{1,140}|[a-zA-Z0-9-_]{1,140})";
pub(crate) const LAYER_VERSION_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)";

/// `PublishLayerVersion`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct PublishLayerVersionRequest<'a> {
    #[serde(borrow)]
    pub content: Option<FunctionCode<'a>>,
    pub description: Option<String>,
    pub compatible_architectures: Option<Vec<String>>,
    pub compatible_runtimes: Option<Vec<String>>,
    pub license_info: Option<String>,
}

/// A layer, or one of its versions, as a request names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerReference<'a> {
    /// The region of the ARN.
    pub region: Option<&'a str>,
    /// The account of the ARN.
    pub account: Option<&'a str>,
    /// The layer's name.
    pub name: &'a str,
    /// The version's number; 0 for none.
    pub version: u64,
}

impl<'a> LayerReference<'a> {
    /// Reads a layer's name or ARN, noting in `violations` (at `layerName`) what is wrong with it.
    #[must_use]
    pub fn layer(text: &'a str, violations: &mut Violations) -> Self {
        violations.matches(text, "layerName", LAYER_PATTERN);
        Self::of_arn(text).unwrap_or(Self { name: text, ..Self::default() })
    }

    /// Reads the ARN of a version, noting in `violations` (at `path`) what is wrong with it.
    #[must_use]
    pub fn version(arn: &'a str, path: &str, violations: &mut Violations) -> Self {
        violations.matches(arn, path, LAYER_VERSION_PATTERN);
        Self::of_arn(arn).unwrap_or_default()
    }

    /// Reads the ARN of a layer or of a version; `None` for anything else.
    #[must_use]
    pub fn of_arn(arn: &'a str) -> Option<Self> {
        let mut parts = arn.strip_prefix("arn:")?.split(':').skip(2);
        let (region, account) = (parts.next()?, parts.next()?);
        let name = (parts.next()? == "layer").then(|| parts.next()).flatten()?;
        let version = parts.next().map_or(Some(0), |number| number.parse().ok())?;
        parts.next().is_none().then_some(Self { region: Some(region), account: Some(account), name, version })
    }
}

/// Notes what the model refuses of a function's layers.
pub fn check_layer_arns(arns: &[String], violations: &mut Violations) {
    let mut each = Violations::default();
    arns.iter().for_each(|arn| each.matches(arn, "layers", LAYER_VERSION_PATTERN));
    if each.text().is_some() {
        let rule = format!(
            "Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have \
             length greater than or equal to 1, Member must satisfy regular expression pattern: \
             {LAYER_VERSION_PATTERN}, Member must not be null]"
        );
        violations.add_members(Some(&format!("[{}]", arns.join(", "))), "layers", rule);
    }
}

/// A layer version: `PublishLayerVersion`, `GetLayerVersion`, `GetLayerVersionByArn`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct LayerVersionReply {
    pub content: LayerContentReply,
    pub layer_arn: String,
    #[serde(flatten)]
    pub item: LayerVersionItem,
}

/// Where a layer's package is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct LayerContentReply {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    pub code_sha256: String,
    pub code_size: u64,
    #[serde(rename = "ResolvedS3Object", skip_serializing_if = "Option::is_none")]
    pub resolved_s3_object: Option<ResolvedS3Object>,
}

/// A layer version in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct LayerVersionItem {
    pub layer_version_arn: String,
    pub version: u64,
    pub description: String,
    pub created_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compatible_architectures: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compatible_runtimes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license_info: Option<String>,
}

/// `ListLayerVersions`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct ListLayerVersionsReply {
    pub layer_versions: Vec<LayerVersionItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}

/// `ListLayers`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct ListLayersReply {
    pub layers: Vec<LayerItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}

/// A layer in a list, with the newest version that was asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct LayerItem {
    pub layer_name: String,
    pub layer_arn: String,
    pub latest_matching_version: LayerVersionItem,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_named_plainly_or_by_arn() {
        let arn = "arn:aws:lambda:us-east-1:000000000000:layer:l";
        let of = |text| {
            let mut violations = Violations::default();
            let found = LayerReference::layer(text, &mut violations);
            (found.account, found.name, found.version, violations.text().is_none())
        };
        assert_eq!(of("l"), (None, "l", 0, true));
        assert_eq!(of(arn), (Some("000000000000"), "l", 0, true));
        assert!(!of("a b").3 && !of("arn:aws:lambda:us-east-1:000000000000:layer:l:1").3);
        let version = format!("{arn}:7");
        let mut violations = Violations::default();
        assert_eq!(LayerReference::version(&version, "arn", &mut violations).version, 7);
        assert_eq!(violations.text(), None);
        assert_eq!(LayerReference::of_arn("arn:aws:lambda:us-east-1:000000000000:function:l"), None);
        assert_eq!(LayerReference::of_arn(&format!("{arn}:x")), None);
    }
}
