//! Operations on concurrency: what is reserved, what is provisioned, what the account has.

use crate::answer::ok;
use crate::asked::{Asked, Target};
use crate::functions::invalid;
use crate::paging::{marker, max_items, next_marker};
use crate::reply::{self, Reply};
use crate::{Gateway, refusals};
use bytes::Bytes;
use lacewing_catalog::{CatalogError, ProvisionedView};
use lacewing_invoke::ProvisionStatus;
use lacewing_lambda_api::{
    ApiError, ConcurrencyReply, ErrorCode, ListProvisionedReply, ProvisionedReply, PutConcurrencyRequest,
    PutProvisionedRequest, ReferenceForm, Violations, function_time, parse,
};
use lacewing_model::{FunctionArn, FunctionName, Qualifier};
use serde_json::json;

impl Gateway {
    pub(crate) async fn put_concurrency(
        &self,
        asked: &Asked<'_>,
        function: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let Target { scope, name, .. } = self.whole_function(asked, function, "lambda:PutFunctionConcurrency")?;
        let request: PutConcurrencyRequest = parse(&body)?;
        let reserved = count(request.reserved_concurrent_executions, "reservedConcurrentExecutions", 0)?;
        let max = self.inner.limits.account_concurrency_max;
        let put = self.inner.catalog.reserve(&scope, &name, Some(reserved), max).await;
        put.map_err(|error| match error {
            // AWS shows a missing function with `$LATEST` here.
            CatalogError::NotFound { arn } => refusals::catalog(CatalogError::NotFound {
                arn: FunctionArn { qualifier: Some(Qualifier::Latest), ..arn },
            }),
            other => refusals::catalog(other),
        })?;
        Ok(ok(200, &ConcurrencyReply { reserved_concurrent_executions: Some(reserved) }))
    }

    pub(crate) fn get_concurrency(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let Target { scope, name, .. } = self.whole_function(asked, function, "lambda:GetFunctionConcurrency")?;
        let view = self.inner.catalog.get(&scope, &name, None).map_err(refusals::catalog)?;
        Ok(ok(200, &ConcurrencyReply { reserved_concurrent_executions: view.reserved }))
    }

    pub(crate) async fn delete_concurrency(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let Target { scope, name, .. } = self.whole_function(asked, function, "lambda:DeleteFunctionConcurrency")?;
        let max = self.inner.limits.account_concurrency_max;
        self.inner.catalog.reserve(&scope, &name, None, max).await.map_err(refusals::catalog)?;
        Ok(reply::empty(204))
    }

    /// The function of an operation that knows no versions.
    fn whole_function(&self, asked: &Asked<'_>, function: &str, action: &str) -> Result<Target, ApiError> {
        let target = asked.target(self, function, ReferenceForm::Short, action)?;
        match target.qualifier {
            None => Ok(target),
            Some(_) => Err(invalid(
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this \
                 operation. Please specify either a function name or an unqualified function ARN.",
            )),
        }
    }

