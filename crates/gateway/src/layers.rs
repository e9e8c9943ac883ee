//! Layers and their versions.

use crate::answer::{heavy, ok};
use crate::asked::Asked;
use crate::configuration;
use crate::functions::invalid;
use crate::paging::FIFTY;
use crate::policies::{NO_RESOURCE, shown as shown_policy, written};
use crate::reply::{self, Reply};
use crate::requests::{CodeSource, check_code, source_of};
use crate::{Gateway, refusals};
use bytes::Bytes;
use lacewing_access::{Kind, Policy as AccessPolicy, Principal, Wish};
use lacewing_catalog::policies::{Believed, add_statement, remove_statement};
use lacewing_catalog::records::{Document, Layer, LayerVersion, Policy};
use lacewing_catalog::{CatalogError, Code, NewLayerVersion, Scope};
use lacewing_lambda_api::{
    AddLayerVersionPermissionRequest, AddPermissionReply, ApiError, ErrorCode, LayerContentReply, LayerItem,
    LayerReference, LayerVersionItem, LayerVersionReply, ListLayerVersionsReply, ListLayersReply,
    PublishLayerVersionRequest, Violations, check_layer_runtimes, check_listed_runtime, function_time, parse,
};
use lacewing_model::{LayerName, Limits};

/// Which versions a list is to show.
struct Filter {
    architecture: Option<String>,
    runtime: Option<String>,
}

/// One version of a layer, as a request names it.
struct Named {
    layer: LayerName,
    number: u64,
}

impl Gateway {
    pub(crate) async fn publish_layer_version(
        &self,
        asked: &Asked<'_>,
        layer: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let name = self.layer(asked, layer, Some("lambda:PublishLayerVersion"))?;
        let limits = self.inner.limits.clone();
        let (new, source) = heavy(body.len(), move || read_publish(&body, &limits)).await?;
        let new = NewLayerVersion { code: self.code_of(asked, source).await?, ..new };
        let scope = asked.scope();
        let version = self.inner.catalog.publish_layer(&scope, &name, new).await.map_err(refusals::catalog)?;
        Ok(ok(201, &self.layer_version(asked, &scope, &name, &version)))
    }

    pub(crate) fn get_layer_version(&self, asked: &Asked<'_>, layer: &str, number: &str) -> Result<Reply, ApiError> {
        let mut violations = Violations::default();
        let reference = LayerReference::layer(layer, &mut violations);
        violations.finish()?;
        self.shown_layer_version(asked, &LayerReference { version: read_number(number)?, ..reference })
    }

    pub(crate) fn get_layer_version_by_arn(&self, asked: &Asked<'_>) -> Result<Reply, ApiError> {
        let arn = asked.query.get("Arn").unwrap_or_default();
        let mut violations = Violations::default();
        let reference = LayerReference::version(&arn, "arn", &mut violations);
        violations.finish()?;
        self.shown_layer_version(asked, &reference)
    }

    fn shown_layer_version(&self, asked: &Asked<'_>, reference: &LayerReference<'_>) -> Result<Reply, ApiError> {
        let (scope, name) = self.permit_layer(asked, reference)?;
        let layer = self.inner.catalog.layer(&scope, &name);
        let version = layer.as_ref().and_then(|layer| layer.version(reference.version));
        let version = version.ok_or_else(|| ApiError::new(ErrorCode::ResourceNotFound, NO_RESOURCE))?;
        Ok(ok(200, &self.layer_version(asked, &scope, &name, version)))
    }

    /// Checks that the caller may have layer versions that a function is to have.
    pub(crate) fn permit_layers(&self, asked: &Asked<'_>, arns: &[String]) -> Result<(), ApiError> {
        let references = arns.iter().filter_map(|arn| LayerReference::of_arn(arn));
        // Those of another region are refused in words of their own, later.
        let mut here = references.filter(|reference| reference.region == Some(asked.region().as_str()));
        here.try_for_each(|reference| self.permit_layer(asked, &reference).map(drop))
    }

    /// Whose layer it is, and its name, if the caller may see the version: one of another account by its policy.
    fn permit_layer(&self, asked: &Asked<'_>, reference: &LayerReference<'_>) -> Result<(Scope, LayerName), ApiError> {
        let foreign = reference.account.filter(|other| *other != asked.caller.account.as_str());
        let (scope, name) = match foreign {
            None => (asked.scope(), self.owned(asked, reference, None)?),
            Some(account) => {
                let missing = || ApiError::new(ErrorCode::ResourceNotFound, NO_RESOURCE);
                let scope = Scope {
                    account: account.parse().map_err(|_| missing())?,
                    region: reference.region.unwrap_or_default().parse().map_err(|_| missing())?,
                };
                (scope, reference.name.parse().map_err(|_| missing())?)
            }
        };
        if foreign.is_some() || asked.caller.principal != Principal::Root {
            let layer = self.inner.catalog.layer(&scope, &name);
            let policy = layer.as_ref().and_then(|layer| layer.version(reference.version)?.policy.as_ref());
            // What is not there is refused like what is not allowed: nobody learns of others' layers.
            let policy = policy.and_then(|policy| AccessPolicy::parse(&policy.document(), Kind::Resource).ok());
            let resource = format!("{}:{}", layer_arn(&scope, name.as_str()), reference.version);
            let action = "lambda:GetLayerVersion";
            let wish = Wish { action, resource: &resource, policy: policy.as_ref(), about: &() };
            self.inner.access.allows(&wish, &asked.facts(self), &()).map_err(refusals::access)?;
        }
        Ok((scope, name))
    }

