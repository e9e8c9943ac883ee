//! Resource policies of functions, versions and aliases.

use crate::answer::ok;
use crate::asked::{Asked, Target};
use crate::functions::invalid;
use crate::reply::{self, Reply};
use crate::told::Told;
use crate::{Gateway, refusals};
use bytes::Bytes;
use lacewing_catalog::CatalogError;
use lacewing_catalog::policies::{Believed, add_statement, remove_policy, remove_statement, replace_policy};
use lacewing_catalog::records::{Policy, Statement};
use lacewing_lambda_api::{
    AddPermissionReply, AddPermissionRequest, ApiError, ErrorCode, POLICY_ARN_PATTERN, PolicyDocument, PolicyReply,
    PutResourcePolicyRequest, ReferenceForm, Violations, parse,
};
use lacewing_model::Qualifier;
use serde_json::Value;

/// What there is no policy for. Source: recorded AWS text.
pub(crate) const NO_RESOURCE: &str = "The resource you requested does not exist.";

impl Gateway {
    pub(crate) async fn add_permission(
        &self,
        asked: &Asked<'_>,
        function: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let request: AddPermissionRequest = parse(&body)?;
        let told = Told::new()
            .one("lambda:principal", request.principal.as_deref())
            .one("lambda:functionurlauthtype", request.function_url_auth_type.as_deref());
        let target = self.policy_target(asked, function, "lambda:AddPermission", &told)?;
        let mut violations = Violations::default();
        request.check(&mut violations);
        violations.finish()?;
        self.qualified(asked, &target)?;
        let arn = asked.scope().arn(&target.name, target.qualifier.as_ref()).to_string();
        let statement = request.statement(arn)?;
        let (statement, json) = written(&statement)?;
        check(&Policy { statements: vec![statement.clone()], ..Policy::default() })?;
        let believed = Believed { revision: request.revision_id, call: "GetPolicy" };
        self.change_policy(asked, &target, believed, move |policy| add_statement(policy, statement)).await?;
        Ok(ok(201, &AddPermissionReply { statement: json, revision_id: None }))
    }

    pub(crate) async fn remove_permission(
        &self,
        asked: &Asked<'_>,
        function: &str,
        sid: &str,
    ) -> Result<Reply, ApiError> {
        let going = self.lying(asked, function, Some(sid))?;
        let target = self.policy_target(asked, function, "lambda:RemovePermission", &going.first())?;
        self.permit_each(asked, &target, &["lambda:RemovePermission"], &going)?;
        let mut violations = Violations::default();
        violations.length(sid, "statementId", 1, 100);
        violations.matches(sid, "statementId", "([a-zA-Z0-9-_.]+)");
        violations.finish()?;
        let scope = asked.scope();
        if self.inner.catalog.get(&scope, &target.name, None).is_err() {
            let text = format!("No policy found for: {}", scope.arn(&target.name, None));
            return Err(ApiError::new(ErrorCode::ResourceNotFound, text));
        }
        self.qualified(asked, &target)?;
        let sid = sid.to_owned();
        let believed = Believed { revision: asked.query_text("RevisionId"), call: "GetFunction/GetAlias" };
        self.change_policy(asked, &target, believed, move |policy| remove_statement(policy, &sid)).await?;
        Ok(reply::empty(204))
    }

    pub(crate) fn get_policy(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let target = asked.target(self, function, ReferenceForm::Namespaced, "lambda:GetPolicy")?;
        self.shown_policy(&target)
    }

    fn shown_policy(&self, target: &Target) -> Result<Reply, ApiError> {
        let policy = self.inner.catalog.policy_of(&target.scope, &target.name, target.qualifier.as_ref());
        let policy = policy.ok_or_else(|| ApiError::new(ErrorCode::ResourceNotFound, NO_RESOURCE))?;
        Ok(ok(200, &shown(&policy)))
    }

