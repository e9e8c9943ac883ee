//! Engines into rooms, rooms into the gateway.

use crate::{Cpu, LimitsMode, NodeError, NodeOptions, RequireIsolation, keys, machine};
use lacewing_access::{Access, AccessOptions, IdentityOptions, RootKey, Seed};
use lacewing_catalog::{Artifacts, Catalog, CatalogOptions, Images, Objects, Store, TakeSnapshot, unpack_by};
use lacewing_events::{Events, EventsParts};
use lacewing_gateway::{Gateway, GatewayParts, TlsIdentity, UrlOptions};
use lacewing_invoke::{Invoke, InvokeParts, OpenSession};
use lacewing_ledger::{Ledger, LedgerOptions};
use lacewing_model::{Clock, Limits, SystemClock, Version};
use lacewing_sandbox::{ApiPassage, ApiRequest, ApiResponse, SandboxDriver};
use lacewing_sandbox_linux::{InterpreterOptions, IsolationRequirement, LinuxOptions};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;

/// What this node is known by and opened with.
#[derive(Clone)]
pub(crate) struct Secrets {
    pub(crate) root_key: (String, String),
    pub(crate) metrics_token: String,
}

/// A node put together, not yet listening.
pub(crate) struct Parts {
    pub(crate) gateway: Gateway,
    pub(crate) invoke: Invoke,
    pub(crate) events: Events,
    pub(crate) ledger: Ledger,
}

/// What the sandbox engine is started with.
pub(crate) fn linux_options(options: &NodeOptions) -> LinuxOptions {
    LinuxOptions {
        data_dir: options.data_dir.clone(),
        spawner: options.spawner.clone(),
        interpreters: InterpreterOptions {
            nearest: options.config.runtimes.nearest,
            extra: options.config.runtimes.paths.clone(),
        },
        limits: limits(options),
        require: match options.require_isolation {
            RequireIsolation::Any => IsolationRequirement::Any,
            RequireIsolation::Full => IsolationRequirement::Full,
        },
        hard_cpu_quota: options.config.scaling.cpu == Cpu::Quota,
        services: options.config.aws.services(options.listen),
    }
}

fn limits(options: &NodeOptions) -> Limits {
    let scaling = &options.config.scaling;
    Limits {
        account_concurrency_max: scaling.account_concurrency,
        requests_per_unit: scaling.requests_per_unit,
        stream_bytes_per_second: options.config.streaming.bytes_per_second,
        ..match options.config.limits.mode {
            LimitsMode::Strict => Limits::default(),
            LimitsMode::Relaxed => Limits::relaxed(),
        }
    }
}

/// Opens the state in the data dir and puts every room in its place.
pub(crate) async fn wire(
    options: &NodeOptions,
    secrets: Secrets,
    driver: Arc<dyn SandboxDriver>,
) -> Result<Parts, NodeError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let limits = limits(options);
    let opening = |what: &str, error: String| {
        NodeError(format!("{what} in {}: {error}; see `lacewing doctor`", options.data_dir.display()))
    };
    let store = Store::open(&options.data_dir.join("lacewing.db")).map_err(|e| opening("the store", e.to_string()))?;
    let images = Images::new(options.config.images.options().map_err(NodeError)?, limits.clone());
    let artifacts = Artifacts::open_with_images(&options.data_dir, &limits, unpack_by(images.clone()))
        .map_err(|e| opening("the packages", e.to_string()))?;
    let ledger = Ledger::open(LedgerOptions {
        limits: limits.clone(),
        ..LedgerOptions::new(options.data_dir.clone(), Arc::clone(&clock))
    })
    .map_err(|e| opening("the ledger", e.to_string()))?;
    let judge = Arc::clone(&driver);
    // The catalog wants snapshots of what it finds before there is anything to take them with.
    let (tell, told) = watch::channel(None);
    let catalog = Catalog::open(CatalogOptions {
        store,
        artifacts,
        clock: Arc::clone(&clock),
        can_run: Arc::new(move |version: &Version| judge.can_run(version).map_err(|error| error.to_string())),
        objects: Objects::new(options.config.aws.objects(options.listen, &options.root_keys)),
        images,
        take_snapshot: take_snapshot(told),
    })
    .await
    .map_err(|e| opening("the functions", e.to_string()))?;
    let access = access(options, secrets)?;
    let door = Arc::new(LatePassage::default());
    let invoke = Invoke::new(InvokeParts {
        catalog: catalog.clone(),
        ledger: ledger.clone(),
        driver: Arc::clone(&driver),
        clock: Arc::clone(&clock),
        limits: limits.clone(),
        pool: machine::pool_options(&options.config.scaling),
        memory_left: Arc::new(machine::memory_left_mib),
        open_session: open_session(access.clone()),
        api: Arc::clone(&door) as _,
        start_phases: options.config.logs.start_phases,
    });
    tell.send_replace(Some(invoke.clone()));
    // A connection of its own: events are written often, and functions seldom.
    let store = Store::open(&options.data_dir.join("lacewing.db")).map_err(|e| opening("the events", e.to_string()))?;
    let events = Events::open(EventsParts { store, invoke: invoke.clone(), clock: Arc::clone(&clock) })
        .map_err(|e| opening("the events", e.to_string()))?;
    let gateway = Gateway::new(GatewayParts {
        access,
        catalog,
        invoke: invoke.clone(),
        events: events.clone(),
        ledger: ledger.clone(),
        account: options.account.clone(),
        limits,
        clock,
        urls: UrlOptions {
            domain: options.config.urls.domain.as_str().to_owned(),
            by_path: options.config.urls.by_path,
        },
    });
    gateway.tell_machine(driver.isolation(), driver.interpreters());
    if let Some((certificates, key)) = &options.tls {
        gateway.encrypt_as(identity(certificates, key)?);
    }
    door.open(gateway.clone());
    Ok(Parts { gateway, invoke, events, ledger })
}

