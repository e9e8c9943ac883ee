//! Function URLs: the operations on their configurations.

use crate::answer::ok;
use crate::asked::{Asked, Target};
use crate::paging::FIFTY;
use crate::policies::NO_RESOURCE;
use crate::reply::{self, Reply};
use crate::told::Told;
use crate::{Gateway, refusals, url_id};
use bytes::Bytes;
use lacewing_catalog::records::{Cors, Document, RecordKey, UrlConfig};
use lacewing_catalog::{CatalogError, FunctionView, Scope, refuse_with_tenants};
use lacewing_lambda_api::{
    ALIAS_QUALIFIER_PATTERN, ApiError, CorsSettings, ErrorCode, ListUrlConfigsReply, ReferenceForm, UrlConfigReply,
    UrlConfigRequest, Violations, parse, url_time,
};
use lacewing_model::Qualifier;
use std::collections::BTreeSet;

/// Source: recorded AWS text.
const NO_FUNCTION: &str = "Function does not exist";

impl Gateway {
    pub(crate) async fn create_url(&self, asked: &Asked<'_>, function: &str, body: Bytes) -> Result<Reply, ApiError> {
        let request: UrlConfigRequest = parse(&body)?;
        let kind = request.auth_type.as_deref();
        let target = self.url_target(asked, function, ("lambda:CreateFunctionUrlConfig", kind), |violations| {
            if request.auth_type.is_none() {
                violations.null("authType");
            }
            request.check(violations);
        })?;
        let scope = asked.scope();
        let function = self.url_function(&scope, &target)?;
        refuse_with_tenants(&function.version.config, "FunctionUrl").map_err(refusals::catalog)?;
        let tags = function.tags;
        let (key, now) = (key(&scope, &target), asked.now.0);
        let new = UrlConfig {
            id: url_id::chosen(&tags, &key.name)?.unwrap_or_else(|| url_id::generated(&key)),
            signed: request.auth_type.as_deref() == Some("AWS_IAM"),
            streams: request.invoke_mode.as_deref() == Some("RESPONSE_STREAM"),
            cors: request.cors.map(kept),
            created_ms: now,
            modified_ms: now,
        };
        match self.inner.catalog.add_url(key.clone(), new.clone()).await.map_err(refusals::catalog)? {
            Some(there) if *there == key => {
                return Err(refusals::catalog(CatalogError::Conflict(format!(
                    "Failed to create function url config for [functionArn = {}]. Error message:  FunctionUrlConfig \
                     exists for this Lambda function",
                    scope.arn(&target.name, target.qualifier.as_ref())
                ))));
            }
            Some(_) => {
                let text = format!("Another function's URL has the id {}: choose another one by its tag.", new.id);
                return Err(refusals::catalog(CatalogError::Conflict(text)));
            }
            None => {}
        }
        let mut reply = shown(asked, self.url_domain(), &key, &new);
        reply.last_modified_time = None;
        reply.invoke_mode = reply.invoke_mode.filter(|_| request.invoke_mode.is_some());
        Ok(ok(201, &reply))
    }

    pub(crate) async fn update_url(&self, asked: &Asked<'_>, function: &str, body: Bytes) -> Result<Reply, ApiError> {
        let request: UrlConfigRequest = parse(&body)?;
        let said = ("lambda:UpdateFunctionUrlConfig", request.auth_type.as_deref());
        let target = self.url_target(asked, function, said, |v| request.check(v))?;
        let scope = asked.scope();
        self.url_function(&scope, &target)?;
        let (key, now) = (key(&scope, &target), asked.now.0);
        let UrlConfigRequest { auth_type, cors, invoke_mode } = request;
        let mode_given = invoke_mode.is_some();
        let decide = move |lying: &mut Option<UrlConfig>| {
            let config = lying.as_mut().ok_or_else(|| CatalogError::Missing(NO_RESOURCE.to_owned()))?;
            if let Some(kind) = auth_type {
                config.signed = kind == "AWS_IAM";
            }
            if let Some(mode) = invoke_mode {
                config.streams = mode == "RESPONSE_STREAM";
            }
            if let Some(cors) = cors {
                config.cors = Some(kept(cors));
            }
            config.modified_ms = now;
            Ok(config.clone())
        };
        let changed = self.inner.catalog.change_record(key.clone(), decide).await.map_err(refusals::catalog)?;
        let mut reply = shown(asked, self.url_domain(), &key, &changed);
        reply.invoke_mode = reply.invoke_mode.filter(|_| mode_given);
        Ok(ok(200, &reply))
    }

    pub(crate) fn get_url(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let target = self.url_target(asked, function, ("lambda:GetFunctionUrlConfig", None), |_| {})?;
        let key = key(&asked.scope(), &target);
        let found = self.inner.catalog.record::<UrlConfig>(&key);
        let found = found.ok_or_else(|| ApiError::new(ErrorCode::ResourceNotFound, NO_RESOURCE))?;
        Ok(ok(200, &shown(asked, self.url_domain(), &key, &found)))
    }

