//! Code in an object store: copied from there, or left there.
//!
//! What is left there is known by its version and its hash. Its tree is a cache: where it is gone, the version that
//! needs it becomes Pending and the object is fetched again, as an image is; where that fails, it becomes Inactive until the object is
//! back and the server starts, or the function is changed.

use crate::catalog::{blocking, stopped};
use crate::{Catalog, CatalogError, Code, Scope};
use lacewing_artifact::{ArtifactError, Elsewhere, Package};
use lacewing_model::{ObjectCode, Region};
use lacewing_objects::{ObjectError, ObjectRef, Objects};
use std::sync::Arc;

/// Where packages that stay in an object store are fetched from. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) objects: Objects,
    /// The most that one may hold.
    pub(crate) bytes_max: u64,
}

impl Sources {
    /// Tells the package where it stays, if that is not here.
    pub(crate) fn stays_in(&self, package: &Package, region: &Region, object: Option<&ObjectCode>) {
        if let Some(object) = object {
            package.stays_in(self.place(region, object));
        }
    }

    fn place(&self, region: &Region, object: &ObjectCode) -> Elsewhere {
        let (sources, name) = (self.clone(), object.to_string());
        let wanted = ObjectRef {
            region: region.to_string(),
            bucket: object.bucket.clone(),
            key: object.key.clone(),
            version: Some(object.version.clone()),
        };
        let fetch = move || {
            let read = sources.objects.get_waiting(&wanted, sources.bytes_max);
            read.map(|object| object.bytes.into()).map_err(|error| not_fetched(&name, &error))
        };
        Elsewhere { name: object.to_string(), fetch: Arc::new(fetch) }
    }
}

fn not_fetched(place: &str, error: &ObjectError) -> ArtifactError {
    let mend = match error.is_lost() {
        true => "Give this server's key access to it and update the function, or set the function's code anew.",
        false => "Update the function when the object store answers again.",
    };
    // Most stores end their sentences.
    let why = error.to_string();
    let why = why.trim_end_matches('.');
    ArtifactError::NotFetched { message: format!("The code in {place} cannot be read: {why}. {mend}") }
}

impl Catalog {
    /// Reads a package from where it lies; one may be as large as what it unpacks to may be. If it `stays` there, its
    /// bucket must keep versions, so that what the name stands for now can be had again.
    ///
    /// # Errors
    /// [`CatalogError::Fetch`]; [`CatalogError::Invalid`] for an object without a version that is to stay.
    pub async fn fetch(&self, object: &ObjectRef, stays: bool) -> Result<Code, CatalogError> {
        let _turn = self.0.uploads.acquire().await.map_err(|_| stopped())?;
        let max = self.0.sources.bytes_max;
        let read = self.0.sources.objects.get(object, max).await.map_err(|error| match error {
            // What is larger packed than it may be unpacked needs no look inside.
            ObjectError::TooLarge => ArtifactError::UnzippedTooLarge { max }.into(),
            other => CatalogError::Fetch(other),
        })?;
        if !stays {
            return Ok(Code::Zip(read.bytes));
        }
        let ObjectRef { bucket, key, version, .. } = object.clone();
        let Some(version) = read.version.or(version) else {
            return Err(CatalogError::Invalid(format!(
                "S3ObjectStorageMode REFERENCE needs a bucket that keeps versions, and {bucket} has none of {key}: turn \
                 versioning on and put the object again, or leave S3ObjectStorageMode out."
            )));
        };
        Ok(Code::Object(read.bytes, ObjectCode { bucket, key, version }))
    }

    /// Verifies and keeps a package, off the async threads, or its tree only if it stays elsewhere.
    pub(crate) async fn put(&self, owner: &Scope, code: Code) -> Result<(Package, Option<ObjectCode>), CatalogError> {
        let _turn = self.0.uploads.acquire().await.map_err(|_| stopped())?;
        let artifacts = self.0.artifacts.clone();
        match code {
            Code::Zip(zip) => blocking(move || Ok((artifacts.put(&zip)?, None))).await,
            Code::Object(zip, object) => {
                let place = self.0.sources.place(&owner.region, &object);
                blocking(move || Ok((artifacts.put_elsewhere(&zip, place)?, Some(object)))).await
            }
            Code::Image(_) => Err(CatalogError::Invalid("An image is no package: send a zip.".to_owned())),
        }
    }
}
