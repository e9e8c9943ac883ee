//! Roles.

use super::{Ask, boundary, date, encoded, refused, tag_list};
use lacewing_access::{NewRole, RoleRecord};
use lacewing_lambda_api::{ApiError, Xml};

type Done = Result<Option<Xml>, ApiError>;

pub(super) fn create(ask: &Ask) -> Done {
    let new = NewRole {
        name: ask.form.need("RoleName")?,
        path: ask.form.owned("Path"),
        trust: ask.form.need("AssumeRolePolicyDocument")?,
        description: ask.form.owned("Description"),
        session_seconds_max: ask.form.number("MaxSessionDuration")?,
        tags: ask.form.tags(),
        boundary: ask.form.owned("PermissionsBoundary"),
    };
    let role = ask.access.create_role(&ask.account, new, ask.now).map_err(refused)?;
    Ok(Some(Xml::new().element("Role", whole(ask, &role))))
}

pub(super) fn get(ask: &Ask) -> Done {
    let role = ask.access.role(&ask.account, &ask.form.need("RoleName")?).map_err(refused)?;
    Ok(Some(Xml::new().element("Role", whole(ask, &role).element("RoleLastUsed", Xml::new()))))
}

pub(super) fn list(ask: &Ask) -> Done {
    let prefix = ask.form.owned("PathPrefix").unwrap_or_default();
    let roles = ask.access.roles(&ask.account).into_iter().filter(|role| role.path.starts_with(&prefix));
    let (roles, about) = ask.page(roles.collect())?;
    Ok(Some(about.list("Roles", roles.iter().map(|role| listed(ask, role)))))
}

pub(super) fn update(ask: &Ask) -> Done {
    let name = ask.form.need("RoleName")?;
    let seconds = ask.form.number("MaxSessionDuration")?;
    ask.access.update_role(&ask.account, &name, ask.form.owned("Description"), seconds).map_err(refused)?;
    Ok(Some(Xml::new()))
}

pub(super) fn update_description(ask: &Ask) -> Done {
    let (name, description) = (ask.form.need("RoleName")?, ask.form.need("Description")?);
    let role = ask.access.update_role(&ask.account, &name, Some(description), None).map_err(refused)?;
    Ok(Some(Xml::new().element("Role", whole(ask, &role))))
}

pub(super) fn update_trust(ask: &Ask) -> Done {
    let (name, document) = (ask.form.need("RoleName")?, ask.form.need("PolicyDocument")?);
    ask.access.update_trust(&ask.account, &name, document).map_err(refused)?;
    Ok(None)
}

pub(super) fn delete(ask: &Ask) -> Done {
    ask.access.delete_role(&ask.account, &ask.form.need("RoleName")?).map_err(refused)?;
    Ok(None)
}

pub(super) fn tags(ask: &Ask) -> Done {
    let role = ask.access.role(&ask.account, &ask.form.need("RoleName")?).map_err(refused)?;
    let (tags, about) = ask.page(tag_list(&role.tags))?;
    Ok(Some(about.list("Tags", tags)))
}

/// There are no instances here; tools ask before they delete a role.
pub(super) fn instance_profiles(ask: &Ask) -> Done {
    ask.access.role(&ask.account, &ask.form.need("RoleName")?).map_err(refused)?;
    Ok(Some(Xml::new().text("IsTruncated", "false").list("InstanceProfiles", [])))
}

fn listed(ask: &Ask, role: &RoleRecord) -> Xml {
    Xml::new()
        .text("Path", &role.path)
        .text("RoleName", &role.name)
        .text("RoleId", &role.id)
        .text("Arn", &format!("arn:aws:iam::{}:role{}{}", ask.account, role.path, role.name))
        .text("CreateDate", &date(role.created_ms))
        .text("AssumeRolePolicyDocument", &encoded(&role.trust))
        .maybe("Description", role.description.as_deref())
        .text("MaxSessionDuration", &role.session_seconds_max.to_string())
}

fn whole(ask: &Ask, role: &RoleRecord) -> Xml {
    let shown = listed(ask, role).append(boundary(role.grants.boundary.as_deref()));
    if role.tags.is_empty() { shown } else { shown.list("Tags", tag_list(&role.tags)) }
}