    pub(crate) async fn delete_layer_version(
        &self,
        asked: &Asked<'_>,
        layer: &str,
        number: &str,
    ) -> Result<Reply, ApiError> {
        let Named { layer, number } = self.named(asked, layer, number, "lambda:DeleteLayerVersion")?;
        let deleted = self.inner.catalog.delete_layer_version(&asked.scope(), &layer, number).await;
        deleted.map_err(refusals::catalog)?;
        Ok(reply::empty(204))
    }

    pub(crate) fn list_layers(&self, asked: &Asked<'_>) -> Result<Reply, ApiError> {
        asked.permit(self, "lambda:ListLayers", || "*".to_owned())?;
        let (scope, filter) = (asked.scope(), filter(asked)?);
        let all = self.inner.catalog.all_records::<Layer>(&scope).into_iter().filter_map(|(key, layer)| {
            let newest = layer.versions.iter().rev().find(|version| filter.fits(version))?.clone();
            Some((key, newest))
        });
        let page = FIFTY.cut(asked, all.collect(), |(key, _)| &key.name)?;
        let shown = |(key, newest): &(std::sync::Arc<_>, LayerVersion)| {
            let key: &lacewing_catalog::records::RecordKey = key;
            let layer_arn = layer_arn(&scope, &key.name);
            let latest_matching_version = item(&layer_arn, newest);
            LayerItem { layer_name: key.name.to_string(), layer_arn, latest_matching_version }
        };
        Ok(ok(200, &ListLayersReply { layers: page.items.iter().map(shown).collect(), next_marker: page.next_marker }))
    }

    pub(crate) fn list_layer_versions(&self, asked: &Asked<'_>, layer: &str) -> Result<Reply, ApiError> {
        // Source: service authorization reference: this one knows no resource.
        asked.permit(self, "lambda:ListLayerVersions", || "*".to_owned())?;
        let name = self.layer(asked, layer, None)?;
        let (scope, filter) = (asked.scope(), filter(asked)?);
        let layer = self.inner.catalog.layer(&scope, &name);
        let versions = layer.iter().flat_map(|layer| layer.versions.iter().rev());
        // Newest first, so that what comes later has a greater name.
        let all = versions.filter(|version| filter.fits(version));
        let all: Vec<_> = all.map(|version| (format!("{:020}", u64::MAX - version.number), version)).collect();
        let page = FIFTY.cut(asked, all, |(place, _)| place)?;
        let arn = layer_arn(&scope, name.as_str());
        let layer_versions = page.items.iter().map(|(_, version)| item(&arn, version)).collect();
        Ok(ok(200, &ListLayerVersionsReply { layer_versions, next_marker: page.next_marker }))
    }

    pub(crate) async fn add_layer_permission(
        &self,
        asked: &Asked<'_>,
        layer: &str,
        number: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let request: AddLayerVersionPermissionRequest = parse(&body)?;
        let named = self.named(asked, layer, number, "lambda:AddLayerVersionPermission")?;
        let mut violations = Violations::default();
        request.check(&mut violations);
        violations.finish()?;
        let arn = version_arn(&asked.scope(), &named);
        let (statement, json) = written(&request.statement(arn)?)?;
        let revision = self.change_layer_policy(asked, &named, move |policy| {
            add_statement(policy, statement)?;
            Ok(policy.as_ref().map(|policy| policy.revision.clone()))
        });
        Ok(ok(201, &AddPermissionReply { statement: json, revision_id: revision.await? }))
    }

    pub(crate) async fn remove_layer_permission(
        &self,
        asked: &Asked<'_>,
        layer: &str,
        number: &str,
        sid: &str,
    ) -> Result<Reply, ApiError> {
        let named = self.named(asked, layer, number, "lambda:RemoveLayerVersionPermission")?;
        let sid = sid.to_owned();
        let removed = self.change_layer_policy(asked, &named, move |policy| remove_statement(policy, &sid));
        removed.await?;
        Ok(reply::empty(204))
    }