    pub(crate) async fn put_resource_policy(
        &self,
        asked: &Asked<'_>,
        arn: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let request: PutResourcePolicyRequest = parse(&body)?;
        let mut violations = Violations::default();
        violations.matches(arn, "resourceArn", POLICY_ARN_PATTERN);
        match &request.policy {
            None => violations.null("policy"),
            Some(policy) => violations.length(policy, "policy", 1, 20_480),
        }
        violations.finish()?;
        let document = PolicyDocument::read(request.policy.as_deref().unwrap_or_default());
        let coming = document.as_ref().map(|document| Grants::of(document.statements.iter().map(|(_, json)| &**json)));
        let coming = coming.unwrap_or_default();
        let going = self.lying(asked, arn, None)?;
        let target = self.policy_target(asked, arn, "lambda:PutResourcePolicy", &coming.first())?;
        // It adds and removes: whoever may not do that by other ways may not do it by this one.
        self.permit_each(asked, &target, &["lambda:PutResourcePolicy", "lambda:AddPermission"], &coming)?;
        self.permit_each(asked, &target, &["lambda:RemovePermission"], &going)?;
        self.qualified(asked, &target)?;
        let PolicyDocument { version, id, statements } = document?;
        let statements = statements.into_iter().map(|(sid, json)| Statement { sid, json }).collect();
        let new = Policy { version, id, statements, ..Policy::default() };
        check(&new)?;
        let believed = Believed { revision: request.revision_id, call: "GetResourcePolicy" };
        self.change_policy(asked, &target, believed, move |policy| replace_policy(policy, new)).await?;
        self.shown_policy(&target)
    }

    pub(crate) fn get_resource_policy(&self, asked: &Asked<'_>, arn: &str) -> Result<Reply, ApiError> {
        let mut violations = Violations::default();
        violations.matches(arn, "resourceArn", POLICY_ARN_PATTERN);
        violations.finish()?;
        let target = asked.target(self, arn, ReferenceForm::Namespaced, "lambda:GetResourcePolicy")?;
        self.permit_also(asked, &target, "lambda:GetPolicy", &())?;
        self.shown_policy(&target)
    }

    pub(crate) async fn delete_resource_policy(&self, asked: &Asked<'_>, arn: &str) -> Result<Reply, ApiError> {
        let mut violations = Violations::default();
        violations.matches(arn, "resourceArn", POLICY_ARN_PATTERN);
        violations.finish()?;
        let going = self.lying(asked, arn, None)?;
        let target = self.policy_target(asked, arn, "lambda:DeleteResourcePolicy", &going.first())?;
        self.permit_each(asked, &target, &["lambda:DeleteResourcePolicy", "lambda:RemovePermission"], &going)?;
        self.qualified(asked, &target)?;
        let believed = Believed { revision: asked.query_text("RevisionId"), call: "GetResourcePolicy" };
        self.change_policy(asked, &target, believed, remove_policy).await?;
        Ok(reply::empty(204))
    }

    /// What a policy is changed for.
    fn policy_target(
        &self,
        asked: &Asked<'_>,
        function: &str,
        action: &str,
        told: &Told<'_>,
    ) -> Result<Target, ApiError> {
        let target = asked.target_told(self, function, ReferenceForm::Namespaced, action, told)?;
        match target.qualifier {
            Some(Qualifier::Latest) => Err(invalid("We currently do not support adding policies for $LATEST.")),
            _ => Ok(target),
        }
    }

    /// What the policy that lies there grants: all of it, or one statement.
    fn lying(&self, asked: &Asked<'_>, function: &str, sid: Option<&str>) -> Result<Grants, ApiError> {
        let named = asked.named(function, ReferenceForm::Namespaced)?;
        let target = named.target(&asked.scope()).filter(|_| named.foreign.is_none());
        let policy = target.and_then(|t| self.inner.catalog.policy_of(&t.scope, &t.name, t.qualifier.as_ref()));
        let statements = policy.iter().flat_map(|policy| &policy.statements);
        let wanted = statements.filter(|statement| sid.is_none() || statement.sid.as_deref() == sid);
        Ok(Grants::of(wanted.map(|statement| statement.json.as_str())))
    }

    /// Checks that the caller may do `actions` with each of `grants`: what is allowed for one of them is not for all.
    fn permit_each(
        &self,
        asked: &Asked<'_>,
        target: &Target,
        actions: &[&str],
        grants: &Grants,
    ) -> Result<(), ApiError> {
        let nothing = [Grant::default()];
        let grants = if grants.0.is_empty() { &nothing[..] } else { &grants.0 };
        for action in actions {
            grants.iter().try_for_each(|grant| self.permit_also(asked, target, action, &grant.told()))?;
        }
        Ok(())
    }

    /// Refuses a function, version or alias that is not there; aliases in words of their own.
    pub(crate) fn qualified(&self, asked: &Asked<'_>, target: &Target) -> Result<(), ApiError> {
        let scope = asked.scope();
        self.inner.catalog.get(&scope, &target.name, None).map_err(refusals::catalog)?;
        let found = self.inner.catalog.get(&scope, &target.name, target.qualifier.as_ref());
        match (&target.qualifier, found) {
            // A name that no alias can have is looked for among versions.
            (Some(Qualifier::Alias(alias)), Err(CatalogError::NotFound { arn })) if !alias.contains('$') => {
                Err(ApiError::new(ErrorCode::ResourceNotFound, format!("Cannot find alias arn: {arn}")))
            }
            (_, found) => found.map(drop).map_err(refusals::catalog),
        }
    }

