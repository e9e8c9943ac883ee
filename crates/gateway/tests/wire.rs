//! What happens on the socket: refusals before the body, large bodies, hang-ups, the end of serving.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_ledger::UsageQuery;
use lacewing_model::Timestamp;
use lacewing_sandbox::ApiRequest;
use std::net::SocketAddr;
use support::{House, root, signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const INVOKE: &str = "/2015-03-31/functions/f/invocations";

struct Served {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

async fn serve(house: &House) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let gateway = house.gateway.clone();
    let ended = tokio::spawn(async move {
        gateway.serve(listener, async { drop(stopped.await) }).await;
    });
    Served { addr, stop, ended }
}

/// The head as it goes over the wire; `length` stands in `Content-Length`.
fn head(request: &ApiRequest, length: &str) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\n{length}", request.method, request.target).into_bytes();
    for (name, value) in &request.headers {
        head.extend_from_slice(format!("{name}: ").as_bytes());
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn invocation(body: &[u8]) -> ApiRequest {
    signed(&root(), "lambda", "POST", INVOKE, &[], body)
}

fn unsigned() -> ApiRequest {
    let mut request = invocation(b"");
    request.headers.retain(|(name, _)| name == "host");
    request
}

/// Reads one reply, as far as its own length says.
async fn reply(stream: &mut TcpStream) -> String {
    let mut got = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&got).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length = length.map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.unwrap();
        assert_ne!(read, 0, "closed after: {text}");
        got.extend_from_slice(&piece[..read]);
    }
}

async fn usage(house: &House) -> u64 {
    let query = UsageQuery {
        account: support::ACCOUNT.parse().unwrap(),
        region: None,
        function: None,
        from: Timestamp(0),
        to: Timestamp(u64::MAX),
    };
    house.ledger.usage(&query).unwrap().iter().map(|row| row.sums.requests).sum()
}

#[tokio::test]
async fn refusals_come_before_the_body_is_sent() {
    let house = House::new().await;
    let served = serve(&house).await;
    for (request, length, want) in [
        (unsigned(), "content-length: 1000000\r\n", "403 Forbidden"),
        (unsigned(), "content-length: 1000000\r\nexpect: 100-continue\r\n", "403 Forbidden"),
        (unsigned(), "transfer-encoding: chunked\r\n", "403 Forbidden"),
        (invocation(b""), "content-length: 6291457\r\n", "413 Payload Too Large"),
        (invocation(b""), "content-length: 6291457\r\nexpect: 100-continue\r\n", "413 Payload Too Large"),
    ] {
        let mut stream = TcpStream::connect(served.addr).await.unwrap();
        stream.write_all(&head(&request, length)).await.unwrap();
        let got = reply(&mut stream).await;
        assert!(got.starts_with(&format!("HTTP/1.1 {want}")), "{length} {got}");
    }
}

#[tokio::test]
async fn a_refused_body_can_still_be_sent_and_the_refusal_read() {
    let house = House::new().await;
    let served = serve(&house).await;
    let mut stream = TcpStream::connect(served.addr).await.unwrap();
    let body = vec![b'x'; 8_000_000];
    let request = invocation(&body);
    stream.write_all(&head(&request, &format!("content-length: {}\r\n", body.len()))).await.unwrap();
    stream.write_all(&body).await.unwrap();
    let got = reply(&mut stream).await;
    assert!(got.contains("8000000 byte payload is too large for the RequestResponse invocation type"), "{got}");
}

