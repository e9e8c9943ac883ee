//! A whole gateway over real rooms, with sandboxes that answer each event with itself.
#![allow(clippy::unwrap_used, dead_code, missing_docs)]

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use base64::Engine as _;
use bytes::Bytes;
use lacewing_access::{Access, AccessOptions, IdentityOptions, RootKey, Seed};
use lacewing_catalog::{Artifacts, Catalog, CatalogOptions, ImageOptions, Images, ObjectOptions, Objects, Store};
use lacewing_events::{Events, EventsParts};
use lacewing_gateway::{Gateway, GatewayParts};
use lacewing_invoke::{Invoke, InvokeParts};
use lacewing_ledger::{Ledger, LedgerOptions};
use lacewing_model::{AccountId, Clock, Limits, SystemClock};
use lacewing_pool::PoolOptions;
use lacewing_sandbox::{ApiPassage, ApiRequest, Credentials as FunctionKeys, SandboxDriver};
use lacewing_testkit::{FakeDriver, FakePassage};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

pub const ACCOUNT: &str = "000000000000";
pub const KEY: (&str, &str) = ("test", "test-secret");
pub const METRICS_TOKEN: &str = "a-token-of-the-tests";
pub const ROLE: &str = "arn:aws:iam::000000000000:role/r";
pub const HOST: &str = "127.0.0.1:9000";

pub struct House {
    pub gateway: Gateway,
    pub access: Access,
    pub driver: Arc<FakeDriver>,
    pub ledger: Ledger,
    pub events: Events,
    _dir: Option<tempfile::TempDir>,
}

/// A reply, read.
#[derive(Clone, Debug)]
pub struct Got {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Got {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Status, error type and body in one line.
    pub fn shown(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        format!("{} {} {body}", self.status, self.header("x-amzn-errortype").unwrap_or("-"))
    }
}

impl House {
    pub async fn new() -> Self {
        Self::with(FakeDriver::open()).await
    }

    pub async fn with(driver: Arc<FakeDriver>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut house = Self::at(dir.path(), driver).await;
        house._dir = Some(dir);
        house
    }

    async fn at(dir: &Path, driver: Arc<FakeDriver>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let limits = Limits::default();
        let account: AccountId = ACCOUNT.parse().unwrap();
        let judge = Arc::clone(&driver);
        let catalog = Catalog::open(CatalogOptions {
            store: Store::open(&dir.join("lacewing.db")).unwrap(),
            artifacts: Artifacts::open(dir, &limits).unwrap(),
            clock: Arc::clone(&clock),
            can_run: Arc::new(move |version| judge.can_run(version).map_err(|error| error.to_string())),
            objects: Objects::new(ObjectOptions::default()),
            images: Images::new(ImageOptions::default(), Limits::default()),
            take_snapshot: Arc::new(|_| Err("none here".into())),
        })
        .await
        .unwrap();
        let ledger = Ledger::open(LedgerOptions::new(dir.to_owned(), Arc::clone(&clock))).unwrap();
        let access = Access::open(
            AccessOptions {
                account: account.clone(),
                strict_region: None,
                root_keys: vec![RootKey { id: KEY.0.into(), secret: KEY.1.into() }],
                metrics_token: Some(METRICS_TOKEN.into()),
            },
            IdentityOptions {
                store: Store::open(&dir.join("lacewing.db")).unwrap(),
                seed: Seed::new([7; 32]),
                strict_roles: false,
            },
        )
        .unwrap();
        let sessions = access.clone();
        let invoke = Invoke::new(InvokeParts {
            catalog: catalog.clone(),
            ledger: ledger.clone(),
            driver: Arc::clone(&driver) as _,
            clock: Arc::clone(&clock),
            limits: limits.clone(),
            pool: PoolOptions { memory_mib: 4_096, ..PoolOptions::default() },
            memory_left: Arc::new(|| None),
            open_session: Arc::new(move |version| {
                let session =
                    sessions.open_session(&version.account, &version.region, &version.config.role, &version.name);
                (session.credentials.clone(), Box::new(session))
            }),
            api: Arc::new(FakePassage),
            start_phases: false,
        });
        let store = Store::open(&dir.join("lacewing.db")).unwrap();
        let parts = EventsParts { store, invoke: invoke.clone(), clock: Arc::clone(&clock) };
        let events = Events::open(parts).unwrap();
        let gateway = Gateway::new(GatewayParts {
            access: access.clone(),
            catalog,
            invoke,
            events: events.clone(),
            ledger: ledger.clone(),
            account,
            limits,
            clock,
            urls: lacewing_gateway::UrlOptions::default(),
        });
        Self { gateway, access, driver, ledger, events, _dir: None }
    }

