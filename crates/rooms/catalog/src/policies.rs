//! Resource policies: which changes they allow.

use crate::{Catalog, CatalogError, Scope};
use lacewing_model::{FunctionName, Qualifier, RevisionId};
use lacewing_store::records::{Document, Policy, Statement};
use std::sync::Arc;

/// A whole policy document, characters. Source: Lambda quotas, "Function resource-based policy".
pub const POLICY_CHARACTERS_MAX: usize = 20_480;

impl Catalog {
    /// The resource policy of a function, or of one of its versions or aliases: each has its own.
    #[must_use]
    pub fn policy_of(
        &self,
        owner: &Scope,
        function: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Option<Arc<Policy>> {
        self.record(&owner.function_record(Policy::FAMILY, function, &policy_name(qualifier)))
    }
}

/// Under which name a qualifier's policy lies. `$LATEST` has none of its own: it is the function's.
#[must_use]
pub fn policy_name(qualifier: Option<&Qualifier>) -> String {
    match qualifier {
        None | Some(Qualifier::Latest) => String::new(),
        Some(qualifier) => qualifier.to_string(),
    }
}

/// Which revision a caller takes a policy to have.
#[derive(Clone, Debug)]
pub struct Believed {
    /// The revision, if the caller names one.
    pub revision: Option<String>,
    /// The operation by which the right one can be had; for the refusal.
    pub call: &'static str,
}

/// Adds a statement.
///
/// # Errors
/// [`CatalogError::StalePolicy`]; [`CatalogError::Conflict`] for a `Sid` that is taken;
/// [`CatalogError::PolicyTooLong`].
pub fn add_statement(
    policy: &mut Option<Policy>,
    statement: Statement,
    believed: &Believed,
) -> Result<(), CatalogError> {
    believed.check(policy.as_ref())?;
    let policy = policy.get_or_insert_default();
    if let Some(sid) = statement.sid.as_deref().filter(|sid| position(policy, sid).is_some()) {
        return Err(CatalogError::Conflict(format!(
            "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the \
             existing statement."
        )));
    }
    policy.statements.push(statement);
    renew(policy)
}

/// Removes the statement `sid`; with the last one the policy goes.
///
/// # Errors
/// [`CatalogError::Missing`] without such a policy or statement; [`CatalogError::StalePolicy`].
pub fn remove_statement(policy: &mut Option<Policy>, sid: &str, believed: &Believed) -> Result<(), CatalogError> {
    let missing = |text: String| Err(CatalogError::Missing(text));
    let Some(found) = policy else { return missing("No policy is associated with the given resource.".to_owned()) };
    let Some(place) = position(found, sid) else {
        return missing(format!("Statement {sid} is not found in resource policy."));
    };
    believed.check(Some(found))?;
    found.statements.remove(place);
    if found.statements.is_empty() {
        *policy = None;
        return Ok(());
    }
    renew(found)
}

/// Puts a whole policy in the place of what was there.
///
/// # Errors
/// [`CatalogError::StalePolicy`], [`CatalogError::PolicyTooLong`].
pub fn replace_policy(policy: &mut Option<Policy>, new: Policy, believed: &Believed) -> Result<(), CatalogError> {
    believed.check(policy.as_ref())?;
    renew(policy.insert(new))
}

/// Takes a policy away, whole.
///
/// # Errors
/// [`CatalogError::Missing`], [`CatalogError::StalePolicy`].
pub fn remove_policy(policy: &mut Option<Policy>, believed: &Believed) -> Result<(), CatalogError> {
    if policy.is_none() {
        return Err(CatalogError::Missing("The resource you requested does not exist.".to_owned()));
    }
    believed.check(policy.as_ref())?;
    *policy = None;
    Ok(())
}

fn position(policy: &Policy, sid: &str) -> Option<usize> {
    policy.statements.iter().position(|statement| statement.sid.as_deref() == Some(sid))
}

impl Believed {
    /// A policy that is not there yet has no revision that could be named.
    fn check(&self, policy: Option<&Policy>) -> Result<(), CatalogError> {
        match &self.revision {
            Some(named) if policy.is_none_or(|policy| policy.revision != *named) => {
                Err(CatalogError::StalePolicy { call: self.call })
            }
            _ => Ok(()),
        }
    }
}

fn renew(policy: &mut Policy) -> Result<(), CatalogError> {
    if policy.document().chars().count() > POLICY_CHARACTERS_MAX {
        return Err(CatalogError::PolicyTooLong);
    }
    policy.revision = RevisionId::random().to_string();
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn statement(sid: &str) -> Statement {
        Statement { sid: Some(sid.into()), json: format!("{{\"Sid\":\"{sid}\"}}") }
    }

    fn any() -> Believed {
        Believed { revision: None, call: "GetPolicy" }
    }

    fn named(revision: &str) -> Believed {
        Believed { revision: Some(revision.to_owned()), ..any() }
    }

    #[test]
    fn statements_come_and_go_by_their_sid_and_the_last_takes_the_policy_with_it() {
        let mut policy = None;
        add_statement(&mut policy, statement("a"), &any()).unwrap();
        let first = policy.clone().unwrap().revision;
        add_statement(&mut policy, statement("b"), &named(&first)).unwrap();
        assert!(matches!(add_statement(&mut policy, statement("a"), &any()), Err(CatalogError::Conflict(_))));
        for revision in [&first, "no uuid"] {
            let refused = remove_statement(&mut policy, "a", &named(revision));
            assert!(matches!(refused, Err(CatalogError::StalePolicy { .. })));
        }
        remove_statement(&mut policy, "a", &any()).unwrap();
        assert!(matches!(remove_statement(&mut policy, "a", &any()), Err(CatalogError::Missing(_))));
        remove_statement(&mut policy, "b", &any()).unwrap();
        assert_eq!(policy, None);
        assert!(matches!(remove_statement(&mut policy, "b", &any()), Err(CatalogError::Missing(_))));
    }

    #[test]
    fn a_policy_that_would_be_too_long_is_refused() {
        let long = Statement { sid: None, json: "x".repeat(POLICY_CHARACTERS_MAX) };
        assert!(matches!(add_statement(&mut None, long, &any()), Err(CatalogError::PolicyTooLong)));
    }
}
