//! Resource policies: which changes they allow.

use crate::{Catalog, CatalogError, Scope};
use lacewing_model::{FunctionName, Qualifier, RevisionId};
use lacewing_store::records::{Document, Policy, RecordKey, Statement};
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
        self.record(&policy_key(owner, function, qualifier))
    }

    /// Changes such a policy: `decide` leaves what it shall be. What the policy belongs to gets its revision.
    ///
    /// # Errors
    /// What `decide` refuses with; [`CatalogError::StalePolicy`]; [`CatalogError::NotFound`].
    ///
    /// # Cancel safety
    /// The change may be made all the same.
    pub async fn change_policy(
        &self,
        owner: &Scope,
        function: &FunctionName,
        qualifier: Option<&Qualifier>,
        believed: Believed,
        decide: impl FnOnce(&mut Option<Policy>) -> Result<(), CatalogError> + Send + 'static,
    ) -> Result<(), CatalogError> {
        let (owner, function, qualifier) = (owner.clone(), function.clone(), qualifier.cloned());
        self.ask(move |writer| {
            let entry = writer.find(&owner, &function)?;
            let revision = entry.revision(qualifier.as_ref());
            let key = policy_key(&owner, &function, qualifier.as_ref());
            let revision = writer.change_record(key, |policy| {
                believed.check(policy.as_ref(), revision)?;
                decide(policy)?;
                Ok(policy.as_ref().and_then(|policy| policy.revision.parse().ok()))
            })?;
            let revision = revision.unwrap_or_else(RevisionId::random);
            writer.write(Some(&entry), Some(entry.revised(qualifier.as_ref(), revision)))
        })
        .await
    }
}

fn policy_key(owner: &Scope, function: &FunctionName, qualifier: Option<&Qualifier>) -> RecordKey {
    // `$LATEST` has no policy of its own: it is the function's.
    let name = match qualifier {
        None | Some(Qualifier::Latest) => String::new(),
        Some(qualifier) => qualifier.to_string(),
    };
    owner.function_record(Policy::FAMILY, function, &name)
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
/// [`CatalogError::Conflict`] for a `Sid` that is taken;
/// [`CatalogError::PolicyTooLong`].
pub fn add_statement(policy: &mut Option<Policy>, statement: Statement) -> Result<(), CatalogError> {
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
/// [`CatalogError::Missing`] without such a policy or statement.
pub fn remove_statement(policy: &mut Option<Policy>, sid: &str) -> Result<(), CatalogError> {
    let missing = |text: String| Err(CatalogError::Missing(text));
    let Some(found) = policy else { return missing("No policy is associated with the given resource.".to_owned()) };
    let Some(place) = position(found, sid) else {
        return missing(format!("Statement {sid} is not found in resource policy."));
    };
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
/// [`CatalogError::PolicyTooLong`].
pub fn replace_policy(policy: &mut Option<Policy>, new: Policy) -> Result<(), CatalogError> {
    renew(policy.insert(new))
}

/// Takes a policy away, whole.
///
/// # Errors
/// [`CatalogError::Missing`].
pub fn remove_policy(policy: &mut Option<Policy>) -> Result<(), CatalogError> {
    if policy.is_none() {
        return Err(CatalogError::Missing("The resource you requested does not exist.".to_owned()));
    }
    *policy = None;
    Ok(())
}

fn position(policy: &Policy, sid: &str) -> Option<usize> {
    policy.statements.iter().position(|statement| statement.sid.as_deref() == Some(sid))
}

impl Believed {
    /// Compares with a policy, and with the revision of what it belongs to, which is as good.
    ///
    /// # Errors
    /// [`CatalogError::StalePolicy`].
    pub fn check(&self, policy: Option<&Policy>, owner: Option<RevisionId>) -> Result<(), CatalogError> {
        let Some(named) = &self.revision else { return Ok(()) };
        let fits = policy.is_some_and(|policy| policy.revision == *named)
            || owner.is_some_and(|owner| owner.to_string() == *named);
        if fits { Ok(()) } else { Err(CatalogError::StalePolicy { call: self.call }) }
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

    fn named_as(revision: &str) -> Believed {
        Believed { revision: Some(revision.to_owned()), call: "GetPolicy" }
    }

    #[test]
    fn statements_come_and_go_by_their_sid_and_the_last_takes_the_policy_with_it() {
        let mut policy = None;
        add_statement(&mut policy, statement("a")).unwrap();
        let first = policy.clone().unwrap().revision;
        add_statement(&mut policy, statement("b")).unwrap();
        assert!(matches!(add_statement(&mut policy, statement("a")), Err(CatalogError::Conflict(_))));
        let owner = RevisionId::random();
        let current = policy.clone().unwrap().revision;
        let check = |named: &str| named_as(named).check(policy.as_ref(), Some(owner));
        assert!(check(&current).is_ok() && check(&owner.to_string()).is_ok());
        assert!(matches!(check(&first), Err(CatalogError::StalePolicy { .. })));
        remove_statement(&mut policy, "a").unwrap();
        assert!(matches!(remove_statement(&mut policy, "a"), Err(CatalogError::Missing(_))));
        remove_statement(&mut policy, "b").unwrap();
        assert_eq!(policy, None);
        assert!(matches!(remove_statement(&mut policy, "b"), Err(CatalogError::Missing(_))));
    }

    #[test]
    fn a_policy_that_would_be_too_long_is_refused() {
        let long = Statement { sid: None, json: "x".repeat(POLICY_CHARACTERS_MAX) };
        assert!(matches!(add_statement(&mut None, long), Err(CatalogError::PolicyTooLong)));
    }
}
