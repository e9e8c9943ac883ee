//! Managed policies.

use super::{Ask, date, encoded, refused, tag_list};
use lacewing_access::{NewPolicy, PolicyVersion, PolicyView};
use lacewing_lambda_api::{ApiError, ErrorCode, Xml};
use std::collections::BTreeMap;

type Done = Result<Option<Xml>, ApiError>;

pub(super) fn create(ask: &Ask) -> Done {
    let new = NewPolicy {
        name: ask.form.need("PolicyName")?,
        path: ask.form.owned("Path"),
        document: ask.form.need("PolicyDocument")?,
        description: ask.form.owned("Description"),
        tags: ask.form.tags(),
    };
    let policy = ask.access.create_policy(&ask.account, new, ask.now).map_err(refused)?;
    Ok(Some(Xml::new().element("Policy", shown(&policy))))
}

pub(super) fn get(ask: &Ask) -> Done {
    Ok(Some(Xml::new().element("Policy", shown(&found(ask)?))))
}

pub(super) fn list(ask: &Ask) -> Done {
    let (own, aws) = match ask.form.get("Scope").as_deref() {
        None | Some("All") => (true, true),
        Some("Local") => (true, false),
        Some("AWS") => (false, true),
        Some(_) => return Err(ApiError::new(ErrorCode::Validation, "Scope is All, AWS or Local.")),
    };
    let (attached, prefix) = (ask.form.is_true("OnlyAttached"), ask.form.owned("PathPrefix").unwrap_or_default());
    let policies = ask.access.policies(&ask.account, own, aws).into_iter();
    let policies = policies.filter(|one| (!attached || one.attached > 0) && one.record.path.starts_with(&prefix));
    let (policies, about) = ask.page(policies.collect())?;
    Ok(Some(about.list("Policies", policies.iter().map(shown))))
}

pub(super) fn delete(ask: &Ask) -> Done {
    ask.access.delete_policy(&ask.account, &ask.form.need("PolicyArn")?).map_err(refused)?;
    Ok(None)
}

pub(super) fn create_version(ask: &Ask) -> Done {
    let (arn, document) = (ask.form.need("PolicyArn")?, ask.form.need("PolicyDocument")?);
    let default = ask.form.is_true("SetAsDefault");
    let made = ask.access.create_policy_version(&ask.account, &arn, document, default, ask.now).map_err(refused)?;
    let policy = found(ask)?;
    let version = policy.record.versions.get(&made).ok_or_else(|| no_version(&arn))?;
    Ok(Some(Xml::new().element("PolicyVersion", shown_version(&policy, made, version))))
}

pub(super) fn get_version(ask: &Ask) -> Done {
    let (policy, number) = (found(ask)?, number(ask)?);
    let version = policy.record.versions.get(&number).ok_or_else(|| no_version(&policy.arn))?;
    let shown = shown_version(&policy, number, version).text("Document", &encoded(&version.document));
    Ok(Some(Xml::new().element("PolicyVersion", shown)))
}

pub(super) fn versions(ask: &Ask) -> Done {
    let policy = found(ask)?;
    let newest_first = policy.record.versions.iter().rev();
    let (versions, about) = ask.page(newest_first.collect())?;
    Ok(Some(about.list("Versions", versions.iter().map(|(number, version)| shown_version(&policy, **number, version)))))
}

pub(super) fn set_default(ask: &Ask) -> Done {
    let arn = ask.form.need("PolicyArn")?;
    ask.access.set_default_version(&ask.account, &arn, number(ask)?, ask.now).map_err(refused)?;
    Ok(None)
}

pub(super) fn delete_version(ask: &Ask) -> Done {
    ask.access.delete_policy_version(&ask.account, &ask.form.need("PolicyArn")?, number(ask)?).map_err(refused)?;
    Ok(None)
}

pub(super) fn tag(ask: &Ask) -> Done {
    let arn = ask.form.need("PolicyArn")?;
    ask.access.retag_policy(&ask.account, &arn, ask.form.tags(), &[]).map_err(refused)?;
    Ok(None)
}

pub(super) fn untag(ask: &Ask) -> Done {
    let (arn, keys) = (ask.form.need("PolicyArn")?, ask.form.members("TagKeys"));
    ask.access.retag_policy(&ask.account, &arn, BTreeMap::new(), &keys).map_err(refused)?;
    Ok(None)
}

pub(super) fn tags(ask: &Ask) -> Done {
    let (tags, about) = ask.page(tag_list(&found(ask)?.record.tags))?;
    Ok(Some(about.list("Tags", tags)))
}

/// Who has the policy.
pub(super) fn entities(ask: &Ask) -> Done {
    let arn = found(ask)?.arn;
    let users = ask.access.users(&ask.account).into_iter().filter(|user| user.grants.attached.contains(&arn));
    let users = users.map(|user| Xml::new().text("UserName", &user.name).text("UserId", &user.id));
    let roles = ask.access.roles(&ask.account).into_iter().filter(|role| role.grants.attached.contains(&arn));
    let roles = roles.map(|role| Xml::new().text("RoleName", &role.name).text("RoleId", &role.id));
    let about = Xml::new().text("IsTruncated", "false").list("PolicyGroups", []);
    Ok(Some(about.list("PolicyUsers", users).list("PolicyRoles", roles)))
}

fn found(ask: &Ask) -> Result<PolicyView, ApiError> {
    ask.access.policy(&ask.account, &ask.form.need("PolicyArn")?).map_err(refused)
}

/// `v1` is version 1.
fn number(ask: &Ask) -> Result<u32, ApiError> {
    let text = ask.form.need("VersionId")?;
    let number = text.strip_prefix('v').and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| ApiError::new(ErrorCode::Validation, "VersionId is v1, v2 and so on."))
}

fn no_version(arn: &str) -> ApiError {
    ApiError::new(ErrorCode::NoSuchEntity, format!("Policy {arn} version does not exist or is not attachable."))
}

fn shown(policy: &PolicyView) -> Xml {
    let record = &policy.record;
    let shown = Xml::new()
        .text("PolicyName", &record.name)
        .text("PolicyId", &record.id)
        .text("Arn", &policy.arn)
        .text("Path", &record.path)
        .text("DefaultVersionId", &format!("v{}", record.default))
        .text("AttachmentCount", &policy.attached.to_string())
        .text("PermissionsBoundaryUsageCount", &policy.bounding.to_string())
        .text("IsAttachable", "true")
        .maybe("Description", record.description.as_deref())
        .text("CreateDate", &date(record.created_ms))
        .text("UpdateDate", &date(record.updated_ms));
    if record.tags.is_empty() { shown } else { shown.list("Tags", tag_list(&record.tags)) }
}

fn shown_version(policy: &PolicyView, number: u32, version: &PolicyVersion) -> Xml {
    Xml::new()
        .text("VersionId", &format!("v{number}"))
        .text("IsDefaultVersion", if policy.record.default == number { "true" } else { "false" })
        .text("CreateDate", &date(version.created_ms))
}
