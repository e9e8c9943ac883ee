//! One request, from its head to its reply.

use crate::aim::Aim;
use crate::asked::Asked;
use crate::body::Payload;
use crate::reply::{self, Reply};
use crate::web::{self, UrlHost};
use crate::{Gateway, refusals};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use lacewing_access::{BodyHash, RequestHead};
use lacewing_lambda_api::{ApiError, ErrorCode, LogsOperation, Operation, Protocol, Route};
use std::sync::OnceLock;

/// Bodies above this are hashed, and code in them decoded, off the threads that serve.
pub(crate) const HEAVY_BYTES: usize = 128 << 10;

impl Gateway {
    /// Answers one request; never fails.
    pub(crate) async fn answer(&self, mut parts: Parts, mut body: Payload) -> Reply {
        let by_path = if self.inner.urls.by_path { web::take_path(&mut parts) } else { None };
        let host = match &by_path {
            Some(named) => Some(named.host()),
            None => UrlHost::of(&parts),
        };
        if let Some(host) = host {
            let reply = self.web(host, &parts, &mut body).await;
            body.linger();
            self.inner.traffic.count_url(reply.status().as_u16());
            return reply::mark(reply);
        }
        let (aim, named) = (Aim::of(&parts), OnceLock::new());
        let reply = match self.open_to_strangers(&parts, &aim).await {
            Some(reply) => {
                body.linger();
                reply
            }
            None => self.verified(&parts, &aim, &mut body, &named).await.unwrap_or_else(|error| {
                // A client that waits for "100 Continue" sends nothing after a refusal.
                if !parts.headers.contains_key("expect") {
                    body.linger();
                }
                reply::error(&error, aim.protocol())
            }),
        };
        self.inner.traffic.count(&aim, named.get().map(|name| &**name), reply.status().as_u16());
        reply::mark(reply)
    }

    /// What needs no signature: health, and metrics for whoever has their token.
    async fn open_to_strangers(&self, parts: &Parts, aim: &Aim<'_>) -> Option<Reply> {
        match aim {
            Aim::House("health") => Some(crate::house::health()),
            Aim::House("metrics") if parts.method == Method::GET => {
                let opens = |value: &HeaderValue| self.inner.access.opens_metrics(value.as_bytes());
                let open = parts.headers.get(AUTHORIZATION).is_some_and(opens);
                if open { self.metrics().await.ok() } else { None }
            }
            _ => None,
        }
    }

    async fn verified(
        &self,
        parts: &Parts,
        aim: &Aim<'_>,
        body: &mut Payload,
        named: &OnceLock<Box<str>>,
    ) -> Result<Reply, ApiError> {
        if *aim == Aim::Nowhere {
            return Err(nowhere());
        }
        let now = self.inner.clock.now();
        let headers = header_list(&parts.headers);
        let head = RequestHead {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &headers,
        };
        let claim = self.inner.access.check_head(head, now).map_err(refusals::access)?;
        let limit = aim.body_limit(&self.inner.limits, parts);
        let worded = |fault| refusals::body(fault, limit);
        body.check_announced(limit.max).map_err(worded)?;
        let (bytes, _room) = body.read(limit.max, &self.inner.budget).await.map_err(worded)?;
        let hash = hash(&bytes).await;
        let caller = claim.verify(&self.inner.access, &hash).map_err(refusals::access)?;
        let asked = Asked::new(parts, &caller, now, named);
        match aim {
            Aim::Lambda(route) => {
                service(caller.service, "lambda")?;
                self.lambda(&asked, route, bytes).await
            }
            Aim::Logs(operation) => {
                service(caller.service, "logs")?;
                self.logs(&asked, *operation, bytes).await
            }
            Aim::Query => self.query(&asked, bytes).await,
            Aim::UnknownTarget(target) => Err(unknown_target(target)),
            Aim::House(path) => self.house(&asked, parts.method.as_str(), path, bytes).await,
            Aim::Nowhere => Err(nowhere()),
        }
    }

