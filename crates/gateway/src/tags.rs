//! Tags: of functions, event source mappings, code signing configurations and capacity providers.

use crate::answer::ok;
use crate::asked::Asked;
use crate::functions::invalid;
use crate::reply::{self, Reply};
use crate::requests::{check_tags, egress_of};
use crate::{Gateway, refusals};
use bytes::Bytes;
use lacewing_catalog::CatalogError;
use lacewing_lambda_api::{ApiError, ErrorCode, ReferenceForm, TagResourceRequest, TaggedResource, Violations, parse};
use serde_json::json;
use std::collections::BTreeMap;

/// Tags of one resource. Source: Lambda quotas.
pub(crate) const TAGS_MAX: usize = 50;
pub(crate) const TOO_MANY: &str = "Number of tags exceeds resource tag limit.";
/// AWS's words for a request that adds or removes nothing.
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
        self.retag(asked, arn, resource, "lambda:TagResource", move |tags| {
            tags.extend(new);
            if tags.len() > TAGS_MAX { Err(CatalogError::Invalid(TOO_MANY.to_owned())) } else { Ok(()) }
        })
        .await
    }

    pub(crate) async fn untag_resource(&self, asked: &Asked<'_>, arn: &str) -> Result<Reply, ApiError> {
        let mut violations = Violations::default();
        let resource = TaggedResource::read(arn, &mut violations);
        let keys: Vec<String> = asked.query.all("tagKeys").map(std::borrow::Cow::into_owned).collect();
        violations.finish()?;
        if keys.is_empty() {
            return Err(invalid(NOTHING));
        }
        self.retag(asked, arn, resource, "lambda:UntagResource", move |tags| {
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
        let tags: Tags = match resource {
            TaggedResource::Function(reference) => {
                let target = asked.target(self, reference, ReferenceForm::Namespaced, "lambda:ListTags", "")?;
                refuse_qualifier(&target)?;
                let view = self.inner.catalog.get(&scope, &target.name, None).map_err(refusals::catalog)?;
                view.tags.as_ref().clone()
            }
            other => return Err(missing(&other, arn)),
        };
        Ok(ok(200, &json!({"Tags": tags})))
    }

    async fn retag(
        &self,
        asked: &Asked<'_>,
        arn: &str,
        resource: TaggedResource<'_>,
        action: &str,
        edit: impl FnOnce(&mut Tags) -> Result<(), CatalogError> + Send + 'static,
    ) -> Result<Reply, ApiError> {
        let scope = asked.scope();
        match resource {
            TaggedResource::Function(reference) => {
                let target = asked.target(self, reference, ReferenceForm::Namespaced, action, "")?;
                refuse_qualifier(&target)?;
                let edit = move |tags: &mut Tags| {
                    edit(tags)?;
                    egress_of(tags).map_err(|error| CatalogError::Invalid(error.message))
                };
                self.inner.catalog.retag(&scope, &target.name, edit).await.map_err(refusals::catalog)?;
            }
            other => return Err(missing(&other, arn)),
        }
        Ok(reply::empty(204))
    }
}

fn refuse_qualifier(target: &crate::asked::Target) -> Result<(), ApiError> {
    match target.qualifier {
        None => Ok(()),
        Some(_) => {
            Err(invalid("Tags on function aliases and versions are not supported. Please specify a function ARN."))
        }
    }
}

/// Resources of kinds that are not there yet are none of ours.
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
