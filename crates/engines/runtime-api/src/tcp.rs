//! The TCP side: official clients, custom runtimes, and the function's own calls to the platform's API.
//!
//! One task accepts, one serves each connection; all end with the door, and those of a runtime process end
//! when the next one is expected.

use crate::answer::{GuestAnswer, GuestError, normalise_kind};
use crate::body::{Collected, collect, drain};
use crate::desk::{AnswerTicket, Desk};
use crate::door::DoorOptions;
use crate::extensions::{self, Extensions};
use crate::heads::{Counted, Heads};
use crate::intake::{Intake, StreamTrailers};
use crate::refusal::Refusal;
use crate::route::{Route, route};
use crate::telemetry::{self, Telemetry};
use crate::wire::Wire;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lacewing_model::RequestId;
use lacewing_sandbox::{ApiPassage, ApiRequest};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

const ERROR_KIND: &str = "lambda-runtime-function-error-type";
const ERROR_BODY: &str = "lambda-runtime-function-error-body";
const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";

/// Bodies of calls to the platform's API that one sandbox may have in flight, in KiB.
const API_KIB_IN_FLIGHT_MAX: u32 = 16 * 1024;

/// After a failed `accept` (no descriptors left): long enough not to spin, short enough not to be felt.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// What every connection of one sandbox shares.
pub(crate) struct Shared {
    pub(crate) desk: Arc<Desk>,
    pub(crate) options: DoorOptions,
    pub(crate) api: Arc<dyn ApiPassage>,
    pub(crate) extensions: Extensions,
    pub(crate) telemetry: Telemetry,
    heads: Heads,
    api_kib: Semaphore,
}

impl Shared {
    pub(crate) fn new(desk: Arc<Desk>, options: DoorOptions, api: Arc<dyn ApiPassage>) -> Self {
        let (heads, api_kib) = (Heads::default(), Semaphore::new(API_KIB_IN_FLIGHT_MAX as usize));
        Self { desk, options, api, extensions: Extensions::default(), telemetry: Telemetry::default(), heads, api_kib }
    }
}

