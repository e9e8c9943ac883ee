//! Tags: of functions, event source mappings, code signing configurations and capacity providers.

use crate::answer::ok;
use crate::asked::Asked;
use crate::functions::invalid;
use crate::reply::{self, Reply};
use crate::requests::{check_tags, egress_of};
use crate::told::Told;
use crate::{Gateway, refusals};
use bytes::Bytes;
use lacewing_catalog::records::{CapacityProvider, CodeSigning, Mapping, Tagged};
use lacewing_catalog::{CatalogError, Scope};
use lacewing_lambda_api::{ApiError, ErrorCode, ReferenceForm, TagResourceRequest, TaggedResource, Violations, parse};
use serde_json::json;
use std::collections::BTreeMap;

/// Tags of one resource. Source: Lambda quotas.
pub(crate) const TAGS_MAX: usize = 50;
pub(crate) const TOO_MANY: &str = "Number of tags exceeds resource tag limit.";
/// AWS's words for a request that adds nothing.
const NOTHING: &str = "An error occurred and the request cannot be processed.";

type Tags = BTreeMap<String, String>;

impl Gateway {
    pub(crate) async fn tag_resource(&self, asked: &Asked<'_>, arn: &str, body: Bytes) -> Result<Reply, ApiError> {
        let request: TagResourceRequest = parse(&body)?;
        let mut violations = Violations::default();
        let resource = TaggedResource::read(arn, &mut violations);
        match &request.tags {
            None => violations.null("tags"),
            Some(tags) => check_tags(tags, &mut violations),
        }
        violations.finish()?;
        let new = request.tags.unwrap_or_default();
        if new.is_empty() {
            return Err(invalid(NOTHING));
        }
        let told = new.clone();
        self.retag(asked, arn, resource, ("lambda:TagResource", &Told::new().tags(&told)), move |tags| {
            tags.extend(new);
            if tags.len() > TAGS_MAX { Err(CatalogError::Invalid(TOO_MANY.to_owned())) } else { Ok(()) }
        })
        .await
    }

