//! Web functions: a request goes to the function's own server as it came, and its answer comes back as it is written.
//!
//! ```text
//! request ─► cleaned of its connection's own headers ─► invoke.exchange ─► head ─► body while it is written
//!              └ body as it comes                                            └ 101: the two connections are joined
//! ```

use super::event::{Signer, Surroundings, forwarded};
use super::{Refused, TRACE_ID};
use crate::Gateway;
use crate::body::Payload;
use crate::flow::{Flow, Form, ReplyBody};
use crate::reply::{self, REQUEST_ID, Reply};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Frame, SizeHint};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use lacewing_invoke::{Call, Exchange, Exchanged, Runnable};
use lacewing_model::RequestId;
use lacewing_sandbox::{BodyLost, Duplex, Upgraded, WebBody, WebRequest, answer_stream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::sync::oneshot;

/// Headers that end with their connection.
const OF_THE_CONNECTION: [HeaderName; 6] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    http::header::TE,
    http::header::TRAILER,
    UPGRADE,
];

/// What the platform alone says to a server: as others send it, it is left out.
const OURS: &str = "x-amzn-";

/// A request on its way to a web function, as the URL has let it in.
pub(super) struct Passing<'a> {
    pub(super) call: Call,
    pub(super) runnable: Runnable,
    pub(super) request_id: RequestId,
    pub(super) parts: &'a Parts,
    pub(super) body: WebBody,
    pub(super) around: &'a Surroundings<'a>,
}

impl Gateway {
    /// Passes a request on and its answer back.
    pub(super) async fn pass_on(&self, passing: Passing<'_>) -> Result<Reply, Refused> {
        let Passing { call, runnable, request_id, parts, body, around } = passing;
        let ((answer, pieces), (head, told)) = (answer_stream(), oneshot::channel());
        let received = Arc::new(AtomicU64::new(0));
        let upgraded = asked_upgrade(parts);
        let body: WebBody = match body.is_end_stream() {
            true => body,
            false => Box::pin(Counted { body, bytes: Arc::clone(&received) }),
        };
        let mut request = http::Request::new(body);
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = origin_form(&parts.uri);
        *request.headers_mut() = headers(parts, around, upgraded.is_some());
        if !request.body().is_end_stream() && !request.headers().contains_key(CONTENT_LENGTH) {
            // Else methods that seldom have a body would be sent without it.
            request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let request = WebRequest { request, received, head, answer, upgraded };
        let trace_id = around.trace_id.to_owned();
        let exchange = Exchange { request_id, runnable, request, head: told, pieces };
        match self.inner.invoke.exchange(call, exchange).await? {
            Exchanged::Failed(_) => Err(Refused::BadGateway),
            Exchanged::Answers(head, flowing) => {
                let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
                let body = match switches {
                    // The rest of the call goes on by itself: it joins the two connections once this is sent.
                    true => ReplyBody::Whole(Bytes::new()),
                    false => ReplyBody::Flow(Box::new(Flow::new(flowing, Form::Bytes))),
                };
                let mut reply = Response::new(body);
                *reply.status_mut() = head.status;
                *reply.headers_mut() = answered(head.headers, switches);
                reply::set(&mut reply, REQUEST_ID, request_id.to_string());
                reply::set(&mut reply, TRACE_ID, trace_id.split(';').next().unwrap_or_default());
                Ok(reply)
            }
        }
    }
}

/// The body of a request, as a server gets it.
pub(super) fn body_of(payload: &mut Payload) -> WebBody {
    match std::mem::replace(payload, Payload::Whole(Bytes::new())) {
        Payload::Stream(body) if body.is_end_stream() => whole(Bytes::new()),
        Payload::Stream(body) => Box::pin(body.map_err(|_: hyper::Error| BodyLost)),
        Payload::Whole(bytes) => whole(bytes),
    }
}

/// The same of bytes that are all there.
pub(super) fn whole(bytes: Bytes) -> WebBody {
    match bytes.is_empty() {
        true => Box::pin(Empty::new().map_err(|never| match never {})),
        false => Box::pin(Full::new(bytes).map_err(|never| match never {})),
    }
}

/// Path and query: what servers expect.
fn origin_form(uri: &Uri) -> Uri {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    path.parse().unwrap_or_default()
}

/// The client's connection, where it asks for another protocol and there is one to switch.
fn asked_upgrade(parts: &Parts) -> Option<Upgraded> {
    let asks = parts.headers.contains_key(UPGRADE) && names(&parts.headers).any(|name| name == "upgrade");
    let connection = parts.extensions.get::<OnUpgrade>().filter(|_| asks)?.clone();
    Some(Box::pin(async move {
        let upgraded = connection.await.ok()?;
        Some(Box::new(TokioIo::new(upgraded)) as Box<dyn Duplex>)
    }))
}

/// What `Connection` names, in lower case.
fn names(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|name| name.trim().to_ascii_lowercase())
}

