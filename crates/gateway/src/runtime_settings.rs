//! Settings of one word or two: recursion, runtime management, scaling of functions on capacity providers.

use crate::answer::ok;
use crate::asked::{Asked, Target};
use crate::functions::invalid;
use crate::reply::Reply;
use crate::{Gateway, refusals};
use bytes::Bytes;
use lacewing_catalog::records::{Document, FunctionScaling, Recursion, RuntimeManagement};
use lacewing_lambda_api::{
    ApiError, FunctionScalingReply, FunctionScalingRequest, RUNTIME_VERSION_PATTERN, RecursionRequest, ReferenceForm,
    RuntimeManagementReply, RuntimeManagementRequest, ScalingBounds, Violations, parse,
};
use lacewing_model::Qualifier;
use serde_json::json;

const SCALED_PATTERN: &str = r"(\$LATEST\.PUBLISHED|[0-9]+)";

impl Gateway {
    pub(crate) async fn put_recursion(
        &self,
        asked: &Asked<'_>,
        function: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let request: RecursionRequest = parse(&body)?;
        let target = asked.target(self, function, ReferenceForm::Short, "lambda:PutFunctionRecursionConfig")?;
        let mut violations = Violations::default();
        match request.recursive_loop.as_deref() {
            None => violations.null("recursiveLoop"),
            Some(word) => violations.one_of(word, "recursiveLoop", &["Terminate", "Allow"]),
        }
        violations.finish()?;
        let allowed = request.recursive_loop.as_deref() == Some("Allow");
        let key = asked.scope().function_record(Recursion::FAMILY, &target.name, "");
        let put = self.inner.catalog.put_record(key, Recursion { allowed });
        put.await.map_err(refusals::catalog)?;
        Ok(recursion(allowed))
    }

    pub(crate) fn get_recursion(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let target = asked.target(self, function, ReferenceForm::Short, "lambda:GetFunctionRecursionConfig")?;
        let scope = asked.scope();
        self.inner.catalog.get(&scope, &target.name, None).map_err(refusals::catalog)?;
        let key = scope.function_record(Recursion::FAMILY, &target.name, "");
        let found = self.inner.catalog.record::<Recursion>(&key);
        Ok(recursion(found.is_some_and(|config| config.allowed)))
    }

    pub(crate) async fn put_runtime_management(
        &self,
        asked: &Asked<'_>,
        function: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let request: RuntimeManagementRequest = parse(&body)?;
        let action = "lambda:PutRuntimeManagementConfig";
        let target = self.managed(asked, function, action)?;
        let mut violations = Violations::default();
        match request.update_runtime_on.as_deref() {
            None => violations.null("updateRuntimeOn"),
            Some(word) => violations.one_of(word, "updateRuntimeOn", &["Auto", "Manual", "FunctionUpdate"]),
        }
        if let Some(arn) = &request.runtime_version_arn {
            violations.length(arn, "runtimeVersionArn", 26, 2_048);
            violations.matches(arn, "runtimeVersionArn", RUNTIME_VERSION_PATTERN);
        }
        violations.finish()?;
        let update_on = request.update_runtime_on.unwrap_or_default();
        let runtime_version_arn = request.runtime_version_arn;
        match (update_on.as_str(), &runtime_version_arn) {
            ("Manual", None) => {
                return Err(invalid("You must specify a RuntimeVersionArn when UpdateRuntimeOn is Manual."));
            }
            ("Auto" | "FunctionUpdate", Some(_)) => {
                return Err(invalid("RuntimeVersionArn is for UpdateRuntimeOn Manual only: leave it out."));
            }
            _ => {}
        }
        let new = RuntimeManagement { update_on, runtime_version_arn };
        let reply = management(asked, &target, &new);
        let put = self.inner.catalog.put_record(management_key(asked, &target), new);
        put.await.map_err(refusals::catalog)?;
        Ok(ok(200, &reply))
    }

    pub(crate) fn get_runtime_management(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let target = self.managed(asked, function, "lambda:GetRuntimeManagementConfig")?;
        let found = self.inner.catalog.record::<RuntimeManagement>(&management_key(asked, &target));
        let default = || RuntimeManagement { update_on: "Auto".to_owned(), runtime_version_arn: None };
        Ok(ok(200, &management(asked, &target, &found.map_or_else(default, |found| (*found).clone()))))
    }