#[tokio::test]
async fn bodies_that_are_only_announced_hold_no_room() {
    let house = House::new().await;
    house.create("f", "").await;
    let served = serve(&house).await;
    let mut stalled = Vec::new();
    for _ in 0..12 {
        let mut stream = TcpStream::connect(served.addr).await.unwrap();
        let request = signed(&root(), "lambda", "POST", "/2015-03-31/functions", &[], b"");
        stream.write_all(&head(&request, "content-length: 67108864\r\n")).await.unwrap();
        stream.write_all(&[b'{'; 1_000]).await.unwrap();
        stalled.push(stream);
    }
    let event = format!("\"{}\"", "a".repeat(4_000_000)).into_bytes();
    let mut stream = TcpStream::connect(served.addr).await.unwrap();
    let length = format!("content-length: {}\r\n", event.len());
    stream.write_all(&head(&invocation(&event), &length)).await.unwrap();
    stream.write_all(&event).await.unwrap();
    // Had they taken what they announced, it would wait and be refused.
    assert!(reply(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_client_that_expects_to_be_told_is_told_to_go_on() {
    let house = House::new().await;
    house.create("f", "").await;
    let served = serve(&house).await;
    let mut stream = TcpStream::connect(served.addr).await.unwrap();
    let request = invocation(b"[1]");
    stream.write_all(&head(&request, "content-length: 3\r\nexpect: 100-continue\r\n")).await.unwrap();
    assert_eq!(reply(&mut stream).await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"[1]").await.unwrap();
    assert!(reply(&mut stream).await.ends_with("[1]"));
}

#[tokio::test]
async fn chunks_are_counted_as_they_come() {
    let house = House::new().await;
    house.create("f", "").await;
    let served = serve(&house).await;
    let mut stream = TcpStream::connect(served.addr).await.unwrap();
    let whole = invocation(b"{\"a\":1}");
    stream.write_all(&head(&whole, "transfer-encoding: chunked\r\n")).await.unwrap();
    stream.write_all(b"3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n").await.unwrap();
    assert!(reply(&mut stream).await.ends_with("{\"a\":1}"));
    stream.write_all(&head(&whole, "transfer-encoding: chunked\r\n")).await.unwrap();
    let piece = vec![b' '; 1 << 20];
    for _ in 0..7 {
        stream.write_all(b"100000\r\n").await.unwrap();
        stream.write_all(&piece).await.unwrap();
        stream.write_all(b"\r\n").await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    assert!(reply(&mut stream).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn a_client_that_hangs_up_stops_no_function() {
    let house = House::with(lacewing_testkit::FakeDriver::gated(1, 0)).await;
    house.create("f", "").await;
    let served = serve(&house).await;
    let mut stream = TcpStream::connect(served.addr).await.unwrap();
    stream.write_all(&head(&invocation(b"1"), "content-length: 1\r\n")).await.unwrap();
    stream.write_all(b"1").await.unwrap();
    while house.driver.alive() == 0 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    served.stop.send(()).unwrap();
    served.ended.await.unwrap();
    assert_eq!(usage(&house).await, 0);
    house.driver.runs.add_permits(1);
    while usage(&house).await == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn serving_ends_when_the_last_request_has_its_answer() {
    let house = House::with(lacewing_testkit::FakeDriver::gated(1, 0)).await;
    house.create("f", "").await;
    let served = serve(&house).await;
    let mut stream = TcpStream::connect(served.addr).await.unwrap();
    let mut idle = TcpStream::connect(served.addr).await.unwrap();
    stream.write_all(&head(&invocation(b"1"), "content-length: 1\r\n")).await.unwrap();
    stream.write_all(b"1").await.unwrap();
    while house.driver.alive() == 0 {
        tokio::task::yield_now().await;
    }
    served.stop.send(()).unwrap();
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0, "an idle connection is closed at once");
    house.driver.runs.add_permits(1);
    assert!(reply(&mut stream).await.ends_with("\r\n\r\n1"));
    served.ended.await.unwrap();
}

#[tokio::test]
async fn one_connection_answers_many_requests() {
    let house = House::new().await;
    house.create("f", "").await;
    let served = serve(&house).await;
    let mut stream = TcpStream::connect(served.addr).await.unwrap();
    for n in 0..3 {
        let body = n.to_string();
        let mut bytes = head(&invocation(body.as_bytes()), "content-length: 1\r\n");
        bytes.extend_from_slice(body.as_bytes());
        stream.write_all(&bytes).await.unwrap();
        assert!(reply(&mut stream).await.ends_with(&format!("\r\n\r\n{n}")));
    }
    stream.write_all(b"GET /_lacewing/health HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    assert!(reply(&mut stream).await.ends_with(r#"{"status":"ok"}"#));
}

/// The clock is turned as soon as nobody has anything to do: what takes a minute is over at once.
#[tokio::test]
async fn slow_clients_are_let_go_when_their_time_is_over() {
    let house = House::new().await;
    house.create("f", "").await;
    let served = serve(&house).await;
    let half_a_body = head(&invocation(b"12345"), "content-length: 5\r\n");
    tokio::time::pause();
    for (why, said, answer, seconds) in [
        ("it says nothing", Vec::new(), "", 60),
        ("half a head", b"GET /_lacewing/health HTTP/1.1\r\nHost: x\r\nX-More: ".to_vec(), "HTTP/1.1 408", 60),
        ("idle after its answer", b"GET /_lacewing/health HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "HTTP/1.1 200", 60),
        ("half a body", [&half_a_body[..], b"12"].concat(), "HTTP/1.1 400", 30),
    ] {
        let began = tokio::time::Instant::now();
        let mut stream = TcpStream::connect(served.addr).await.unwrap();
        stream.write_all(&said).await.unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        assert!(heard.starts_with(answer) || (answer.ends_with("408") && heard.is_empty()), "{why}: {heard}");
        let took = began.elapsed().as_secs();
        assert!((seconds..3 * seconds).contains(&took), "{why}: after {took} s");
    }
}
