//! Functions that are images: what a name stands for is found out when it is given, and never again.

use crate::catalog::{blocking, stopped};
use crate::{Catalog, CatalogError, Code, CodeKind, ConfigChange, Scope};
use lacewing_artifact::{ArtifactError, ImageFault, Package, UnpackImage};
use lacewing_images::{ImageError, Images};
use lacewing_model::{Architecture, FunctionConfig, ImageCode, ImageSettings, Limits, ObjectCode, SnapStart};
use std::sync::Arc;

/// Code that was found good: a package, and what makes it an image if it is one.
pub(crate) struct Kept {
    pub(crate) package: Package,
    pub(crate) image: Option<ImageCode>,
    /// Where the package stays, if not here.
    pub(crate) object: Option<ObjectCode>,
}

impl Catalog {
    /// Checks code and keeps what it is made from.
    pub(crate) async fn keep(
        &self,
        owner: &Scope,
        code: Code,
        architecture: Architecture,
    ) -> Result<Kept, CatalogError> {
        let uri = match code {
            Code::Image(uri) => uri,
            package => {
                let (package, object) = self.put(owner, package).await?;
                return Ok(Kept { package, image: None, object });
            }
        };
        let _turn = self.0.uploads.acquire().await.map_err(|_| stopped())?;
        let resolved = self.0.images.resolve(&uri, architecture).await.map_err(refused)?;
        let image = ImageCode {
            uri,
            resolved_uri: resolved.uri,
            own: resolved.settings,
            environment: resolved.environment,
            overrides: None,
        };
        check_size(&image)?;
        let artifacts = self.0.artifacts.clone();
        let package = blocking(move || Ok(artifacts.put_image(&resolved.digest, &resolved.document)?)).await?;
        Ok(Kept { package, image: Some(image), object: None })
    }
}

/// What artifacts unpack images by.
#[must_use]
pub fn unpack_by(images: Images) -> UnpackImage {
    Arc::new(move |document, digest, folder| {
        let unpacked = images.unpack(document, digest, folder);
        unpacked.map_err(|error| ArtifactError::Image { message: error.to_string(), fault: fault_of(&error) })
    })
}

fn fault_of(error: &ImageError) -> ImageFault {
    match error {
        ImageError::NotFound { .. } => ImageFault::Gone,
        ImageError::Forbidden { .. } => ImageFault::Forbidden,
        // A repository that the configuration does not name any more.
        ImageError::BadName { .. } | ImageError::Unreachable { .. } => ImageFault::Unreachable,
        ImageError::Stopped | ImageError::Disk { .. } => ImageFault::Machine,
        ImageError::Unsupported { .. }
        | ImageError::OtherArchitecture { .. }
        | ImageError::TooLarge { .. }
        | ImageError::WrongDigest { .. }
        | ImageError::BadLayer { .. }
        | ImageError::BadEntry { .. } => ImageFault::Image,
    }
}

/// An image that cannot be had is refused like any other value, in AWS's words.
fn refused(error: ImageError) -> CatalogError {
    match error {
        ImageError::Disk { .. } | ImageError::Stopped => CatalogError::Internal(error.to_string()),
        other => CatalogError::Invalid(other.to_string()),
    }
}

/// Refuses code of the other kind than the function has.
pub(crate) fn check_kind(config: &FunctionConfig, code: CodeKind) -> Result<(), CatalogError> {
    let refused = |text: &str| Err(CatalogError::Invalid(text.to_owned()));
    match (code, &config.image) {
        (CodeKind::Zip, None) | (CodeKind::Image, Some(_)) => Ok(()),
        // Source: AWS's texts.
        (CodeKind::Nothing, None) => refused("Please provide a source for function code."),
        (CodeKind::Zip | CodeKind::Nothing, Some(_)) => {
            refused("Please provide ImageUri when updating a function with packageType Image.")
        }
        (CodeKind::Image, None) => {
            refused("Please don't provide ImageUri when updating a function with packageType Zip.")
        }
    }
}

/// Refuses settings that a function of this kind cannot have.
pub(crate) fn check_settings(
    config: &FunctionConfig,
    change: &ConfigChange,
    layers: Option<&[String]>,
) -> Result<(), CatalogError> {
    let refused = |text: &str| Err(CatalogError::Invalid(text.to_owned()));
    if config.image.is_none() {
        return match change.image.as_ref().is_some_and(|image| !image.is_empty()) {
            true => refused("ImageConfig is for functions with packageType Image only: leave it out."),
            false => Ok(()),
        };
    }
    let has_layers = layers.is_some_and(|layers| !layers.is_empty());
    if change.runtime.is_some() || change.handler.is_some() || has_layers {
        return refused(
            "Please don't provide Handler or Runtime or Layer when the intent is to update a function with \
             packageType Image.",
        );
    }
    if change.snap_start == Some(SnapStart::PublishedVersions) {
        return refused("SnapStart is not supported for functions with packageType Image: leave it out.");
    }
    Ok(())
}

/// Refuses settings, the image's own and its function's, that are too long together.
pub(crate) fn check_size(image: &ImageCode) -> Result<(), CatalogError> {
    let of = |settings: &ImageSettings| {
        let lists = settings.entry_point.iter().chain(&settings.command).flatten();
        lists.chain(&settings.working_directory).map(|text| text.len() + 3).sum::<usize>()
    };
    let variables = image.environment.iter().map(|(key, value)| key.len() + value.len() + 6).sum::<usize>();
    let bytes = of(&image.own) + image.overrides.as_ref().map_or(0, of) + variables;
    let max = Limits::default().image_settings_bytes_max;
    if bytes <= max {
        return Ok(());
    }
    Err(CatalogError::Invalid(format!(
        "The settings of the image (entry point, command, working directory, environment) exceed the {max} byte limit."
    )))
}
