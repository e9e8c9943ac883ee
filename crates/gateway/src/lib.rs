//! The HTTP door: one port for the Lambda API, the subsets of CloudWatch Logs, IAM and STS, and our own endpoints.
//!
//! ```text
//! head ─► aim (which operation) ─► access.check_head ─► body within its limit ─► claim.verify ─► handler ─► reply
//!           │ unknown path            │ unsigned, expired ...   │ too large            │
//!           └──────────────┬──────────┴─────────────────────────┴──────────────────────┘
//!                          └► an error in the shape of the protocol that was asked
//! ```
//!
//! The only place of HTTP statuses. What can be refused is refused before the body is read; a refusal is sent
//! at once, and what the client still sends is thrown away for a while so that it gets to read the refusal.
//! A request from inside a sandbox takes the same way, through [`ApiPassage`](lacewing_sandbox::ApiPassage).
//!
//! One handler per operation, in files by family; one `match` without `_` per room's error, in `refusals`.

mod aim;
mod aliases;
mod answer;
mod asked;
mod body;
mod callable;
mod capacity;
mod code_signing;
mod concurrency;
mod configuration;
mod event_invoke;
mod event_stream;
mod flow;
mod functions;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod house;
mod iam;
mod invoke;
mod keys;
mod layers;
mod log_groups;
mod logs;
mod mappings;
mod packages;
mod paging;
mod passage;
mod policies;
mod prompt;
mod query;
mod refusals;
mod reply;
mod requests;
mod roles;
mod runtime_settings;
mod server;
mod settings;
mod stacks;
mod sts;
mod tags;
mod tls;
mod told;
mod traffic;
mod url_id;
mod urls;
mod versions;
mod web;
mod wire;

use body::BodyBudget;
use callable::Compiled;
use lacewing_access::Access;
use lacewing_catalog::Catalog;
use lacewing_events::Events;
use lacewing_invoke::Invoke;
use lacewing_ledger::Ledger;
use lacewing_model::{AccountId, Clock, Limits};
use lacewing_sandbox::{InterpreterInfo, IsolationReport};
use std::sync::{Arc, OnceLock};
pub use tls::{TlsError, TlsIdentity};
use traffic::Traffic;

/// What a gateway is made from.
pub struct GatewayParts {
    /// Who calls.
    pub access: Access,
    /// Functions.
    pub catalog: Catalog,
    /// The corridor.
    pub invoke: Invoke,
    /// Calls that nobody waits for.
    pub events: Events,
    /// Logs and bills.
    pub ledger: Ledger,
    /// The account that root keys belong to.
    pub account: AccountId,
    /// The limits in force.
    pub limits: Limits,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// How function URLs look.
    pub urls: UrlOptions,
}

/// How function URLs look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlOptions {
    /// The domain below which they are shown. Requests to any domain are served.
    pub domain: String,
    /// Whether they are also served at `/_lacewing/urls/ID/` of any host.
    pub by_path: bool,
}

impl Default for UrlOptions {
    /// Below `localhost`, by host only.
    fn default() -> Self {
        Self { domain: "localhost".to_owned(), by_path: false }
    }
}

/// The gateway: a cheap handle.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    access: Access,
    catalog: Catalog,
    invoke: Invoke,
    events: Events,
    ledger: Ledger,
    account: AccountId,
    limits: Limits,
    clock: Arc<dyn Clock>,
    urls: UrlOptions,
    budget: BodyBudget,
    compiled: Compiled,
    traffic: Traffic,
    machine: OnceLock<(IsolationReport, Vec<InterpreterInfo>)>,
    tls: OnceLock<TlsIdentity>,
}

impl Gateway {
    /// Puts a gateway together.
    #[must_use]
    pub fn new(parts: GatewayParts) -> Self {
        let GatewayParts { access, catalog, invoke, events, ledger, account, limits, clock, urls } = parts;
        let (budget, traffic) = (BodyBudget::default(), Traffic::new(ledger.metrics()));
        let (machine, tls) = (OnceLock::new(), OnceLock::new());
        let compiled = Compiled::default();
        invoke.translate_by(Arc::new(web::invoked::Translator));
        let inner = Inner {
            access,
            catalog,
            invoke,
            events,
            ledger,
            account,
            limits,
            clock,
            urls,
            budget,
            compiled,
            traffic,
            machine,
            tls,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Lets clients encrypt their connections, on the port that serves plain ones. The first identity counts.
    pub fn encrypt_as(&self, identity: TlsIdentity) {
        let _ = self.inner.tls.set(identity);
    }

    /// Lets `GET /_lacewing/doctor` tell what isolation is in force and which interpreters were found.
    /// The first telling counts.
    pub fn tell_machine(&self, isolation: IsolationReport, interpreters: Vec<InterpreterInfo>) {
        let _ = self.inner.machine.set((isolation, interpreters));
    }
}
