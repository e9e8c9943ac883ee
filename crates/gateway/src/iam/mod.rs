//! IAM, as far as tools need it to give functions their roles and people their keys.
//!
//! One table names each operation, what it is asked of and what runs it. Changes wait for the disk, so all of them run
//! where blocking is allowed.

mod holders;
mod policies;
mod roles;
mod users;

use crate::answer::blocking;
use crate::asked::Asked;
use crate::query::Form;
use crate::reply::{self, Reply};
use crate::told::Told;
use crate::{Gateway, refusals};
use lacewing_access::{Access, Holder, IdentityError, Principal};
use lacewing_lambda_api::{ApiError, ErrorCode, Xml};
use lacewing_model::{AccountId, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;

const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
/// Items on a page. Source: IAM API, `MaxItems`.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1_000;
/// Documents travel encoded inside of XML. Source: IAM API, `GetRolePolicy` (RFC 3986).
const DOCUMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One operation's request.
struct Ask {
    access: Access,
    account: AccountId,
    form: Form,
    now: Timestamp,
    /// The user that asks: some operations mean it where none is named.
    user: Option<String>,
    /// True where the account's root key asks.
    is_root: bool,
    /// What the operation is asked of: a form may name more than its operation has to do with.
    of: Of,
}

type Run = fn(&Ask) -> Result<Option<Xml>, ApiError>;

/// What an operation is asked of; permissions are given for its ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Role,
    User,
    Policy,
    /// A policy that is to be made.
    NewPolicy,
    All,
}

const OPERATIONS: [(&str, Of, Run); 55] = [
    ("AttachRolePolicy", Of::Role, holders::attach),
    ("AttachUserPolicy", Of::User, holders::attach),
    ("CreateAccessKey", Of::User, users::create_key),
    ("CreatePolicy", Of::NewPolicy, policies::create),
    ("CreatePolicyVersion", Of::Policy, policies::create_version),
    ("CreateRole", Of::Role, roles::create),
    ("CreateUser", Of::User, users::create),
    ("DeleteAccessKey", Of::User, users::delete_key),
    ("DeletePolicy", Of::Policy, policies::delete),
    ("DeletePolicyVersion", Of::Policy, policies::delete_version),
    ("DeleteRole", Of::Role, roles::delete),
    ("DeleteRolePermissionsBoundary", Of::Role, holders::delete_boundary),
    ("DeleteRolePolicy", Of::Role, holders::delete_inline),
    ("DeleteUser", Of::User, users::delete),
    ("DeleteUserPermissionsBoundary", Of::User, holders::delete_boundary),
    ("DeleteUserPolicy", Of::User, holders::delete_inline),
    ("DetachRolePolicy", Of::Role, holders::detach),
    ("DetachUserPolicy", Of::User, holders::detach),
    ("GetPolicy", Of::Policy, policies::get),
    ("GetPolicyVersion", Of::Policy, policies::get_version),
    ("GetRole", Of::Role, roles::get),
    ("GetRolePolicy", Of::Role, holders::get_inline),
    ("GetUser", Of::User, users::get),
    ("GetUserPolicy", Of::User, holders::get_inline),
    ("ListAccessKeys", Of::User, users::list_keys),
    ("ListAccountAliases", Of::All, users::aliases),
    ("ListAttachedRolePolicies", Of::Role, holders::list_attached),
    ("ListAttachedUserPolicies", Of::User, holders::list_attached),
    ("ListEntitiesForPolicy", Of::Policy, policies::entities),
    ("ListGroupsForUser", Of::User, users::groups),
    ("ListInstanceProfilesForRole", Of::Role, roles::instance_profiles),
    ("ListPolicies", Of::All, policies::list),
    ("ListPolicyTags", Of::Policy, policies::tags),
    ("ListPolicyVersions", Of::Policy, policies::versions),
    ("ListRolePolicies", Of::Role, holders::list_inline),
    ("ListRoleTags", Of::Role, roles::tags),
    ("ListRoles", Of::All, roles::list),
    ("ListUserPolicies", Of::User, holders::list_inline),
    ("ListUserTags", Of::User, users::tags),
    ("ListUsers", Of::All, users::list),
    ("PutRolePermissionsBoundary", Of::Role, holders::put_boundary),
    ("PutRolePolicy", Of::Role, holders::put_inline),
    ("PutUserPermissionsBoundary", Of::User, holders::put_boundary),
    ("PutUserPolicy", Of::User, holders::put_inline),
    ("SetDefaultPolicyVersion", Of::Policy, policies::set_default),
    ("TagPolicy", Of::Policy, policies::tag),
    ("TagRole", Of::Role, holders::tag),
    ("TagUser", Of::User, holders::tag),
    ("UntagPolicy", Of::Policy, policies::untag),
    ("UntagRole", Of::Role, holders::untag),
    ("UntagUser", Of::User, holders::untag),
    ("UpdateAccessKey", Of::User, users::update_key),
    ("UpdateAssumeRolePolicy", Of::Role, roles::update_trust),
    ("UpdateRole", Of::Role, roles::update),
    ("UpdateRoleDescription", Of::Role, roles::update_description),
];

