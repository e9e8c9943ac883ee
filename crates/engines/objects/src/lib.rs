//! Objects of S3, or of anything that speaks its protocol: read, within a limit.
//!
//! One request, `GET /BUCKET/KEY`, signed with SigV4 where there are credentials. Redirects are not followed: a
//! bucket of another region is named as such.

mod error;
mod request;

pub use error::ObjectError;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// The most of a refusal that is read, bytes.
const REFUSAL_BYTES_MAX: usize = 64 << 10;
/// In which header an object's version stands.
const VERSION: &str = "x-amz-version-id";
/// How long one object may take.
const GET_MAX: Duration = Duration::from_secs(120);

/// Where objects lie, and who asks for them.
#[derive(Clone, Default)]
pub struct ObjectOptions {
    /// Such as `http://127.0.0.1:9000`; AWS itself where there is none.
    pub endpoint: Option<String>,
    /// With what requests are signed; without, they are anonymous.
    pub keys: Option<Keys>,
}

/// Keys of an account at the other side.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct Keys {
    pub id: String,
    pub secret: String,
    /// Of temporary keys.
    pub session_token: Option<String>,
}

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ObjectRef {
    /// The region that the request is signed for.
    pub region: String,
    pub bucket: String,
    pub key: String,
    pub version: Option<String>,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// All of it.
    pub bytes: Bytes,
    /// Which version it is; `None` where its bucket keeps none.
    pub version: Option<String>,
}

/// The way to objects. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    options: ObjectOptions,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    runtime: Handle,
    stopped: Arc<watch::Sender<bool>>,
}

impl Objects {
    /// Makes ready; nothing is asked yet. Call it inside tokio.
    #[must_use]
    pub fn new(options: ObjectOptions) -> Self {
        let connector = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        Self {
            options,
            client: Client::builder(TokioExecutor::new()).build(connector),
            runtime: Handle::current(),
            stopped: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Reads an object of at most `bytes_max`.
    ///
    /// # Errors
    /// [`ObjectError`]: what the other side refused, in its words, or what was in the way.
    pub async fn get(&self, object: &ObjectRef, bytes_max: u64) -> Result<Object, ObjectError> {
        let get = self.get_whole(object, bytes_max);
        tokio::time::timeout(GET_MAX, get).await.unwrap_or(Err(ObjectError::Unreachable("it took too long".into())))
    }

    /// The same for a thread that may wait; [`Objects::stop`] ends it.
    ///
    /// # Errors
    /// As [`Objects::get`]; [`ObjectError::Stopped`].
    pub fn get_waiting(&self, object: &ObjectRef, bytes_max: u64) -> Result<Object, ObjectError> {
        let mut stopped = self.stopped.subscribe();
        self.runtime.block_on(async {
            tokio::select! {
                read = self.get(object, bytes_max) => read,
                _ = stopped.wait_for(|stopped| *stopped) => Err(ObjectError::Stopped),
            }
        })
    }

    /// Ends the reads that threads wait for, for good: at the end of the process.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    async fn get_whole(&self, object: &ObjectRef, bytes_max: u64) -> Result<Object, ObjectError> {
        let request = request::signed(&self.options, object)?;
        let reply = self.client.request(request).await.map_err(|error| ObjectError::Unreachable(chain(&error)))?;
        let (parts, body) = reply.into_parts();
        let fine = parts.status.is_success();
        let max = if fine { usize::try_from(bytes_max).unwrap_or(usize::MAX) } else { REFUSAL_BYTES_MAX };
        let bytes = match Limited::new(body, max).collect().await {
            Ok(whole) => whole.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Err(ObjectError::TooLarge),
            Err(error) => return Err(ObjectError::Unreachable(chain(&*error))),
        };
        let version = parts.headers.get(VERSION).and_then(|value| value.to_str().ok());
        // A bucket whose versioning is suspended calls its objects "null", and writes over them.
        let version = version.filter(|version| !version.is_empty() && *version != "null").map(str::to_owned);
        if fine { Ok(Object { bytes, version }) } else { Err(ObjectError::refused(parts.status.as_u16(), &bytes)) }
    }
}

/// An error with what caused it: a connector's own words say little.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
