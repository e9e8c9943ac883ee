//! How asynchronous events are retried and where they end: the operations on event invoke configurations.

use crate::answer::ok;
use crate::asked::{Asked, Target};
use crate::functions::invalid;
use crate::paging::FIFTY;
use crate::reply::{self, Reply};
use crate::{Gateway, refusals};
use bytes::Bytes;
use lacewing_catalog::records::{Document, EventInvoke, RecordKey};
use lacewing_catalog::{CatalogError, Scope};
use lacewing_lambda_api::{
    ApiError, Destination, DestinationConfig, ErrorCode, EventInvokeReply, EventInvokeRequest, FunctionReference,
    ListEventInvokeReply, ReferenceForm, Violations, parse,
};
use lacewing_model::Qualifier;

impl Gateway {
    /// `PutFunctionEventInvokeConfig`: what is not given is as if never set.
    pub(crate) async fn put_event_invoke(
        &self,
        asked: &Asked<'_>,
        function: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        self.set_event_invoke(asked, function, &body, "lambda:PutFunctionEventInvokeConfig", true).await
    }

    /// `UpdateFunctionEventInvokeConfig`: what is not given stays.
    pub(crate) async fn update_event_invoke(
        &self,
        asked: &Asked<'_>,
        function: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        self.set_event_invoke(asked, function, &body, "lambda:UpdateFunctionEventInvokeConfig", false).await
    }

    async fn set_event_invoke(
        &self,
        asked: &Asked<'_>,
        function: &str,
        body: &[u8],
        action: &str,
        whole: bool,
    ) -> Result<Reply, ApiError> {
        let request: EventInvokeRequest = parse(body)?;
        let target = asked.target(self, function, ReferenceForm::Namespaced, action)?;
        let mut violations = Violations::default();
        request.check(&mut violations);
        violations.finish()?;
        let EventInvokeRequest { maximum_retry_attempts, maximum_event_age_in_seconds, destination_config } = request;
        if maximum_retry_attempts.is_none() && maximum_event_age_in_seconds.is_none() && destination_config.is_none() {
            return Err(invalid("You must specify at least one of error handling or destination setting."));
        }
        let scope = asked.scope();
        if self.inner.catalog.get(&scope, &target.name, target.qualifier.as_ref()).is_err() {
            return Err(ApiError::new(ErrorCode::ResourceNotFound, "The function doesn't exist."));
        }
        if let Some(config) = &destination_config {
            self.check_destinations(&scope, &target, config)?;
        }
        let (retries, age) = (small(maximum_retry_attempts), small(maximum_event_age_in_seconds));
        let (missing, modified_ms) = (no_config(&scope, &target), asked.now.0);
        let decide = move |lying: &mut Option<EventInvoke>| {
            let before = match (whole, lying.take()) {
                (true, _) => EventInvoke::default(),
                (false, Some(before)) => before,
                (false, None) => return Err(CatalogError::Missing(missing)),
            };
            let (on_success, on_failure) = match &destination_config {
                Some(config) => {
                    let text = |arn: Option<&str>| arn.map(str::to_owned);
                    // A half that is not given at all stays.
                    let success = if config.on_success.is_some() { text(config.success()) } else { before.on_success };
                    let failure = if config.on_failure.is_some() { text(config.failure()) } else { before.on_failure };
                    (success, failure)
                }
                None => (before.on_success, before.on_failure),
            };
            let retries_max = retries.or(before.retries_max);
            let age_seconds_max = age.or(before.age_seconds_max);
            let after = EventInvoke { retries_max, age_seconds_max, on_success, on_failure, modified_ms };
            *lying = Some(after.clone());
            Ok(after)
        };
        let after = self.inner.catalog.change_record(key(&scope, &target), decide).await.map_err(refusals::catalog)?;
        Ok(ok(200, &shown(&scope, &key(&scope, &target), &after)))
    }

    pub(crate) fn get_event_invoke(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let action = "lambda:GetFunctionEventInvokeConfig";
        let target = asked.target(self, function, ReferenceForm::Namespaced, action)?;
        let (scope, missing) = (asked.scope(), no_config(&asked.scope(), &target));
        let found = self.inner.catalog.record::<EventInvoke>(&key(&scope, &target));
        let found = found.ok_or_else(|| ApiError::new(ErrorCode::ResourceNotFound, missing))?;
        Ok(ok(200, &shown(&scope, &key(&scope, &target), &found)))
    }