    pub(crate) async fn put_provisioned(
        &self,
        asked: &Asked<'_>,
        function: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let (name, qualifier) = self.provisioned(asked, function, "lambda:PutProvisionedConcurrencyConfig")?;
        let request: PutProvisionedRequest = parse(&body)?;
        let requested = count(request.provisioned_concurrent_executions, "provisionedConcurrentExecutions", 1)?;
        if qualifier == Qualifier::Latest {
            return Err(invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions."));
        }
        let (scope, max) = (asked.scope(), self.inner.limits.account_concurrency_max);
        let put = self.inner.catalog.provision(&scope, &name, &qualifier, Some(requested), max).await;
        put.map_err(refusals::catalog)?;
        let view = self.found(asked, &name, &qualifier)?;
        // As recorded: what has just been asked for is never there yet, even where enough already stand ready.
        let begun = ProvisionedReply {
            available_provisioned_concurrent_executions: 0,
            allocated_provisioned_concurrent_executions: 0,
            status: "IN_PROGRESS",
            status_reason: None,
            ..self.shown(&view)
        };
        Ok(ok(202, &begun))
    }

    pub(crate) fn get_provisioned(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let (name, qualifier) = self.provisioned(asked, function, "lambda:GetProvisionedConcurrencyConfig")?;
        if qualifier == Qualifier::Latest {
            return Err(invalid("The function resource provided must be an alias or a published version."));
        }
        Ok(ok(200, &self.shown(&self.found(asked, &name, &qualifier)?)))
    }

    pub(crate) fn list_provisioned(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let action = "lambda:ListProvisionedConcurrencyConfigs";
        let target = asked.target(self, function, ReferenceForm::Short, action)?;
        let mut violations = Violations::default();
        let max = max_items(asked, 50, &mut violations);
        violations.finish()?;
        let after: Option<Qualifier> = marker(asked)?;
        let page = self.inner.catalog.provisioned_list(&asked.scope(), &target.name, after.as_ref(), max);
        let page = page.map_err(refusals::catalog)?;
        let next_marker = page.items.last().filter(|_| page.more).map(|last| next_marker(&last.qualifier));
        let configs = page.items.iter().map(|view| ProvisionedReply {
            function_arn: Some(asked.arn(&format!("{}:{}", target.name, view.qualifier))),
            ..self.shown(view)
        });
        Ok(ok(200, &ListProvisionedReply { provisioned_concurrency_configs: configs.collect(), next_marker }))
    }

    pub(crate) async fn delete_provisioned(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let (name, qualifier) = self.provisioned(asked, function, "lambda:DeleteProvisionedConcurrencyConfig")?;
        if qualifier == Qualifier::Latest {
            return Err(invalid("The function resource provided must be an alias or a published version."));
        }
        let max = self.inner.limits.account_concurrency_max;
        let done = self.inner.catalog.provision(&asked.scope(), &name, &qualifier, None, max).await;
        done.map_err(refusals::catalog)?;
        Ok(reply::empty(204))
    }

    /// The function and the qualifier, which must be given.
    fn provisioned(
        &self,
        asked: &Asked<'_>,
        function: &str,
        action: &str,
    ) -> Result<(FunctionName, Qualifier), ApiError> {
        let Target { name, qualifier, .. } = asked.target(self, function, ReferenceForm::Short, action)?;
        let missing = || {
            let mut violations = Violations::default();
            violations.null("qualifier");
            ApiError::new(ErrorCode::Validation, violations.text().unwrap_or_default())
        };
        Ok((name, qualifier.ok_or_else(missing)?))
    }

    fn found(
        &self,
        asked: &Asked<'_>,
        name: &FunctionName,
        qualifier: &Qualifier,
    ) -> Result<ProvisionedView, ApiError> {
        let found = self.inner.catalog.provisioned_of(&asked.scope(), name, qualifier).map_err(refusals::catalog)?;
        found.ok_or_else(|| {
            let text = "No Provisioned Concurrency Config found for this function";
            ApiError::new(ErrorCode::ProvisionedConcurrencyConfigNotFound, text)
        })
    }

    /// What was asked for, and how far the pool is with it.
    fn shown(&self, view: &ProvisionedView) -> ProvisionedReply {
        let requested = view.provisioned.requested;
        let (mut available, mut allocated, mut reason) = (0, 0, None);
        for &(generation, share) in &view.shares {
            let ProvisionStatus { figures, reason: why } = self.inner.invoke.provisioned(generation);
            available += figures.available.min(share);
            allocated += figures.allocated.min(share);
            reason = reason.or(why);
        }
        let status = match &reason {
            _ if available >= requested => "READY",
            Some(_) => "FAILED",
            None => "IN_PROGRESS",
        };
        if status == "IN_PROGRESS" {
            // As recorded. How many of them stand already is in the metrics.
            (available, allocated) = (0, 0);
        }
        ProvisionedReply {
            function_arn: None,
            requested_provisioned_concurrent_executions: requested,
            available_provisioned_concurrent_executions: available,
            allocated_provisioned_concurrent_executions: allocated,
            status,
            status_reason: reason.filter(|_| status == "FAILED"),
            last_modified: function_time(view.provisioned.since.0),
        }
    }

    pub(crate) fn get_account_settings(&self, asked: &Asked<'_>) -> Result<Reply, ApiError> {
        asked.permit(self, "lambda:GetAccountSettings", || "*".to_owned())?;
        let (limits, totals) = (&self.inner.limits, self.inner.catalog.totals(&asked.scope()));
        let reserved = self.inner.catalog.reserved(&asked.scope());
        let unreserved = u64::from(limits.account_concurrency_max).saturating_sub(reserved);
        let limit = json!({
            // 75 GB, as AWS has it; nothing enforces it here.
            "TotalCodeSize": 80_530_636_800_u64,
            "CodeSizeUnzipped": limits.unzipped_bytes_max,
            "CodeSizeZipped": limits.zip_bytes_max,
            "ConcurrentExecutions": limits.account_concurrency_max,
            "UnreservedConcurrentExecutions": unreserved,
        });
        // Layer versions count like versions of functions.
        let code_bytes = totals.code_bytes + self.inner.catalog.layer_bytes(&asked.scope());
        let usage = json!({"TotalCodeSize": code_bytes, "FunctionCount": totals.functions});
        Ok(ok(200, &json!({"AccountLimit": limit, "AccountUsage": usage})))
    }
}

/// A number that must be given.
fn count(given: Option<i64>, path: &str, min: i64) -> Result<u32, ApiError> {
    let mut violations = Violations::default();
    match given {
        None => violations.null(path),
        Some(given) => violations.range(given, path, min, i64::from(i32::MAX)),
    }
    violations.finish()?;
    Ok(given.and_then(|given| u32::try_from(given).ok()).unwrap_or_default())
}