    async fn change_policy(
        &self,
        asked: &Asked<'_>,
        target: &Target,
        believed: Believed,
        decide: impl FnOnce(&mut Option<Policy>) -> Result<(), CatalogError> + Send + 'static,
    ) -> Result<(), ApiError> {
        let (scope, catalog) = (asked.scope(), &self.inner.catalog);
        let changed = catalog.change_policy(&scope, &target.name, target.qualifier.as_ref(), believed, decide).await;
        changed.map_err(refusals::catalog)
    }
}

/// Refuses what cannot be read when it is asked: a policy that nobody understands lets nobody in.
fn check(policy: &Policy) -> Result<(), ApiError> {
    let read = lacewing_access::Policy::parse(&policy.document(), lacewing_access::Kind::Resource);
    read.map(drop).map_err(|error| invalid(error.to_string()))
}

/// A statement as it is kept, and its JSON.
pub(crate) fn written(statement: &lacewing_lambda_api::PolicyStatement) -> Result<(Statement, String), ApiError> {
    let json = serde_json::to_string(statement).map_err(|error| refusals::internal(&error.to_string()))?;
    Ok((Statement { sid: Some(statement.sid.clone()), json: json.clone() }, json))
}

pub(crate) fn shown(policy: &Policy) -> PolicyReply {
    PolicyReply { policy: policy.document(), revision_id: policy.revision.clone() }
}

/// What statements grant, as conditions on who may write them see it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Grants(Vec<Grant>);

/// Whom a statement lets in, and by what kind of URL.
#[derive(Debug, Default, PartialEq, Eq)]
struct Grant {
    principal: Option<String>,
    url_auth_type: Option<String>,
}

impl Grants {
    fn of<'a>(statements: impl Iterator<Item = &'a str>) -> Self {
        let mut grants = Vec::new();
        for json in statements {
            let statement: Value = serde_json::from_str(json).unwrap_or_default();
            let equals = &statement["Condition"]["StringEquals"];
            let url_auth_type = equals["lambda:FunctionUrlAuthType"].as_str().map(str::to_owned);
            for principal in principals(&statement["Principal"]) {
                let grant = Grant { principal: Some(principal), url_auth_type: url_auth_type.clone() };
                if !grants.contains(&grant) {
                    grants.push(grant);
                }
            }
        }
        Self(grants)
    }

    fn first(&self) -> Told<'_> {
        self.0.first().map(Grant::told).unwrap_or_default()
    }
}

impl Grant {
    fn told(&self) -> Told<'_> {
        Told::new()
            .one("lambda:principal", self.principal.as_deref())
            .one("lambda:functionurlauthtype", self.url_auth_type.as_deref())
    }
}

/// The principals of a statement, as `AddPermission` would name them: an account by its number.
fn principals(element: &Value) -> Vec<String> {
    let named = |text: &str| match text.strip_prefix("arn:aws:iam::").and_then(|rest| rest.strip_suffix(":root")) {
        Some(account) => account.to_owned(),
        None => text.to_owned(),
    };
    match element {
        Value::String(text) => vec![named(text)],
        Value::Array(all) => all.iter().flat_map(principals).collect(),
        Value::Object(kinds) => kinds.values().flat_map(principals).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_principal_of_each_statement_is_a_grant() {
        let grants = Grants::of(
            [
                r#"{"Principal":{"AWS":["arn:aws:iam::111111111111:root","222222222222"],"Service":"sns.amazonaws.com"}}"#,
                r#"{"Principal":"*","Condition":{"StringEquals":{"lambda:FunctionUrlAuthType":"NONE"}}}"#,
                r#"{"Principal":"*","Condition":{"StringEquals":{"lambda:FunctionUrlAuthType":"NONE"}}}"#,
                "no statement",
            ]
            .into_iter(),
        );
        let shown: Vec<_> =
            grants.0.iter().map(|grant| (grant.principal.as_deref(), grant.url_auth_type.as_deref())).collect();
        assert_eq!(
            shown,
            [
                (Some("111111111111"), None),
                (Some("222222222222"), None),
                (Some("sns.amazonaws.com"), None),
                (Some("*"), Some("NONE"))
            ]
        );
    }
}
