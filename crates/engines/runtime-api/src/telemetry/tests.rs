#![allow(clippy::unwrap_used)]

use super::*;
use lacewing_model::Timestamp;
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// Reaches listeners of this machine.
struct Here;

#[async_trait]
impl Dial for Here {
    async fn dial(&self, port: u16) -> io::Result<TcpStream> {
        TcpStream::connect(("127.0.0.1", port)).await
    }
}

fn event(kind: EventKind, text: &str) -> TelemetryEvent {
    TelemetryEvent { time: Timestamp(0), kind, record: text.into() }
}

fn telemetry() -> Telemetry {
    let telemetry = Telemetry::default();
    telemetry.reach_by(Arc::new(Here));
    telemetry.begin(event(EventKind::InitStart, "first"), true);
    telemetry
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn by_http(port: u16, types: &[&str]) -> Vec<u8> {
    json!({
        "schemaVersion": "2022-12-13", "types": types, "buffering": {"timeoutMs": 25},
        "destination": {"protocol": "HTTP", "URI": format!("http://sandbox.localdomain:{port}/in")},
    })
    .to_string()
    .into_bytes()
}

/// Takes one request and answers it. Returns its events.
async fn take(listener: &TcpListener, status: &str) -> Vec<Value> {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut said = Vec::new();
    let (head, length) = loop {
        stream.read_buf(&mut said).await.unwrap();
        let text = String::from_utf8_lossy(&said).to_ascii_lowercase();
        if let Some(end) = text.find("\r\n\r\n") {
            let length = text.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
            break (end + 4, length.parse::<usize>().unwrap());
        }
    };
    while said.len() < head + length {
        stream.read_buf(&mut said).await.unwrap();
    }
    let request = String::from_utf8_lossy(&said[..head]).to_ascii_lowercase();
    assert!(
        request.starts_with("post /in http/1.1\r\n") && request.contains("host: sandbox.localdomain:"),
        "{request}"
    );
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    serde_json::from_slice(&said[head..]).unwrap()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_is_kept_before_the_first_subscription_is_bounded_also_in_empty_lines() {
    let telemetry = telemetry();
    for _ in 0..100_000 {
        telemetry.tell(|| event(EventKind::FunctionLine, ""));
    }
    assert!(telemetry.lock().backlog.len() <= BACKLOG_BYTES_MAX / EVENT_BYTES + 1);
}

#[tokio::test]
async fn a_subscriber_gets_what_came_before_it_and_only_what_it_wants() {
    let (telemetry, (listener, port)) = (telemetry(), listener().await);
    telemetry.tell(|| event(EventKind::FunctionLine, "early"));
    telemetry.tell(|| event(EventKind::ExtensionLine, "unwanted"));
    telemetry.subscribe("a", Api::Telemetry, &by_http(port, &["platform", "function"])).unwrap();
    telemetry.close();
    telemetry.tell(|| event(EventKind::FunctionLine, "late"));
    let mut all = Vec::new();
    while all.len() < 4 {
        all.extend(take(&listener, "200 OK").await);
    }
    assert_eq!(kinds(&all), ["platform.initStart", "function", "platform.telemetrySubscription", "function"]);
    assert_eq!(all[3]["record"], "late");
    telemetry.delivered().await;
}

#[tokio::test]
async fn after_init_nobody_subscribes_and_nothing_is_kept() {
    let telemetry = telemetry();
    telemetry.close();
    assert!(!telemetry.is_open());
    telemetry.tell(|| unreachable!("nobody listens"));
    for (api, kind) in [(Api::Telemetry, "Telemetry.SubscriptionClosed"), (Api::Logs, "Logs.SubscriptionClosed")] {
        let refusal = telemetry.subscribe("a", api, b"").unwrap_err();
        assert_eq!((refusal.status, refusal.kind), (403, kind));
    }
}

#[tokio::test]
async fn a_second_subscription_replaces_the_first_and_the_other_api_is_refused() {
    let (telemetry, (listener, port)) = (telemetry(), listener().await);
    telemetry.subscribe("a", Api::Telemetry, &by_http(1, &["function"])).unwrap();
    telemetry.subscribe("a", Api::Telemetry, &by_http(port, &["extension"])).unwrap();
    telemetry.subscribe("a", Api::Telemetry, &by_http(port, &["extension"])).unwrap();
    let logs = json!({"types": ["function"], "destination": {"protocol": "TCP", "port": 9}}).to_string();
    assert_eq!(telemetry.subscribe("a", Api::Logs, logs.as_bytes()).unwrap_err().kind, "ValidationError");
    assert_eq!(telemetry.list(), [("a".to_owned(), false, vec![Category::Extension])]);
    telemetry.tell(|| event(EventKind::ExtensionLine, "once"));
    assert_eq!(kinds(&take(&listener, "200 OK").await), ["extension"]);
}

#[tokio::test]
async fn a_batch_that_is_not_taken_comes_again() {
    let (telemetry, (listener, port)) = (telemetry(), listener().await);
    telemetry.subscribe("a", Api::Telemetry, &by_http(port, &["function"])).unwrap();
    telemetry.tell(|| event(EventKind::FunctionLine, "x"));
    let first = take(&listener, "500 No").await;
    assert_eq!(take(&listener, "200 OK").await, first);
    telemetry.delivered().await;
}

#[tokio::test]
async fn a_batch_that_is_never_taken_is_told_as_dropped() {
    let (telemetry, (listener, port)) = (telemetry(), listener().await);
    telemetry.subscribe("a", Api::Telemetry, &by_http(port, &["function", "platform"])).unwrap();
    telemetry.tell(|| event(EventKind::FunctionLine, "x"));
    let lost = take(&listener, "500 No").await.len();
    for _ in 0..4 {
        take(&listener, "500 No").await;
    }
    let told = take(&listener, "200 OK").await;
    let record = &told.iter().find(|event| event["type"] == "platform.logsDropped").unwrap()["record"];
    assert_eq!(record["droppedRecords"], lost);
}

#[tokio::test]
async fn a_frozen_listener_gets_the_same_batch_once_it_goes_on() {
    let (telemetry, (listener, port)) = (telemetry(), listener().await);
    telemetry.subscribe("a", Api::Telemetry, &by_http(port, &["function"])).unwrap();
    telemetry.set_frozen(true);
    telemetry.tell(|| event(EventKind::FunctionLine, "x"));
    telemetry.urge();
    let nothing = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(nothing.is_err(), "nobody calls on what stands still");
    telemetry.set_frozen(false);
    assert_eq!(kinds(&take(&listener, "200 OK").await), ["function"]);
}

#[tokio::test]
async fn over_tcp_each_event_is_a_line() {
    let (telemetry, (listener, port)) = (telemetry(), listener().await);
    let body = json!({
        "schemaVersion": "2020-08-15", "types": ["platform", "function"], "buffering": {"timeoutMs": 25},
        "destination": {"protocol": "TCP", "port": port},
    });
    telemetry.subscribe("a", Api::Logs, body.to_string().as_bytes()).unwrap();
    telemetry.tell(|| event(EventKind::FunctionLine, "x"));
    let (stream, _) = listener.accept().await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut next = async || -> Value { serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap() };
    assert_eq!(next().await["type"], "platform.logsSubscription");
    assert_eq!(next().await["record"], "x");
}
