//! Function URLs: any HTTP request to a function's own host is a call of it.
//!
//! ```text
//! host ─► catalog.url ─► preflight? ─► who may call ─► body ─► event ─► invoke ─► reply
//!            │ unknown: 403              │ 403                            │ failed: 502, throttled: 429
//! ```
//!
//! A host is `ID.lambda-url.REGION.` and any domain: whoever points one at the server need not tell it.

mod cors;
mod entrance;
mod event;
pub(crate) mod invoked;
mod proxy;
mod response;

use crate::answer::{hash, header_list};
use crate::asked::Peer;
use crate::body::{BodyFault, Payload};
use crate::flow::{Flow, Form, ReplyBody};
use crate::reply::{self, Reply};
use crate::tls::Encrypted;
use crate::{Gateway, refusals};
use bytes::{Bytes, BytesMut};
use entrance::Stranger;
use event::{Surroundings, event};
use http::header::{CONTENT_TYPE, HOST, HeaderName, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use lacewing_access::{CallerFacts, RequestHead};
use lacewing_catalog::{CatalogError, UrlTarget};
use lacewing_invoke::{Answer, Call, Flowing, InvokeError, Streamed, trace_id};
use lacewing_lambda_api::{ApiError, ErrorCode, Protocol};
use lacewing_model::RequestId;
use lacewing_sandbox::Ending;
use proxy::Passing;
use response::{NoReply, Told};
use std::future::poll_fn;
use std::sync::Arc;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// Longest prelude of a streamed answer, bytes.
const PRELUDE_BYTES_MAX: usize = 128 << 10;
/// What stands between prelude and body. Source: Lambda developer guide, "Response streaming".
const PRELUDE_END: [u8; 8] = [0; 8];
/// The content type of an answer that begins with a prelude.
const WITH_PRELUDE: &str = "application/vnd.awslambda.http-integration-response";

/// Source: recorded AWS text.
const FORBIDDEN: &str = r#"{"Message":"Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}"#;

/// The host of a function URL, as a request names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UrlHost<'a> {
    id: &'a str,
    /// As the client wrote it, with a port that is not the usual one: on Lambda the event's `domainName` and `Host`
    /// header are the same, and functions make addresses of either.
    domain: &'a str,
    port: &'a str,
}

impl<'a> UrlHost<'a> {
    /// Whether `parts` is for a function URL.
    pub(crate) fn of(parts: &'a Parts) -> Option<Self> {
        let named = parts.headers.get(HOST).and_then(|value| value.to_str().ok());
        Self::read(named.or_else(|| parts.uri.authority().map(|authority| authority.as_str()))?)
    }

    fn read(host: &'a str) -> Option<Self> {
        let (name, port) = host.split_once(':').unwrap_or((host, "80"));
        let (id, rest) = name.split_once('.')?;
        let below = rest.get(..11).is_some_and(|label| label.eq_ignore_ascii_case("lambda-url."));
        (below && !id.is_empty()).then_some(Self { id, domain: host, port })
    }
}

/// Where URLs are served by path.
const BY_PATH: &str = "/_lacewing/urls/";

/// The target as the client wrote it, and signed it if it did.
#[derive(Clone)]
struct SignedAs(http::Uri);

/// A URL that a request names in its path.
pub(crate) struct NamedByPath {
    id: String,
    host: String,
}

impl NamedByPath {
    /// The same as a host.
    pub(crate) fn host(&self) -> UrlHost<'_> {
        let (domain, port) = self.host.split_once(':').unwrap_or((&self.host, "80"));
        UrlHost { id: &self.id, domain, port }
    }
}

/// Takes a URL out of the path: the function sees what is behind it.
pub(crate) fn take_path(parts: &mut Parts) -> Option<NamedByPath> {
    let target = parts.uri.path_and_query()?.as_str().strip_prefix(BY_PATH)?;
    let (id, rest) = target.split_at(target.find(['/', '?']).unwrap_or(target.len()));
    let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    let named = parts.headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or("localhost");
    let named = NamedByPath { id: id.to_owned(), host: named.to_owned() };
    parts.extensions.insert(SignedAs(parts.uri.clone()));
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.path_and_query = rest.parse().ok();
    parts.uri = http::Uri::from_parts(uri).unwrap_or_default();
    Some(named)
}

