//! Operations on aliases.

use crate::answer::ok;
use crate::asked::{Asked, Target};
use crate::functions::invalid;
use crate::paging::{marker, max_items, next_marker};
use crate::reply::{self, Reply};
use crate::settings::revision;
use crate::{Gateway, refusals};
use bytes::Bytes;
use lacewing_catalog::AliasChange;
use lacewing_lambda_api::{
    AliasReply, AliasRequest, ApiError, ErrorCode, ListAliasesReply, ReferenceForm, RoutingConfig, Violations, parse,
};
use lacewing_model::{Alias, AliasName, Routing, VersionNumber};
use std::collections::BTreeMap;

const ALIAS_PATTERN: &str = "(?!^[0-9]+$)([a-zA-Z0-9-_]+)";
const VERSION_PATTERN: &str = r"(\$LATEST|[0-9]+)";

impl Gateway {
    pub(crate) async fn create_alias(&self, asked: &Asked<'_>, function: &str, body: Bytes) -> Result<Reply, ApiError> {
        let target = self.function(asked, function, "lambda:CreateAlias")?;
        let request: AliasRequest = parse(&body)?;
        let mut violations = Violations::default();
        match request.name.as_deref() {
            None => violations.null("name"),
            Some(name) => check_name(name, &mut violations),
        }
        if request.function_version.is_none() {
            violations.null("functionVersion");
        }
        let alias: Option<AliasName> = request.name.as_deref().and_then(|name| name.parse().ok());
        let change = change(request, violations)?;
        // The violations are told by now.
        let alias = alias.ok_or_else(|| ApiError::new(ErrorCode::Validation, "The alias has no name."))?;
        let made = self.inner.catalog.create_alias(&target.scope, &target.name, alias, change).await;
        Ok(ok(201, &shown(&target, &*made.map_err(refusals::catalog)?)))
    }

    pub(crate) fn get_alias(&self, asked: &Asked<'_>, function: &str, alias: &str) -> Result<Reply, ApiError> {
        let target = self.aliased(asked, function, alias, "lambda:GetAlias")?;
        let found = self.inner.catalog.alias(&target.scope, &target.name, alias).map_err(refusals::catalog)?;
        Ok(ok(200, &shown(&target, &found)))
    }

    pub(crate) fn list_aliases(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let target = self.function(asked, function, "lambda:ListAliases")?;
        let mut violations = Violations::default();
        let max = max_items(asked, 10_000, &mut violations);
        let version = asked.query.get("FunctionVersion");
        let version = version.as_deref().and_then(|text| read_version(text, &mut violations));
        violations.finish()?;
        let after: Option<AliasName> = marker(asked)?;
        let page = self.inner.catalog.aliases(&target.scope, &target.name, version, after.as_ref(), max);
        let page = page.map_err(refusals::catalog)?;
        let next_marker = page.items.last().filter(|_| page.more).map(|last| next_marker(&last.name));
        let aliases = page.items.iter().map(|alias| shown(&target, alias)).collect();
        Ok(ok(200, &ListAliasesReply { aliases, next_marker }))
    }

    pub(crate) async fn update_alias(
        &self,
        asked: &Asked<'_>,
        function: &str,
        alias: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let target = self.aliased(asked, function, alias, "lambda:UpdateAlias")?;
        let change = change(parse(&body)?, Violations::default())?;
        let changed = self.inner.catalog.update_alias(&target.scope, &target.name, alias, change).await;
        Ok(ok(200, &shown(&target, &*changed.map_err(refusals::catalog)?)))
    }

    pub(crate) async fn delete_alias(&self, asked: &Asked<'_>, function: &str, alias: &str) -> Result<Reply, ApiError> {
        let target = self.aliased(asked, function, alias, "lambda:DeleteAlias")?;
        self.inner.catalog.delete_alias(&target.scope, &target.name, alias).await.map_err(refusals::catalog)?;
        Ok(reply::empty(204))
    }

    /// The function whose aliases are meant.
    fn function(&self, asked: &Asked<'_>, function: &str, action: &str) -> Result<Target, ApiError> {
        asked.target(self, function, ReferenceForm::Short, action)
    }

    /// The function of the alias in a path.
    fn aliased(&self, asked: &Asked<'_>, function: &str, alias: &str, action: &str) -> Result<Target, ApiError> {
        let mut violations = Violations::default();
        check_name(alias, &mut violations);
        violations.finish()?;
        self.function(asked, function, action)
    }
}

