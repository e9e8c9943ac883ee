//! Code signing configurations, and which function has which.

use crate::answer::ok;
use crate::asked::Asked;
use crate::paging::{FIFTY, Paging};
use crate::reply::{self, Reply};
use crate::requests::check_tags;
use crate::told::Told;
use crate::{Gateway, refusals};
use bytes::Bytes;
use lacewing_catalog::records::{CodeSigning, Document, FunctionSigning, RecordKey};
use lacewing_catalog::{CatalogError, Scope};
use lacewing_lambda_api::{
    AllowedPublishers, ApiError, CodeSigningPolicies, CodeSigningReply, CodeSigningRequest, ErrorCode,
    FunctionCodeSigningRequest, ListCodeSigningReply, ListSignedFunctionsReply, ReferenceForm, Violations,
    check_code_signing_arn, function_time, parse,
};
use lacewing_model::RequestId;
use serde_json::json;

/// Source: Lambda service model.
const PAGING: Paging = Paging { asked_max: 10_000, ..FIFTY };

impl Gateway {
    pub(crate) async fn create_code_signing(&self, asked: &Asked<'_>, body: Bytes) -> Result<Reply, ApiError> {
        let request: CodeSigningRequest = parse(&body)?;
        let none = std::collections::BTreeMap::new();
        let tags = request.tags.as_ref().unwrap_or(&none);
        asked.permit_told(self, "lambda:CreateCodeSigningConfig", "*", &Told::new().tags(tags))?;
        // 17 of 32 hex digits: random enough to be nobody else's.
        let digits = RequestId::random().to_string().replace('-', "");
        let key = asked.scope().record(CodeSigning::FAMILY, &format!("csc-{}", &digits[..17]));
        if !tags.is_empty() {
            asked.permit_told(self, "lambda:TagResource", &config_arn(&key), &Told::new().tags(tags))?;
        }
        let mut violations = Violations::default();
        if request.allowed_publishers.is_none() {
            violations.null("allowedPublishers");
        }
        request.check(&mut violations);
        check_tags(request.tags.as_ref().unwrap_or(&Default::default()), &mut violations);
        violations.finish()?;
        let new = CodeSigning {
            publishers: publishers(&request).unwrap_or_default(),
            enforce: enforced(&request).unwrap_or_default(),
            description: request.description,
            modified_ms: asked.now.0,
            tags: request.tags.unwrap_or_default(),
        };
        let reply = shown(&key, &new);
        let put = self.inner.catalog.put_record(key, new);
        put.await.map_err(refusals::catalog)?;
        Ok(ok(201, &json!({"CodeSigningConfig": reply})))
    }

    pub(crate) async fn update_code_signing(
        &self,
        asked: &Asked<'_>,
        arn: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let request: CodeSigningRequest = parse(&body)?;
        let key = self.code_signing_key(asked, arn, "lambda:UpdateCodeSigningConfig", |v| request.check(v))?;
        let now = asked.now.0;
        let changed = self.inner.catalog.change_record(key.clone(), move |lying: &mut Option<CodeSigning>| {
            let config = lying.as_mut().ok_or_else(gone)?;
            config.publishers = publishers(&request).unwrap_or_else(|| config.publishers.clone());
            config.enforce = enforced(&request).unwrap_or(config.enforce);
            config.description = request.description.or_else(|| config.description.clone());
            config.modified_ms = now;
            Ok(config.clone())
        });
        let changed = changed.await.map_err(|error| missing_or(arn, error))?;
        Ok(ok(200, &json!({"CodeSigningConfig": shown(&key, &changed)})))
    }

    pub(crate) fn get_code_signing(&self, asked: &Asked<'_>, arn: &str) -> Result<Reply, ApiError> {
        let key = self.code_signing_key(asked, arn, "lambda:GetCodeSigningConfig", |_| {})?;
        let found = self.inner.catalog.record::<CodeSigning>(&key).ok_or_else(|| missing(arn))?;
        Ok(ok(200, &json!({"CodeSigningConfig": shown(&key, &found)})))
    }

    pub(crate) async fn delete_code_signing(&self, asked: &Asked<'_>, arn: &str) -> Result<Reply, ApiError> {
        self.code_signing_key(asked, arn, "lambda:DeleteCodeSigningConfig", |_| {})?;
        let deleted = self.inner.catalog.delete_code_signing(&asked.scope(), arn).await;
        deleted.map_err(|error| missing_or(arn, error))?;
        Ok(reply::empty(204))
    }

    pub(crate) fn list_code_signing(&self, asked: &Asked<'_>) -> Result<Reply, ApiError> {
        asked.permit(self, "lambda:ListCodeSigningConfigs", || "*".to_owned())?;
        let all = self.inner.catalog.all_records::<CodeSigning>(&asked.scope());
        let page = PAGING.cut(asked, all, |(key, _)| &key.name)?;
        let code_signing_configs = page.items.iter().map(|(key, config)| shown(key, config)).collect();
        Ok(ok(200, &ListCodeSigningReply { code_signing_configs, next_marker: page.next_marker }))
    }

    pub(crate) fn list_signed_functions(&self, asked: &Asked<'_>, arn: &str) -> Result<Reply, ApiError> {
        let key = self.code_signing_key(asked, arn, "lambda:ListFunctionsByCodeSigningConfig", |_| {})?;
        self.inner.catalog.record::<CodeSigning>(&key).ok_or_else(|| missing(arn))?;
        let page = PAGING.cut(asked, self.signed_functions(&asked.scope(), arn), |name| name)?;
        let function_arns = page.items.iter().map(|name| asked.arn(name)).collect();
        Ok(ok(200, &ListSignedFunctionsReply { function_arns, next_marker: page.next_marker }))
    }

