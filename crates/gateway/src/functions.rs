//! Operations on functions.

use crate::answer::{heavy, ok};
use crate::asked::{Asked, Target};
use crate::configuration::{self, Detail};
use crate::paging::{marker, max_items, next_marker};
use crate::reply::{self, Reply};
use crate::requests::{CodeSource, NewFunctionParts, config_of, read_code_change, read_create};
use crate::settings::{change, check_model};
use crate::told::Told;
use crate::{Gateway, refusals};
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use lacewing_catalog::{Code, CodeChange, ConfigChange, FunctionView, NewFunction, ObjectRef, Scope};
use lacewing_lambda_api::{
    ApiError, CodeLocation, ConcurrencyReply, ErrorCode, FunctionSettings, GetFunctionReply, ListFunctionsReply,
    ReferenceForm, TagsError, Violations, parse,
};
use lacewing_model::{FunctionConfig, FunctionName, Qualifier};
use std::collections::BTreeMap;
use std::time::Duration;

/// Standard base64, its padding optional.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How long the answer to a create or an update waits for the function to be ready.
const SETTLE_AHEAD: Duration = Duration::from_millis(200);
/// The pause between two looks at it.
const SETTLE_LOOK: Duration = Duration::from_millis(2);

impl Gateway {
    pub(crate) async fn create_function(&self, asked: &Asked<'_>, body: Bytes) -> Result<Reply, ApiError> {
        let limits = self.inner.limits.clone();
        let new = heavy(body.len(), move || read_create(&body, &limits)).await?;
        let told = told_of(&new.change).tags(&new.tags).one("lambda:codesigningconfigarn", new.code_signing.as_deref());
        let target = asked.target_told(self, &new.reference, ReferenceForm::Short, "lambda:CreateFunction", &told)?;
        if !new.tags.is_empty() {
            self.permit_also(asked, &target, "lambda:TagResource", &Told::new().tags(&new.tags))?;
        }
        let NewFunctionParts {
            mut change,
            architecture,
            tenancy,
            code,
            tags,
            publish,
            egress,
            code_signing,
            source_kms_key,
            ..
        } = new;
        let layers = change.layers.take().unwrap_or_default();
        self.permit_layers(asked, &layers)?;
        let image = change.image.take().unwrap_or_default();
        let config = config_of(&target.name, change, architecture, egress, matches!(code, CodeSource::Image(_)))?;
        let config = FunctionConfig { tenancy, source_kms_key, ..config };
        self.check_role(asked, &config.role)?;
        let code = self.code_of(asked, code).await?;
        let (scope, name) = (asked.scope(), target.name.clone());
        let new = NewFunction { name: target.name, config, code, image, layers, tags, publish, code_signing };
        let view = self.inner.catalog.create(&scope, new).await.map_err(refusals::catalog)?;
        self.settle_ahead(&scope, &name).await;
        // The ARN stays that of the function, even where the reply shows version 1. Source: recorded AWS replies.
        Ok(ok(201, &configuration::of(&view, None, Detail::Full)))
    }

    /// Holds the answer back while the function is being made ready, for a moment: small packages lie ready by then, and
    /// a call or a change that follows at once is not refused. The answer itself says Pending or InProgress, as on Lambda.
    async fn settle_ahead(&self, scope: &Scope, name: &FunctionName) {
        let until = tokio::time::Instant::now() + SETTLE_AHEAD;
        let pending = || self.inner.catalog.get(scope, name, None).is_ok_and(|view| view.lifecycle.is_in_progress());
        while pending() && tokio::time::Instant::now() < until {
            tokio::time::sleep(SETTLE_LOOK).await;
        }
    }