    /// Asks as the root key, signed for `lambda`.
    pub async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
        self.ask_as(&root(), "lambda", method, target, headers, body).await
    }

    pub async fn ask_as(
        &self,
        keys: &Credentials,
        service: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Got {
        self.send(signed(keys, service, method, target, headers, body)).await
    }

    pub async fn send(&self, request: ApiRequest) -> Got {
        let reply = self.gateway.call(request).await;
        let headers = reply.headers.into_iter();
        let headers = headers.map(|(name, value)| (name, String::from_utf8(value).unwrap())).collect();
        Got { status: reply.status, headers, body: reply.body }
    }

    /// Creates a function and waits until it is active.
    pub async fn create(&self, name: &str, more: &str) -> Value {
        let body = create_body(name, more);
        let got = self.ask("POST", "/2015-03-31/functions", &[], body.as_bytes()).await;
        assert_eq!(got.status, 201, "{}", got.shown());
        self.settled(name).await;
        got.json()
    }

    /// Waits until the function's newest change is in force.
    pub async fn settled(&self, name: &str) -> Value {
        loop {
            let got = self.ask("GET", &format!("/2015-03-31/functions/{name}/configuration"), &[], b"").await.json();
            if got["State"] != "Pending" && got["LastUpdateStatus"] != "InProgress" {
                return got;
            }
            tokio::task::yield_now().await;
        }
    }
}

pub fn root() -> Credentials {
    Credentials::new(KEY.0, KEY.1, None, None, "test")
}

pub fn function(keys: &FunctionKeys) -> Credentials {
    let FunctionKeys { access_key_id, secret_access_key, session_token } = keys.clone();
    Credentials::new(access_key_id, secret_access_key, Some(session_token), None, "test")
}

pub fn create_body(name: &str, more: &str) -> String {
    let zip = base64::engine::general_purpose::STANDARD.encode(zip());
    format!(
        r#"{{"FunctionName":"{name}","Role":"{ROLE}","Runtime":"provided.al2023","Handler":"x","Code":{{"ZipFile":"{zip}"}}{more}}}"#
    )
}

pub fn zip() -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    writer.start_file("bootstrap", options).unwrap();
    writer.write_all(b"#!/bin/sh\n").unwrap();
    writer.finish().unwrap().into_inner()
}

pub fn signed(
    keys: &Credentials,
    service: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> ApiRequest {
    let mut request = http::Request::builder().method(method).uri(format!("http://{HOST}{target}"));
    for (name, value) in [("host", HOST)].iter().chain(headers) {
        request = request.header(*name, *value);
    }
    let mut request = request.body(()).unwrap();
    let identity = keys.clone().into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let pairs: Vec<_> =
        request.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let signable = SignableRequest::new(
        method,
        request.uri().to_string(),
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())),
        SignableBody::Bytes(body),
    );
    sign(signable.unwrap(), &params).unwrap().into_parts().0.apply_to_request_http1x(&mut request);
    let headers = request.headers().iter();
    ApiRequest {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect(),
        body: Bytes::copy_from_slice(body),
    }
}

/// Method, target and body.
pub type Ask<'a> = (&'a str, &'a str, Value);

/// Asks one after the other; the replies, with what changes from run to run made still.
pub async fn conversation(house: &House, asks: &[Ask<'_>]) -> String {
    let mut shown = String::new();
    for (method, target, body) in asks {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let got = house.ask(method, target, &[], body.as_bytes()).await;
        let body = still(String::from_utf8(got.body.to_vec()).unwrap());
        let error = got.header("x-amzn-errortype").unwrap_or("-");
        shown += &format!("{method} {target}\n  {} {error} {body}\n", got.status);
    }
    shown
}

/// What changes from run to run, made still.
fn still(mut body: String) -> String {
    for key in ["RevisionId", "LastModified", "CreationTime", "LastModifiedTime", "CreatedDate", "Location"] {
        let start = format!("\"{key}\":");
        let mut from = 0;
        while let Some(found) = body[from..].find(&start) {
            from += found + start.len();
            let end = body[from..].find([',', '}']).unwrap();
            body.replace_range(from..from + end, "\"...\"");
        }
    }
    body
}
