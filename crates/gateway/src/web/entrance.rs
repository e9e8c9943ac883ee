//! Who may call a function URL.
//!
//! Source: Lambda developer guide, "Control access to Lambda function URLs".

use super::event::Signer;
use crate::Gateway;
use http::request::Parts;
use lacewing_access::{CallerFacts, Wish};
use lacewing_catalog::UrlTarget;
use lacewing_model::{Qualifier, Timestamp};
use lacewing_policy::{Fact, Facts, Question, Verdict, Who};
use std::net::IpAddr;

const ACTION: &str = "lambda:InvokeFunctionUrl";

impl Gateway {
    /// Whether anybody may call: the policy of the function says so. Since October 2025 AWS asks for
    /// `lambda:InvokeFunction` too, for newly made URLs; policies that were enough before are enough here.
    pub(super) fn is_public(
        &self,
        url: &UrlTarget,
        qualifier: Option<&Qualifier>,
        now: Timestamp,
        source: Option<IpAddr>,
    ) -> bool {
        let resource = url.scope.arn(&url.function, qualifier).to_string();
        let facts = Stranger { now, source };
        let facts = (&UrlFacts(url) as &dyn Facts, &facts as &dyn Facts);
        let asked = Question { action: ACTION, resource: &resource, who: Who::Anyone, facts: &facts };
        let policy = self.compiled_policy(&url.scope, &url.function, qualifier);
        policy.is_some_and(|policy| policy.is_ok_and(|policy| matches!(policy.verdict(&asked), Verdict::Allow(_))))
    }

    /// Whether this signer may: by its own policies or by the function's.
    pub(super) fn may_call(&self, facts: &CallerFacts<'_>, url: &UrlTarget, qualifier: Option<&Qualifier>) -> bool {
        let resource = url.scope.arn(&url.function, qualifier).to_string();
        // A policy that cannot be read lets nobody in.
        let Ok(policy) = self.compiled_policy(&url.scope, &url.function, qualifier).transpose() else { return false };
        let wish = Wish { action: ACTION, resource: &resource, policy: policy.as_deref() };
        facts.caller.service == "lambda" && self.inner.access.allows(&wish, facts, &UrlFacts(url)).is_ok()
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

/// The condition keys of function URLs.
struct UrlFacts<'a>(&'a UrlTarget);

impl Facts for UrlFacts<'_> {
    fn fact(&self, key: &str) -> Fact<'_> {
        match key {
            "lambda:functionurlauthtype" => Fact::one(if self.0.config.signed { "AWS_IAM" } else { "NONE" }),
            "lambda:invokedviafunctionurl" => Fact::one("true"),
            _ => Fact::Absent,
        }
    }
}

/// What is known of a caller that does not say who it is.
struct Stranger {
    now: Timestamp,
    source: Option<IpAddr>,
}

impl Facts for Stranger {
    fn fact(&self, key: &str) -> Fact<'_> {
        match key {
            "aws:sourceip" => Fact::maybe(self.source.map(|address| address.to_canonical().to_string())),
            "aws:currenttime" => Fact::one(self.now.to_string()),
            "aws:epochtime" => Fact::one((self.now.0 / 1_000).to_string()),
            "aws:principaltype" => Fact::one("Anonymous"),
            _ => Fact::Absent,
        }
    }
}