    async fn lambda(&self, asked: &Asked<'_>, route: &Route<'_>, body: Bytes) -> Result<Reply, ApiError> {
        let function = route.first();
        let status = route.operation.success();
        match route.operation {
            Operation::Invoke => self.invoke(asked, function, body).await,
            Operation::InvokeAsync => self.invoke_async(asked, function, body).await,
            Operation::InvokeWithResponseStream => self.invoke_with_stream(asked, function, body).await,
            Operation::CreateFunction => self.create_function(asked, body).await,
            Operation::GetFunction => self.get_function(asked, function),
            Operation::GetFunctionConfiguration => self.get_function_configuration(asked, function),
            Operation::ListFunctions => self.list_functions(asked),
            Operation::UpdateFunctionCode => self.update_function_code(asked, function, body).await,
            Operation::UpdateFunctionConfiguration => self.update_function_configuration(asked, function, body).await,
            Operation::DeleteFunction => self.delete_function(asked, function).await,
            Operation::PublishVersion => self.publish_version(asked, function, body).await,
            Operation::ListVersionsByFunction => self.list_versions(asked, function),
            Operation::CreateAlias => self.create_alias(asked, function, body).await,
            Operation::GetAlias => self.get_alias(asked, function, route.second()),
            Operation::ListAliases => self.list_aliases(asked, function),
            Operation::UpdateAlias => self.update_alias(asked, function, route.second(), body).await,
            Operation::DeleteAlias => self.delete_alias(asked, function, route.second()).await,
            Operation::PutFunctionConcurrency => self.put_concurrency(asked, function, body).await,
            Operation::GetFunctionConcurrency => self.get_concurrency(asked, function),
            Operation::DeleteFunctionConcurrency => self.delete_concurrency(asked, function).await,
            Operation::PutProvisionedConcurrencyConfig => self.put_provisioned(asked, function, body).await,
            Operation::GetProvisionedConcurrencyConfig => self.get_provisioned(asked, function),
            Operation::ListProvisionedConcurrencyConfigs => self.list_provisioned(asked, function),
            Operation::DeleteProvisionedConcurrencyConfig => self.delete_provisioned(asked, function).await,
            Operation::GetAccountSettings => self.get_account_settings(asked),
            Operation::TagResource => self.tag_resource(asked, function, body).await,
            Operation::UntagResource => self.untag_resource(asked, function).await,
            Operation::ListTags => self.list_tags(asked, function),
            Operation::AddPermission => self.add_permission(asked, function, body).await,
            Operation::RemovePermission => self.remove_permission(asked, function, route.second()).await,
            Operation::GetPolicy => self.get_policy(asked, function),
            Operation::PutResourcePolicy => self.put_resource_policy(asked, function, body).await,
            Operation::GetResourcePolicy => self.get_resource_policy(asked, function),
            Operation::DeleteResourcePolicy => self.delete_resource_policy(asked, function).await,
            Operation::PutFunctionEventInvokeConfig => self.put_event_invoke(asked, function, body).await,
            Operation::UpdateFunctionEventInvokeConfig => self.update_event_invoke(asked, function, body).await,
            Operation::GetFunctionEventInvokeConfig => self.get_event_invoke(asked, function),
            Operation::DeleteFunctionEventInvokeConfig => self.delete_event_invoke(asked, function).await,
            Operation::ListFunctionEventInvokeConfigs => self.list_event_invokes(asked, function),
            Operation::CreateFunctionUrlConfig => self.create_url(asked, function, body).await,
            Operation::UpdateFunctionUrlConfig => self.update_url(asked, function, body).await,
            Operation::GetFunctionUrlConfig => self.get_url(asked, function),
            Operation::DeleteFunctionUrlConfig => self.delete_url(asked, function).await,
            Operation::ListFunctionUrlConfigs => self.list_urls(asked, function),
            Operation::PutFunctionRecursionConfig => self.put_recursion(asked, function, body).await,
            Operation::GetFunctionRecursionConfig => self.get_recursion(asked, function),
            Operation::PutRuntimeManagementConfig => self.put_runtime_management(asked, function, body).await,
            Operation::GetRuntimeManagementConfig => self.get_runtime_management(asked, function),
            Operation::PutFunctionScalingConfig => self.put_function_scaling(asked, function, body).await,
            Operation::GetFunctionScalingConfig => self.get_function_scaling(asked, function),
            Operation::PublishLayerVersion => self.publish_layer_version(asked, function, body).await,
            Operation::GetLayerVersion => self.get_layer_version(asked, function, route.second()),
            Operation::GetLayerVersionByArn => self.get_layer_version_by_arn(asked),
            Operation::DeleteLayerVersion => self.delete_layer_version(asked, function, route.second()).await,
            Operation::ListLayers => self.list_layers(asked),
            Operation::ListLayerVersions => self.list_layer_versions(asked, function),
            Operation::AddLayerVersionPermission => {
                self.add_layer_permission(asked, function, route.second(), body).await
            }
            Operation::RemoveLayerVersionPermission => {
                self.remove_layer_permission(asked, function, route.second(), route.third()).await
            }
            Operation::GetLayerVersionPolicy => self.get_layer_policy(asked, function, route.second()),
            Operation::CreateCodeSigningConfig => self.create_code_signing(asked, body).await,
            Operation::UpdateCodeSigningConfig => self.update_code_signing(asked, function, body).await,
            Operation::GetCodeSigningConfig => self.get_code_signing(asked, function),
            Operation::DeleteCodeSigningConfig => self.delete_code_signing(asked, function).await,
            Operation::ListCodeSigningConfigs => self.list_code_signing(asked),
            Operation::ListFunctionsByCodeSigningConfig => self.list_signed_functions(asked, function),
            Operation::PutFunctionCodeSigningConfig => self.put_function_code_signing(asked, function, body).await,
            Operation::GetFunctionCodeSigningConfig => self.get_function_code_signing(asked, function),
            Operation::DeleteFunctionCodeSigningConfig => self.delete_function_code_signing(asked, function).await,
            Operation::CreateCapacityProvider => self.create_capacity_provider(asked, body).await,
            Operation::UpdateCapacityProvider => self.update_capacity_provider(asked, function, body).await,
            Operation::GetCapacityProvider => self.get_capacity_provider(asked, function),
            Operation::DeleteCapacityProvider => self.delete_capacity_provider(asked, function).await,
            Operation::ListCapacityProviders => self.list_capacity_providers(asked),
            Operation::ListFunctionVersionsByCapacityProvider => self.list_versions_of_provider(asked, function),
            Operation::CreateEventSourceMapping => self.create_mapping(asked, body).await,
            Operation::UpdateEventSourceMapping => self.update_mapping(asked, function, body).await,
            Operation::GetEventSourceMapping => self.get_mapping(asked, function),
            Operation::DeleteEventSourceMapping => self.delete_mapping(asked, function).await,
            Operation::ListEventSourceMappings => self.list_mappings(asked),
            other => {
                Err(ApiError::not_implemented(&format!("lambda:{}", other.name()), "The README says what there is."))
            }
        }
        .inspect(|reply| debug_assert!(invokes(route.operation) || reply.status() == status))
    }
}