    pub(crate) async fn untag_resource(&self, asked: &Asked<'_>, arn: &str) -> Result<Reply, ApiError> {
        let mut violations = Violations::default();
        let resource = TaggedResource::read(arn, &mut violations);
        let keys: Vec<String> = asked.query.all("tagKeys").map(std::borrow::Cow::into_owned).collect();
        if keys.is_empty() {
            violations.null("tagKeys");
        }
        violations.finish()?;
        let told = keys.clone();
        self.retag(asked, arn, resource, ("lambda:UntagResource", &Told::new().tag_keys(&told)), move |tags| {
            tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
    }

    pub(crate) fn list_tags(&self, asked: &Asked<'_>, arn: &str) -> Result<Reply, ApiError> {
        let mut violations = Violations::default();
        let resource = TaggedResource::read(arn, &mut violations);
        violations.finish()?;
        let scope = asked.scope();
        let tags: Tags = match &resource {
            TaggedResource::Function(reference) => {
                let target = asked.target(self, reference, ReferenceForm::Namespaced, "lambda:ListTags")?;
                refuse_qualifier(&target)?;
                let view = self.inner.catalog.get(&target.scope, &target.name, None).map_err(refusals::catalog)?;
                view.tags.as_ref().clone()
            }
            other => {
                here(asked, arn, other)?;
                let lying = self.lying_tags(&scope, other);
                let told = lying.as_ref().map(|tags| Told::new().tagged(tags)).unwrap_or_default();
                asked.permit_told(self, "lambda:ListTags", arn, &told)?;
                lying.ok_or_else(|| missing(other, arn))?
            }
        };
        Ok(ok(200, &json!({"Tags": tags})))
    }

    async fn retag(
        &self,
        asked: &Asked<'_>,
        arn: &str,
        resource: TaggedResource<'_>,
        (action, told): (&str, &Told<'_>),
        edit: impl FnOnce(&mut Tags) -> Result<(), CatalogError> + Send + 'static,
    ) -> Result<Reply, ApiError> {
        let scope = asked.scope();
        match resource {
            TaggedResource::Function(reference) => {
                let target = asked.target_told(self, reference, ReferenceForm::Namespaced, action, told)?;
                refuse_qualifier(&target)?;
                let edit = move |tags: &mut Tags| {
                    edit(tags)?;
                    egress_of(tags).map_err(|error| CatalogError::Invalid(error.message))
                };
                self.inner.catalog.retag(&target.scope, &target.name, edit).await.map_err(refusals::catalog)?;
            }
            other => {
                here(asked, arn, &other)?;
                let lying = self.lying_tags(&scope, &other).unwrap_or_default();
                asked.permit_told(self, action, arn, &(told, &Told::new().tagged(&lying)))?;
                let result = match other {
                    TaggedResource::CodeSigning(id) => self.retag_record::<CodeSigning>(&scope, id, edit).await,
                    TaggedResource::CapacityProvider(name) => {
                        self.retag_record::<CapacityProvider>(&scope, name, edit).await
                    }
                    TaggedResource::Mapping(uuid) => self.retag_record::<Mapping>(&scope, uuid, edit).await,
                    TaggedResource::Layer(_) | TaggedResource::Function(_) => Err(CatalogError::Missing(String::new())),
                };
                result.map_err(|error| match error {
                    CatalogError::Missing(_) => missing(&other, arn),
                    error => refusals::catalog(error),
                })?;
            }
        }
        Ok(reply::empty(204))
    }

    /// The tags of what is no function; `None` where it is not there.
    fn lying_tags(&self, scope: &Scope, resource: &TaggedResource<'_>) -> Option<Tags> {
        match resource {
            TaggedResource::CodeSigning(id) => self.tags_of::<CodeSigning>(scope, id),
            TaggedResource::CapacityProvider(name) => self.tags_of::<CapacityProvider>(scope, name),
            TaggedResource::Mapping(uuid) => self.tags_of::<Mapping>(scope, uuid),
            TaggedResource::Layer(_) | TaggedResource::Function(_) => None,
        }
    }

    fn tags_of<T: Tagged>(&self, scope: &Scope, name: &str) -> Option<Tags> {
        self.inner.catalog.record::<T>(&scope.record(T::FAMILY, name)).map(|document| document.tags().clone())
    }

    async fn retag_record<T: Tagged>(
        &self,
        scope: &Scope,
        name: &str,
        edit: impl FnOnce(&mut Tags) -> Result<(), CatalogError> + Send + 'static,
    ) -> Result<(), CatalogError> {
        let change = |lying: &mut Option<T>| match lying {
            Some(document) => edit(document.tags_mut()),
            None => Err(CatalogError::Missing(String::new())),
        };
        self.inner.catalog.change_record(scope.record(T::FAMILY, name), change).await
    }
}

/// Refuses what is in another region: it is authorized as what it is, and only its id is looked up.
fn here(asked: &Asked<'_>, arn: &str, resource: &TaggedResource<'_>) -> Result<(), ApiError> {
    if arn.split(':').nth(3) == Some(asked.region().as_str()) {
        return Ok(());
    }
    Err(missing(resource, arn))
}

fn refuse_qualifier(target: &crate::asked::Target) -> Result<(), ApiError> {
    match target.qualifier {
        None => Ok(()),
        Some(_) => {
            Err(invalid("Tags on function aliases and versions are not supported. Please specify a function ARN."))
        }
    }
}

/// Layers have no tags, so that none is found.
fn missing(resource: &TaggedResource<'_>, arn: &str) -> ApiError {
    let kind = match resource {
        TaggedResource::Function(_) => "Function",
        TaggedResource::Layer(_) => "Layer",
        TaggedResource::CodeSigning(_) => "Code signing config",
        TaggedResource::Mapping(_) => "Event source mapping",
        TaggedResource::CapacityProvider(_) => "Capacity provider",
    };
    ApiError::new(ErrorCode::ResourceNotFound, format!("{kind} not found: {arn}"))
}