    /// The package itself, or the name of the image.
    pub(crate) async fn code_of(&self, asked: &Asked<'_>, source: CodeSource) -> Result<Code, ApiError> {
        match source {
            CodeSource::Image(uri) => Ok(Code::Image(uri)),
            CodeSource::Sent(zip) => Ok(Code::Zip(zip)),
            CodeSource::Object { bucket, key, version, stays } => {
                let object = ObjectRef { region: asked.region().to_string(), bucket, key, version };
                self.inner.catalog.fetch(&object, stays).await.map_err(refusals::catalog)
            }
        }
    }

    pub(crate) fn get_function(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let (view, target) = self.view(asked, function, "lambda:GetFunction")?;
        // Tags are for who may list them; the rest of the answer is for everyone who came so far.
        let tags = self.permit_also(asked, &target, "lambda:ListTags", &());
        let reply = GetFunctionReply {
            configuration: configuration::of(&view, target.qualifier.as_ref(), Detail::Full),
            code: self.code_location(asked, &view),
            tags: tags.as_ref().map_or_else(|_| BTreeMap::new(), |()| view.tags.as_ref().clone()),
            tags_error: tags.err().map(|error| TagsError { error_code: error.code.name(), message: error.message }),
            concurrency: view
                .reserved
                .map(|reserved| ConcurrencyReply { reserved_concurrent_executions: Some(reserved) }),
        };
        Ok(ok(200, &reply))
    }

    fn code_location(&self, asked: &Asked<'_>, view: &FunctionView) -> CodeLocation {
        let config = &view.version.config;
        let (image, object) = (config.image.as_ref(), config.object.as_ref());
        CodeLocation {
            repository_type: if image.is_some() { "ECR" } else { "S3" },
            // What stays in somebody's bucket is downloaded from there. Source: replies that users have shown.
            location: (image.is_none() && object.is_none()).then(|| self.package_location(asked, view)),
            image_uri: image.map(|image| image.uri.clone()),
            resolved_image_uri: image.map(|image| image.resolved_uri.clone()),
            resolved_s3_object: object.map(configuration::object),
            source_kms_key_arn: config.source_kms_key.clone(),
            error: configuration::code_error(view),
        }
    }

    pub(crate) fn get_function_configuration(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let (view, target) = self.view(asked, function, "lambda:GetFunctionConfiguration")?;
        Ok(ok(200, &configuration::of(&view, target.qualifier.as_ref(), Detail::Full)))
    }

    fn view(&self, asked: &Asked<'_>, function: &str, action: &str) -> Result<(FunctionView, Target), ApiError> {
        let target = asked.target(self, function, ReferenceForm::Namespaced, action)?;
        let found = self.inner.catalog.get(&target.scope, &target.name, target.qualifier.as_ref());
        Ok((found.map_err(refusals::catalog)?, target))
    }

    pub(crate) fn list_functions(&self, asked: &Asked<'_>) -> Result<Reply, ApiError> {
        asked.permit(self, "lambda:ListFunctions", || "*".to_owned())?;
        let mut violations = Violations::default();
        let max = max_items(asked, 10_000, &mut violations);
        let every_version = asked.query.get("FunctionVersion");
        if let Some(word) = every_version.as_deref() {
            violations.one_of(word, "functionVersion", &["ALL"]);
        }
        violations.finish()?;
        // Functions are not replicated: none of those here has its master anywhere else.
        let elsewhere = asked.query.get("MasterRegion").is_some_and(|r| r != "ALL" && *r != *asked.region().as_str());
        if elsewhere {
            return Ok(ok(200, &ListFunctionsReply { functions: Vec::new(), next_marker: None }));
        }
        if every_version.is_some() {
            return self.list_all_versions(asked, max);
        }
        let after = marker(asked)?;
        let page = self.inner.catalog.list(&asked.scope(), after.as_ref(), max);
        let next_marker = page.items.last().filter(|_| page.more).map(|last| next_marker(&last.version.name));
        let functions = page.items.iter().map(|view| configuration::of(view, None, Detail::Listed)).collect();
        Ok(ok(200, &ListFunctionsReply { functions, next_marker }))
    }

