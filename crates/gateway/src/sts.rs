//! STS: who am I, and let me be another.

use crate::asked::Asked;
use crate::iam::date;
use crate::query::Form;
use crate::reply::{self, Reply};
use crate::{Gateway, refusals};
use lacewing_access::{AssumeRole, Assumed};
use lacewing_lambda_api::{ApiError, ErrorCode, Xml};

/// The names of all operations.
pub(crate) const NAMES: [&str; 3] = ["GetCallerIdentity", "AssumeRole", "GetAccessKeyInfo"];

/// PolicyArns that are looked at: more than a session may have.
const MANAGED_MAX: usize = 11;
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

pub(crate) fn answer(gateway: &Gateway, asked: &Asked<'_>, form: &Form) -> Result<Reply, ApiError> {
    let action = form.action()?;
    let result = match &*action {
        // Nobody can be forbidden to ask for this. Source: STS API, `GetCallerIdentity`.
        "GetCallerIdentity" => Xml::new()
            .text("Arn", &asked.caller.arn())
            .text("UserId", &asked.caller.user_id(&gateway.inner.access))
            .text("Account", asked.caller.account.as_str()),
        "AssumeRole" => assume_role(gateway, asked, form)?,
        "GetAccessKeyInfo" => {
            asked.permit_told(gateway, "sts:GetAccessKeyInfo", "*", &())?;
            let id = form.need("AccessKeyId")?;
            let account = gateway.inner.access.account_of_key(&id);
            let unknown = || ApiError::new(ErrorCode::Validation, "The access key is not one of this server's.");
            Xml::new().text("Account", account.ok_or_else(unknown)?.as_str())
        }
        other => {
            let text = format!("Lacewing does not implement sts:{other:.64}. There are {}.", NAMES.join(", "));
            return Err(ApiError::new(ErrorCode::InvalidAction, text));
        }
    };
    Ok(reply::xml(&action, NAMESPACE, Some(result)))
}

fn assume_role(gateway: &Gateway, asked: &Asked<'_>, form: &Form) -> Result<Xml, ApiError> {
    let (role, session) = (form.need("RoleArn")?, form.need("RoleSessionName")?);
    let (policy, external_id) = (form.owned("Policy"), form.owned("ExternalId"));
    for word in
        ["SourceIdentity", "TransitiveTagKeys.member.1", "SerialNumber", "ProvidedContexts.member.1.ProviderArn"]
    {
        if form.get(word).is_some() {
            let text = format!("Lacewing does not implement {word} of AssumeRole: leave it out.");
            return Err(ApiError::new(ErrorCode::Validation, text));
        }
    }
    let managed: Vec<String> =
        (1..=MANAGED_MAX).map_while(|n| form.owned(&format!("PolicyArns.member.{n}.arn"))).collect();
    let tags = form.tags();
    let ask = AssumeRole {
        role: &role,
        session: &session,
        seconds: form.number("DurationSeconds")?,
        policy: policy.as_deref(),
        external_id: external_id.as_deref(),
        managed: &managed,
        tags: &tags,
    };
    let access = &gateway.inner.access;
    let assumed = access.assume_role(asked.caller, &ask, &asked.facts(gateway)).map_err(refusals::assume)?;
    let Assumed { credentials, expires, arn, id } = assumed;
    let credentials = Xml::new()
        .text("AccessKeyId", &credentials.access_key_id)
        .text("SecretAccessKey", &credentials.secret_access_key)
        .text("SessionToken", &credentials.session_token)
        .text("Expiration", &date(expires.0));
    let user = Xml::new().text("AssumedRoleId", &id).text("Arn", &arn);
    Ok(Xml::new().element("Credentials", credentials).element("AssumedRoleUser", user))
}
