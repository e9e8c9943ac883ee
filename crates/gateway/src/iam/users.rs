//! Users and their access keys.

use super::{Ask, boundary, date, refused, tag_list};
use lacewing_access::{KeyRecord, NewUser, UserRecord};
use lacewing_lambda_api::{ApiError, ErrorCode, Xml};

type Done = Result<Option<Xml>, ApiError>;

pub(super) fn create(ask: &Ask) -> Done {
    let new = NewUser {
        name: ask.form.need("UserName")?,
        path: ask.form.owned("Path"),
        tags: ask.form.tags(),
        boundary: ask.form.owned("PermissionsBoundary"),
    };
    let user = ask.access.create_user(&ask.account, new, ask.now).map_err(refused)?;
    Ok(Some(Xml::new().element("User", shown(ask, &user))))
}

/// Without a name: whoever asks. A root key is told of the account.
pub(super) fn get(ask: &Ask) -> Done {
    if ask.form.get("UserName").is_none() && ask.is_root {
        let account = &ask.account;
        let root = Xml::new()
            .text("UserId", account.as_str())
            .text("Arn", &format!("arn:aws:iam::{account}:root"))
            .text("CreateDate", &date(0));
        return Ok(Some(Xml::new().element("User", root)));
    }
    let user = ask.access.user(&ask.account, &ask.user_name()?).map_err(refused)?;
    Ok(Some(Xml::new().element("User", shown(ask, &user))))
}

pub(super) fn list(ask: &Ask) -> Done {
    let prefix = ask.form.owned("PathPrefix").unwrap_or_default();
    let users = ask.access.users(&ask.account).into_iter().filter(|user| user.path.starts_with(&prefix));
    let (users, about) = ask.page(users.collect())?;
    Ok(Some(about.list("Users", users.iter().map(|user| shown(ask, user)))))
}

pub(super) fn delete(ask: &Ask) -> Done {
    ask.access.delete_user(&ask.account, &ask.form.need("UserName")?).map_err(refused)?;
    Ok(None)
}

pub(super) fn tags(ask: &Ask) -> Done {
    let user = ask.access.user(&ask.account, &ask.user_name()?).map_err(refused)?;
    let (tags, about) = ask.page(tag_list(&user.tags))?;
    Ok(Some(about.list("Tags", tags)))
}

/// There are no groups; tools ask before they delete a user.
pub(super) fn groups(ask: &Ask) -> Done {
    ask.access.user(&ask.account, &ask.user_name()?).map_err(refused)?;
    Ok(Some(Xml::new().text("IsTruncated", "false").list("Groups", [])))
}

/// There are no aliases; tools ask all the same.
pub(super) fn aliases(_: &Ask) -> Done {
    Ok(Some(Xml::new().text("IsTruncated", "false").list("AccountAliases", [])))
}

pub(super) fn create_key(ask: &Ask) -> Done {
    let name = ask.user_name()?;
    let (key, secret) = ask.access.create_key(&ask.account, Some(&name), ask.now).map_err(refused)?;
    let shown = Xml::new()
        .text("UserName", &name)
        .text("AccessKeyId", &key.id)
        .text("Status", "Active")
        .text("SecretAccessKey", &secret)
        .text("CreateDate", &date(key.created_ms));
    Ok(Some(Xml::new().element("AccessKey", shown)))
}

pub(super) fn list_keys(ask: &Ask) -> Done {
    let name = ask.user_name()?;
    let keys = ask.access.keys(&ask.account, Some(&name)).map_err(refused)?;
    let (keys, about) = ask.page(keys)?;
    let shown = |key: &KeyRecord| {
        Xml::new()
            .text("UserName", &name)
            .text("AccessKeyId", &key.id)
            .text("Status", if key.active { "Active" } else { "Inactive" })
            .text("CreateDate", &date(key.created_ms))
    };
    Ok(Some(about.list("AccessKeyMetadata", keys.iter().map(shown))))
}

pub(super) fn update_key(ask: &Ask) -> Done {
    let (name, id) = (ask.user_name()?, ask.form.need("AccessKeyId")?);
    let active = match &*ask.form.need("Status")? {
        "Active" => true,
        "Inactive" => false,
        _ => return Err(ApiError::new(ErrorCode::Validation, "Status is Active or Inactive.")),
    };
    ask.access.set_key_active(&ask.account, Some(&name), &id, active).map_err(refused)?;
    Ok(None)
}

pub(super) fn delete_key(ask: &Ask) -> Done {
    let (name, id) = (ask.user_name()?, ask.form.need("AccessKeyId")?);
    ask.access.delete_key(&ask.account, Some(&name), &id).map_err(refused)?;
    Ok(None)
}

fn shown(ask: &Ask, user: &UserRecord) -> Xml {
    let shown = Xml::new()
        .text("Path", &user.path)
        .text("UserName", &user.name)
        .text("UserId", &user.id)
        .text("Arn", &format!("arn:aws:iam::{}:user{}{}", ask.account, user.path, user.name))
        .text("CreateDate", &date(user.created_ms))
        .append(boundary(user.grants.boundary.as_deref()));
    if user.tags.is_empty() { shown } else { shown.list("Tags", tag_list(&user.tags)) }
}