/// Whether the status depends on more than the operation.
fn invokes(operation: Operation) -> bool {
    matches!(operation, Operation::Invoke | Operation::InvokeWithResponseStream)
}

/// A credential scope holds for one service; a signature for another one must not be replayed here.
fn service(signed: &str, wanted: &str) -> Result<(), ApiError> {
    if signed == wanted {
        return Ok(());
    }
    let text = format!("Credential should be scoped to correct service: '{wanted}'.");
    Err(ApiError::new(ErrorCode::InvalidSignature, text))
}

fn nowhere() -> ApiError {
    ApiError::new(ErrorCode::AccessDenied, "Unable to determine service/operation name to be authorized")
}

fn unknown_target(target: &str) -> ApiError {
    let shown: String = target.chars().take(128).collect();
    let text = format!(
        "Lacewing does not implement {shown}. Of CloudWatch Logs there are {}.",
        LogsOperation::ALL.map(LogsOperation::name).join(", ")
    );
    ApiError::new(ErrorCode::UnknownOperation, text)
}

pub(crate) fn header_list(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

pub(crate) async fn hash(body: &Bytes) -> BodyHash {
    if body.len() <= HEAVY_BYTES {
        return BodyHash::of(body);
    }
    let shared = body.clone();
    tokio::task::spawn_blocking(move || BodyHash::of(&shared)).await.unwrap_or_else(|_| BodyHash::of(body))
}

/// Runs `work` on a thread where computing is allowed, if there is much of it.
pub(crate) async fn heavy<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    if bytes <= HEAVY_BYTES {
        return work();
    }
    blocking(work).await
}

/// Runs `work` where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(refusals::internal(&error.to_string())),
    }
}

/// JSON of the Lambda API.
pub(crate) fn ok(status: u16, body: &impl serde::Serialize) -> Reply {
    reply::json(status, Protocol::RestJson, body)
}
