//! The catalog's handle: opening it, and asking the writer for changes.

use crate::attached::Records;
use crate::functions::{Draft, NewCode, check_changeable};
use crate::images::{Kept, check_kind, check_size};
use crate::lookup::find;
use crate::objects::Sources;
use crate::open::read;
use crate::prepare::{Prepared, Preparers};
use crate::registry::Registry;
use crate::signing::refuse_for_image;
use crate::writer::{Request, Writer};
use crate::{
    AllWanted, CatalogError, CodeChange, CodeKind, ConfigChange, FunctionView, NewFunction, Scope, TakeSnapshot,
};
use arc_swap::ArcSwap;
use lacewing_artifact::Artifacts;
use lacewing_images::Images;
use lacewing_model::{Clock, FunctionName, ImageCode, Qualifier, RevisionId, Version};
use lacewing_objects::Objects;
use lacewing_store::Store;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use tokio::sync::{Semaphore, broadcast, oneshot, watch};
use tokio::task::spawn_blocking;

/// Changes that wait for the writer; more wait for a place.
const CHANGES_WAITING_MAX: usize = 256;
/// Packages verified at once: each may take a processor and a package's size of memory.
const UPLOADS_AT_ONCE_MAX: usize = 4;
/// Retired generations that a listener may lag behind.
const RETIRED_WAITING_MAX: usize = 1_024;

/// Says whether something on this machine can run a version; if not, why, naming what is available.
pub type CanRun = Arc<dyn Fn(&Version) -> Result<(), String> + Send + Sync>;

/// What a catalog is made from.
pub struct CatalogOptions {
    /// Where functions are kept.
    pub store: Store,
    /// Where their packages are kept.
    pub artifacts: Artifacts,
    /// Where code is fetched from that is not sent along.
    pub objects: Objects,
    /// Where images come from.
    pub images: Images,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Asked whenever a function is made or its runtime may have changed.
    pub can_run: CanRun,
    /// Takes snapshots of published versions that are to start from one.
    pub take_snapshot: TakeSnapshot,
}

