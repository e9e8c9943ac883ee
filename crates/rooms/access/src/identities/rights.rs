//! What an identity's own policies say, all of them together.

use super::IdentityError;
use super::directory::Account;
use super::known::aws_policy;
use crate::DenialReason;
use lacewing_model::AccountId;
use lacewing_policy::{Kind, Policy, Question, Verdict};
use lacewing_store::identities::Grants;
use std::sync::Arc;

/// The policies of a user or role, compiled.
pub(crate) struct Rights {
    policies: Box<[Arc<Policy>]>,
    boundary: Option<Arc<Policy>>,
}

impl Rights {
    /// Compiles `grants`. A policy that is gone allows nothing; a boundary that is gone leaves nothing allowed.
    pub(crate) fn of(grants: &Grants, id: &AccountId, account: &Account) -> Result<Self, IdentityError> {
        let managed = |arn: &String| {
            let own = || account.managed(id, arn).map(|managed| managed.in_force.clone());
            aws_policy(arn).or_else(own)
        };
        let mut policies = Vec::with_capacity(grants.inline.len() + grants.attached.len());
        for text in grants.inline.values() {
            policies.push(Arc::new(Policy::parse(text, Kind::Identity)?));
        }
        policies.extend(grants.attached.iter().filter_map(managed));
        let nothing = || Policy::parse(NOTHING, Kind::Identity).map(Arc::new);
        let boundary = match &grants.boundary {
            None => None,
            Some(arn) => Some(managed(arn).map_or_else(nothing, Ok)?),
        };
        Ok(Self { policies: policies.into(), boundary })
    }

    pub(crate) fn say(&self, asked: &Question<'_>) -> Result<(), DenialReason> {
        let mut said = Err(DenialReason::NoIdentityPolicy);
        for policy in &self.policies {
            match policy.verdict(asked) {
                Verdict::Deny => return Err(DenialReason::DeniedByIdentity),
                Verdict::Allow(_) => said = Ok(()),
                Verdict::Silent => {}
            }
        }
        match self.boundary.as_ref().map(|boundary| boundary.verdict(asked)) {
            Some(Verdict::Deny) => Err(DenialReason::DeniedByBoundary),
            Some(Verdict::Silent) => Err(DenialReason::OutOfBounds),
            None | Some(Verdict::Allow(_)) => said,
        }
    }
}

const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
