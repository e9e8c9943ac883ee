//! Roles and policies, made by IAM.

use super::Change;
use crate::client::{Client, IamReply};
use crate::failure::Failure;
use crate::stack::wish::{ManagedPolicyWish, RoleWish};
use serde_json::Value;
use std::collections::BTreeSet;

/// How long a session lasts where a role does not say, seconds. Source: IAM API, `MaxSessionDuration`.
const SESSION_SECONDS_USUAL: u64 = 3_600;

/// What other resources of the template give to roles, by role and name or ARN: not taken away when the role itself is made.
#[derive(Debug, Default)]
pub(in crate::stack) struct Kept {
    pub inline: BTreeSet<(String, String)>,
    pub managed: BTreeSet<(String, String)>,
}

/// Creates a role or changes it. What it may do beyond the template is taken from it.
pub(in crate::stack) async fn role(client: &mut Client, wish: &RoleWish, kept: &Kept) -> Result<Change, Failure> {
    let name = wish.name.as_str();
    let trust = wish.trust.to_string();
    let mut change = Change::Unchanged;
    match client.iam("GetRole", &[("RoleName", name)]).await {
        Err(failure) if failure.is("NoSuchEntity") => {
            create(client, wish, &trust).await?;
            change = Change::Created;
        }
        Err(failure) => return Err(failure.into()),
        Ok(existing) => {
            if existing.document("AssumeRolePolicyDocument").as_ref() != Some(&wish.trust) {
                let ask = [("RoleName", name), ("PolicyDocument", trust.as_str())];
                client.iam("UpdateAssumeRolePolicy", &ask).await?;
                change = Change::Updated;
            }
            if settings(client, wish, &existing).await? {
                change = Change::Updated;
            }
        }
    }
    let changed = attached(client, wish, kept).await? | inlined(client, wish, kept).await?;
    Ok(if changed && change == Change::Unchanged { Change::Updated } else { change })
}

/// Changes what else a role says of itself; true where that changed something.
async fn settings(client: &mut Client, wish: &RoleWish, existing: &IamReply) -> Result<bool, Failure> {
    let role = ("RoleName", wish.name.as_str());
    let mut changed = false;
    let seconds = wish.session_seconds.unwrap_or(SESSION_SECONDS_USUAL).to_string();
    let said = |name: &str| existing.text(name).unwrap_or_default();
    if said("Description") != wish.description || said("MaxSessionDuration") != seconds {
        let ask = [role, ("Description", wish.description.as_str()), ("MaxSessionDuration", seconds.as_str())];
        client.iam("UpdateRole", &ask).await?;
        changed = true;
    }
    if existing.text("PermissionsBoundaryArn") != wish.boundary {
        match &wish.boundary {
            Some(arn) => client.iam("PutRolePermissionsBoundary", &[role, ("PermissionsBoundary", arn)]).await?,
            None => client.iam("DeleteRolePermissionsBoundary", &[role]).await?,
        };
        changed = true;
    }
    let has: Vec<(String, String)> = existing.texts("Key").into_iter().zip(existing.texts("Value")).collect();
    if wish.tags.iter().any(|tag| !has.contains(tag)) {
        let tags = tag_parameters(&wish.tags);
        let ask: Vec<(&str, &str)> = [role].into_iter().chain(pairs(&tags)).collect();
        client.iam("TagRole", &ask).await?;
        changed = true;
    }
    Ok(changed)
}

fn tag_parameters(tags: &[(String, String)]) -> Vec<(String, String)> {
    let one = |(at, (key, value)): (usize, &(String, String))| {
        let name = |part: &str| format!("Tags.member.{}.{part}", at + 1);
        [(name("Key"), key.clone()), (name("Value"), value.clone())]
    };
    tags.iter().enumerate().flat_map(one).collect()
}

fn pairs(owned: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    owned.iter().map(|(key, value)| (key.as_str(), value.as_str()))
}

async fn create(client: &mut Client, wish: &RoleWish, trust: &str) -> Result<(), Failure> {
    let seconds = wish.session_seconds.map(|seconds| seconds.to_string());
    let mut ask = vec![
        ("RoleName", wish.name.as_str()),
        ("Path", wish.path.as_str()),
        ("AssumeRolePolicyDocument", trust),
        ("Description", wish.description.as_str()),
    ];
    ask.extend(wish.boundary.as_deref().map(|arn| ("PermissionsBoundary", arn)));
    ask.extend(seconds.as_deref().map(|seconds| ("MaxSessionDuration", seconds)));
    let tags = tag_parameters(&wish.tags);
    ask.extend(pairs(&tags));
    client.iam("CreateRole", &ask).await?;
    Ok(())
}