/// The names of all operations, as requests name them.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    OPERATIONS.iter().map(|(name, _, _)| *name)
}

pub(crate) async fn answer(gateway: &Gateway, asked: &Asked<'_>, form: Form) -> Result<Reply, ApiError> {
    let action = form.action()?.into_owned();
    let Some((action, of, run)) = OPERATIONS.into_iter().find(|(name, _, _)| *name == action) else {
        let text =
            format!("Lacewing does not implement iam:{action:.64}. It has what tools need for roles of functions.");
        return Err(ApiError::new(ErrorCode::InvalidAction, text));
    };
    let user = match &asked.caller.principal {
        Principal::User { name, .. } => Some(name.to_string()),
        _ => None,
    };
    let access = gateway.inner.access.clone();
    let is_root = asked.caller.principal == Principal::Root;
    let ask = Ask { access, account: asked.caller.account.clone(), form, now: asked.now, user, is_root, of };
    permit(gateway, asked, &ask, action)?;
    blocking(move || Ok(reply::xml(action, NAMESPACE, run(&ask)?))).await
}

/// Checks that the caller may.
fn permit(gateway: &Gateway, asked: &Asked<'_>, ask: &Ask, action: &str) -> Result<(), ApiError> {
    let form = &ask.form;
    let (policy, sent) = (form.get("PolicyArn"), form.get("PermissionsBoundary"));
    let (tags, keys) = (form.tags(), form.members("TagKeys"));
    let lying = ask.lying();
    // Only what the operation reads counts: anyone can send more.
    let policy = policy.filter(|_| action.starts_with("Attach") || action.starts_with("Detach"));
    let gives = ["CreateRole", "CreateUser", "PutRolePermissionsBoundary", "PutUserPermissionsBoundary"];
    let boundary = if gives.contains(&action) { sent.as_deref() } else { lying.boundary.as_deref() };
    let told = Told::new().one("iam:policyarn", policy.as_deref()).one("iam:permissionsboundary", boundary);
    let told = if action.starts_with("Create") || action.starts_with("Tag") { told.tags(&tags) } else { told };
    let told = if action.starts_with("Untag") { told.tag_keys(&keys) } else { told };
    asked.permit_told(gateway, &format!("iam:{action}"), &lying.arn, &told.tagged(&lying.tags).iam_tagged(&lying.tags))
}

/// What an operation is asked of, as it is before.
struct Lying {
    arn: String,
    tags: BTreeMap<String, String>,
    boundary: Option<String>,
}

