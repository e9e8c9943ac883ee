//! Who may call a function URL.
//!
//! Source: Lambda developer guide, "Control access to Lambda function URLs".

use super::event::Signer;
use crate::Gateway;
use crate::callable::FunctionFacts;
use crate::told::Told;
use crate::urls::auth_type_of;
use http::request::Parts;
use lacewing_access::{CallerFacts, Wish};
use lacewing_catalog::UrlTarget;
use lacewing_model::{Qualifier, Timestamp};
use lacewing_policy::{Fact, Facts, Question, Verdict, Who};
use std::net::IpAddr;

/// What a caller of a URL has to be allowed.
const CALL: &str = "lambda:InvokeFunctionUrl";
/// What it must not be denied. AWS documents since October 2025 that it has to be allowed too; it still served URLs
/// without when it was recorded in November 2025, and templates and tools from before know nothing of it.
const RUN: &str = "lambda:InvokeFunction";

impl Gateway {
    /// Whether anybody may call: the policy of the function says so.
    pub(super) fn is_public(&self, url: &UrlTarget, qualifier: Option<&Qualifier>, stranger: &Stranger<'_>) -> bool {
        let resource = url.scope.arn(&url.function, qualifier).to_string();
        let Some(Ok(policy)) = self.compiled_policy(&url.scope, &url.function, qualifier) else { return false };
        let about = FunctionFacts { gateway: self, scope: &url.scope, name: url.function.as_str() };
        let verdict = |action: &str| {
            let told = told(action, &resource, url);
            let (request, about) = ((&told, stranger), &about);
            policy.verdict(&Question { action, resource: &resource, who: Who::Anyone, facts: &(about, &request) })
        };
        matches!(verdict(CALL), Verdict::Allow(_)) && verdict(RUN) != Verdict::Deny
    }

    /// Whether this signer may: by its own policies or by the function's.
    pub(super) fn may_call(&self, facts: &CallerFacts<'_>, url: &UrlTarget, qualifier: Option<&Qualifier>) -> bool {
        let resource = url.scope.arn(&url.function, qualifier).to_string();
        // A policy that cannot be read lets nobody in.
        let Ok(policy) = self.compiled_policy(&url.scope, &url.function, qualifier).transpose() else { return false };
        let about = FunctionFacts { gateway: self, scope: &url.scope, name: url.function.as_str() };
        let asks = |action: &str| {
            let wish = Wish { action, resource: &resource, policy: policy.as_deref(), about: &about };
            self.inner.access.allows(&wish, facts, &told(action, &resource, url))
        };
        let denied = || asks(RUN).is_err_and(|error| error.is_explicit_denial());
        facts.caller.service == "lambda" && asks(CALL).is_ok() && !denied()
    }
}

/// The condition keys of each action. Source: service authorization reference.
fn told<'a>(action: &str, resource: &'a str, url: &UrlTarget) -> Told<'a> {
    match action {
        "lambda:InvokeFunctionUrl" => Told::new()
            .one("lambda:functionarn", Some(resource))
            .one("lambda:functionurlauthtype", Some(auth_type_of(&url.config))),
        _ => Told::new().one("lambda:invokedviafunctionurl", Some("true")),
    }
}

/// Who signed, as the function is told.
pub(super) fn signer(facts: &CallerFacts<'_>, parts: &Parts) -> Signer {
    let caller = facts.caller;
    let header = parts.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = header.and_then(|header| header.split("Credential=").nth(1)).and_then(|rest| rest.split('/').next());
    let user_id = caller.user_id(facts.access);
    Signer {
        access_key: key.unwrap_or_default().to_owned(),
        account_id: caller.account.to_string(),
        caller_id: user_id.clone(),
        cognito_identity: None,
        principal_org_id: None,
        user_arn: caller.arn(),
        user_id,
    }
}

/// What is known of a caller that does not say who it is.
pub(super) struct Stranger<'a> {
    pub(super) now: Timestamp,
    pub(super) source: Option<IpAddr>,
    pub(super) encrypted: bool,
    pub(super) agent: Option<&'a str>,
}

impl Facts for Stranger<'_> {
    fn fact(&self, key: &str) -> Fact<'_> {
        match key {
            "aws:sourceip" => Fact::maybe(self.source.map(|address| address.to_canonical().to_string())),
            "aws:currenttime" => Fact::one(self.now.to_string()),
            "aws:epochtime" => Fact::one((self.now.0 / 1_000).to_string()),
            "aws:principaltype" => Fact::one("Anonymous"),
            "aws:securetransport" => Fact::one(if self.encrypted { "true" } else { "false" }),
            "aws:useragent" => Fact::maybe(self.agent),
            _ => Fact::Absent,
        }
    }
}
