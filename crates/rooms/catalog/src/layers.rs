//! Layers: packages that functions share. A version stays as it is; its number is never given again.

use crate::catalog::blocking;
use crate::writer::Writer;
use crate::{Catalog, CatalogError, Code, Scope};
use lacewing_artifact::Package;
use lacewing_model::{LayerName, LayerUse, ObjectCode};
use lacewing_store::records::{Document, Layer, LayerVersion, ObjectDocument};

/// Layers of one function. Source: Lambda quotas.
const LAYERS_MAX: usize = 5;

/// A layer version to be made.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct NewLayerVersion {
    /// A package.
    pub code: Code,
    pub description: String,
    pub architectures: Option<Vec<String>>,
    pub runtimes: Option<Vec<String>>,
    pub license: Option<String>,
}

impl Catalog {
    /// The layer of that name, with all its versions.
    #[must_use]
    pub fn layer(&self, owner: &Scope, name: &LayerName) -> Option<std::sync::Arc<Layer>> {
        self.record(&owner.record(Layer::FAMILY, name.as_str()))
    }

    /// Publishes the next version of a layer.
    ///
    /// # Errors
    /// [`CatalogError::BadPackage`].
    ///
    /// # Cancel safety
    /// The version may be published all the same.
    pub async fn publish_layer(
        &self,
        owner: &Scope,
        name: &LayerName,
        new: NewLayerVersion,
    ) -> Result<LayerVersion, CatalogError> {
        let NewLayerVersion { code, description, architectures, runtimes, license } = new;
        let (package, object) = self.put(owner, code).await?;
        let key = owner.record(Layer::FAMILY, name.as_str());
        self.ask(move |writer| {
            // From here on it is wanted, even if nobody else holds it any more.
            package.keep();
            let created_ms = writer.clock.now().0;
            let published = writer.change_record(key, |layer: &mut Option<Layer>| {
                let layer = layer.get_or_insert_default();
                layer.last += 1;
                let version = LayerVersion {
                    number: layer.last,
                    description,
                    created_ms,
                    code_sha256: package.sha256().to_string(),
                    code_bytes: package.bytes(),
                    architectures,
                    runtimes,
                    license,
                    policy: None,
                    object: object.map(ObjectDocument::from),
                };
                layer.versions.push(version.clone());
                Ok(version)
            });
            match &published {
                Ok(_) => writer.hold(package),
                Err(_) => writer.release(&package),
            }
            published
        })
        .await
    }

    /// Deletes a version of a layer; one that is not there is deleted already. Functions that have it keep it.
    ///
    /// # Errors
    /// [`CatalogError::Internal`].
    ///
    /// # Cancel safety
    /// The version may be deleted all the same.
    pub async fn delete_layer_version(&self, owner: &Scope, name: &LayerName, number: u64) -> Result<(), CatalogError> {
        let key = owner.record(Layer::FAMILY, name.as_str());
        self.ask(move |writer| {
            let deleted = writer.change_record(key, |layer: &mut Option<Layer>| {
                // The layer itself stays: it knows which numbers were given.
                let place = layer.as_ref().and_then(|layer| layer.versions.iter().position(|v| v.number == number));
                Ok(place.zip(layer.as_mut()).map(|(place, layer)| layer.versions.remove(place)))
            })?;
            if let Some(sha256) = deleted.as_ref().and_then(LayerVersion::sha256) {
                writer.let_go(&sha256);
            }
            Ok(())
        })
        .await
    }

    /// The package of a layer version as it was uploaded, read from the disk and checked against its hash.
    ///
    /// # Errors
    /// [`CatalogError::Missing`]; [`CatalogError::Internal`] when it cannot be read.
    pub async fn layer_package(&self, owner: &Scope, name: &LayerName, number: u64) -> Result<Vec<u8>, CatalogError> {
        let version = self.layer(owner, name).and_then(|layer| layer.version(number).cloned());
        let package = version.filter(|version| version.object.is_none()).and_then(|version| version.sha256());
        let package = package.and_then(|sha256| self.0.records.load().package(&sha256).cloned());
        let package = package.ok_or_else(|| CatalogError::Missing("The layer version is gone.".to_owned()))?;
        blocking(move || Ok(package.read()?)).await
    }

    /// What the layer versions of an account in a region add up to, bytes; what stays elsewhere does not count.
    #[must_use]
    pub fn layer_bytes(&self, owner: &Scope) -> u64 {
        let layers = self.all_records::<Layer>(owner);
        let here = layers.iter().flat_map(|(_, layer)| &layer.versions).filter(|version| version.object.is_none());
        here.map(|version| version.code_bytes).sum()
    }
}

impl Writer {
    /// What lies behind the ARNs of layer versions.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`], in AWS's words.
    pub(crate) fn layers(&self, owner: &Scope, arns: &[String]) -> Result<Vec<LayerUse>, CatalogError> {
        if arns.len() > LAYERS_MAX {
            return Err(CatalogError::Invalid(format!("Cannot reference more than {LAYERS_MAX} layers.")));
        }
        let records = self.records.load();
        let mut found: Vec<(&str, LayerUse)> = Vec::with_capacity(arns.len());
        for arn in arns {
            let missing = || CatalogError::Invalid(format!("Layer version {arn} does not exist."));
            let (layer, number) = arn.rsplit_once(':').ok_or_else(missing)?;
            let mut parts = layer.split(':').skip(3);
            let (region, account, name) = (parts.next(), parts.next(), parts.nth(1));
            if region != Some(owner.region.as_str()) {
                return Err(CatalogError::Invalid(format!(
                    "Layers are not in the same region as the function. Layers are expected to be in region {}.",
                    owner.region
                )));
            }
            if let Some((_, twin)) = found.iter().find(|(other, _)| *other == layer) {
                return Err(CatalogError::Invalid(format!(
                    "Two different versions of the same layer are not allowed to be referenced in the same function. \
                     {} and {arn} are versions of the same layer.",
                    twin.arn
                )));
            }
            // Whoever asks has seen to it that the owner may have those of other accounts.
            let account = account.and_then(|account| account.parse().ok()).ok_or_else(missing)?;
            let scope = Scope { account, region: owner.region.clone() };
            let key = scope.record(Layer::FAMILY, name.unwrap_or_default());
            let layer_record = records.get::<Layer>(&key).ok_or_else(missing)?;
            let number = number.parse().map_err(|_| missing())?;
            let version = layer_record.version(number).ok_or_else(missing)?;
            let code_sha256 = version.sha256().ok_or_else(missing)?;
            let object = version.object.clone().map(ObjectCode::from);
            found.push((layer, LayerUse { arn: arn.clone(), code_sha256, code_bytes: version.code_bytes, object }));
        }
        Ok(found.into_iter().map(|(_, layer)| layer).collect())
    }

    /// The packages of a function's layers: of versions that are there, or that the function has already.
    pub(crate) fn layer_packages(&self, layers: &[LayerUse], held: &[Package]) -> Result<Vec<Package>, CatalogError> {
        let records = self.records.load();
        let package = |layer: &LayerUse| {
            let own = held.iter().find(|package| *package.sha256() == layer.code_sha256);
            own.or_else(|| records.package(&layer.code_sha256)).cloned()
        };
        let lost = |layer: &LayerUse| CatalogError::Internal(format!("the package of {} is lost", layer.arn));
        layers.iter().map(|layer| package(layer).ok_or_else(|| lost(layer))).collect()
    }
}
