//! Who may do what to a function: the caller's own policies and the function's, weighed together. The one place where
//! an account reaches into another.

use crate::asked::{Asked, Target};
use crate::told::Told;
use crate::{Gateway, refusals};
use lacewing_access::{AccessError, DenialReason, Fact, Facts, Kind, Malformed, Policy, Principal, Wish, tag};
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

/// What one account may do to another's function, if the function's policy and its own policies let it; the rest is for
/// roles. Source: Lambda developer guide, "Using resource-based policies", "Cross-account APIs".
const ACROSS_ACCOUNTS: [&str; 19] = [
    "lambda:CreateAlias",
    "lambda:DeleteAlias",
    "lambda:DeleteFunction",
    "lambda:DeleteFunctionConcurrency",
    "lambda:GetAlias",
    "lambda:GetFunction",
    "lambda:GetFunctionConfiguration",
    "lambda:GetPolicy",
    "lambda:InvokeAsync",
    "lambda:InvokeFunction",
    "lambda:ListAliases",
    "lambda:ListTags",
    "lambda:ListVersionsByFunction",
    "lambda:PublishVersion",
    "lambda:PutFunctionConcurrency",
    "lambda:TagResource",
    "lambda:UntagResource",
    "lambda:UpdateAlias",
    "lambda:UpdateFunctionCode",
];

impl Gateway {
    /// Reads the function that is to be invoked, of whatever account, and checks that the caller may.
    pub(crate) fn callee(&self, asked: &Asked<'_>, text: &str, action: &str) -> Result<Target, ApiError> {
        self.permitted(asked, text, ReferenceForm::Namespaced, action, &(), ":$LATEST")
    }

    /// Checks that the caller may do `action` too to a function that it has named.
    pub(crate) fn permit_also(
        &self,
        asked: &Asked<'_>,
        target: &Target,
        action: &str,
        told: &dyn Facts,
    ) -> Result<(), ApiError> {
        // A root key in its own account is asked nothing: no policy can lock an account out of itself.
        if asked.caller.principal == Principal::Root && asked.caller.account == target.scope.account {
            return Ok(());
        }
        let policy = self.compiled_policy(&target.scope, &target.name, target.qualifier.as_ref());
        let about = FunctionFacts { gateway: self, scope: &target.scope, name: target.name.as_str() };
        self.weigh(asked, Weighed { action, resource: &target.arn(), policy, about: &about }, told)
    }

    fn permitted(
        &self,
        asked: &Asked<'_>,
        text: &str,
        form: ReferenceForm,
        action: &str,
        told: &dyn Facts,
        unqualified: &str,
    ) -> Result<Target, ApiError> {
        let named = asked.named(text, form)?;
        let scope = asked.scope_of(&named)?;
        let target = named.target(&scope);
        let arn = |shown: &str| format!("arn:aws:lambda:{}:{}:function:{shown}", scope.region, scope.account);
        if asked.caller.principal != Principal::Root || named.foreign.is_some() {
            let reachable = named.foreign.is_none() || ACROSS_ACCOUNTS.contains(&action);
            let policy = target.as_ref().filter(|_| reachable);
            let policy = policy.and_then(|t| self.compiled_policy(&scope, &t.name, t.qualifier.as_ref()));
            let about = FunctionFacts { gateway: self, scope: &scope, name: named.name };
            self.weigh(asked, Weighed { action, resource: &arn(&named.shown()), policy, about: &about }, told)?;
        }
        target.ok_or_else(|| {
            let tail = if named.qualifier.is_none() { unqualified } else { "" };
            let text = format!("Function not found: {}{tail}", arn(&named.shown()));
            ApiError::new(ErrorCode::ResourceNotFound, text)
        })
    }

    /// Weighs a wish. A policy that cannot be read lets nobody in.
    fn weigh(&self, asked: &Asked<'_>, weighed: Weighed<'_>, told: &dyn Facts) -> Result<(), ApiError> {
        let Weighed { action, resource, policy, about } = weighed;
        let policy = policy.transpose().map_err(|error| {
            tracing::error!(resource, %error, "a stored policy cannot be read: nobody is let in");
            refusals::access(AccessError::Denied {
                user: asked.caller.arn(),
                action: action.to_owned(),
                resource: resource.to_owned(),
                why: DenialReason::DeniedByResource,
            })
        })?;
        let wish = Wish { action, resource, policy: policy.as_deref(), about };
        self.inner.access.allows(&wish, &asked.facts(self), told).map_err(refusals::access)
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
}

/// What is weighed, with the policy of its resource as far as that could be read.
struct Weighed<'a> {
    action: &'a str,
    resource: &'a str,
    policy: Option<Result<Arc<Policy>, Malformed>>,
    about: &'a dyn Facts,
}

impl Asked<'_> {
    /// Reads the function that a path or a body names, and checks that the caller may do `action` to it.
    pub(crate) fn target(
        &self,
        gateway: &Gateway,
        text: &str,
        form: ReferenceForm,
        action: &str,
    ) -> Result<Target, ApiError> {
        gateway.permitted(self, text, form, action, &(), "")
    }

    /// The same where conditions may ask what the request says of itself.
    pub(crate) fn target_told(
        &self,
        gateway: &Gateway,
        text: &str,
        form: ReferenceForm,
        action: &str,
        told: &Told<'_>,
    ) -> Result<Target, ApiError> {
        gateway.permitted(self, text, form, action, told, "")
    }
}

/// What conditions may ask about a function: looked up where one does.
pub(crate) struct FunctionFacts<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) scope: &'a Scope,
    pub(crate) name: &'a str,
}

impl Facts for FunctionFacts<'_> {
    fn fact(&self, key: &str) -> Fact<'_> {
        let Some(key) = key.strip_prefix("aws:resourcetag/") else { return Fact::Absent };
        let name = self.name.parse::<FunctionName>().ok();
        let view = name.and_then(|name| self.gateway.inner.catalog.get(self.scope, &name, None).ok());
        Fact::maybe(view.and_then(|view| tag(&*view.tags, key).map(str::to_owned)))
    }
}