    pub(crate) async fn update_function_code(
        &self,
        asked: &Asked<'_>,
        function: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let Target { scope, name, .. } = self.latest(asked, function, "lambda:UpdateFunctionCode", &Told::new())?;
        let limits = self.inner.limits.clone();
        let (change, source) = heavy(body.len(), move || read_code_change(&body, &limits)).await?;
        let checked = CodeSource::kind(source.as_ref());
        self.inner.catalog.check_code_change(&scope, &name, checked, change.revision).map_err(refusals::catalog)?;
        let Some(source) = source else { return Err(invalid("Please provide a source for function code.")) };
        let change = CodeChange { code: self.code_of(asked, source).await?, ..change };
        let changed = self.inner.catalog.update_code(&scope, &name, change).await.map_err(refusals::catalog)?;
        self.settle_ahead(&scope, &name).await;
        Ok(ok(200, &configuration::changed(&changed)))
    }

    pub(crate) async fn update_function_configuration(
        &self,
        asked: &Asked<'_>,
        function: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let settings: FunctionSettings = parse(&body)?;
        let action = "lambda:UpdateFunctionConfiguration";
        let name = self.latest(asked, function, action, &told_of_settings(&settings))?.name;
        let mut violations = Violations::default();
        check_model(&settings, &mut violations);
        violations.finish()?;
        let change = change(settings, &self.inner.limits)?;
        change.role.as_ref().map_or(Ok(()), |role| self.check_role(asked, role))?;
        self.permit_layers(asked, change.layers.as_deref().unwrap_or_default())?;
        let changed =
            self.inner.catalog.update_config(&asked.scope(), &name, change).await.map_err(refusals::catalog)?;
        self.settle_ahead(&asked.scope(), &name).await;
        Ok(ok(200, &configuration::of(&changed, None, Detail::Full)))
    }

    /// The function that a change is for: only its newest state can be changed.
    pub(crate) fn latest(
        &self,
        asked: &Asked<'_>,
        function: &str,
        action: &str,
        told: &Told<'_>,
    ) -> Result<Target, ApiError> {
        let target = asked.target_told(self, function, ReferenceForm::Short, action, told)?;
        match target.qualifier {
            None | Some(Qualifier::Latest) => Ok(target),
            Some(Qualifier::Number(_) | Qualifier::Alias(_)) => {
                Err(invalid("Only $LATEST can be changed: leave the version or alias out of the function's name."))
            }
        }
    }

    pub(crate) async fn delete_function(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let target = asked.target(self, function, ReferenceForm::Namespaced, "lambda:DeleteFunction")?;
        let deleted = self.inner.catalog.delete(&target.scope, &target.name, target.qualifier.as_ref()).await;
        deleted.map_err(refusals::catalog)?;
        Ok(reply::empty(204))
    }
}

/// What a new configuration says that conditions may ask for. Which VPC subnets belong to is nowhere to be asked here,
/// so that `lambda:VpcIds` is never known.
fn told_of(change: &ConfigChange) -> Told<'_> {
    let vpc = &change.vpc;
    let told = Told::new().many("lambda:layer", change.layers.iter().flatten());
    let told = told.many("lambda:subnetids", vpc.iter().flat_map(|vpc| &vpc.subnets));
    told.many("lambda:securitygroupids", vpc.iter().flat_map(|vpc| &vpc.security_groups))
}

/// The same of a change.
fn told_of_settings(settings: &FunctionSettings) -> Told<'_> {
    let vpc = settings.vpc_config.iter();
    let (subnets, groups) = (vpc.clone().flat_map(|vpc| &vpc.subnet_ids), vpc.flat_map(|vpc| &vpc.security_group_ids));
    let told = Told::new().many("lambda:layer", settings.layers.iter().flatten());
    told.many("lambda:subnetids", subnets.flatten()).many("lambda:securitygroupids", groups.flatten())
}

pub(crate) fn invalid(text: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidParameterValue, text)
}
