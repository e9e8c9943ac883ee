//! Roles and their policies.

use super::named;
use super::properties::Properties;
use crate::stack::resolve::text;
use crate::stack::template::Place;
use serde_json::Value;

#[derive(Debug)]
pub(in crate::stack) struct RoleWish {
    pub name: String,
    pub path: String,
    pub description: String,
    pub trust: Value,
    /// ARNs of managed policies.
    pub managed: Vec<String>,
    /// Inline policies, by name.
    pub inline: Vec<(String, Value)>,
    pub boundary: Option<String>,
    pub session_seconds: Option<u64>,
    pub tags: Vec<(String, String)>,
}

impl RoleWish {
    pub(in crate::stack) fn arn(&self, place: &Place) -> String {
        format!("arn:aws:iam::{}:role{}{}", place.account, self.path, self.name)
    }
}

#[derive(Debug)]
pub(in crate::stack) struct ManagedPolicyWish {
    pub name: String,
    pub path: String,
    pub description: String,
    pub document: Value,
    pub roles: Vec<String>,
}

impl ManagedPolicyWish {
    pub(in crate::stack) fn arn(&self, place: &Place) -> String {
        format!("arn:aws:iam::{}:policy{}{}", place.account, self.path, self.name)
    }
}

pub(super) fn role(logical: &str, read: Properties<'_>, place: &Place) -> Result<RoleWish, String> {
    let mut inline = Vec::new();
    for policy in read.get("Policies").and_then(Value::as_array).into_iter().flatten() {
        let policy = Properties(policy);
        inline.push((policy.must("PolicyName")?, policy.document("PolicyDocument")?));
    }
    let tags = super::tags(read, place).into_iter();
    Ok(RoleWish {
        name: named(read.text("RoleName"), logical, place),
        path: read.text("Path").unwrap_or_else(|| "/".to_owned()),
        description: read.text("Description").unwrap_or_default(),
        trust: read.document("AssumeRolePolicyDocument")?,
        managed: read.texts("ManagedPolicyArns"),
        inline,
        boundary: read.text("PermissionsBoundary"),
        session_seconds: read.number("MaxSessionDuration")?,
        tags: tags.map(|(key, value)| (key, text(&value))).collect(),
    })
}

pub(super) fn managed_policy(logical: &str, read: Properties<'_>, place: &Place) -> Result<ManagedPolicyWish, String> {
    Ok(ManagedPolicyWish {
        name: named(read.text("ManagedPolicyName"), logical, place),
        path: read.text("Path").unwrap_or_else(|| "/".to_owned()),
        description: read.text("Description").unwrap_or_default(),
        document: read.document("PolicyDocument")?,
        roles: read.texts("Roles"),
    })
}