/// Why a request to a URL is not answered by its function.
enum Refused {
    /// No function has this URL.
    UnknownUrl,
    /// The caller may not, or what the URL names is gone.
    Forbidden,
    /// The function failed, or its answer is none.
    BadGateway,
    /// In the Lambda API's own words.
    Api(ApiError),
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<NoReply> for Refused {
    fn from(_: NoReply) -> Self {
        Self::BadGateway
    }
}

impl From<InvokeError> for Refused {
    fn from(error: InvokeError) -> Self {
        match error {
            InvokeError::Catalog(CatalogError::NotFound { .. }) => Self::Forbidden,
            InvokeError::Start(_) => Self::BadGateway,
            other => Self::Api(refusals::invoke(other)),
        }
    }
}

impl Gateway {
    /// Answers a request to a function URL; never fails.
    pub(crate) async fn web(&self, host: UrlHost<'_>, parts: &Parts, body: &mut Payload) -> Reply {
        let Some(url) = self.inner.catalog.url(host.id) else { return refused(Refused::UnknownUrl) };
        let cors = url.config.cors.as_ref();
        if let (Some(cors), true) = (cors, cors::is_preflight(parts)) {
            let mut reply = reply::bytes(200, JSON, Bytes::new());
            reply.headers_mut().extend(cors::preflight(cors, &parts.headers));
            return reply;
        }
        let mut reply = self.called(host, &url, parts, body).await.unwrap_or_else(refused);
        if let Some(cors) = cors {
            cors::override_with(cors, &parts.headers, reply.headers_mut());
        }
        reply
    }

    async fn called(
        &self,
        host: UrlHost<'_>,
        url: &UrlTarget,
        parts: &Parts,
        body: &mut Payload,
    ) -> Result<Reply, Refused> {
        let qualifier = url.alias.as_deref().map(str::parse).transpose().map_err(|_| Refused::Forbidden)?;
        let (now, source) = (self.inner.clock.now(), parts.extensions.get::<Peer>().map(|peer| peer.0));
        let encrypted = parts.extensions.get::<Encrypted>().is_some();
        let agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        let headers = header_list(&parts.headers);
        let written = parts.extensions.get::<SignedAs>().map_or(&parts.uri, |SignedAs(written)| written);
        let head = RequestHead {
            method: parts.method.as_str(),
            path: written.path(),
            query: written.query().unwrap_or_default(),
            headers: &headers,
        };
        let claim = match url.config.signed {
            true => Some(self.inner.access.check_head(head, now).map_err(|_| Refused::Forbidden)?),
            false if self.is_public(url, qualifier.as_ref(), &Stranger { now, source, encrypted, agent }) => None,
            false => return Err(Refused::Forbidden),
        };
        let mut call = Call {
            scope: Arc::new(url.scope.clone()),
            name: url.function.clone(),
            qualifier,
            payload: Bytes::new(),
            trace_id: None,
            client_context: None,
            tenant: None,
            tail: false,
            request_id: None,
            resolved: None,
        };
        let runnable = self.inner.invoke.resolve(&call)?;
        let serves = runnable.version.config.web().is_some();
        let request_id = RequestId::random();
        let trace = trace_id(parts.headers.get(TRACE_ID).and_then(|v| v.to_str().ok()).map(str::to_owned), now);
        call.trace_id = Some(trace.clone());
        call.request_id = Some(request_id);
        let mut around = Surroundings {
            id: host.id,
            domain: host.domain,
            port: host.port,
            request_id: request_id.to_string(),
            trace_id: &trace,
            now,
            source,
            signer: None,
            tls: parts.extensions.get::<Encrypted>(),
        };
        if serves && claim.is_none() {
            let body = proxy::body_of(body);
            return self.pass_on(Passing { call, runnable, request_id, parts, body, around: &around }).await;
        }
        let max = self.inner.limits.sync_payload_bytes_max;
        body.check_announced(max).map_err(unread)?;
        let (bytes, _room) = body.read(max, &self.inner.budget).await.map_err(unread)?;
        around.signer = match claim {
            None => None,
            Some(claim) => {
                let caller = claim.verify(&self.inner.access, &hash(&bytes).await).map_err(|_| Refused::Forbidden)?;
                let facts = CallerFacts { access: &self.inner.access, caller: &caller, now, source, encrypted, agent };
                if !self.may_call(&facts, url, call.qualifier.as_ref()) {
                    return Err(Refused::Forbidden);
                }
                Some(entrance::signer(&facts, parts))
            }
        };
        if serves {
            // The signature holds for the whole body, so it was read before anything is passed on.
            let body = proxy::whole(bytes);
            return self.pass_on(Passing { call, runnable, request_id, parts, body, around: &around }).await;
        }
        let call = Call { payload: event(parts, &bytes, &around), resolved: Some(runnable), ..call };
        if url.config.streams { self.streamed(call).await } else { Ok(rendered(self.inner.invoke.call(call).await?)?) }
    }