    pub(crate) async fn delete_event_invoke(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let action = "lambda:DeleteFunctionEventInvokeConfig";
        let target = asked.target(self, function, ReferenceForm::Namespaced, action)?;
        let scope = asked.scope();
        let missing = || CatalogError::Missing(no_config(&scope, &target));
        let (gone, refused) = (missing(), missing());
        let decide = move |lying: &mut Option<EventInvoke>| lying.take().map(drop).ok_or(refused);
        let deleted = self.inner.catalog.change_record(key(&scope, &target), decide).await;
        deleted.map_err(|error| match error {
            CatalogError::NotFound { .. } => refusals::catalog(gone),
            other => refusals::catalog(other),
        })?;
        Ok(reply::empty(204))
    }

    pub(crate) fn list_event_invokes(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let action = "lambda:ListFunctionEventInvokeConfigs";
        let target = asked.target(self, function, ReferenceForm::Namespaced, action)?;
        let scope = asked.scope();
        if self.inner.catalog.get(&scope, &target.name, None).is_err() {
            return Err(ApiError::new(ErrorCode::ResourceNotFound, "The function doesn't exist."));
        }
        let all = self.inner.catalog.function_records::<EventInvoke>(&scope, &target.name);
        let page = FIFTY.cut(asked, all, |(key, _)| &key.name)?;
        let configs = page.items.iter().map(|(key, config)| shown(&scope, key, config)).collect();
        Ok(ok(200, &ListEventInvokeReply { function_event_invoke_configs: configs, next_marker: page.next_marker }))
    }

    /// Functions of ours are looked up; of queues, topics and buses only the ARN can be judged.
    fn check_destinations(&self, scope: &Scope, target: &Target, config: &DestinationConfig) -> Result<(), ApiError> {
        for arn in [config.failure(), config.success()].into_iter().flatten() {
            match arn.split(':').nth(2) {
                Some("lambda") => {
                    let mut violations = Violations::default();
                    let reference = FunctionReference::parse(arn, ReferenceForm::Namespaced, &mut violations);
                    let (account, region) = (scope.account.as_str(), scope.region.as_str());
                    let named = reference.check(account, region, None).ok();
                    let named = named.and_then(|(name, _)| name.parse().ok()).filter(|_| violations.text().is_none());
                    if named.as_ref() == Some(&target.name) {
                        return Err(invalid("You can't specify the function as a destination for itself."));
                    }
                    if named.is_none_or(|name| self.inner.catalog.get(scope, &name, None).is_err()) {
                        return Err(invalid(format!("The destination ARN {arn} is invalid.")));
                    }
                }
                Some("sqs" | "sns" | "events" | "s3") => {}
                _ => return Err(invalid(refused_destinations(config))),
            }
        }
        Ok(())
    }
}

/// Source: recorded AWS text.
fn refused_destinations(config: &DestinationConfig) -> String {
    let part = |name: &str, arn: Option<&str>| match arn {
        Some(arn) => format!("{name}(destination={arn})"),
        None => "null".to_owned(),
    };
    format!(
        "The provided destination config DestinationConfig(onSuccess={}, onFailure={}) is invalid.",
        part("OnSuccess", config.success()),
        part("OnFailure", config.failure())
    )
}

/// The model has checked the range.
fn small(number: Option<i64>) -> Option<u32> {
    number.and_then(|number| u32::try_from(number).ok())
}

fn key(scope: &Scope, target: &Target) -> RecordKey {
    let name = target.qualifier.as_ref().unwrap_or(&Qualifier::Latest).to_string();
    scope.function_record(EventInvoke::FAMILY, &target.name, &name)
}

fn no_config(scope: &Scope, target: &Target) -> String {
    let qualifier = target.qualifier.clone().unwrap_or(Qualifier::Latest);
    format!("The function {} doesn't have an EventInvokeConfig", scope.arn(&target.name, Some(&qualifier)))
}

fn shown(scope: &Scope, key: &RecordKey, config: &EventInvoke) -> EventInvokeReply {
    let destination = |arn: &Option<String>| Some(Destination { destination: arn.clone() });
    let name = key.function.as_ref().map(ToString::to_string).unwrap_or_default();
    EventInvokeReply {
        last_modified: config.modified_ms as f64 / 1_000.0,
        function_arn: format!("arn:aws:lambda:{}:{}:function:{name}:{}", scope.region, scope.account, key.name),
        maximum_retry_attempts: config.retries_max,
        maximum_event_age_in_seconds: config.age_seconds_max,
        destination_config: DestinationConfig {
            on_success: destination(&config.on_success),
            on_failure: destination(&config.on_failure),
        },
    }
}
