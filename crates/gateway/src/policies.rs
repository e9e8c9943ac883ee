//! Resource policies of functions, versions and aliases.

use crate::answer::ok;
use crate::asked::{Asked, Target};
use crate::functions::invalid;
use crate::reply::{self, Reply};
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
        let target = self.policy_target(asked, function, "lambda:AddPermission")?;
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
        let target = self.policy_target(asked, function, "lambda:RemovePermission")?;
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
        let target = asked.target(self, function, ReferenceForm::Namespaced, "lambda:GetPolicy", "")?;
        self.shown_policy(asked, &target)
    }

    fn shown_policy(&self, asked: &Asked<'_>, target: &Target) -> Result<Reply, ApiError> {
        let policy = self.inner.catalog.policy_of(&asked.scope(), &target.name, target.qualifier.as_ref());
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
        let target = self.policy_target(asked, arn, "lambda:PutResourcePolicy")?;
        self.qualified(asked, &target)?;
        let PolicyDocument { version, id, statements } =
            PolicyDocument::read(request.policy.as_deref().unwrap_or_default())?;
        let statements = statements.into_iter().map(|(sid, json)| Statement { sid, json }).collect();
        let new = Policy { version, id, statements, ..Policy::default() };
        check(&new)?;
        let believed = Believed { revision: request.revision_id, call: "GetResourcePolicy" };
        self.change_policy(asked, &target, believed, move |policy| replace_policy(policy, new)).await?;
        self.shown_policy(asked, &target)
    }

    pub(crate) fn get_resource_policy(&self, asked: &Asked<'_>, arn: &str) -> Result<Reply, ApiError> {
        let mut violations = Violations::default();
        violations.matches(arn, "resourceArn", POLICY_ARN_PATTERN);
        violations.finish()?;
        let target = asked.target(self, arn, ReferenceForm::Namespaced, "lambda:GetResourcePolicy", "")?;
        self.shown_policy(asked, &target)
    }

    pub(crate) async fn delete_resource_policy(&self, asked: &Asked<'_>, arn: &str) -> Result<Reply, ApiError> {
        let mut violations = Violations::default();
        violations.matches(arn, "resourceArn", POLICY_ARN_PATTERN);
        violations.finish()?;
        let target = self.policy_target(asked, arn, "lambda:DeleteResourcePolicy")?;
        self.qualified(asked, &target)?;
        let believed = Believed { revision: asked.query_text("RevisionId"), call: "GetResourcePolicy" };
        self.change_policy(asked, &target, believed, remove_policy).await?;
        Ok(reply::empty(204))
    }

    /// What a policy is changed for.
    fn policy_target(&self, asked: &Asked<'_>, function: &str, action: &str) -> Result<Target, ApiError> {
        let target = asked.target(self, function, ReferenceForm::Namespaced, action, "")?;
        match target.qualifier {
            Some(Qualifier::Latest) => Err(invalid("We currently do not support adding policies for $LATEST.")),
            _ => Ok(target),
        }
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
