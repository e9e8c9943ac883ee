//! A door with a client that is ours, raw where it has to be.

use super::Echo;
use lacewing_runtime_api::{Door, DoorOptions, GuestAnswer, GuestReady};
use lacewing_sandbox::Work;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

pub const NEXT: &str = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";
pub const LIMIT: u64 = 1000;

pub async fn door() -> (Door, SocketAddr, Arc<Echo>) {
    let api = Arc::new(Echo::default());
    let options = DoorOptions {
        stream_bytes_per_second: None,
        response_bytes_max: LIMIT,
        stream_bytes_max: 100 * LIMIT,
        request_header_bytes_max: 16 * 1024,
        api_body_bytes_max: 2000,
        connections_max: 4,
    };
    let door = Door::new(options, Arc::clone(&api) as _);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    door.serve_tcp(listener);
    (door, address, api)
}

/// A client on one connection that reads answers by their length.
pub struct Client<S>(pub S, pub Vec<u8>);

impl<S: AsyncReadExt + AsyncWriteExt + Unpin> Client<S> {
    pub async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.0.write_all(text.as_ref()).await.unwrap();
    }

    /// The next answer: status line and headers, and the body. `None` at the end of the stream.
    pub async fn read(&mut self) -> Option<(String, String)> {
        loop {
            if let Some(at) = self.1.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8(self.1[..at].to_vec()).unwrap();
                let lower = head.to_ascii_lowercase();
                let length: usize = lower
                    .split("content-length: ")
                    .nth(1)
                    .map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
                if self.1.len() >= at + 4 + length {
                    let body = String::from_utf8(self.1[at + 4..at + 4 + length].to_vec()).unwrap();
                    self.1.drain(..at + 4 + length);
                    return Some((head, body));
                }
            }
            if self.0.read_buf(&mut self.1).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    pub async fn call(&mut self, text: impl AsRef<[u8]>) -> (u16, String) {
        self.send(text).await;
        let (head, body) = self.read().await.unwrap();
        (head[9..12].parse().unwrap(), body)
    }
}

pub async fn connect(address: SocketAddr) -> Client<TcpStream> {
    Client(TcpStream::connect(address).await.unwrap(), Vec::new())
}

pub fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub fn response(work: &Work, body: &str) -> String {
    post(&format!("invocation/{}/response", work.request_id), "", body)
}

/// A runtime that has got `work`, and the door's future answer.
pub async fn busy(
    address: SocketAddr,
    mut door: Door,
    work: &Work,
) -> (Client<TcpStream>, tokio::task::JoinHandle<(Door, GuestAnswer)>) {
    let mut client = connect(address).await;
    client.send(NEXT).await;
    assert_eq!(door.ready().await, GuestReady::Asked);
    let given = work.clone();
    let answer = tokio::spawn(async move {
        let answer = door.invoke(&given).await;
        (door, answer)
    });
    client.read().await.unwrap();
    (client, answer)
}

pub async fn own() -> (Door, Client<UnixStream>) {
    let (mut door, _, _) = door().await;
    let (ours, theirs) = UnixStream::pair().unwrap();
    door.serve_unix(ours);
    (door, Client(theirs, Vec::new()))
}
