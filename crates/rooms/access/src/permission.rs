//! What a verified caller may do: identity-based policies, the resource's policy and the account line, weighed as AWS
//! weighs them.
//!
//! ```text
//! any denial                                   ─► denied
//! same account:  own policies allow, or the resource's policy names the caller ─► allowed
//! other account: own policies allow, and the resource's policy lets in         ─► allowed
//! else                                         ─► denied
//! ```
//!
//! A root key's own policies allow everything. Source: IAM User Guide, "Policy evaluation logic", "Cross-account policy
//! evaluation logic".

use crate::facts::role_name;
use crate::identities::{Directory, Role, path_arn};
use crate::{Access, AccessError, Caller, CallerFacts, DenialReason, Principal};
use lacewing_model::{AccountId, RoleArn};
use lacewing_policy::{Facts, Policy, Question, Reach, Verdict, Who};
use std::sync::Arc;

/// What a caller wants to do.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// For example `lambda:InvokeFunction`.
    pub action: &'a str,
    /// The ARN of what it is to be done to, or `*`.
    pub resource: &'a str,
    /// The policy of that resource, where it has one.
    pub policy: Option<&'a Policy>,
}

impl Access {
    /// Says whether the caller may do what it wishes. `more` holds the condition keys of the service.
    ///
    /// # Errors
    /// [`AccessError::Denied`] tells why.
    pub fn allows(&self, wish: &Wish<'_>, facts: &CallerFacts<'_>, more: &dyn Facts) -> Result<(), AccessError> {
        let caller = facts.caller;
        let facts = (more, facts);
        let asked = Question { action: wish.action, resource: wish.resource, who: caller.who(), facts: &facts };
        self.weigh(caller, wish, &asked).map_err(|why| AccessError::Denied {
            user: caller.arn(),
            action: wish.action.to_owned(),
            resource: wish.resource.to_owned(),
            why,
        })
    }

    fn weigh(&self, caller: &Caller, wish: &Wish<'_>, asked: &Question<'_>) -> Result<(), DenialReason> {
        let resource = wish.policy.map_or(Verdict::Silent, |policy| policy.verdict(asked));
        if resource == Verdict::Deny {
            return Err(DenialReason::DeniedByResource);
        }
        let own = self.own_policies_say(caller, asked);
        match (own, resource) {
            (Err(why), _) if why.is_explicit() => Err(why),
            (Ok(()), _) | (_, Verdict::Allow(Reach::Caller)) if is_of(wish.resource, caller) => Ok(()),
            (Ok(()), Verdict::Allow(_)) => Ok(()),
            (Ok(()), _) => Err(DenialReason::NoResourcePolicy),
            (Err(why), _) => Err(why),
        }
    }

    /// Says whether a role of the account may be assumed by a service. One that nobody has made may, unless roles are
    /// strict.
    #[must_use]
    pub fn lets_assume(&self, account: &AccountId, role: &RoleArn, service: &str) -> bool {
        let directory = self.inner.directory.load();
        let asked = Question {
            action: "sts:AssumeRole",
            resource: role.as_str(),
            who: Who::Service(service),
            facts: &[("aws:sourceaccount", account.as_str())],
        };
        match made(&directory, account, role) {
            Some(role) => matches!(role.trust.verdict(&asked), Verdict::Allow(_)),
            None => !self.inner.strict_roles,
        }
    }

    /// What the caller's own policies say.
    pub(crate) fn own_policies_say(&self, caller: &Caller, asked: &Question<'_>) -> Result<(), DenialReason> {
        const SILENT: Result<(), DenialReason> = Err(DenialReason::NoIdentityPolicy);
        match &caller.principal {
            Principal::Root => Ok(()),
            Principal::Link => SILENT,
            Principal::User { name, id, .. } => {
                let directory = self.inner.directory.load();
                let user = directory.user(&caller.account, name).filter(|user| *user.record.id == **id);
                user.map_or(Err(DenialReason::Gone), |user| user.rights.say(asked))
            }
            Principal::Assumed { role, id, policy, .. } => {
                let directory = self.inner.directory.load();
                let role = directory.role(&caller.account, role_name(role)).filter(|role| *role.record.id == **id);
                let said = role.map_or(Err(DenialReason::Gone), |role| role.rights.say(asked));
                match policy.as_ref().map(|policy| policy.verdict(asked)) {
                    Some(Verdict::Deny) => Err(DenialReason::DeniedBySession),
                    Some(Verdict::Silent) => said.and(Err(DenialReason::OutOfSession)),
                    None | Some(Verdict::Allow(_)) => said,
                }
            }
            Principal::Function { role, .. } => {
                let directory = self.inner.directory.load();
                match made(&directory, &caller.account, role) {
                    Some(role) => role.rights.say(asked),
                    None if self.inner.strict_roles => SILENT,
                    None if is_of(asked.resource, caller) && unknown_role_allows(asked.action) => Ok(()),
                    None => SILENT,
                }
            }
        }
    }
}

/// The role, if the account has made one of this very ARN.
fn made<'a>(directory: &'a Directory, account: &AccountId, role: &RoleArn) -> Option<&'a Arc<Role>> {
    let found = directory.role(account, role_name(role))?;
    (path_arn(account, "role", &found.record.path, &found.record.name) == role.as_str()).then_some(found)
}

/// True for a resource of the caller's account, of none, or of AWS's own.
fn is_of(resource: &str, caller: &Caller) -> bool {
    let account = resource.split(':').nth(4).unwrap_or_default();
    account.is_empty() || account == caller.account.as_str() || account == "aws"
}

/// What a function may do whose role nobody has made: call functions, read about them, read logs.
fn unknown_role_allows(action: &str) -> bool {
    match action.split_once(':') {
        Some(("lambda", verb)) => verb == "InvokeFunction" || verb.starts_with("Get") || verb.starts_with("List"),
        Some(("logs", verb)) => ["Get", "Describe", "Filter"].iter().any(|start| verb.starts_with(start)),
        Some(("sts", verb)) => verb == "GetCallerIdentity",
        _ => false,
    }
}