/// Attaches the managed policies that are asked for, and no others; true where that changed something.
async fn attached(client: &mut Client, wish: &RoleWish, kept: &Kept) -> Result<bool, Failure> {
    let role = ("RoleName", wish.name.as_str());
    let has = client.iam("ListAttachedRolePolicies", &[role]).await?.texts("PolicyArn");
    let mut changed = false;
    for arn in wish.managed.iter().filter(|arn| !has.contains(arn)) {
        client.iam("AttachRolePolicy", &[role, ("PolicyArn", arn)]).await?;
        changed = true;
    }
    for arn in has.iter().filter(|arn| !wish.managed.contains(arn)) {
        if !kept.managed.contains(&(wish.name.clone(), arn.clone())) {
            client.iam("DetachRolePolicy", &[role, ("PolicyArn", arn)]).await?;
            changed = true;
        }
    }
    Ok(changed)
}

async fn inlined(client: &mut Client, wish: &RoleWish, kept: &Kept) -> Result<bool, Failure> {
    let role = ("RoleName", wish.name.as_str());
    let has = client.iam("ListRolePolicies", &[role]).await?.texts("member");
    let mut changed = false;
    for (name, document) in &wish.inline {
        changed |= put(client, &wish.name, name, document).await?;
    }
    for name in has.iter().filter(|name| !wish.inline.iter().any(|(wanted, _)| wanted == *name)) {
        if !kept.inline.contains(&(wish.name.clone(), name.clone())) {
            client.iam("DeleteRolePolicy", &[role, ("PolicyName", name)]).await?;
            changed = true;
        }
    }
    Ok(changed)
}

/// Puts an inline policy, unless the role has it; true where that changed something.
async fn put(client: &mut Client, role: &str, name: &str, document: &Value) -> Result<bool, Failure> {
    let which = [("RoleName", role), ("PolicyName", name)];
    match client.iam("GetRolePolicy", &which).await {
        Ok(has) if has.document("PolicyDocument").as_ref() == Some(document) => return Ok(false),
        Err(failure) if !failure.is("NoSuchEntity") => return Err(failure.into()),
        _ => {}
    }
    let text = document.to_string();
    client.iam("PutRolePolicy", &[which[0], which[1], ("PolicyDocument", &text)]).await?;
    Ok(true)
}

pub(in crate::stack) async fn inline_policy(
    client: &mut Client,
    name: &str,
    document: &Value,
    roles: &[String],
) -> Result<Change, Failure> {
    let mut changed = false;
    for role in roles {
        changed |= put(client, role, name, document).await?;
    }
    Ok(if changed { Change::Updated } else { Change::Unchanged })
}

/// Creates a managed policy or gives it a new version, and attaches it.
pub(in crate::stack) async fn managed_policy(
    client: &mut Client,
    wish: &ManagedPolicyWish,
    arn: &str,
) -> Result<Change, Failure> {
    let text = wish.document.to_string();
    let change = match client.iam("GetPolicy", &[("PolicyArn", arn)]).await {
        Err(failure) if failure.is("NoSuchEntity") => {
            let ask = [
                ("PolicyName", wish.name.as_str()),
                ("Path", wish.path.as_str()),
                ("Description", wish.description.as_str()),
                ("PolicyDocument", text.as_str()),
            ];
            client.iam("CreatePolicy", &ask).await?;
            Change::Created
        }
        Err(failure) => return Err(failure.into()),
        Ok(existing) => {
            let version = existing.text("DefaultVersionId").unwrap_or_default();
            let ask = [("PolicyArn", arn), ("VersionId", version.as_str())];
            let has = client.iam("GetPolicyVersion", &ask).await?;
            if has.document("Document").as_ref() == Some(&wish.document) {
                Change::Unchanged
            } else {
                renew(client, arn, &text).await?;
                Change::Updated
            }
        }
    };
    for role in &wish.roles {
        client.iam("AttachRolePolicy", &[("RoleName", role), ("PolicyArn", arn)]).await?;
    }
    Ok(change)
}

/// A new version; the oldest makes room for it. Source: IAM quotas, "Managed policy versions".
async fn renew(client: &mut Client, arn: &str, document: &str) -> Result<(), Failure> {
    const VERSIONS_MAX: usize = 5;
    let listed = client.iam("ListPolicyVersions", &[("PolicyArn", arn)]).await?.texts("VersionId");
    let number = |version: &String| version.trim_start_matches('v').parse::<u64>().unwrap_or(u64::MAX);
    if listed.len() >= VERSIONS_MAX
        && let Some(oldest) = listed.iter().min_by_key(|version| number(version))
    {
        client.iam("DeletePolicyVersion", &[("PolicyArn", arn), ("VersionId", oldest)]).await?;
    }
    let ask = [("PolicyArn", arn), ("PolicyDocument", document), ("SetAsDefault", "true")];
    client.iam("CreatePolicyVersion", &ask).await?;
    Ok(())
}