/// The certificate with which clients are answered.
fn identity(certificates: &Path, key: &Path) -> Result<TlsIdentity, NodeError> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| NodeError(format!("{}: {error}", path.display())));
    TlsIdentity::from_pem(&read(certificates)?, &read(key)?).map_err(|error| NodeError(error.to_string()))
}

fn access(options: &NodeOptions, secrets: Secrets) -> Result<Access, NodeError> {
    let opening = |error: String| {
        NodeError(format!("the identities in {}: {error}; restore a backup", options.data_dir.display()))
    };
    let pairs = std::iter::once(&secrets.root_key).chain(&options.root_keys);
    // A connection of its own: identities and functions do not wait for each other's changes.
    let store = Store::open(&options.data_dir.join("lacewing.db")).map_err(|error| opening(error.to_string()))?;
    Access::open(
        AccessOptions {
            account: options.account.clone(),
            strict_region: options.strict_region.then(|| options.region.clone()),
            root_keys: pairs.map(|(id, secret)| RootKey { id: id.clone(), secret: secret.clone() }).collect(),
            metrics_token: Some(secrets.metrics_token),
        },
        IdentityOptions {
            store,
            seed: Seed::new(keys::seed(&options.data_dir)?),
            strict_roles: options.config.access.strict_roles,
        },
    )
    .map_err(|error| opening(error.to_string()))
}

/// Takes snapshots by the corridor, once that is there.
fn take_snapshot(corridor: watch::Receiver<Option<Invoke>>) -> TakeSnapshot {
    let runtime = tokio::runtime::Handle::current();
    Arc::new(move |runnable| {
        let mut corridor = corridor.clone();
        runtime.block_on(async {
            let ready = corridor.wait_for(Option::is_some).await.ok().and_then(|ready| ready.clone());
            let ready = ready.ok_or_else(|| "the server did not start".to_owned())?;
            ready.snapshot(&runnable).await
        })
    })
}

fn open_session(access: Access) -> OpenSession {
    Arc::new(move |version| {
        let session = access.open_session(&version.account, &version.region, &version.config.role, &version.name);
        (session.credentials.clone(), Box::new(session))
    })
}

/// The way from sandboxes to the gateway, which is made after them.
#[derive(Default)]
struct LatePassage(OnceLock<Gateway>);

impl LatePassage {
    fn open(&self, gateway: Gateway) {
        let _ = self.0.set(gateway);
    }
}

impl ApiPassage for LatePassage {
    fn call(&self, request: ApiRequest) -> Pin<Box<dyn Future<Output = ApiResponse> + Send>> {
        match self.0.get() {
            Some(gateway) => gateway.call(request),
            // No sandbox lives before the gateway does.
            None => Box::pin(async { ApiResponse { status: 503, headers: Vec::new(), body: bytes::Bytes::new() } }),
        }
    }
}