    pub(crate) async fn put_function_code_signing(
        &self,
        asked: &Asked<'_>,
        function: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let request: FunctionCodeSigningRequest = parse(&body)?;
        let action = "lambda:PutFunctionCodeSigningConfig";
        let told = Told::new().one("lambda:codesigningconfigarn", request.code_signing_config_arn.as_deref());
        let target = asked.target_told(self, function, ReferenceForm::Namespaced, action, &told)?;
        let mut violations = Violations::default();
        match &request.code_signing_config_arn {
            None => violations.null("codeSigningConfigArn"),
            Some(arn) => check_code_signing_arn(arn, &mut violations),
        }
        violations.finish()?;
        let config_arn = request.code_signing_config_arn.unwrap_or_default();
        let told = Told::new().one("lambda:codesigningconfigarn", Some(&config_arn));
        self.permit_config(asked, &config_arn, action, &told)?;
        let reply = json!({"CodeSigningConfigArn": config_arn, "FunctionName": target.name.as_str()});
        self.inner.catalog.sign(&asked.scope(), &target.name, config_arn).await.map_err(refusals::catalog)?;
        Ok(ok(200, &reply))
    }

    pub(crate) fn get_function_code_signing(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let action = "lambda:GetFunctionCodeSigningConfig";
        let target = asked.target(self, function, ReferenceForm::Namespaced, action)?;
        let scope = asked.scope();
        self.inner.catalog.get(&scope, &target.name, None).map_err(refusals::catalog)?;
        let key = scope.function_record(FunctionSigning::FAMILY, &target.name, "");
        // A function without one is answered with nothing at all, as recorded.
        Ok(match self.inner.catalog.record::<FunctionSigning>(&key) {
            None => ok(200, &json!({})),
            Some(found) => {
                ok(200, &json!({"CodeSigningConfigArn": found.config_arn, "FunctionName": target.name.as_str()}))
            }
        })
    }

    pub(crate) async fn delete_function_code_signing(
        &self,
        asked: &Asked<'_>,
        function: &str,
    ) -> Result<Reply, ApiError> {
        let action = "lambda:DeleteFunctionCodeSigningConfig";
        let target = asked.target(self, function, ReferenceForm::Namespaced, action)?;
        let key = asked.scope().function_record(FunctionSigning::FAMILY, &target.name, "");
        let delete = self.inner.catalog.change_record(key, |lying: &mut Option<FunctionSigning>| {
            *lying = None;
            Ok(())
        });
        delete.await.map_err(refusals::catalog)?;
        Ok(reply::empty(204))
    }

    /// The names of the functions that have a configuration.
    fn signed_functions(&self, scope: &Scope, arn: &str) -> Vec<String> {
        let all = self.inner.catalog.all_records::<FunctionSigning>(scope).into_iter();
        let having = all.filter(|(_, signing)| signing.config_arn == arn);
        having.filter_map(|(key, _)| Some(key.function.as_ref()?.to_string())).collect()
    }

    /// Checks that the caller may do `action` to a configuration, whose tags conditions may ask for.
    fn permit_config(&self, asked: &Asked<'_>, arn: &str, action: &str, told: &Told<'_>) -> Result<(), ApiError> {
        let lying = self.inner.catalog.record::<CodeSigning>(&asked.scope().code_signing_key(arn));
        let about = lying.as_ref().map(|config| Told::new().tagged(&config.tags)).unwrap_or_default();
        asked.permit_told(self, action, arn, &(told, &about))
    }

    fn code_signing_key(
        &self,
        asked: &Asked<'_>,
        arn: &str,
        action: &str,
        check: impl FnOnce(&mut Violations),
    ) -> Result<RecordKey, ApiError> {
        self.permit_config(asked, arn, action, &Told::new())?;
        let mut violations = Violations::default();
        check_code_signing_arn(arn, &mut violations);
        check(&mut violations);
        violations.finish()?;
        Ok(asked.scope().code_signing_key(arn))
    }
}

fn config_arn(key: &RecordKey) -> String {
    format!("arn:aws:lambda:{}:{}:code-signing-config:{}", key.region, key.account, key.name)
}

fn publishers(request: &CodeSigningRequest) -> Option<Vec<String>> {
    request.allowed_publishers.as_ref()?.signing_profile_version_arns.clone()
}

fn enforced(request: &CodeSigningRequest) -> Option<bool> {
    let word = request.code_signing_policies.as_ref()?.untrusted_artifact_on_deployment.as_deref();
    word.map(|word| word == "Enforce")
}

fn gone() -> CatalogError {
    CatalogError::Missing(String::new())
}

fn missing(arn: &str) -> ApiError {
    let text = format!("The Lambda code signing configuration {arn} can not be found.");
    ApiError::new(ErrorCode::BareResourceNotFound, text)
}

fn missing_or(arn: &str, error: CatalogError) -> ApiError {
    match error {
        CatalogError::Missing(_) => missing(arn),
        other => refusals::catalog(other),
    }
}

fn shown(key: &RecordKey, config: &CodeSigning) -> CodeSigningReply {
    let word = if config.enforce { "Enforce" } else { "Warn" };
    CodeSigningReply {
        code_signing_config_id: key.name.to_string(),
        code_signing_config_arn: config_arn(key),
        description: config.description.clone(),
        allowed_publishers: AllowedPublishers { signing_profile_version_arns: Some(config.publishers.clone()) },
        code_signing_policies: CodeSigningPolicies { untrusted_artifact_on_deployment: Some(word.to_owned()) },
        last_modified: function_time(config.modified_ms),
    }
}
