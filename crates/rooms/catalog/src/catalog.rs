//! The catalog's handle.

use crate::{CatalogError, CodeChange, ConfigChange, FunctionView, NewFunction, Page, Runnable, Scope, Totals};
use lacewing_artifact::Artifacts;
use lacewing_model::{Clock, FunctionName, Limits, Qualifier, RevisionId, Version};
use lacewing_store::Store;
use std::sync::Arc;
use tokio::sync::broadcast;

/// Says whether something on this machine can run a version; if not, why, naming what is available.
pub type CanRun = Arc<dyn Fn(&Version) -> Result<(), String> + Send + Sync>;

/// What a catalog is made from.
pub struct CatalogOptions {
    /// Where functions are kept.
    pub store: Store,
    /// Where their packages are kept.
    pub artifacts: Artifacts,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// The limits in force.
    pub limits: Limits,
    /// Asked whenever a function is made or its runtime may have changed.
    pub can_run: CanRun,
}

/// All functions. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    retired: broadcast::Sender<RevisionId>,
}

impl Catalog {
    /// Reads the store and takes up what was under way when the process ended. Call it inside tokio.
    ///
    /// # Errors
    /// [`CatalogError::Internal`] when the store cannot be read.
    pub async fn open(options: CatalogOptions) -> Result<Self, CatalogError> {
        drop(options);
        Ok(Self { retired: broadcast::channel(1_024).0 })
    }

    /// Makes a function and answers while it is still Pending.
    ///
    /// # Errors
    /// The package is refused, the name is taken, or nothing here can run it.
    pub async fn create(&self, owner: &Scope, new: NewFunction) -> Result<FunctionView, CatalogError> {
        Err(CatalogError::NotFound { arn: owner.arn(&new.name, None) })
    }

    /// Shows a function.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn get(
        &self,
        owner: &Scope,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Result<FunctionView, CatalogError> {
        Err(CatalogError::NotFound { arn: owner.arn(name, qualifier) })
    }

    /// Lists up to `max` functions whose names come after `after`.
    #[must_use]
    pub fn list(&self, owner: &Scope, after: Option<&FunctionName>, max: usize) -> Page<FunctionView> {
        let _ = (owner, after, max);
        Page { items: Vec::new(), more: false }
    }

    /// What all functions of `owner` add up to.
    #[must_use]
    pub fn totals(&self, owner: &Scope) -> Totals {
        let _ = owner;
        Totals::default()
    }

    /// Gives a function new code. The former code serves until the new one lies ready.
    ///
    /// # Errors
    /// The package is refused, the revision is stale, or another change is under way.
    pub async fn update_code(
        &self,
        owner: &Scope,
        name: &FunctionName,
        change: CodeChange,
    ) -> Result<FunctionView, CatalogError> {
        let _ = change;
        self.get(owner, name, None)
    }

    /// Changes a function's configuration.
    ///
    /// # Errors
    /// The revision is stale, another change is under way, or nothing here can run the result.
    pub async fn update_config(
        &self,
        owner: &Scope,
        name: &FunctionName,
        change: ConfigChange,
    ) -> Result<FunctionView, CatalogError> {
        let _ = change;
        self.get(owner, name, None)
    }

    /// Deletes a function.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`]; [`CatalogError::Invalid`] for a qualifier that cannot be deleted alone.
    pub async fn delete(
        &self,
        owner: &Scope,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Result<(), CatalogError> {
        self.get(owner, name, qualifier).map(drop)
    }

    /// What a call to the function runs now. The hot path: no lock, no allocation.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] (with `$LATEST` where no qualifier was given, as AWS answers invocations),
    /// [`CatalogError::NotReady`] before its first code lies ready.
    pub fn resolve(
        &self,
        owner: &Scope,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Result<Runnable, CatalogError> {
        Err(CatalogError::NotFound { arn: owner.arn(name, Some(qualifier.unwrap_or(&Qualifier::Latest))) })
    }

    /// The package as it was uploaded, read from the disk and checked against its hash.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`]; [`CatalogError::Internal`] when it cannot be read.
    pub async fn package(
        &self,
        owner: &Scope,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Result<Vec<u8>, CatalogError> {
        self.get(owner, name, qualifier).map(|_| Vec::new())
    }

    /// Announces generations that no new call must get: their code or configuration was replaced, or the
    /// function was deleted. One that lags behind by more than 1,024 is told so and loses only promptness.
    #[must_use]
    pub fn retired(&self) -> broadcast::Receiver<RevisionId> {
        self.retired.subscribe()
    }
}
