//! Connections: how many, how long, and how they end.

use crate::Gateway;
use crate::asked::Peer;
use crate::body::Payload;
use crate::prompt::Prompt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// Connections at a time; further ones wait in the listener's queue.
const CONNECTIONS_MAX: u32 = 4_096;
/// How long a head may take; also how long an idle connection is kept.
const HEAD_MAX: Duration = Duration::from_secs(60);
/// Request line and headers together, and what is read of a body at a time. Nobody needs a larger head: the
/// longest header has 3,583 bytes. What strangers can make us hold is this times the connections.
const BUFFER_BYTES_MAX: usize = 128 << 10;
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

    async fn converse(&self, stream: TcpStream, peer: Peer, mut stopped: watch::Receiver<bool>) {
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| async {
            let (mut parts, body) = request.into_parts();
            parts.extensions.insert(peer);
            let reply = self.answer(parts, Payload::Stream(body)).await;
            Ok::<_, Infallible>(reply)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_MAX)
            .max_headers(HEADERS_MAX)
            .max_buf_size(BUFFER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        // A connection that breaks is the client's affair: its calls go on by themselves.
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }
}