/// The headers as the server gets them.
fn headers(parts: &Parts, around: &Surroundings<'_>, upgrades: bool) -> HeaderMap {
    let mut all = parts.headers.clone();
    strip(&mut all, upgrades);
    for ours in all.keys().filter(|name| name.as_str().starts_with(OURS)).cloned().collect::<Vec<_>>() {
        all.remove(ours);
    }
    all.remove(EXPECT);
    all.remove(http::header::PROXY_AUTHORIZATION);
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            all.insert(HeaderName::from_static(name), value);
        }
    };
    for (name, value) in forwarded(&parts.headers, around) {
        set(name, &value);
    }
    set("x-amzn-requestid", &around.request_id);
    if let Some(Signer { user_arn, .. }) = &around.signer {
        set("x-amzn-caller-arn", user_arn);
    }
    if !all.contains_key(HOST)
        && let Ok(host) = HeaderValue::from_str(around.domain)
    {
        all.insert(HOST, host);
    }
    all
}

/// The headers as the client gets them. hyper has read them, so none holds a line break.
fn answered(mut all: HeaderMap, switches: bool) -> HeaderMap {
    strip(&mut all, switches);
    all
}

/// Takes out what is the connection's own affair, but what asks for another protocol where that is wanted.
pub(super) fn strip(all: &mut HeaderMap, upgrades: bool) {
    let protocol = all.get(UPGRADE).filter(|_| upgrades).cloned();
    for name in names(all).filter_map(|name| name.parse::<HeaderName>().ok()).collect::<Vec<_>>() {
        all.remove(name);
    }
    for name in OF_THE_CONNECTION {
        all.remove(name);
    }
    all.remove(TRANSFER_ENCODING);
    if let Some(protocol) = protocol {
        all.insert(UPGRADE, protocol);
        all.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// A body that counts what has come of it.
struct Counted {
    body: WebBody,
    bytes: Arc<AtomicU64>,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = BodyLost;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyLost>>> {
        let frame = self.body.as_mut().poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.bytes.fetch_add(frame.data_ref().map_or(0, Bytes::len) as u64, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn stripped(given: &[(&str, &str)], upgrades: bool) -> Vec<String> {
        let mut all = HeaderMap::new();
        for (name, value) in given {
            all.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        strip(&mut all, upgrades);
        all.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn what_belongs_to_a_connection_stays_on_it() {
        let given = [
            ("connection", "keep-alive, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("x-end", "2"),
        ];
        assert_eq!(stripped(&given, false), ["x-end=2"]);
        let socket = [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "k")];
        assert_eq!(stripped(&socket, true), ["sec-websocket-key=k", "upgrade=websocket", "connection=upgrade"]);
        assert_eq!(stripped(&socket, false), ["sec-websocket-key=k"]);
    }

    #[test]
    fn servers_are_asked_for_path_and_query() {
        for (given, want) in [("http://h:1/a/b?c=d", "/a/b?c=d"), ("/x", "/x"), ("http://h", "/"), ("*", "*")] {
            assert_eq!(origin_form(&given.parse().unwrap()), want, "{given}");
        }
    }
}
