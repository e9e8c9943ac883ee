//! Capacity providers, as records: there are no machines behind them here, so they are active at once.

use crate::answer::ok;
use crate::asked::Asked;
use crate::paging::FIFTY;
use crate::reply::Reply;
use crate::requests::check_tags;
use crate::roles::LAMBDA;
use crate::told::Told;
use crate::{Gateway, refusals};
use bytes::Bytes;
use lacewing_catalog::CatalogError;
use lacewing_catalog::records::{CapacityProvider, Document, RecordKey};
use lacewing_lambda_api::{
    ApiError, CapacityProviderReply, CapacityProviderRequest, CapacityProviderSettings, ErrorCode,
    ListCapacityProvidersReply, Violations, check_capacity_provider, function_time, parse,
};
use serde_json::json;

impl Gateway {
    pub(crate) async fn create_capacity_provider(&self, asked: &Asked<'_>, body: Bytes) -> Result<Reply, ApiError> {
        let request: CapacityProviderRequest = parse(&body)?;
        let mut violations = Violations::default();
        let CapacityProviderRequest { capacity_provider_name, tags, settings } = request;
        let name = capacity_provider_name.unwrap_or_default();
        let name = match name.is_empty() {
            true => {
                violations.null("capacityProviderName");
                ""
            }
            false => check_capacity_provider(&name, &mut violations),
        };
        if settings.vpc_config.is_none() {
            violations.null("vpcConfig");
        }
        if settings.permissions_config.is_none() {
            violations.null("permissionsConfig");
        }
        settings.check(&mut violations);
        let tags = tags.unwrap_or_default();
        check_tags(&tags, &mut violations);
        violations.finish()?;
        let key = asked.scope().record(CapacityProvider::FAMILY, name);
        let vpc = settings.vpc_config.iter();
        let told = Told::new()
            .tags(&tags)
            .many("lambda:subnetids", vpc.clone().flat_map(|vpc| &vpc.subnet_ids))
            .many("lambda:securitygroupids", vpc.flat_map(|vpc| &vpc.security_group_ids));
        asked.permit_told(self, "lambda:CreateCapacityProvider", &arn(&key), &told)?;
        if !tags.is_empty() {
            asked.permit_told(self, "lambda:TagResource", &arn(&key), &told)?;
        }
        if let Some(permissions) = &settings.permissions_config {
            let role = &permissions.capacity_provider_operator_role_arn;
            asked.permit_told(self, "iam:PassRole", role, &[("iam:passedtoservice", LAMBDA)])?;
        }
        let new = CapacityProvider { settings: written(&settings)?, modified_ms: asked.now.0, tags };
        let taken = format!("Capacity provider already exists: {}", arn(&key));
        let made = self.inner.catalog.change_record(key.clone(), move |lying| match lying {
            Some(_) => Err(CatalogError::Conflict(taken)),
            None => Ok(lying.insert(new).clone()),
        });
        let made = made.await.map_err(refusals::catalog)?;
        Ok(ok(202, &json!({"CapacityProvider": shown(&key, &made, "Pending")})))
    }

    pub(crate) async fn update_capacity_provider(
        &self,
        asked: &Asked<'_>,
        name: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let request: CapacityProviderRequest = parse(&body)?;
        let newer = request.settings;
        let key = self.capacity_key(asked, name, "lambda:UpdateCapacityProvider", |v| newer.check(v))?;
        let (missing, now) = (missing(&key), asked.now.0);
        let changed = self.inner.catalog.change_record(key.clone(), move |lying: &mut Option<CapacityProvider>| {
            let provider = lying.as_mut().ok_or(CatalogError::Missing(missing))?;
            let settings = serde_json::from_value::<CapacityProviderSettings>(provider.settings.clone());
            let settings = settings.map(|settings| settings.updated(newer)).and_then(serde_json::to_value);
            provider.settings = settings.map_err(|error| CatalogError::Internal(error.to_string()))?;
            provider.modified_ms = now;
            Ok(provider.clone())
        });
        let changed = changed.await.map_err(refusals::catalog)?;
        Ok(ok(202, &json!({"CapacityProvider": shown(&key, &changed, "Active")})))
    }

