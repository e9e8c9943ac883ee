//! One kept connection, signed requests, bounded answers.

use super::ApiFailure;
use super::target::Target;
use crate::failure::Failure;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;

/// How long a server may take to accept a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// The longest a call may take: a function's longest timeout, and a minute for the rest.
const ANSWER_MAX: Duration = Duration::from_secs(960);
/// The largest answer that is read, bytes: more than any package or payload.
const ANSWER_BYTES_MAX: usize = 128 << 20;

/// A client of one server.
pub struct Client {
    target: Target,
    open: Option<SendRequest<Full<Bytes>>>,
}

/// An answer of the server.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    /// The header's text, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Failure`] when it is none.
    pub fn json(&self) -> Result<serde_json::Value, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Failure::refused(
                format!("the server's answer is not JSON: {error}"),
                "is something else than lacewing listening at this address?",
            )
        })
    }
}

/// What is to be asked.
pub(super) struct Ask<'a> {
    pub method: Method,
    /// Path and query, encoded.
    pub path: &'a str,
    /// The signed service: `lambda` or `logs`.
    pub service: &'a str,
    pub headers: &'a [(&'static str, &'a str)],
    pub body: Bytes,
}

impl Client {
    /// A client that connects when it is first used.
    pub fn new(target: Target) -> Self {
        Self { target, open: None }
    }

    /// The region of the requests.
    pub fn region(&self) -> &str {
        &self.target.region
    }

    /// Asks once; any status is an answer.
    ///
    /// # Errors
    /// [`Failure`] when no server answers.
    pub(super) async fn ask(&mut self, ask: Ask<'_>) -> Result<Reply, Failure> {
        let request = self.signed(&ask)?;
        let sender = self.sender().await?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| error.to_string())?;
            Ok::<_, String>(Reply { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        let answer = tokio::time::timeout(ANSWER_MAX, answer).await;
        let result = answer.unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER_MAX.as_secs())));
        result.map_err(|why| {
            self.open = None;
            let authority = &self.target.authority;
            Failure::unreachable(
                format!("the connection to {authority} broke: {why}"),
                "look at the server's own output; `lacewing doctor` tells what this host can do",
            )
        })
    }

    /// Asks, and takes every status but 2xx as a refusal.
    ///
    /// # Errors
    /// [`Failure`] when no server answers or it refuses.
    pub(super) async fn done(&mut self, ask: Ask<'_>) -> Result<Reply, ApiFailure> {
        let reply = self.ask(ask).await?;
        if reply.status.is_success() { Ok(reply) } else { Err(ApiFailure::of(&reply)) }
    }

    async fn sender(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, Failure> {
        let usable = match &mut self.open {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            self.open = None;
        }
        let authority = &self.target.authority;
        let unreachable = |why: &dyn std::fmt::Display| {
            Failure::unreachable(
                format!("no server answers at {authority}: {why}"),
                "start one with `lacewing serve`, or name another with --endpoint",
            )
        };
        if self.open.is_none() {
            let connect = tokio::time::timeout(CONNECT_MAX, TcpStream::connect(authority)).await;
            let stream = connect.map_err(|_| unreachable(&"timed out"))?.map_err(|error| unreachable(&error))?;
            stream.set_nodelay(true).map_err(|error| unreachable(&error))?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error))?;
            // Ends by itself when the sender is dropped; an error reaches the request that waits.
            tokio::spawn(connection);
            self.open = Some(sender);
        }
        self.open.as_mut().ok_or_else(|| unreachable(&"closed"))
    }

    fn signed(&self, ask: &Ask<'_>) -> Result<Request<Full<Bytes>>, Failure> {
        let wrong = |why: &dyn std::fmt::Display| {
            Failure::usage(format!("the request cannot be made: {why}"), "check names and keys for odd characters")
        };
        let keys = &self.target.keys;
        let credentials = Credentials::new(&keys.id, &keys.secret, keys.session_token.clone(), None, "lacewing");
        let identity = credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.target.region)
            .name(ask.service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| wrong(&error))?
            .into();
        let uri = format!("http://{}{}", self.target.authority, ask.path);
        let headers = ask.headers.iter().copied().chain([("host", self.target.authority.as_str())]);
        let signable = SignableRequest::new(ask.method.as_str(), uri.as_str(), headers, SignableBody::Bytes(&ask.body))
            .map_err(|error| wrong(&error))?;
        let (instructions, _) = sign(signable, &parameters).map_err(|error| wrong(&error))?.into_parts();

        let mut request =
            Request::builder().method(ask.method.clone()).uri(ask.path).header("host", &self.target.authority);
        for (name, value) in ask.headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Full::new(ask.body.clone())).map_err(|error| wrong(&error))?;
        for (name, value) in instructions.headers() {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| wrong(&error))?;
            request.headers_mut().insert(name, HeaderValue::from_str(value).map_err(|error| wrong(&error))?);
        }
        Ok(request)
    }
}
