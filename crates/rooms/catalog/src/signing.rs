//! Code signing: whose packages a function takes.
//!
//! How a signature of AWS Signer looks inside a package is written down nowhere in public, so none can be verified
//! here. A package is therefore never trusted: `Enforce` refuses every one, `Warn` lets it in and says so in the log
//! (`docs/decisions/0029-where-code-comes-from.md`). As on Lambda, only what is deployed from then on is looked at.

use crate::writer::Writer;
use crate::{Catalog, CatalogError, Scope};
use lacewing_model::FunctionName;
use lacewing_store::records::{CodeSigning, Document, FunctionSigning, RecordKey};

impl Scope {
    /// The key of a code signing configuration. An ARN of another account or region leads to a record that is not there.
    #[must_use]
    pub fn code_signing_key(&self, config_arn: &str) -> RecordKey {
        let own = format!("arn:aws:lambda:{}:{}:code-signing-config:", self.region, self.account);
        self.record(CodeSigning::FAMILY, config_arn.strip_prefix(&own).unwrap_or_default())
    }
}

impl Catalog {
    /// Gives a function a code signing configuration; what it runs now stays.
    ///
    /// # Errors
    /// [`CatalogError::NoCodeSigning`], [`CatalogError::NotFound`]; [`CatalogError::Invalid`] for an image.
    ///
    /// # Cancel safety
    /// It may be given all the same.
    pub async fn sign(&self, owner: &Scope, name: &FunctionName, config_arn: String) -> Result<(), CatalogError> {
        let (owner, name) = (owner.clone(), name.clone());
        self.ask(move |writer| {
            writer.code_signing(&owner, &config_arn)?;
            let entry = writer.find(&owner, &name)?;
            refuse_for_image(entry.latest.shown.config.image.is_some())?;
            writer.sign(&owner, &name, config_arn)
        })
        .await
    }

    /// Deletes a code signing configuration that no function has.
    ///
    /// # Errors
    /// [`CatalogError::Missing`]; [`CatalogError::Conflict`] while a function has it.
    ///
    /// # Cancel safety
    /// It may be deleted all the same.
    pub async fn delete_code_signing(&self, owner: &Scope, config_arn: &str) -> Result<(), CatalogError> {
        let (owner, config_arn) = (owner.clone(), config_arn.to_owned());
        let catalog = self.clone();
        self.ask(move |writer| {
            let key = owner.code_signing_key(&config_arn);
            if catalog.record::<CodeSigning>(&key).is_none() {
                return Err(CatalogError::Missing(String::new()));
            }
            let having = catalog.all_records::<FunctionSigning>(&owner);
            if having.iter().any(|(_, signing)| signing.config_arn == config_arn) {
                return Err(CatalogError::Conflict(
                    "The code signing configuration is in use by functions. Take it from them first: \
                     ListFunctionsByCodeSigningConfig names them."
                        .to_owned(),
                ));
            }
            writer.change_record(key, |lying: &mut Option<CodeSigning>| {
                *lying = None;
                Ok(())
            })
        })
        .await
    }
}

/// Refuses code signing for what is an image. Source: Lambda developer guide, "Code signing": packages only.
pub(crate) fn refuse_for_image(is_image: bool) -> Result<(), CatalogError> {
    match is_image {
        true => Err(CatalogError::Invalid(
            "Code signing is not supported for functions with packageType Image: leave CodeSigningConfigArn out."
                .to_owned(),
        )),
        false => Ok(()),
    }
}

impl Writer {
    pub(crate) fn sign(&mut self, owner: &Scope, name: &FunctionName, config_arn: String) -> Result<(), CatalogError> {
        let key = owner.function_record(FunctionSigning::FAMILY, name, "");
        self.change_record(key, |lying| {
            *lying = Some(FunctionSigning { config_arn });
            Ok(())
        })
    }

    fn code_signing(&self, owner: &Scope, config_arn: &str) -> Result<std::sync::Arc<CodeSigning>, CatalogError> {
        let found = self.records.load().get::<CodeSigning>(&owner.code_signing_key(config_arn)).cloned();
        found.ok_or_else(|| CatalogError::NoCodeSigning { arn: config_arn.to_owned() })
    }

    /// What a function's newest code signing configuration is.
    pub(crate) fn signing_of(&self, owner: &Scope, name: &FunctionName) -> Option<String> {
        let key = owner.function_record(FunctionSigning::FAMILY, name, "");
        self.records.load().get::<FunctionSigning>(&key).map(|signing| signing.config_arn.clone())
    }

    /// Refuses new code, or layers, that the function's configuration does not let in. `signed` is what the answer
    /// names: the function or a layer version.
    pub(crate) fn check_signatures<'a>(
        &self,
        owner: &Scope,
        name: &FunctionName,
        config_arn: Option<&str>,
        signed: impl Iterator<Item = &'a str>,
    ) -> Result<(), CatalogError> {
        let Some(config_arn) = config_arn else { return Ok(()) };
        let enforce = self.code_signing(owner, config_arn)?.enforce;
        for signed in signed {
            if enforce {
                return Err(CatalogError::Unverified { signed: signed.to_owned() });
            }
            tracing::warn!(
                function = %owner.arn(name, None), code = signed, config = config_arn,
                "code was let in whose signature cannot be verified: its code signing configuration says Warn"
            );
        }
        Ok(())
    }
}