    pub(crate) fn get_capacity_provider(&self, asked: &Asked<'_>, name: &str) -> Result<Reply, ApiError> {
        let key = self.capacity_key(asked, name, "lambda:GetCapacityProvider", |_| {})?;
        let found = self.inner.catalog.record::<CapacityProvider>(&key);
        let found = found.ok_or_else(|| ApiError::new(ErrorCode::ResourceNotFound, missing(&key)))?;
        Ok(ok(200, &json!({"CapacityProvider": shown(&key, &found, "Active")})))
    }

    pub(crate) async fn delete_capacity_provider(&self, asked: &Asked<'_>, name: &str) -> Result<Reply, ApiError> {
        let key = self.capacity_key(asked, name, "lambda:DeleteCapacityProvider", |_| {})?;
        let missing = missing(&key);
        let decide = |lying: &mut Option<CapacityProvider>| lying.take().ok_or(CatalogError::Missing(missing));
        let gone = self.inner.catalog.change_record(key.clone(), decide).await.map_err(refusals::catalog)?;
        Ok(ok(202, &json!({"CapacityProvider": shown(&key, &gone, "Deleting")})))
    }

    pub(crate) fn list_capacity_providers(&self, asked: &Asked<'_>) -> Result<Reply, ApiError> {
        asked.permit(self, "lambda:ListCapacityProviders", || "*".to_owned())?;
        let state = asked.query_text("State");
        if let Some(state) = &state {
            let mut violations = Violations::default();
            violations.one_of(state, "state", &["Pending", "Active", "Failed", "Deleting"]);
            violations.finish()?;
        }
        let mut all = self.inner.catalog.all_records::<CapacityProvider>(&asked.scope());
        all.retain(|_| state.as_deref().is_none_or(|state| state == "Active"));
        let page = FIFTY.cut(asked, all, |(key, _)| &key.name)?;
        let capacity_providers = page.items.iter().map(|(key, provider)| shown(key, provider, "Active")).collect();
        Ok(ok(200, &ListCapacityProvidersReply { capacity_providers, next_marker: page.next_marker }))
    }

    /// Functions cannot be bound to capacity providers yet, so that none has any.
    pub(crate) fn list_versions_of_provider(&self, asked: &Asked<'_>, name: &str) -> Result<Reply, ApiError> {
        let key = self.capacity_key(asked, name, "lambda:ListFunctionVersionsByCapacityProvider", |_| {})?;
        let found = self.inner.catalog.record::<CapacityProvider>(&key);
        found.ok_or_else(|| ApiError::new(ErrorCode::ResourceNotFound, missing(&key)))?;
        Ok(ok(200, &json!({"CapacityProviderArn": arn(&key), "FunctionVersions": []})))
    }

    fn capacity_key(
        &self,
        asked: &Asked<'_>,
        name: &str,
        action: &str,
        check: impl FnOnce(&mut Violations),
    ) -> Result<RecordKey, ApiError> {
        let mut violations = Violations::default();
        let name = check_capacity_provider(name, &mut violations);
        check(&mut violations);
        violations.finish()?;
        let key = asked.scope().record(CapacityProvider::FAMILY, name);
        let lying = self.inner.catalog.record::<CapacityProvider>(&key);
        let about = lying.as_ref().map(|provider| Told::new().tagged(&provider.tags)).unwrap_or_default();
        asked.permit_told(self, action, &arn(&key), &about)?;
        Ok(key)
    }
}

fn written(settings: &CapacityProviderSettings) -> Result<serde_json::Value, ApiError> {
    serde_json::to_value(settings).map_err(|error| refusals::internal(&error.to_string()))
}

fn arn(key: &RecordKey) -> String {
    format!("arn:aws:lambda:{}:{}:capacity-provider:{}", key.region, key.account, key.name)
}

pub(crate) fn missing(key: &RecordKey) -> String {
    format!("Capacity provider not found: {}", arn(key))
}

fn shown(key: &RecordKey, provider: &CapacityProvider, state: &'static str) -> CapacityProviderReply {
    CapacityProviderReply {
        capacity_provider_arn: arn(key),
        state,
        settings: provider.settings.clone(),
        last_modified: function_time(provider.modified_ms),
    }
}
