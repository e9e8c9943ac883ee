//! What is done to users and roles alike: their policies, their boundary, their tags.

use super::{Ask, encoded};
use lacewing_access::Holder;
use lacewing_lambda_api::{ApiError, Xml};

type Done = Result<Option<Xml>, ApiError>;

pub(super) fn put_inline(ask: &Ask) -> Done {
    let (name, document) = (ask.form.need("PolicyName")?, ask.form.need("PolicyDocument")?);
    ask.holder(|holder| ask.access.put_inline_policy(&ask.account, holder, &name, &document))?;
    Ok(None)
}

pub(super) fn get_inline(ask: &Ask) -> Done {
    let name = ask.form.need("PolicyName")?;
    ask.holder(|holder| {
        let document = ask.access.inline_policy(&ask.account, holder, &name)?;
        let bearer = match holder {
            Holder::User(user) => Xml::new().text("UserName", user),
            Holder::Role(role) => Xml::new().text("RoleName", role),
        };
        Ok(Some(bearer.text("PolicyName", &name).text("PolicyDocument", &encoded(&document))))
    })
}

pub(super) fn delete_inline(ask: &Ask) -> Done {
    let name = ask.form.need("PolicyName")?;
    ask.holder(|holder| ask.access.delete_inline_policy(&ask.account, holder, &name))?;
    Ok(None)
}

pub(super) fn list_inline(ask: &Ask) -> Done {
    let grants = ask.holder(|holder| ask.access.grants(&ask.account, holder))?;
    let (names, about) = ask.page(grants.inline.into_keys().collect())?;
    Ok(Some(about.texts("PolicyNames", names.iter().map(String::as_str))))
}

pub(super) fn attach(ask: &Ask) -> Done {
    let arn = ask.form.need("PolicyArn")?;
    ask.holder(|holder| ask.access.attach_policy(&ask.account, holder, &arn))?;
    Ok(None)
}

pub(super) fn detach(ask: &Ask) -> Done {
    let arn = ask.form.need("PolicyArn")?;
    ask.holder(|holder| ask.access.detach_policy(&ask.account, holder, &arn))?;
    Ok(None)
}

pub(super) fn list_attached(ask: &Ask) -> Done {
    let grants = ask.holder(|holder| ask.access.grants(&ask.account, holder))?;
    let (arns, about) = ask.page(grants.attached)?;
    let shown = |arn: &String| {
        let name = arn.rsplit('/').next().unwrap_or_default();
        Xml::new().text("PolicyName", name).text("PolicyArn", arn)
    };
    Ok(Some(about.list("AttachedPolicies", arns.iter().map(shown))))
}

pub(super) fn put_boundary(ask: &Ask) -> Done {
    let arn = ask.form.need("PermissionsBoundary")?;
    ask.holder(|holder| ask.access.set_boundary(&ask.account, holder, Some(&arn)))?;
    Ok(None)
}

pub(super) fn delete_boundary(ask: &Ask) -> Done {
    ask.holder(|holder| ask.access.set_boundary(&ask.account, holder, None))?;
    Ok(None)
}

pub(super) fn tag(ask: &Ask) -> Done {
    ask.holder(|holder| ask.access.retag(&ask.account, holder, ask.form.tags(), &[]))?;
    Ok(None)
}

pub(super) fn untag(ask: &Ask) -> Done {
    let keys = ask.form.members("TagKeys");
    ask.holder(|holder| ask.access.retag(&ask.account, holder, std::collections::BTreeMap::new(), &keys))?;
    Ok(None)
}
