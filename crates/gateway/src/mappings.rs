//! Event source mappings, as records: nothing reads the sources yet.

use crate::answer::ok;
use crate::asked::Asked;
use crate::functions::invalid;
use crate::paging::Paging;
use crate::policies::NO_RESOURCE;
use crate::reply::Reply;
use crate::requests::check_tags;
use crate::told::Told;
use crate::{Gateway, refusals};
use bytes::Bytes;
use lacewing_catalog::records::{Document, Mapping, RecordKey};
use lacewing_catalog::{CatalogError, FunctionView, refuse_with_tenants};
use lacewing_lambda_api::{
    ApiError, ErrorCode, ListMappingsReply, MappingReply, MappingRequest, MappingSettings, ReferenceForm, SourceKind,
    Violations, parse,
};
use lacewing_model::RequestId;

/// Source: Lambda service model.
const PAGING: Paging = Paging { asked_max: 10_000, page_max: 100 };

impl Gateway {
    pub(crate) async fn create_mapping(&self, asked: &Asked<'_>, body: Bytes) -> Result<Reply, ApiError> {
        let request: MappingRequest = parse(&body)?;
        let mut violations = Violations::default();
        if request.function_name.as_deref().is_none_or(str::is_empty) {
            violations.null("functionName");
        }
        request.check(&mut violations);
        check_tags(request.tags.as_ref().unwrap_or(&Default::default()), &mut violations);
        violations.finish()?;
        let function = request.function_name.unwrap_or_default();
        let function = self.mapped_function(asked, &function)?;
        let key = asked.scope().record(Mapping::FAMILY, &RequestId::random().to_string());
        let tags = request.tags.unwrap_or_default();
        let told = Told::new().one("lambda:functionarn", Some(&function.arn)).tags(&tags);
        asked.permit_told(self, "lambda:CreateEventSourceMapping", "*", &told)?;
        if !tags.is_empty() {
            asked.permit_told(self, "lambda:TagResource", &arn(&key), &told)?;
        }
        let source_arn = request.event_source_arn;
        let source = source_arn.as_deref().unwrap_or_default();
        // Sources and settings are judged before the function is looked for, as recorded.
        let kind = SourceKind::of(source_arn.as_deref(), &request.settings)?;
        let settings = request.settings.with_defaults(kind, || RequestId::random().to_string());
        settings.check_for(kind, source)?;
        let MappedFunction { arn: function_arn, function } = function.there()?;
        let source_shown = source_arn.clone();
        let new = Mapping {
            function_arn,
            source_arn,
            enabled: request.enabled.unwrap_or(true),
            settings: written(&settings)?,
            modified_ms: asked.now.0,
            tags,
        };
        let reply = shown(&key, &new, "Creating");
        let (source, function_arn) = (new.source_arn.clone(), new.function_arn.clone());
        let twin = move |other: &Mapping| other.source_arn == source && other.function_arn == function_arn;
        match self.inner.catalog.add_record(key, new, twin).await.map_err(refusals::catalog)? {
            None => Ok(ok(202, &reply)),
            Some(twin) => {
                let source = source_shown.as_deref().unwrap_or_default();
                Err(ApiError::new(
                    ErrorCode::ResourceConflict,
                    kind.duplicate(source, function.version.name.as_str(), &twin.name),
                ))
            }
        }
    }

    pub(crate) async fn update_mapping(&self, asked: &Asked<'_>, uuid: &str, body: Bytes) -> Result<Reply, ApiError> {
        let request: MappingRequest = parse(&body)?;
        let mut violations = Violations::default();
        request.check(&mut violations);
        violations.finish()?;
        let key = self.mapping_key(asked, uuid, "lambda:UpdateEventSourceMapping")?;
        let lying = self.inner.catalog.record::<Mapping>(&key).ok_or_else(missing)?;
        let function = request.function_name.filter(|function| !function.is_empty());
        let function = function.map(|function| self.mapped_function(asked, &function)).transpose()?;
        if let Some(function) = &function {
            // Who may feed this function may not feed any other with it.
            let told = Told::new().one("lambda:functionarn", Some(&function.arn)).tagged(&lying.tags);
            asked.permit_told(self, "lambda:UpdateEventSourceMapping", &arn(&key), &told)?;
        }
        let function_arn = function.map(MappedFunction::there).transpose()?.map(|function| function.arn);
        let kind = kind_of(&lying);
        let (newer, enabled, now) = (request.settings, request.enabled, asked.now.0);
        let was = lying.enabled;
        let changed = self.inner.catalog.change_record(key.clone(), move |lying: &mut Option<Mapping>| {
            let mapping = lying.as_mut().ok_or_else(|| CatalogError::Missing(NO_RESOURCE.to_owned()))?;
            let settings = read(mapping)?.updated(newer);
            let source = mapping.source_arn.as_deref().unwrap_or_default();
            settings.check_for(kind, source).map_err(|error| CatalogError::Invalid(error.message))?;
            // What was taken away is as if never given.
            let settings = settings.with_defaults(kind, || RequestId::random().to_string());
            mapping.settings =
                serde_json::to_value(settings).map_err(|error| CatalogError::Internal(error.to_string()))?;
            mapping.enabled = enabled.unwrap_or(mapping.enabled);
            if let Some(arn) = function_arn {
                mapping.function_arn = arn;
            }
            mapping.modified_ms = now;
            Ok(mapping.clone())
        });
        let changed = changed.await.map_err(refusals::catalog)?;
        let state = match (was, changed.enabled) {
            (false, true) => "Enabling",
            (true, false) => "Disabling",
            _ => "Updating",
        };
        Ok(ok(202, &shown(&key, &changed, state)))
    }

