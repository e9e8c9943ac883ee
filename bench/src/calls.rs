//! Deploying and calling through the public API.

use crate::connection::Connection;
use crate::languages::Language;
use crate::server::Server;
use crate::signing;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

/// One hundred bytes.
pub const EVENT: &[u8] =
    br#"{"name":"ada","pad":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#;
/// A lone cold start meets a machine that had time to go idle.
const PAUSE: Duration = Duration::from_millis(25);
const ACTIVE_WITHIN: Duration = Duration::from_secs(60);

/// Deploys `count` functions of one package and waits until all can be called.
pub fn deploy(server: &Server, language: &Language, count: usize) -> Result<Vec<String>, String> {
    let mut connection = Connection::open(&server.address)?;
    let zip = STANDARD.encode(&language.zip);
    let names: Vec<String> = (0..count).map(|i| format!("f{i}")).collect();
    for name in &names {
        let body = json!({
            "FunctionName": name, "Runtime": language.runtime, "Handler": language.handler, "Timeout": 30,
            "Role": "arn:aws:iam::000000000000:role/bench", "Code": { "ZipFile": zip },
        });
        let body = body.to_string();
        let request = signing::request("POST", &server.address, "/2015-03-31/functions", body.as_bytes());
        let answer = connection.ask(&request)?;
        if answer.status != 201 {
            return Err(format!("{name}: {} {}", answer.status, String::from_utf8_lossy(&answer.body)));
        }
    }
    for name in &names {
        active(&mut connection, server, name)?;
    }
    Ok(names)
}

fn active(connection: &mut Connection, server: &Server, name: &str) -> Result<(), String> {
    let begin = Instant::now();
    let path = format!("/2015-03-31/functions/{name}/configuration");
    while begin.elapsed() < ACTIVE_WITHIN {
        let answer = connection.ask(&signing::request("GET", &server.address, &path, b""))?;
        let config: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match config["State"].as_str() {
            Some("Active") => return Ok(()),
            Some("Pending") => thread::sleep(Duration::from_millis(5)),
            _ => return Err(format!("{name}: {}", String::from_utf8_lossy(&answer.body))),
        }
    }
    Err(format!("{name} never became active"))
}

/// An invocation, signed now.
pub fn request(server: &Server, name: &str) -> Vec<u8> {
    signing::request("POST", &server.address, &format!("/2015-03-31/functions/{name}/invocations"), EVENT)
}

/// Asks whether the server is well.
pub fn healthy(server: &Server) -> Result<(), String> {
    let request = format!("GET /_lacewing/health HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    let answer = Connection::open(&server.address)?.ask(request.as_bytes())?;
    if answer.status == 200 { Ok(()) } else { Err(format!("not well: {}", answer.head)) }
}

/// One call; a wrong answer is an error.
pub fn once(server: &Server, name: &str) -> Result<(), String> {
    check(&mut Connection::open(&server.address)?, &request(server, name))
}

/// The first call of a function on a new connection, on a machine that was idle before.
pub fn cold(server: &Server, name: &str) -> Result<Duration, String> {
    let signed = request(server, name);
    thread::sleep(PAUSE);
    let begin = Instant::now();
    check(&mut Connection::open(&server.address)?, &signed)?;
    Ok(begin.elapsed())
}

/// Calls of one function on one connection, one after another.
pub fn warm(server: &Server, name: &str, count: usize) -> Result<Vec<Duration>, String> {
    let mut connection = Connection::open(&server.address)?;
    let signed = request(server, name);
    for _ in 0..count / 10 {
        check(&mut connection, &signed)?;
    }
    let mut samples = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        check(&mut connection, &signed)?;
        samples.push(begin.elapsed());
    }
    Ok(samples)
}

fn check(connection: &mut Connection, request: &[u8]) -> Result<(), String> {
    let answer = connection.ask(request)?;
    let fine = answer.status == 200 && !answer.head.contains("x-amz-function-error");
    if fine && answer.body.windows(9).any(|part| part == b"hello ada") {
        return Ok(());
    }
    Err(format!("a wrong answer: {}\n{}", answer.head, String::from_utf8_lossy(&answer.body)))
}
