//! Connections: how many, how long, and how they end.

use crate::Gateway;
use crate::asked::Peer;
use crate::body::Payload;
use crate::prompt::Prompt;
use crate::tls::Encrypted;
use crate::wire::Wire;
use http::HeaderValue;
use http::header::HOST;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

/// Connections at a time; further ones wait in the listener's queue.
const CONNECTIONS_MAX: u32 = 4_096;
/// How long a head may take; also how long an idle connection is kept.
const HEAD_MAX: Duration = Duration::from_secs(60);
/// Request line and headers together, and what is read of a body at a time. Nobody needs a larger head: the
/// longest header has 3,583 bytes. What strangers can make us hold is this times the connections.
const BUFFER_BYTES_MAX: usize = 128 << 10;
/// Requests under way on one HTTP/2 connection, and the head of each.
const STREAMS_MAX: u32 = 128;
const HEADER_LIST_BYTES_MAX: u32 = 128 << 10;
/// How long a TLS handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Headers of one request.
const HEADERS_MAX: usize = 128;
/// How long to wait when the system has no descriptor left.
const BREATHER: Duration = Duration::from_millis(50);

impl Gateway {
    /// Serves connections of `listener` until `stop` resolves; then takes no more, lets requests under way end,
    /// and returns.
    pub async fn serve(&self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
        let (stopping, stopped) = watch::channel(false);
        let mut stop = pin!(stop);
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                biased;
                () = &mut stop => break,
                next = next => next,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let (gateway, stopped) = (self.clone(), stopped.clone());
                    drop(tokio::spawn(Prompt::new(async move {
                        gateway.converse(stream, Peer(peer.ip()), stopped).await;
                        drop(place);
                    })));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; raise the limit on open files (ulimit -n)");
                    tokio::time::sleep(BREATHER).await;
                }
            }
        }
        drop(listener);
        let _ = stopping.send(true);
        // Every place given back means that every connection has ended.
        let _ = places.acquire_many(CONNECTIONS_MAX).await;
    }

    /// Speaks with one client until it ends, or in an orderly way after `stopped`.
    async fn converse(&self, stream: TcpStream, peer: Peer, mut stopped: watch::Receiver<bool>) {
        let _ = stream.set_nodelay(true);
        let wire = tokio::select! {
            wire = timeout(HEAD_MAX, Wire::of(&stream)) => wire,
            // It has not said anything yet.
            _ = stopped.changed() => return,
        };
        match (wire, self.inner.tls.get()) {
            (Ok(Ok(Wire::Http1)), _) => self.speak(stream, Wire::Http1, peer, None, stopped).await,
            (Ok(Ok(Wire::Http2)), _) => self.speak(stream, Wire::Http2, peer, None, stopped).await,
            (Ok(Ok(Wire::Tls)), Some(identity)) => {
                let Ok(Ok(stream)) = timeout(HANDSHAKE_MAX, identity.0.accept(stream)).await else { return };
                let connection = stream.get_ref().1;
                let wire = if connection.alpn_protocol() == Some(b"h2") { Wire::Http2 } else { Wire::Http1 };
                let encrypted = Encrypted::of(connection);
                self.speak(stream, wire, peer, Some(encrypted), stopped).await;
            }
            // Silent for too long, gone, or encrypted where there is no key.
            (Err(_) | Ok(Err(_)) | Ok(Ok(Wire::Tls)), _) => {}
        }
    }

    async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        wire: Wire,
        peer: Peer,
        encrypted: Option<Encrypted>,
        stopped: watch::Receiver<bool>,
    ) {
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let (gateway, encrypted) = (self.clone(), encrypted.clone());
            async move {
                let (mut parts, body) = request.into_parts();
                parts.extensions.insert(peer);
                // HTTP/2 names it in the request line, and signatures as a header.
                if let Some(authority) = parts.uri.authority()
                    && !parts.headers.contains_key(HOST)
                    && let Ok(host) = HeaderValue::from_str(authority.as_str())
                {
                    parts.headers.insert(HOST, host);
                }
                if let Some(encrypted) = encrypted {
                    parts.extensions.insert(encrypted);
                }
                Ok::<_, Infallible>(gateway.answer(parts, Payload::Stream(body)).await)
            }
        });
        let stream = TokioIo::new(stream);
        if wire == Wire::Http2 {
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .keep_alive_interval(HEAD_MAX)
                .max_concurrent_streams(STREAMS_MAX)
                .max_header_list_size(HEADER_LIST_BYTES_MAX)
                .max_send_buf_size(BUFFER_BYTES_MAX)
                .serve_connection(stream, service);
            until_its_end(connection, stopped, http2::Connection::graceful_shutdown).await;
        } else {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_MAX)
                .max_headers(HEADERS_MAX)
                .max_buf_size(BUFFER_BYTES_MAX)
                .serve_connection(stream, service)
                .with_upgrades();
            until_its_end(connection, stopped, http1::UpgradeableConnection::graceful_shutdown).await;
        }
    }
}

/// Serves a connection until it ends, or after `stopped` until the requests under way have. One that breaks is the
/// client's affair: its calls go on by themselves.
async fn until_its_end<C: Future>(
    connection: C,
    mut stopped: watch::Receiver<bool>,
    wind_up: impl FnOnce(Pin<&mut C>),
) {
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.changed() => wind_up(connection.as_mut()),
    }
    connection.await;
}