    pub(crate) async fn delete_url(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let target = self.url_target(asked, function, ("lambda:DeleteFunctionUrlConfig", None), |_| {})?;
        let missing = || CatalogError::Missing(NO_RESOURCE.to_owned());
        let decide = move |lying: &mut Option<UrlConfig>| lying.take().map(drop).ok_or_else(missing);
        let deleted = self.inner.catalog.change_record(key(&asked.scope(), &target), decide).await;
        deleted.map_err(|error| match error {
            CatalogError::NotFound { .. } => refusals::catalog(missing()),
            other => refusals::catalog(other),
        })?;
        Ok(reply::empty(204))
    }

    pub(crate) fn list_urls(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let scope = asked.scope();
        let named = asked.named(function, ReferenceForm::Short)?;
        let lying = named.target(&scope).filter(|_| named.foreign.is_none());
        let lying = lying.map(|target| self.inner.catalog.function_records::<UrlConfig>(&scope, &target.name));
        let all = lying.unwrap_or_default();
        let kinds = all.iter().map(|(_, config)| auth_type_of(config).to_owned()).collect::<BTreeSet<_>>();
        let told = Told::new().many("lambda:functionurlauthtype", &kinds);
        let action = "lambda:ListFunctionUrlConfigs";
        let target = asked.target_told(self, function, ReferenceForm::Short, action, &told)?;
        self.url_function(&scope, &Target { qualifier: None, ..target })?;
        let page = FIFTY.cut(asked, all, |(key, _)| &key.name)?;
        let function_url_configs =
            page.items.iter().map(|(key, config)| shown(asked, self.url_domain(), key, config)).collect();
        Ok(ok(200, &ListUrlConfigsReply { function_url_configs, next_marker: page.next_marker }))
    }

    /// The function or alias whose URL is meant: a version has none.
    fn url_target(
        &self,
        asked: &Asked<'_>,
        function: &str,
        (action, auth_type): (&str, Option<&str>),
        check: impl FnOnce(&mut Violations),
    ) -> Result<Target, ApiError> {
        let named = asked.named(function, ReferenceForm::Short)?;
        let arn = asked.arn(&named.shown());
        // Where the request does not say how the URL is entered, the URL does.
        let lying = named.target(&asked.scope()).filter(|_| auth_type.is_none() && named.foreign.is_none());
        let lying = lying.and_then(|target| self.inner.catalog.record::<UrlConfig>(&key(&target.scope, &target)));
        let auth_type = auth_type.or(lying.map(|config| auth_type_of(&config)));
        let told = Told::new().one("lambda:functionarn", Some(&arn)).one("lambda:functionurlauthtype", auth_type);
        let target = asked.target_told(self, function, ReferenceForm::Short, action, &told)?;
        let mut violations = Violations::default();
        if let Some(qualifier @ (Qualifier::Latest | Qualifier::Number(_))) = &target.qualifier {
            violations.pattern(&qualifier.to_string(), "qualifier", ALIAS_QUALIFIER_PATTERN);
        }
        check(&mut violations);
        violations.finish()?;
        Ok(target)
    }

    fn url_domain(&self) -> &str {
        &self.inner.urls.domain
    }

    fn url_function(&self, scope: &Scope, target: &Target) -> Result<FunctionView, ApiError> {
        let found = self.inner.catalog.get(scope, &target.name, target.qualifier.as_ref());
        found.map_err(|_| ApiError::new(ErrorCode::ResourceNotFound, NO_FUNCTION))
    }
}

fn key(scope: &Scope, target: &Target) -> RecordKey {
    let alias = target.qualifier.as_ref().map(ToString::to_string).unwrap_or_default();
    scope.function_record(UrlConfig::FAMILY, &target.name, &alias)
}

pub(crate) fn auth_type_of(config: &UrlConfig) -> &'static str {
    if config.signed { "AWS_IAM" } else { "NONE" }
}

fn shown(asked: &Asked<'_>, domain: &str, key: &RecordKey, config: &UrlConfig) -> UrlConfigReply {
    let name = key.function.as_ref().map(ToString::to_string).unwrap_or_default();
    let alias = if key.name.is_empty() { String::new() } else { format!(":{}", key.name) };
    let port = asked.host.rsplit_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
    UrlConfigReply {
        function_url: format!("{}://{}.lambda-url.{}.{domain}{port}/", asked.scheme(), config.id, key.region),
        function_arn: asked.arn(&format!("{name}{alias}")),
        auth_type: auth_type_of(config),
        cors: config.cors.clone().map(given),
        creation_time: url_time(config.created_ms),
        last_modified_time: Some(url_time(config.modified_ms)),
        invoke_mode: Some(if config.streams { "RESPONSE_STREAM" } else { "BUFFERED" }),
    }
}

fn kept(cors: CorsSettings) -> Cors {
    Cors {
        allow_credentials: cors.allow_credentials,
        allow_headers: cors.allow_headers,
        allow_methods: cors.allow_methods,
        allow_origins: cors.allow_origins,
        expose_headers: cors.expose_headers,
        max_age: cors.max_age.and_then(|seconds| u32::try_from(seconds).ok()),
    }
}

fn given(cors: Cors) -> CorsSettings {
    CorsSettings {
        allow_credentials: cors.allow_credentials,
        allow_headers: cors.allow_headers,
        allow_methods: cors.allow_methods,
        allow_origins: cors.allow_origins,
        expose_headers: cors.expose_headers,
        max_age: cors.max_age.map(i64::from),
    }
}