    pub(crate) fn get_layer_policy(&self, asked: &Asked<'_>, layer: &str, number: &str) -> Result<Reply, ApiError> {
        let named = self.named(asked, layer, number, "lambda:GetLayerVersionPolicy")?;
        let scope = asked.scope();
        let layer = self.inner.catalog.layer(&scope, &named.layer);
        let version = layer.as_ref().and_then(|layer| layer.version(named.number));
        let version = version.ok_or_else(|| refusals::catalog(no_version(&scope, &named)))?;
        let missing = || ApiError::new(ErrorCode::ResourceNotFound, "No policy is associated with the given resource.");
        Ok(ok(200, &shown_policy(version.policy.as_ref().ok_or_else(missing)?)))
    }

    async fn change_layer_policy<R: Send + 'static>(
        &self,
        asked: &Asked<'_>,
        named: &Named,
        decide: impl FnOnce(&mut Option<Policy>) -> Result<R, CatalogError> + Send + 'static,
    ) -> Result<R, ApiError> {
        let scope = asked.scope();
        let (missing, number) = (no_version(&scope, named), named.number);
        let believed = Believed { revision: asked.query_text("RevisionId"), call: "GetLayerPolicy" };
        let key = scope.record(Layer::FAMILY, named.layer.as_str());
        let changed = self.inner.catalog.change_record(key, move |layer: &mut Option<Layer>| {
            let versions = layer.as_mut().map(|layer| &mut layer.versions);
            let version = versions.and_then(|versions| versions.iter_mut().find(|version| version.number == number));
            let policy = &mut version.ok_or(missing)?.policy;
            believed.check(policy.as_ref(), None)?;
            decide(policy)
        });
        changed.await.map_err(refusals::catalog)
    }

    /// `GET /_lacewing/layers/ACCOUNT/NAME/NUMBER`: where the location of a layer version's content leads.
    pub(crate) async fn layer_package(&self, asked: &Asked<'_>, path: &str) -> Result<Reply, ApiError> {
        let gone = || {
            ApiError::new(
                ErrorCode::ResourceNotFound,
                "The layer version is gone. Call GetLayerVersion for a new link.",
            )
        };
        let mut parts = path.splitn(3, '/');
        let (Some(account), Some(name), Some(number)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(gone());
        };
        let (name, number): (LayerName, _) = (name.parse().map_err(|_| gone())?, number.parse().map_err(|_| gone())?);
        let scope = Scope { account: account.parse().map_err(|_| gone())?, region: asked.region().clone() };
        let arn = format!("{}:{number}", layer_arn(&scope, name.as_str()));
        self.permit_package(asked, "lambda:GetLayerVersion", &arn)?;
        let package = self.inner.catalog.layer_package(&scope, &name, number).await;
        Ok(reply::bytes(200, crate::packages::ZIP, package.map_err(refusals::catalog)?.into()))
    }

    fn layer_version(
        &self,
        asked: &Asked<'_>,
        scope: &Scope,
        name: &LayerName,
        version: &LayerVersion,
    ) -> LayerVersionReply {
        let layer_arn = layer_arn(scope, name.as_str());
        let path = format!("/_lacewing/layers/{}/{name}/{}", scope.account, version.number);
        LayerVersionReply {
            content: LayerContentReply {
                location: version.object.is_none().then(|| self.signed_location(asked, &path, &scope.region)),
                code_sha256: version.code_sha256.clone(),
                code_size: version.code_bytes,
                resolved_s3_object: version.object.clone().map(|object| configuration::object(&object.into())),
            },
            item: item(&layer_arn, version),
            layer_arn,
        }
    }

    /// The caller's layer that a path names.
    fn layer(&self, asked: &Asked<'_>, text: &str, action: Option<&str>) -> Result<LayerName, ApiError> {
        let mut violations = Violations::default();
        let reference = LayerReference::layer(text, &mut violations);
        violations.finish()?;
        self.owned(asked, &reference, action)
    }

    /// The version that a path names.
    fn named(&self, asked: &Asked<'_>, layer: &str, number: &str, action: &str) -> Result<Named, ApiError> {
        let mut violations = Violations::default();
        let reference = LayerReference::layer(layer, &mut violations);
        violations.finish()?;
        let number = read_number(number)?;
        let layer = self.owned(asked, &LayerReference { version: number, ..reference }, Some(action))?;
        Ok(Named { layer, number })
    }

    /// The caller's own layer or layer version: those of other accounts and regions are not to be reached.
    fn owned(
        &self,
        asked: &Asked<'_>,
        reference: &LayerReference<'_>,
        action: Option<&str>,
    ) -> Result<LayerName, ApiError> {
        let (account, region) = (asked.caller.account.as_str(), asked.region().as_str());
        let arn = || {
            let (region, account) = (reference.region.unwrap_or(region), reference.account.unwrap_or(account));
            let version = if reference.version == 0 { String::new() } else { format!(":{}", reference.version) };
            format!("arn:aws:lambda:{region}:{account}:layer:{}{version}", reference.name)
        };
        if reference.account.is_some_and(|other| other != account) {
            action.map_or(Ok(()), |action| asked.permit_told(self, action, &arn(), &()))?;
            return Err(ApiError::new(ErrorCode::AccessDenied, "The account is not yours."));
        }
        if let Some(other) = reference.region.filter(|other| *other != region) {
            let text = format!("Layers from '{other}' are not reachable in this region ('{region}')");
            return Err(ApiError::new(ErrorCode::ResourceNotFound, text));
        }
        action.map_or(Ok(()), |action| asked.permit(self, action, arn))?;
        reference.name.parse().map_err(|_| ApiError::new(ErrorCode::ResourceNotFound, NO_RESOURCE))
    }
}

