//! Who may call a function: the caller's own policies and the function's, weighed together. The one place where an
//! account reaches into another.

use crate::asked::{Asked, FunctionFacts, Target};
use crate::{Gateway, refusals};
use lacewing_access::{AccessError, CallerFacts, DenialReason, Facts, Kind, Malformed, Policy, Principal, Wish};
use lacewing_catalog::Scope;
use lacewing_catalog::records::Policy as PolicyRecord;
use lacewing_lambda_api::{ApiError, ErrorCode, ReferenceForm};
use lacewing_model::{FunctionName, Qualifier};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Policies of functions that are kept compiled. Full, the shelf is cleared: what is in use comes back at once.
const COMPILED_MAX: usize = 1_024;

/// Policies of functions, compiled, by their revision: a policy that changes gets another.
#[derive(Default)]
pub(crate) struct Compiled(RwLock<HashMap<Box<str>, Arc<Policy>>>);

impl Compiled {
    fn of(&self, record: &PolicyRecord) -> Result<Arc<Policy>, Malformed> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(record.revision.as_str()).cloned();
        if let Some(policy) = known {
            return Ok(policy);
        }
        let policy = Arc::new(Policy::parse(&record.document(), Kind::Resource)?);
        let mut shelf = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if shelf.len() >= COMPILED_MAX {
            shelf.clear();
        }
        shelf.insert(record.revision.as_str().into(), policy.clone());
        Ok(policy)
    }
}

/// A function to be called, and whose it is.
pub(crate) struct Callee {
    pub(crate) scope: Scope,
    pub(crate) target: Target,
}

impl Gateway {
    /// Reads the function that is to be invoked, of whatever account, and checks that the caller may.
    pub(crate) fn callee(&self, asked: &Asked<'_>, text: &str) -> Result<Callee, ApiError> {
        let named = asked.named(text, ReferenceForm::Namespaced)?;
        let mut scope = asked.scope();
        if let Some(other) = named.foreign {
            scope.account = other.parse().map_err(|_| ApiError::new(ErrorCode::AccessDenied, "No such account."))?;
        }
        let shown = match &named.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", named.name),
            None => named.name.to_owned(),
        };
        let arn = |shown: &str| format!("arn:aws:lambda:{}:{}:function:{shown}", scope.region, scope.account);
        let target = named.target();
        // A root key in its own account is asked nothing: no policy can lock an account out of itself.
        if asked.caller.principal != Principal::Root || named.foreign.is_some() {
            let policy = |target: &Target| self.compiled_policy(&scope, &target.name, target.qualifier.as_ref());
            let policy = target.as_ref().and_then(policy);
            let facts = FunctionFacts { gateway: self, scope: scope.clone(), name: named.name };
            let (action, resource) = ("lambda:InvokeFunction", arn(&shown));
            self.weigh_call(action, &resource, policy, &asked.facts(self), &facts).map_err(refusals::access)?;
        }
        let Some(target) = target else {
            let tail = if named.qualifier.is_none() { ":$LATEST" } else { "" };
            let text = format!("Function not found: {}{tail}", arn(&shown));
            return Err(ApiError::new(ErrorCode::ResourceNotFound, text));
        };
        Ok(Callee { scope, target })
    }

    /// The policy of a function, version or alias, compiled; `None` where there is none.
    pub(crate) fn compiled_policy(
        &self,
        scope: &Scope,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Option<Result<Arc<Policy>, Malformed>> {
        let record = self.inner.catalog.policy_of(scope, name, qualifier)?;
        Some(self.inner.compiled.of(&record))
    }

    /// Weighs a call. A policy that cannot be read lets nobody in.
    fn weigh_call(
        &self,
        action: &str,
        resource: &str,
        policy: Option<Result<Arc<Policy>, Malformed>>,
        facts: &CallerFacts<'_>,
        more: &dyn Facts,
    ) -> Result<(), AccessError> {
        let policy = policy.transpose().map_err(|error| {
            tracing::error!(resource, %error, "a stored policy cannot be read: nobody is let in");
            AccessError::Denied {
                user: facts.caller.arn(),
                action: action.to_owned(),
                resource: resource.to_owned(),
                why: DenialReason::DeniedByResource,
            }
        })?;
        self.inner.access.allows(&Wish { action, resource, policy: policy.as_deref() }, facts, more)
    }
}