    async fn streamed(&self, call: Call) -> Result<Reply, Refused> {
        let mut flowing = match self.inner.invoke.stream(call).await? {
            Streamed::Flowing(flowing) => flowing,
            Streamed::Whole(Answer { ending: Ending::Failed(_), .. }) => return Err(Refused::BadGateway),
            Streamed::Whole(answer) => {
                let Ending::Answer(body) = answer.ending else { return Err(Refused::BadGateway) };
                let (status, headers) = response::plain("application/json");
                return Ok(built(status, headers, ReplyBody::Whole(body), answer.request_id, &answer.trace_id));
            }
        };
        let (request_id, trace) = (flowing.head.request_id, flowing.head.trace_id.clone());
        let ((status, headers), begun) = if flowing.content_type() == WITH_PRELUDE {
            let (prelude, begun) = read_prelude(&mut flowing).await?;
            (response::prelude(&prelude)?, begun)
        } else {
            (response::plain(flowing.content_type()), Bytes::new())
        };
        let flow = Flow::new(flowing, Form::Bytes).after(begun);
        Ok(built(status, headers, ReplyBody::Flow(Box::new(flow)), request_id, &trace))
    }
}

/// What an answer means, whole or as a prelude: whether it means anything.
#[cfg(feature = "fuzzing")]
pub(crate) fn read_answer(answer: Bytes) -> bool {
    response::prelude(&answer).is_ok() | response::whole(answer).is_ok()
}

/// Prelude and the beginning of the body.
async fn read_prelude(flowing: &mut Flowing) -> Result<(Bytes, Bytes), NoReply> {
    let mut all = BytesMut::new();
    while let Some(piece) = poll_fn(|context| flowing.poll_next(context)).await {
        let searched = all.len().saturating_sub(PRELUDE_END.len() - 1);
        all.extend_from_slice(&piece);
        if let Some(at) = all[searched..].windows(PRELUDE_END.len()).position(|window| window == PRELUDE_END) {
            let mut body = all.split_off(searched + at);
            return Ok((all.freeze(), body.split_off(PRELUDE_END.len()).freeze()));
        }
        if all.len() > PRELUDE_BYTES_MAX {
            break;
        }
    }
    Err(NoReply)
}

fn rendered(answer: Answer) -> Result<Reply, Refused> {
    let Ending::Answer(body) = answer.ending else { return Err(Refused::BadGateway) };
    let Told { status, headers, body } = response::whole(body)?;
    Ok(built(status, headers, ReplyBody::Whole(body), answer.request_id, &answer.trace_id))
}

fn built(status: StatusCode, headers: HeaderMap, body: ReplyBody, request_id: RequestId, trace: &str) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    *reply.headers_mut() = headers;
    reply::set(&mut reply, reply::REQUEST_ID, request_id.to_string());
    reply::set(&mut reply, TRACE_ID, trace.split(';').next().unwrap_or_default());
    reply
}

fn refused(why: Refused) -> Reply {
    let (status, name, body) = match why {
        Refused::Api(error) => return reply::error(&error, Protocol::RestJson),
        Refused::UnknownUrl => (403, "AccessDeniedException", r#"{"Message":null}"#),
        Refused::Forbidden => (403, "AccessDeniedException", FORBIDDEN),
        Refused::BadGateway => (502, "InternalServerErrorException", "Internal Server Error"),
    };
    let mut reply = reply::bytes(status, JSON, Bytes::from_static(body.as_bytes()));
    reply.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(name));
    reply.headers_mut().insert(CONTENT_TYPE, JSON);
    reply
}

fn unread(fault: BodyFault) -> Refused {
    let (code, text) = match fault {
        BodyFault::TooLarge(_) => (ErrorCode::RequestTooLarge, "Request Entity Too Large"),
        BodyFault::Lost => (ErrorCode::InvalidRequestContent, "The request's body broke off or took too long."),
        BodyFault::Crowded => return Refused::Api(ApiError::throttled("CallerRateLimitExceeded", 1)),
    };
    Refused::Api(ApiError::new(code, text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_apart() {
        for (target, id, seen) in [
            ("/_lacewing/urls/abc", "abc", "/"),
            ("/_lacewing/urls/abc/", "abc", "/"),
            ("/_lacewing/urls/abc?x=1", "abc", "/?x=1"),
            ("/_lacewing/urls/abc/a%2Fb?x=/", "abc", "/a%2Fb?x=/"),
            ("/_lacewing/urls/", "", "/"),
        ] {
            let (mut parts, ()) = http::Request::get(target).header("Host", "h:1").body(()).unwrap().into_parts();
            let named = take_path(&mut parts).unwrap();
            let host = named.host();
            assert_eq!((host.id, host.domain, host.port, &*parts.uri.to_string()), (id, "h", "1", seen), "{target}");
        }
        let (mut parts, ()) = http::Request::get("/_lacewing/health").body(()).unwrap().into_parts();
        assert!(take_path(&mut parts).is_none() && parts.uri == "/_lacewing/health");
    }

    #[test]
    fn hosts_of_functions_are_told_from_others() {
        let read = |host: &'static str| UrlHost::read(host).map(|host| (host.id, host.port));
        assert_eq!(read("abc.lambda-url.us-east-1.localhost:9000"), Some(("abc", "9000")));
        assert_eq!(read("abc.Lambda-URL.eu-west-1.functions.example.org"), Some(("abc", "80")));
        for host in
            ["localhost:9000", "lambda-url.us-east-1.localhost", ".lambda-url.x", "a.b.lambda-url.x", "", "127.0.0.1"]
        {
            assert_eq!(read(host), None, "{host}");
        }
    }
}