fn read_number(text: &str) -> Result<u64, ApiError> {
    let hint = "The version of a layer is a number: give one from 1.";
    let number: i64 = text.parse().map_err(|_| ApiError::new(ErrorCode::Serialization, hint))?;
    match u64::try_from(number) {
        Ok(number @ 1..) => Ok(number),
        _ => Err(invalid("Layer Version Cannot be less than 1")),
    }
}

/// A `PublishLayerVersion`, and where its content is.
fn read_publish(body: &[u8], limits: &Limits) -> Result<(NewLayerVersion, CodeSource), ApiError> {
    let request: PublishLayerVersionRequest<'_> = parse(body)?;
    let mut violations = Violations::default();
    if request.content.is_none() {
        violations.null("content");
    }
    if let Some(description) = &request.description {
        violations.length(description, "description", 0, 256);
    }
    if let Some(runtimes) = &request.compatible_runtimes {
        check_layer_runtimes(runtimes, &mut violations);
    }
    if let Some(architectures) = &request.compatible_architectures
        && architectures.iter().any(|one| !matches!(one.as_str(), "x86_64" | "arm64"))
    {
        let rule = "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must \
                    not be null]";
        violations.add_members(Some(&format!("[{}]", architectures.join(", "))), "compatibleArchitectures", rule);
    }
    if let Some(license) = &request.license_info {
        violations.length(license, "licenseInfo", 0, 512);
    }
    if let Some(content) = &request.content {
        check_code(content, "content.", &mut violations);
    }
    violations.finish()?;
    let content = request.content.unwrap_or_default();
    if content.zip_file.is_none() && content.s3_bucket.is_none() {
        return Err(invalid("Missing Content"));
    }
    let source = source_of(content, "publishing", limits)?;
    let new = NewLayerVersion {
        code: Code::Zip(Bytes::new()),
        description: request.description.unwrap_or_default(),
        architectures: request.compatible_architectures,
        runtimes: request.compatible_runtimes,
        license: request.license_info,
    };
    Ok((new, source))
}

impl Filter {
    /// A version that says nothing of what it fits is for whoever knows.
    fn fits(&self, version: &LayerVersion) -> bool {
        let has = |wanted: &Option<String>, list: &Option<Vec<String>>| {
            wanted.as_ref().is_none_or(|wanted| list.as_ref().is_some_and(|list| list.contains(wanted)))
        };
        has(&self.architecture, &version.architectures) && has(&self.runtime, &version.runtimes)
    }
}

fn filter(asked: &Asked<'_>) -> Result<Filter, ApiError> {
    let filter = Filter {
        architecture: asked.query_text("CompatibleArchitecture"),
        runtime: asked.query_text("CompatibleRuntime"),
    };
    let mut violations = Violations::default();
    if let Some(runtime) = &filter.runtime {
        check_listed_runtime(runtime, &mut violations);
    }
    if let Some(architecture) = &filter.architecture {
        violations.one_of(architecture, "compatibleArchitecture", &["x86_64", "arm64"]);
    }
    violations.finish()?;
    Ok(filter)
}

fn layer_arn(scope: &Scope, name: &str) -> String {
    format!("arn:aws:lambda:{}:{}:layer:{name}", scope.region, scope.account)
}

fn version_arn(scope: &Scope, named: &Named) -> String {
    format!("{}:{}", layer_arn(scope, named.layer.as_str()), named.number)
}

fn no_version(scope: &Scope, named: &Named) -> CatalogError {
    CatalogError::Missing(format!("Layer version {} does not exist.", version_arn(scope, named)))
}

fn item(layer_arn: &str, version: &LayerVersion) -> LayerVersionItem {
    LayerVersionItem {
        layer_version_arn: format!("{layer_arn}:{}", version.number),
        version: version.number,
        description: version.description.clone(),
        created_date: function_time(version.created_ms),
        compatible_architectures: version.architectures.clone(),
        compatible_runtimes: version.runtimes.clone(),
        license_info: version.license.clone(),
    }
}
