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
//! A root key's own policies allow everything. A boundary or a session policy that is silent stops whatever the
//! resource's policy does not give to this very caller, by its own ARN.
//!
//! Of another account's resource nothing is told to whom its policy does not let in: not whether it is there, not its
//! tags, not whether its policy is silent or denies. Source: IAM User Guide, "Policy evaluation logic", "Cross-account policy
//! evaluation logic".

use crate::facts::role_name;
use crate::identities::{Directory, Role, path_arn};
use crate::{Access, AccessError, Caller, CallerFacts, DenialReason, Principal};
use lacewing_model::{AccountId, RoleArn};
use lacewing_policy::{ARN_BYTES_MAX, Facts, Policy, Question, Verdict, Who, is_arn_sized};
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
    /// The condition keys of the resource, such as its tags. Those of another account's resource are shown to
    /// policies of callers only once its own policy lets them in.
    pub about: &'a dyn Facts,
}

impl Access {
    /// Says whether the caller may do what it wishes. `more` holds the condition keys of the request.
    ///
    /// # Errors
    /// [`AccessError::Denied`] tells why.
    pub fn allows(&self, wish: &Wish<'_>, facts: &CallerFacts<'_>, more: &dyn Facts) -> Result<(), AccessError> {
        let caller = facts.caller;
        let owner = [("aws:resourceaccount", owner_of(wish.resource))];
        let owner = if owner[0].1.is_empty() { &[][..] } else { &owner[..] };
        let request = (more, facts);
        let request = (&owner, &request);
        let known = (wish.about, &request);
        let asked = Question { action: wish.action, resource: wish.resource, who: caller.who(), facts: &known };
        let said = match wish.policy.map_or(Verdict::Silent, |policy| policy.verdict(&asked)) {
            _ if !is_arn_sized(wish.resource) => Err(DenialReason::NoIdentityPolicy),
            Verdict::Silent | Verdict::Deny if !is_of(wish.resource, caller) => {
                let own = self.own_policies_say(caller, &Question { facts: &request, ..asked });
                own.and(Err(DenialReason::NoResourcePolicy))
            }
            said => self.weigh(caller, said, &asked),
        };
        said.map_err(|why| AccessError::Denied {
            user: caller.arn(),
            action: wish.action.to_owned(),
            resource: wish.resource.chars().take(ARN_BYTES_MAX).collect(),
            why,
        })
    }

    fn weigh(&self, caller: &Caller, resource: Verdict, asked: &Question<'_>) -> Result<(), DenialReason> {
        if resource == Verdict::Deny {
            return Err(DenialReason::DeniedByResource);
        }
        match (self.own_policies_say(caller, asked), resource) {
            (Err(why), Verdict::Allow(reach)) if is_of(asked.resource, caller) && why.yields_to(reach) => Ok(()),
            (own, _) => own,
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
            Principal::Assumed { role, id, policy, managed, .. } => {
                let directory = self.inner.directory.load();
                let role = directory.role(&caller.account, role_name(role)).filter(|role| *role.record.id == **id);
                let said = role.map_or(Err(DenialReason::Gone), |role| role.rights.say(asked));
                let managed = managed.iter().map(|arn| directory.managed(&caller.account, arn));
                let given = policy.clone().map(Some).into_iter().chain(managed);
                match given.map(|policy| policy.map_or(Verdict::Deny, |policy| policy.verdict(asked))).reduce(outweigh)
                {
                    _ if said.is_err_and(DenialReason::is_explicit) => said,
                    Some(Verdict::Deny) => Err(DenialReason::DeniedBySession),
                    Some(Verdict::Silent) => Err(DenialReason::OutOfSession),
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

/// What two policies say together.
fn outweigh(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Deny, _) | (_, Verdict::Deny) => Verdict::Deny,
        (Verdict::Silent, said) | (said, Verdict::Silent) => said,
        (Verdict::Allow(one), Verdict::Allow(other)) => Verdict::Allow(one.max(other)),
    }
}

/// The role, if the account has made one of this very ARN.
fn made<'a>(directory: &'a Directory, account: &AccountId, role: &RoleArn) -> Option<&'a Arc<Role>> {
    let found = directory.role(account, role_name(role))?;
    (path_arn(account, "role", &found.record.path, &found.record.name) == role.as_str()).then_some(found)
}

/// True for a resource of the caller's account, of none, or of AWS's own.
fn is_of(resource: &str, caller: &Caller) -> bool {
    let account = owner_of(resource);
    account.is_empty() || account == caller.account.as_str() || account == "aws"
}

/// The account in an ARN; empty where there is none.
fn owner_of(resource: &str) -> &str {
    resource.split(':').nth(4).unwrap_or_default()
}

/// What a function may do whose role nobody has made: call functions, read about them, read logs.
fn unknown_role_allows(action: &str) -> bool {
    match action.split_once(':') {
        Some(("lambda", verb)) => {
            matches!(verb, "InvokeFunction" | "InvokeAsync") || verb.starts_with("Get") || verb.starts_with("List")
        }
        Some(("logs", verb)) => ["Get", "Describe", "Filter"].iter().any(|start| verb.starts_with(start)),
        Some(("sts", verb)) => verb == "GetCallerIdentity",
        _ => false,
    }
}