/// All functions. Cheap to clone. Dropping the last one waits until what was begun is on the disk.
#[derive(Clone)]
pub struct Catalog(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) registry: Arc<ArcSwap<Registry>>,
    pub(crate) records: Arc<ArcSwap<Records>>,
    pub(crate) artifacts: Artifacts,
    pub(crate) sources: Sources,
    pub(crate) images: Images,
    requests: mpsc::Sender<Request>,
    places: Semaphore,
    pub(crate) uploads: Semaphore,
    retired: broadcast::Sender<RevisionId>,
    pub(crate) wanted: watch::Sender<AllWanted>,
    writer: Option<JoinHandle<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = self.requests.send(Request::Stop);
        // After that, so that a preparation that this ends is no failure: the next process takes it up.
        self.images.stop();
        self.sources.objects.stop();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Catalog {
    /// Reads the store and takes up what was under way when the last process ended. Call it inside tokio.
    ///
    /// # Errors
    /// [`CatalogError::Internal`] when the store cannot be read.
    pub async fn open(options: CatalogOptions) -> Result<Self, CatalogError> {
        let CatalogOptions { store, artifacts, objects, images, clock, can_run, take_snapshot } = options;
        let sources = Sources { objects, bytes_max: artifacts.unzipped_bytes_max() };
        let claims = sources.clone();
        let (store, artifacts, registry, records) = blocking(move || {
            // First: what layers need must be claimed before what nobody needs is swept.
            let records = Records::read(&store, &artifacts, &claims)?;
            let registry = read(&store, &artifacts, &claims)?;
            Ok((store, artifacts, registry, records))
        })
        .await?;
        let registry = Arc::new(ArcSwap::from_pointee(registry));
        let records = Arc::new(ArcSwap::from_pointee(records));
        let (requests, inbox) = mpsc::channel();
        let (retired, _) = broadcast::channel(RETIRED_WAITING_MAX);
        let (wanted, _) = watch::channel(AllWanted::default());
        let done: Arc<dyn Fn(Prepared) + Send + Sync> = {
            let requests = requests.clone();
            // A writer that is gone has left the rest for the next start.
            Arc::new(move |prepared| drop(requests.send(Request::Prepared(prepared))))
        };
        let no_thread = |error| CatalogError::Internal(format!("cannot start a thread: {error}"));
        let writer = Writer {
            store,
            registry: registry.clone(),
            records: records.clone(),
            clock,
            can_run,
            retired: retired.clone(),
            wanted: wanted.clone(),
            preparers: Preparers::start(take_snapshot, &done).map_err(no_thread)?,
            refused: Vec::new(),
        };
        let thread = std::thread::Builder::new().name("catalog".into()).spawn(move || writer.run(&inbox));
        Ok(Self(Arc::new(Inner {
            registry,
            records,
            artifacts,
            sources,
            images,
            requests,
            places: Semaphore::new(CHANGES_WAITING_MAX),
            uploads: Semaphore::new(UPLOADS_AT_ONCE_MAX),
            retired,
            wanted,
            writer: Some(thread.map_err(no_thread)?),
        })))
    }

    /// Makes a function, and version 1 of it where that is wanted; answers while what it shows is Pending.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] when nothing here can run it, [`CatalogError::BadPackage`],
    /// [`CatalogError::AlreadyExists`]; [`CatalogError::NoCodeSigning`], [`CatalogError::Unverified`].
    ///
    /// # Cancel safety
    /// The function may be made all the same.
    pub async fn create(&self, owner: &Scope, new: NewFunction) -> Result<FunctionView, CatalogError> {
        let NewFunction { name, mut config, code, image: overrides, layers, tags, publish, code_signing } = new;
        // Before the package is looked at, because that costs more; the writer asks again.
        if self.0.registry.load().find(owner, &name).is_some() {
            return Err(CatalogError::AlreadyExists { name });
        }
        if code_signing.is_some() {
            refuse_for_image(code.kind() == CodeKind::Image)?;
        }
        let Kept { package, image, object } = self.keep(owner, code, config.architecture).await?;
        config.object = object;
        if let Some(image) = image {
            let image = ImageCode { overrides: Some(overrides).filter(|overrides| !overrides.is_empty()), ..image };
            check_size(&image)?;
            config.image = Some(image);
        }
        let owner = owner.clone();
        self.ask(move |writer| {
            writer.create(&owner, name, Draft { config, tags, package, layers, publish, code_signing })
        })
        .await
    }

    /// Gives a function new code. The former code serves until the new one lies ready.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`], [`CatalogError::BadPackage`], [`CatalogError::StaleRevision`], and
    /// [`CatalogError::UpdateInProgress`] or [`CatalogError::NotReady`] while another change is under way.
    ///
    /// # Cancel safety
    /// The change may be made all the same.
    pub async fn update_code(
        &self,
        owner: &Scope,
        name: &FunctionName,
        change: CodeChange,
    ) -> Result<FunctionView, CatalogError> {
        let CodeChange { code, source_kms_key, architecture, dry_run, revision, publish } = change;
        let built_for = {
            let registry = self.0.registry.load();
            let entry = find(&registry, owner, name, None)?.0;
            check_changeable(entry, revision)?;
            check_kind(&entry.latest.shown.config, code.kind())?;
            architecture.unwrap_or(entry.latest.shown.config.architecture)
        };
        let Kept { package, image, object } = self.keep(owner, code, built_for).await?;
        let code = NewCode { package, image, object, source_kms_key, architecture, revision, dry_run, publish };
        let (owner, name) = (owner.clone(), name.clone());
        self.ask(move |writer| writer.code(&owner, &name, code)).await
    }

    /// Refuses a change of code that cannot be made, before its code is fetched.
    ///
    /// # Errors
    /// As [`Catalog::update_code`]; [`CatalogError::Invalid`] for code of the other kind, or none.
    pub fn check_code_change(
        &self,
        owner: &Scope,
        name: &FunctionName,
        kind: CodeKind,
        revision: Option<RevisionId>,
    ) -> Result<(), CatalogError> {
        let registry = self.0.registry.load();
        let entry = find(&registry, owner, name, None)?.0;
        check_kind(&entry.latest.shown.config, kind)?;
        check_changeable(entry, revision)
    }

    /// Changes a function's configuration.
    ///
    /// # Errors
    /// As [`Catalog::update_code`]; [`CatalogError::Invalid`] when nothing here can run the result.
    ///
    /// # Cancel safety
    /// The change may be made all the same.
    pub async fn update_config(
        &self,
        owner: &Scope,
        name: &FunctionName,
        change: ConfigChange,
    ) -> Result<FunctionView, CatalogError> {
        let (owner, name) = (owner.clone(), name.clone());
        self.ask(move |writer| writer.config(&owner, &name, change)).await
    }

    /// Deletes a function with all that belongs to it, in whatever state it is; or one published version of it.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`]; [`CatalogError::Invalid`] for a qualifier that cannot be deleted alone;
    /// [`CatalogError::Conflict`] for a version that an alias leads to.
    ///
    /// # Cancel safety
    /// The function may be deleted all the same.
    pub async fn delete(
        &self,
        owner: &Scope,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Result<(), CatalogError> {
        // Whether the function exists is asked last: AWS refuses `$LATEST` for names that it does not know too.
        let exists = || find(&self.0.registry.load(), owner, name, None).map(drop);
        let (of, called) = (owner.clone(), name.clone());
        match qualifier {
            None => {
                exists()?;
                self.ask(move |writer| writer.delete(&of, &called)).await
            }
            Some(Qualifier::Latest) => {
                Err(CatalogError::Invalid("$LATEST version cannot be deleted without deleting the function.".into()))
            }
            Some(Qualifier::Alias(_)) => {
                exists()?;
                Err(CatalogError::Invalid("Deletion of aliases is not currently supported.".into()))
            }
            Some(&Qualifier::Number(number)) => {
                exists()?;
                self.ask(move |writer| writer.delete_version(&of, &called, number)).await
            }
        }
    }

    /// Announces generations that no new call must get: their code or configuration was replaced, or their
    /// version was deleted. One that lags behind by more than 1,024 is told so and loses only promptness.
    #[must_use]
    pub fn retired(&self) -> broadcast::Receiver<RevisionId> {
        self.0.retired.subscribe()
    }

    /// Notes that starts of a generation have no snapshot any more, and why. Returns at once.
    pub fn lose_snapshot(&self, generation: RevisionId, reason: String) {
        let change = Box::new(move |writer: &mut Writer| writer.lose_snapshot(generation, reason));
        // It has ended: nobody asks any more.
        let _ = self.0.requests.send(Request::Change(change));
    }

    /// Has the writer make a change.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Writer) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let _place = self.0.places.acquire().await.map_err(|_| stopped())?;
        let (reply, answer) = oneshot::channel();
        // An answer that nobody waits for any more is no fault: the change is made.
        let change = Box::new(move |writer: &mut Writer| drop(reply.send(change(writer))));
        self.0.requests.send(Request::Change(change)).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// Runs what waits for the disk off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CatalogError> + Send + 'static,
) -> Result<T, CatalogError> {
    spawn_blocking(work).await.map_err(|error| CatalogError::Internal(error.to_string()))?
}

pub(crate) fn stopped() -> CatalogError {
    CatalogError::Internal("the catalog has stopped: the server is shutting down, or its writer failed".into())
}
