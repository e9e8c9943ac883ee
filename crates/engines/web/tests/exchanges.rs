//! The client against servers that speak plainly, badly or not at all.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use lacewing_sandbox::{AnswerPieces, BodyLost, WebBody, WebRequest, answer_stream};
use lacewing_web::{Dial, Exchanged, NoAnswer, Server};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

struct To(SocketAddr, Arc<AtomicUsize>);

#[async_trait::async_trait]
impl Dial for To {
    async fn dial(&self) -> io::Result<TcpStream> {
        self.1.fetch_add(1, Ordering::Relaxed);
        TcpStream::connect(self.0).await
    }
}

/// A server that answers each connection with these bytes, for each request that ends in a blank line, and the count of
/// connections made to it. Empty bytes: it hangs up.
async fn server(answer: &'static [u8]) -> (Server<To>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while stream.read_buf(&mut seen).await.is_ok_and(|length| length > 0) {
                    if seen.ends_with(b"\r\n\r\n") {
                        seen.clear();
                        if answer.is_empty() || stream.write_all(answer).await.is_err() {
                            return;
                        }
                        if answer.starts_with(b"HTTP/1.0") || answer.ends_with(b"cut") {
                            return;
                        }
                    }
                }
            });
        }
    });
    let dialled = Arc::new(AtomicUsize::new(0));
    (Server::new(To(at, Arc::clone(&dialled)), 8), dialled)
}

struct Client {
    head: oneshot::Receiver<http::response::Parts>,
    pieces: AnswerPieces,
}

impl Client {
    async fn body(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(piece) = poll_fn(|context| self.pieces.poll_next(context)).await {
            all.extend_from_slice(&piece);
        }
        all
    }
}

fn request(body: WebBody) -> (WebRequest, Client) {
    let ((answer, pieces), (head, told)) = (answer_stream(), oneshot::channel());
    let request = http::Request::post("/x?y=1").header("host", "h").body(body).unwrap();
    (WebRequest { request, received: Arc::default(), head, answer, upgraded: None }, Client { head: told, pieces })
}

fn empty() -> WebBody {
    Box::pin(Full::new(Bytes::new()).map_err(|never| match never {}))
}

#[tokio::test]
async fn an_answer_is_passed_on_and_its_connection_kept() {
    let (server, dialled) = server(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nx-a: b\r\n\r\nhi").await;
    for _ in 0..3 {
        let (request, mut client) = request(empty());
        let (ended, body) = tokio::join!(server.exchange(request), client.body());
        assert!(matches!(ended, Exchanged::Whole), "{ended:?}");
        let head = client.head.await.unwrap();
        assert_eq!(
            (head.status.as_u16(), head.headers["x-a"].as_bytes(), body.as_slice()),
            (201, &b"b"[..], &b"hi"[..])
        );
    }
    assert_eq!(dialled.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_that_lay_still_for_long_is_not_used_again() {
    // The server may be about to close it, and a frozen one closes it as soon as it thaws.
    let (server, dialled) = server(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    for (still, want) in [(false, 1), (false, 1), (true, 2), (false, 2), (true, 3)] {
        if still {
            tokio::time::pause();
            tokio::time::advance(Duration::from_millis(1_100)).await;
            tokio::time::resume();
        }
        let (request, mut client) = request(empty());
        let (ended, _) = tokio::join!(server.exchange(request), client.body());
        assert!(matches!(ended, Exchanged::Whole), "{ended:?}");
        assert_eq!(dialled.load(Ordering::Relaxed), want);
    }
}

#[tokio::test]
async fn a_connection_is_not_used_again_after_a_body_which_its_server_may_not_have_read() {
    let (server, dialled) = server(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    for _ in 0..2 {
        let body: WebBody = Box::pin(Full::new(Bytes::from_static(b"\r\n\r\n")).map_err(|never| match never {}));
        let (request, mut client) = request(body);
        let (ended, _) = tokio::join!(server.exchange(request), client.body());
        assert!(matches!(ended, Exchanged::Whole), "{ended:?}");
    }
    assert_eq!(dialled.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_waited_costs_no_request() {
    let (server, dialled) = server(b"HTTP/1.0 200 OK\r\n\r\nold").await;
    for _ in 0..2 {
        let (request, mut client) = request(empty());
        let (ended, body) = tokio::join!(server.exchange(request), client.body());
        assert!(matches!(ended, Exchanged::Whole), "{ended:?}");
        assert_eq!(body, b"old");
    }
    assert_eq!(dialled.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn what_is_no_answer_is_told_by_its_reason() {
    for (answer, want) in [
        (&b""[..], "the server closed the connection without an answer"),
        (b"SSH-2.0-x\r\n\r\ncut", "the server's answer is no HTTP: invalid HTTP version parsed"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "the server's answer is no HTTP: it switches to a protocol that nobody asked for",
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ncut", "the server's answer broke off"),
    ] {
        let (server, _) = server(answer).await;
        let (request, mut client) = request(empty());
        let (ended, _) = tokio::join!(server.exchange(request), client.body());
        let Exchanged::Failed(why) = ended else { panic!("{ended:?}") };
        assert_eq!(why.to_string(), want);
    }
    let server = Server::new(To("127.0.0.1:1".parse().unwrap(), Arc::default()), 1);
    let ended = server.exchange(request(empty()).0).await;
    // The client of this one is gone, too: but nobody is reached first.
    assert!(matches!(ended, Exchanged::Failed(NoAnswer::Unreached(_)) | Exchanged::ClientGone), "{ended:?}");
}

#[tokio::test]
async fn a_client_that_goes_ends_the_exchange() {
    let (server, _) = server(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n").await;
    let (request, mut client) = request(empty());
    let exchange = tokio::spawn(async move { server.exchange(request).await });
    let first = poll_fn(|context| client.pieces.poll_next(context)).await;
    assert_eq!(first.as_deref(), Some(&b"hi"[..]));
    drop(client);
    assert!(matches!(exchange.await.unwrap(), Exchanged::ClientGone));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_clients_going() {
    // Nobody accepts here: the system takes the connection and nothing answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::new(To(listener.local_addr().unwrap(), Arc::default()), 1);
    let (request, client) = request(Box::pin(Broken));
    assert!(matches!(server.exchange(request).await, Exchanged::ClientGone));
    drop(client);
}

struct Broken;

impl hyper::body::Body for Broken {
    type Data = Bytes;
    type Error = BodyLost;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, BodyLost>>> {
        Poll::Ready(Some(Err(BodyLost)))
    }
}