fn check_name(name: &str, violations: &mut Violations) {
    violations.length(name, "name", 1, 128);
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !name.bytes().all(fits) || name.bytes().all(|b| b.is_ascii_digit()) {
        violations.pattern(name, "name", ALIAS_PATTERN);
    }
}

fn read_version(text: &str, violations: &mut Violations) -> Option<VersionNumber> {
    violations.length(text, "functionVersion", 1, 1_024);
    match text {
        "$LATEST" => Some(VersionNumber::Latest),
        text if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            // A number beyond all numbers is one that nothing has.
            Some(VersionNumber::Published(text.parse().unwrap_or(u64::MAX)))
        }
        text => {
            violations.pattern(text, "functionVersion", VERSION_PATTERN);
            None
        }
    }
}

/// The change that a request asks for.
fn change(request: AliasRequest, mut violations: Violations) -> Result<AliasChange, ApiError> {
    let version = request.function_version.as_deref().and_then(|text| read_version(text, &mut violations));
    if let Some(description) = request.description.as_deref() {
        violations.length(description, "description", 0, 256);
    }
    let weights = request.routing_config.map(|routing| routing.additional_version_weights.unwrap_or_default());
    if let Some(weights) = &weights {
        check_weights(weights, &mut violations);
    }
    violations.finish()?;
    if weights.as_ref().is_some_and(|weights| weights.len() > 1) {
        return Err(invalid("Number of items in AdditionalVersionWeights cannot be greater than 1"));
    }
    let routing = weights.map(|weights| {
        let (version, weight) = weights.into_iter().next()?;
        Some(Routing { number: version.parse().unwrap_or(u64::MAX), weight })
    });
    let revision = request.revision_id.as_deref().map(revision).transpose()?;
    Ok(AliasChange { version, routing, description: request.description, revision })
}

fn check_weights(weights: &BTreeMap<String, f64>, violations: &mut Violations) {
    let path = "routingConfig.additionalVersionWeights";
    // As Java prints a map.
    let pairs: Vec<_> = weights.iter().map(|(version, weight)| format!("{version}={weight:?}")).collect();
    let shown = format!("{{{}}}", pairs.join(", "));
    if weights.keys().any(|version| version.is_empty() || !version.bytes().all(|b| b.is_ascii_digit())) {
        let rule = "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must \
                    have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]";
        violations.add_members(Some(&shown), path, rule);
    }
    if weights.values().any(|weight| !(0.0..=1.0).contains(weight)) {
        let rule = "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must \
                    have value greater than or equal to 0.0, Member must not be null]";
        violations.add_members(Some(&shown), path, rule);
    }
}

fn shown(function: &Target, alias: &Alias) -> AliasReply {
    AliasReply {
        alias_arn: format!("{}:{}", function.scope.arn(&function.name, None), alias.name),
        name: alias.name.to_string(),
        function_version: alias.version.to_string(),
        description: alias.description.clone(),
        routing_config: alias.routing.map(|routing| RoutingConfig {
            additional_version_weights: Some(BTreeMap::from([(routing.number.to_string(), routing.weight)])),
        }),
        revision_id: alias.revision.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<AliasChange, ApiError> {
        change(parse(json.as_bytes()).unwrap(), Violations::default())
    }

    #[test]
    fn weights_are_refused_in_aws_words() {
        let mut shown = String::new();
        for weights in [r#"{"1":1.1}"#, r#"{"1":-0.5}"#, r#"{"$LATEST":0.5}"#, r#"{"1":0.1,"2":0.1}"#] {
            let error = read(&format!(r#"{{"RoutingConfig":{{"AdditionalVersionWeights":{weights}}}}}"#)).unwrap_err();
            shown += &format!("{} {}\n", error.code.name(), error.message);
        }
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn an_empty_routing_is_not_the_same_as_none() {
        assert_eq!(read("{}").unwrap().routing, None);
        for empty in ["{}", r#"{"AdditionalVersionWeights":{}}"#, r#"{"AdditionalVersionWeights":null}"#] {
            assert_eq!(read(&format!(r#"{{"RoutingConfig":{empty}}}"#)).unwrap().routing, Some(None), "{empty}");
        }
        let one = read(r#"{"RoutingConfig":{"AdditionalVersionWeights":{"7":0.5}}}"#).unwrap();
        assert_eq!(one.routing, Some(Some(Routing { number: 7, weight: 0.5 })));
    }
}