/// Accepts until the door is gone. `process` changes when another runtime process is expected.
pub(crate) async fn accept(listener: TcpListener, shared: Arc<Shared>, mut process: watch::Receiver<u64>) {
    let places = Arc::new(Semaphore::new(shared.options.connections_max));
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            changed = process.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            next = next => next,
        };
        let Ok(place) = place else { return };
        match accepted {
            Ok((stream, _)) => {
                let (shared, process) = (Arc::clone(&shared), process.clone());
                tokio::spawn(async move {
                    serve(stream, shared, process).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "the guests' door could not accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>, mut process: watch::Receiver<u64>) {
    // Small messages back and forth: waiting to fill a segment would cost 40 ms.
    let _ = stream.set_nodelay(true);
    let options = shared.options;
    let share = shared.heads.connection();
    let wire = Wire::new(stream);
    let stream = Counted { stream: wire.clone(), share: Arc::clone(&share) };
    let service = service_fn(move |request| {
        let (shared, share, wire) = (Arc::clone(&shared), Arc::clone(&share), wire.clone());
        async move {
            let _serving = share.serve();
            Ok::<_, Infallible>(answer(request, wire, &shared).await)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .max_buf_size(options.request_header_bytes_max.max(8192))
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // The guest's own doing in any case: it learns of it as its connection closes.
        _ = connection => {}
        _ = process.changed() => {}
    }
}

async fn answer(request: Request<Incoming>, wire: Wire, shared: &Shared) -> Response<Full<Bytes>> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let answered = match route(request.method().as_str(), path) {
        Route::Next => match shared.desk.ask_tcp(wire) {
            Ok(event) => match event.await {
                Ok(event) => return event,
                // Its process is no longer the expected one: this connection is about to be closed.
                Err(_) => std::future::pending().await,
            },
            Err(refusal) => Err(refusal),
        },
        Route::Response(id) => response(id, request, shared).await,
        Route::Error(id) => error(id, request, shared).await,
        Route::InitError | Route::RestoreError => init_error(request, shared).await,
        Route::RestoreNext => shared.desk.restore().map(|()| plain(StatusCode::OK, Bytes::new())),
        Route::Ping => Ok(plain(StatusCode::OK, Bytes::from_static(b"pong"))),
        Route::Extension(call) => extensions::answer(call, request, &shared.extensions).await,
        Route::Subscribe(api) => telemetry::answer(api, request, &shared.extensions, &shared.telemetry).await,
        Route::Unknown => Err(Refusal::unknown_path()),
        Route::Api => api(request, shared).await,
    };
    answered.unwrap_or_else(|refusal| {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
        json(status, refusal.body())
    })
}

async fn response(
    id: Option<RequestId>,
    request: Request<Incoming>,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let streaming = match request.headers().get(RESPONSE_MODE).map(HeaderValue::as_bytes) {
        None => false,
        Some(b"streaming") => true,
        Some(_) => return Err(Refusal::response_mode()),
    };
    let ticket = shared.desk.begin_answer(id, "RuntimeResponseSent")?;
    if streaming {
        return stream(ticket, request, shared).await;
    }
    let mut body = request.into_body();
    match collect(&mut body, shared.options.response_bytes_max).await {
        Collected::Whole(bytes) => {
            ticket.settle(GuestAnswer::Response(bytes));
            Ok(accepted())
        }
        Collected::TooLarge => too_large(ticket, &mut body, shared.options.response_bytes_max).await,
        Collected::CutShort => Err(Refusal::truncated()),
    }
}

/// An answer that goes on to the caller while it comes.
async fn stream(
    mut ticket: AnswerTicket<'_>,
    request: Request<Incoming>,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let content_type = request.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut intake = Intake::new(ticket.stream(), content_type, &shared.options);
    let mut body = request.into_body();
    let mut trailers = StreamTrailers::default();
    while let Some(frame) = body.frame().await {
        match frame.map_err(|_| Refusal::truncated())?.into_data() {
            Ok(piece) => {
                if let Err(answer) = intake.take(piece) {
                    ticket.settle(answer);
                    drain(&mut body).await;
                    return Err(Refusal::too_large(intake.bytes_max));
                }
                intake.pass().await;
            }
            Err(frame) => trailers = frame.trailers_ref().map(read_trailers).unwrap_or_default(),
        }
    }
    let answer = intake.end(&trailers);
    intake.pass().await;
    ticket.settle(answer);
    Ok(accepted())
}

fn read_trailers(all: &HeaderMap) -> StreamTrailers {
    StreamTrailers {
        kind: all.get(ERROR_KIND).map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned()),
        body: all.get(ERROR_BODY).map(|body| Bytes::copy_from_slice(body.as_bytes())),
    }
}

/// The answer is over the limit: settled at once, and what is still coming is thrown away.
async fn too_large(
    ticket: AnswerTicket<'_>,
    body: &mut Incoming,
    bytes_max: u64,
) -> Result<Response<Full<Bytes>>, Refusal> {
    ticket.settle(GuestAnswer::TooLarge { bytes_max });
    drain(body).await;
    Err(Refusal::too_large(bytes_max))
}

async fn error(
    id: Option<RequestId>,
    request: Request<Incoming>,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let ticket = shared.desk.begin_answer(id, "RuntimeResponseSent")?;
    let kind = kind(request.headers());
    let mut body = request.into_body();
    match collect(&mut body, shared.options.response_bytes_max).await {
        Collected::Whole(body) => {
            ticket.settle(GuestAnswer::Error(GuestError { kind, body }));
            Ok(accepted())
        }
        Collected::TooLarge => too_large(ticket, &mut body, shared.options.response_bytes_max).await,
        Collected::CutShort => Err(Refusal::truncated()),
    }
}

async fn init_error(request: Request<Incoming>, shared: &Shared) -> Result<Response<Full<Bytes>>, Refusal> {
    shared.desk.may_fail_init()?;
    let generation = shared.desk.generation();
    let kind = kind(request.headers());
    let mut body = request.into_body();
    let body = match collect(&mut body, shared.options.response_bytes_max).await {
        Collected::Whole(bytes) => bytes,
        Collected::TooLarge => {
            drain(&mut body).await;
            return Err(Refusal::too_large(shared.options.response_bytes_max));
        }
        Collected::CutShort => return Err(Refusal::truncated()),
    };
    if shared.desk.generation() == generation {
        shared.desk.fail_init(|| GuestError { kind, body })?;
    }
    Ok(accepted())
}

fn kind(headers: &HeaderMap) -> String {
    normalise_kind(headers.get(ERROR_KIND).and_then(|value| value.to_str().ok()))
}

/// Anything else: the platform's public API, under the function's own credentials.
async fn api(request: Request<Incoming>, shared: &Shared) -> Result<Response<Full<Bytes>>, Refusal> {
    let bytes_max = shared.options.api_body_bytes_max;
    let (head, mut body) = request.into_parts();
    let hint = body.size_hint();
    if hint.lower() > bytes_max {
        drain(&mut body).await;
        return Err(Refusal::too_large(bytes_max));
    }
    let kib =
        u32::try_from(hint.exact().unwrap_or(bytes_max) / 1024 + 1).unwrap_or(u32::MAX).min(API_KIB_IN_FLIGHT_MAX);
    let _held = shared.api_kib.acquire_many(kib).await.map_err(|_| Refusal::truncated())?;
    let body = match collect(&mut body, bytes_max).await {
        Collected::Whole(bytes) => bytes,
        Collected::TooLarge => {
            drain(&mut body).await;
            return Err(Refusal::too_large(bytes_max));
        }
        Collected::CutShort => return Err(Refusal::truncated()),
    };
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    let target = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let call = ApiRequest { method: head.method.as_str().to_owned(), target, headers: headers.collect(), body };
    let given = shared.api.call(call).await;
    let mut response = plain(StatusCode::from_u16(given.status).unwrap_or(StatusCode::BAD_GATEWAY), given.body);
    for (name, value) in given.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else { continue };
        // Those of the connection are this connection's own.
        if !matches!(name.as_str(), "content-length" | "transfer-encoding" | "connection" | "keep-alive") {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

fn accepted() -> Response<Full<Bytes>> {
    json(StatusCode::ACCEPTED, Bytes::from_static(b"{\"status\":\"OK\"}\n"))
}

fn json(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = plain(status, body);
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn plain(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}