    fn managed(&self, asked: &Asked<'_>, function: &str, action: &str) -> Result<Target, ApiError> {
        let target = asked.target(self, function, ReferenceForm::Namespaced, action)?;
        let found = self.inner.catalog.get(&asked.scope(), &target.name, target.qualifier.as_ref());
        found.map(|_| target).map_err(refusals::catalog)
    }

    pub(crate) async fn put_function_scaling(
        &self,
        asked: &Asked<'_>,
        function: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let request: FunctionScalingRequest = parse(&body)?;
        let target = self.scaled(asked, function, "lambda:PutFunctionScalingConfig", |violations| {
            let bounds = request.function_scaling_config.iter();
            for (number, name) in bounds.flat_map(|bounds| {
                [(bounds.min_execution_environments, "min"), (bounds.max_execution_environments, "max")]
            }) {
                if let Some(number) = number {
                    violations.range(number, &format!("functionScalingConfig.{name}ExecutionEnvironments"), 0, 15_000);
                }
            }
        })?;
        let bounds = request.function_scaling_config.unwrap_or_default();
        let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
        let (min, max) = (number(bounds.min_execution_environments), number(bounds.max_execution_environments));
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            return Err(invalid("MinExecutionEnvironments must not be greater than MaxExecutionEnvironments."));
        }
        let scope = asked.scope();
        let view = self.inner.catalog.get(&scope, &target.name, target.qualifier.as_ref());
        let state = view.map_err(refusals::catalog)?.state();
        let qualifier = target.qualifier.as_ref().map(ToString::to_string).unwrap_or_default();
        let key = scope.function_record(FunctionScaling::FAMILY, &target.name, &qualifier);
        let put = self.inner.catalog.put_record(key, FunctionScaling { min, max });
        put.await.map_err(refusals::catalog)?;
        Ok(ok(202, &json!({"FunctionState": state})))
    }

    pub(crate) fn get_function_scaling(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let target = self.scaled(asked, function, "lambda:GetFunctionScalingConfig", |_| {})?;
        let scope = asked.scope();
        self.inner.catalog.get(&scope, &target.name, target.qualifier.as_ref()).map_err(refusals::catalog)?;
        let qualifier = target.qualifier.as_ref().map(ToString::to_string).unwrap_or_default();
        let key = scope.function_record(FunctionScaling::FAMILY, &target.name, &qualifier);
        let bounds = self.inner.catalog.record::<FunctionScaling>(&key).map(|found| ScalingBounds {
            min_execution_environments: found.min.map(i64::from),
            max_execution_environments: found.max.map(i64::from),
        });
        Ok(ok(
            200,
            &FunctionScalingReply {
                function_arn: scope.arn(&target.name, target.qualifier.as_ref()).to_string(),
                applied_function_scaling_config: bounds.clone(),
                requested_function_scaling_config: bounds,
            },
        ))
    }

    /// The published version that is scaled.
    fn scaled(
        &self,
        asked: &Asked<'_>,
        function: &str,
        action: &str,
        check: impl FnOnce(&mut Violations),
    ) -> Result<Target, ApiError> {
        let mut violations = Violations::default();
        match asked.query.get("Qualifier") {
            None => violations.null("qualifier"),
            Some(qualifier) => violations.matches(&qualifier, "qualifier", SCALED_PATTERN),
        }
        check(&mut violations);
        violations.finish()?;
        asked.target(self, function, ReferenceForm::Short, action)
    }
}

fn recursion(allowed: bool) -> Reply {
    ok(200, &json!({"RecursiveLoop": if allowed { "Allow" } else { "Terminate" }}))
}

fn management_key(asked: &Asked<'_>, target: &Target) -> lacewing_catalog::records::RecordKey {
    let qualifier = target.qualifier.as_ref().unwrap_or(&Qualifier::Latest).to_string();
    asked.scope().function_record(RuntimeManagement::FAMILY, &target.name, &qualifier)
}

fn management(asked: &Asked<'_>, target: &Target, config: &RuntimeManagement) -> RuntimeManagementReply {
    let qualifier = target.qualifier.as_ref().unwrap_or(&Qualifier::Latest);
    RuntimeManagementReply {
        update_runtime_on: config.update_on.clone(),
        function_arn: asked.scope().arn(&target.name, Some(qualifier)).to_string(),
        runtime_version_arn: config.runtime_version_arn.clone(),
    }
}