    pub(crate) fn get_mapping(&self, asked: &Asked<'_>, uuid: &str) -> Result<Reply, ApiError> {
        let key = self.mapping_key(asked, uuid, "lambda:GetEventSourceMapping")?;
        let found = self.inner.catalog.record::<Mapping>(&key).ok_or_else(missing)?;
        Ok(ok(200, &shown(&key, &found, settled(&found))))
    }

    pub(crate) async fn delete_mapping(&self, asked: &Asked<'_>, uuid: &str) -> Result<Reply, ApiError> {
        let key = self.mapping_key(asked, uuid, "lambda:DeleteEventSourceMapping")?;
        let decide =
            |lying: &mut Option<Mapping>| lying.take().ok_or_else(|| CatalogError::Missing(NO_RESOURCE.to_owned()));
        let gone = self.inner.catalog.change_record(key.clone(), decide).await.map_err(refusals::catalog)?;
        Ok(ok(202, &shown(&key, &gone, "Deleting")))
    }

    pub(crate) fn list_mappings(&self, asked: &Asked<'_>) -> Result<Reply, ApiError> {
        asked.permit(self, "lambda:ListEventSourceMappings", || "*".to_owned())?;
        let source = asked.query_text("EventSourceArn");
        let function = asked.query_text("FunctionName").map(|name| match name.starts_with("arn:") {
            true => name,
            false => asked.arn(name.rsplit_once("function:").map_or(name.as_str(), |(_, name)| name)),
        });
        let mut all = self.inner.catalog.all_records::<Mapping>(&asked.scope());
        all.retain(|(_, mapping)| {
            source.as_ref().is_none_or(|source| mapping.source_arn.as_ref() == Some(source))
                && function.as_ref().is_none_or(|function| mapping.function_arn == *function)
        });
        let page = PAGING.cut(asked, all, |(key, _)| &key.name)?;
        let event_source_mappings = page.items.iter().map(|(key, found)| shown(key, found, settled(found))).collect();
        Ok(ok(200, &ListMappingsReply { event_source_mappings, next_marker: page.next_marker }))
    }

    /// The function that a mapping is to feed: of the caller's account, but perhaps not there.
    fn mapped_function(&self, asked: &Asked<'_>, text: &str) -> Result<MappedFunction, ApiError> {
        let named = asked.named(text, ReferenceForm::Namespaced)?;
        if named.foreign.is_some() {
            return Err(ApiError::new(ErrorCode::AccessDenied, "The account is not yours."));
        }
        let scope = asked.scope();
        let target = named.target(&scope);
        let found = target.and_then(|t| self.inner.catalog.get(&scope, &t.name, t.qualifier.as_ref()).ok());
        Ok(MappedFunction { arn: asked.arn(&named.shown()), function: found })
    }

    /// The mapping that already feeds this function from this source.
    fn mapping_key(&self, asked: &Asked<'_>, uuid: &str, action: &str) -> Result<RecordKey, ApiError> {
        let key = asked.scope().record(Mapping::FAMILY, uuid);
        let lying = self.inner.catalog.record::<Mapping>(&key);
        let told = lying
            .as_ref()
            .map(|mapping| Told::new().one("lambda:functionarn", Some(&mapping.function_arn)).tagged(&mapping.tags));
        asked.permit_told(self, action, &arn(&key), &told.unwrap_or_default())?;
        Ok(key)
    }
}

/// A function as a mapping names it.
struct MappedFunction<F = Option<FunctionView>> {
    /// Its ARN, with the qualifier as the caller wrote it.
    arn: String,
    /// Itself; `None` where it is not there.
    function: F,
}

impl MappedFunction {
    fn there(self) -> Result<MappedFunction<FunctionView>, ApiError> {
        let function = self.function.ok_or_else(|| invalid("Function does not exist"))?;
        refuse_with_tenants(&function.version.config, "An event source mapping").map_err(refusals::catalog)?;
        Ok(MappedFunction { arn: self.arn, function })
    }
}

fn read(mapping: &Mapping) -> Result<MappingSettings, CatalogError> {
    serde_json::from_value(mapping.settings.clone()).map_err(|error| CatalogError::Internal(error.to_string()))
}

/// A mapping that is kept has a source of a known kind.
fn kind_of(mapping: &Mapping) -> SourceKind {
    let settings = read(mapping).unwrap_or_default();
    SourceKind::of(mapping.source_arn.as_deref(), &settings).unwrap_or(SourceKind::OwnKafka)
}

fn settled(mapping: &Mapping) -> &'static str {
    if mapping.enabled { "Enabled" } else { "Disabled" }
}

fn written(settings: &MappingSettings) -> Result<serde_json::Value, ApiError> {
    serde_json::to_value(settings).map_err(|error| refusals::internal(&error.to_string()))
}

fn missing() -> ApiError {
    ApiError::new(ErrorCode::ResourceNotFound, NO_RESOURCE)
}

fn arn(key: &RecordKey) -> String {
    format!("arn:aws:lambda:{}:{}:event-source-mapping:{}", key.region, key.account, key.name)
}

fn shown(key: &RecordKey, mapping: &Mapping, state: &'static str) -> MappingReply {
    let kind = kind_of(mapping);
    MappingReply {
        uuid: key.name.to_string(),
        event_source_mapping_arn: arn(key),
        function_arn: mapping.function_arn.clone(),
        event_source_arn: mapping.source_arn.clone(),
        state,
        state_transition_reason: kind.reason(),
        last_processing_result: kind.result(),
        last_modified: mapping.modified_ms as f64 / 1_000.0,
        settings: mapping.settings.clone(),
    }
}