impl Ask {
    /// The role, user or policy, with the ARN that permissions are given for.
    fn lying(&self) -> Lying {
        let account = &self.account;
        // What is not there yet has the path that it is to get.
        let absent = |kind: &str, name: &str| {
            let path = self.form.owned("Path").unwrap_or_else(|| "/".to_owned());
            let arn = format!("arn:aws:iam::{account}:{kind}{path}{name}");
            Lying { arn, tags: BTreeMap::new(), boundary: None }
        };
        let there = |kind: &str, path: &str, name: &str, tags: BTreeMap<_, _>, boundary: Option<String>| Lying {
            arn: format!("arn:aws:iam::{account}:{kind}{path}{name}"),
            tags,
            boundary,
        };
        let named = |key: &str| self.form.owned(key).unwrap_or_default();
        match self.of {
            Of::All => Lying { arn: "*".to_owned(), tags: BTreeMap::new(), boundary: None },
            Of::Role => match self.access.role(account, &named("RoleName")) {
                Ok(role) => there("role", &role.path, &role.name, role.tags, role.grants.boundary),
                Err(_) => absent("role", &named("RoleName")),
            },
            Of::User => {
                let name = self.form.owned("UserName").or_else(|| self.user.clone()).unwrap_or_default();
                match self.access.user(account, &name) {
                    Ok(user) => there("user", &user.path, &user.name, user.tags, user.grants.boundary),
                    Err(_) => absent("user", &name),
                }
            }
            Of::NewPolicy => absent("policy", &named("PolicyName")),
            Of::Policy => {
                let arn = named("PolicyArn");
                let tags = self.access.policy(account, &arn).map(|policy| policy.record.tags).unwrap_or_default();
                Lying { arn, tags, boundary: None }
            }
        }
    }

    /// The role or the user that the operation is for; a user that asks about itself need not be named.
    fn holder<T>(&self, work: impl FnOnce(Holder<'_>) -> Result<T, IdentityError>) -> Result<T, ApiError> {
        let done = match self.of {
            Of::Role => work(Holder::Role(&self.form.need("RoleName")?)),
            Of::User | Of::All | Of::Policy | Of::NewPolicy => work(Holder::User(&self.user_name()?)),
        };
        done.map_err(|error| refusals::identity(&error))
    }

    fn user_name(&self) -> Result<String, ApiError> {
        let text = "Must specify userName when calling with non-User credentials";
        let named = self.form.owned("UserName").or_else(|| self.user.clone());
        named.ok_or_else(|| ApiError::new(ErrorCode::Validation, text))
    }

    /// The part of `all` that a page shows, and what tells where the next begins.
    fn page<T>(&self, all: Vec<T>) -> Result<(Vec<T>, Xml), ApiError> {
        let max = self.form.number("MaxItems")?.map_or(PAGE, |max| (max as usize).clamp(1, PAGE_MAX));
        let from = self.form.number("Marker")?.unwrap_or_default() as usize;
        let more = all.len() > from.saturating_add(max);
        let end = if more { Some((from + max).to_string()) } else { None };
        let page = all.into_iter().skip(from).take(max).collect();
        let about = Xml::new().text("IsTruncated", if more { "true" } else { "false" });
        Ok((page, about.maybe("Marker", end.as_deref())))
    }
}

/// Milliseconds since 1970 as IAM writes a time.
pub(crate) fn date(millis: u64) -> String {
    let stamp = jiff::Timestamp::from_second(i64::try_from(millis / 1_000).unwrap_or(i64::MAX));
    stamp.map(|stamp| stamp.to_string()).unwrap_or_default()
}

fn encoded(document: &str) -> String {
    utf8_percent_encode(document, DOCUMENT).to_string()
}

fn tag_list(tags: &BTreeMap<String, String>) -> Vec<Xml> {
    tags.iter().map(|(key, value)| Xml::new().text("Key", key).text("Value", value)).collect()
}

fn boundary(arn: Option<&str>) -> Xml {
    let Some(arn) = arn else { return Xml::new() };
    let inside = Xml::new().text("PermissionsBoundaryType", "Policy").text("PermissionsBoundaryArn", arn);
    Xml::new().element("PermissionsBoundary", inside)
}

fn refused(error: IdentityError) -> ApiError {
    refusals::identity(&error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_stand_in_order() {
        assert!(OPERATIONS.is_sorted_by(|(one, _, _), (next, _, _)| one < next));
    }

    #[test]
    fn documents_and_dates_are_written_as_iam_does() {
        assert_eq!(encoded(r#"{"A": "é"}"#), "%7B%22A%22%3A%20%22%C3%A9%22%7D");
        assert_eq!(date(1_795_489_200_123), "2026-11-24T03:00:00Z");
    }
}
