//! Forms and limits of names, texts and numbers. Source: IAM API reference; "IAM and AWS STS quotas".

use super::IdentityError;
use lacewing_model::AccountId;
use lacewing_store::identities::Grants;
use std::collections::BTreeMap;

/// Users of an account.
pub(crate) const USERS_MAX: usize = 5_000;
/// Roles of an account.
pub(crate) const ROLES_MAX: usize = 5_000;
/// Managed policies of an account.
pub(crate) const POLICIES_MAX: usize = 1_500;
/// Versions of a managed policy.
pub(crate) const VERSIONS_MAX: usize = 5;
/// Managed policies of one user or role.
pub(crate) const ATTACHED_MAX: usize = 20;
/// Access keys of one user.
pub(crate) const USER_KEYS_MAX: usize = 2;
/// Root keys of one account.
pub(crate) const ROOT_KEYS_MAX: usize = 100;
/// Tags of one identity.
pub(crate) const TAGS_MAX: usize = 50;
/// Characters of a managed policy, blanks not counted.
pub(crate) const MANAGED_CHARACTERS_MAX: usize = 6_144;
/// Characters of all inline policies of a user together, blanks not counted.
pub(crate) const USER_INLINE_CHARACTERS_MAX: usize = 2_048;
/// The same of a role.
pub(crate) const ROLE_INLINE_CHARACTERS_MAX: usize = 10_240;
/// Characters of a trust policy, blanks not counted.
pub(crate) const TRUST_CHARACTERS_MAX: usize = 4_096;

/// `arn:aws:iam::ACCOUNT:KIND/PATH/NAME`.
pub(crate) fn path_arn(account: &AccountId, kind: &str, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:{kind}{path}{name}")
}

/// A name: 1 to `max` of `[A-Za-z0-9+=,.@_-]`.
pub(crate) fn name(text: &str, field: &str, max: usize) -> Result<(), IdentityError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
    if (1..=max).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(());
    }
    Err(IdentityError::Invalid(format!(
        "The specified value for {field} is invalid. It must contain only alphanumeric characters and/or the \
         following: +=,.@_- and be of 1 to {max} characters."
    )))
}

/// The name of a session: 2 to 64 of the same.
pub(crate) fn session_name(text: &str) -> Result<(), IdentityError> {
    name(text, "roleSessionName", 64)?;
    if text.len() < 2 {
        return Err(IdentityError::Invalid("roleSessionName must have at least 2 characters.".to_owned()));
    }
    Ok(())
}

/// A path: `/`, or up to 512 printable characters between two slashes.
pub(crate) fn path(text: &str) -> Result<(), IdentityError> {
    let fits = |b: u8| (0x21..0x7f).contains(&b);
    if text.len() <= 512 && text.starts_with('/') && text.ends_with('/') && text.bytes().all(fits) {
        return Ok(());
    }
    let sentence = "The specified value for path is invalid. It must begin and end with / and contain only \
                    alphanumeric characters and/or / characters.";
    Err(IdentityError::Invalid(sentence.to_owned()))
}

/// A description: up to 1,000 characters.
pub(crate) fn description(text: Option<&str>) -> Result<(), IdentityError> {
    if text.is_none_or(|text| text.chars().count() <= 1_000) {
        return Ok(());
    }
    Err(IdentityError::Invalid("The description has more than 1000 characters.".to_owned()))
}

/// A session's length, seconds.
pub(crate) fn session_seconds(seconds: u32) -> Result<(), IdentityError> {
    if (3_600..=43_200).contains(&seconds) {
        return Ok(());
    }
    Err(IdentityError::Invalid(format!("MaxSessionDuration is {seconds}: it must be 3600 to 43200 seconds.")))
}

pub(crate) fn tags(tags: &BTreeMap<String, String>) -> Result<(), IdentityError> {
    if tags.len() > TAGS_MAX {
        return Err(IdentityError::Limit(format!("Cannot exceed quota for TagsPerEntity: {TAGS_MAX}")));
    }
    let fits =
        |(key, value): (&String, &String)| (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
    if tags.iter().all(fits) {
        return Ok(());
    }
    Err(IdentityError::Invalid("A tag's key has 1 to 128 characters, its value up to 256.".to_owned()))
}

/// A document's length as quotas count it.
pub(crate) fn characters(document: &str) -> usize {
    document.chars().filter(|sign| !sign.is_whitespace()).count()
}

/// Refuses more inline policies than `max` characters.
pub(crate) fn inline_size(grants: &Grants, max: usize) -> Result<(), IdentityError> {
    if grants.inline.values().map(|text| characters(text)).sum::<usize>() <= max {
        return Ok(());
    }
    Err(IdentityError::Limit(format!("Maximum policy size of {max} bytes exceeded: use managed policies.")))
}

pub(crate) fn at_most(count: usize, max: usize, quota: &str) -> Result<(), IdentityError> {
    if count <= max {
        return Ok(());
    }
    Err(IdentityError::Limit(format!("Cannot exceed quota for {quota}: {max}")))
}
