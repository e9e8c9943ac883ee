//! Deploying and calling through the public API.

use crate::connection::Connection;
use crate::figures::Times;
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
/// The same with a pause.
pub const SLEEPY_EVENT: &[u8] = br#"{"name":"ada","sleep_ms":100}"#;
const ACTIVE_WITHIN: Duration = Duration::from_secs(60);
/// Until it is looked again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Deploys `count` functions of one package, named after `prefix`, and waits until all can be called.
pub fn deploy(server: &Server, language: &Language, prefix: &str, count: usize) -> Result<Vec<String>, String> {
    let mut connection = Connection::open(&server.address)?;
    let zip = STANDARD.encode(&language.zip);
    let names: Vec<String> = (0..count).map(|i| format!("{prefix}{i}")).collect();
    for name in &names {
        let body = json!({
            "FunctionName": name, "Runtime": language.runtime, "Handler": language.handler, "Timeout": 30,
            "Role": "arn:aws:iam::000000000000:role/bench", "Code": { "ZipFile": zip },
        });
        post(&mut connection, server, "/2015-03-31/functions", &body)?;
    }
    for name in &names {
        active(&mut connection, server, name, |config| config["State"] == "Active")?;
    }
    Ok(names)
}

/// Publishes a version with SnapStart and waits until its snapshot is there. The path to invoke it by.
pub fn publish_snapshot(server: &Server, name: &str) -> Result<String, String> {
    let mut connection = Connection::open(&server.address)?;
    let change = json!({ "SnapStart": { "ApplyOn": "PublishedVersions" } });
    let path = format!("/2015-03-31/functions/{name}/configuration");
    let request = signing::request("PUT", &server.address, &path, change.to_string().as_bytes());
    let answer = connection.ask(&request)?;
    if answer.status != 200 {
        return Err(format!("{name}: {} {}", answer.status, String::from_utf8_lossy(&answer.body)));
    }
    active(&mut connection, server, name, |config| config["LastUpdateStatus"] == "Successful")?;
    post(&mut connection, server, &format!("/2015-03-31/functions/{name}/versions"), &json!({}))?;
    active(&mut connection, server, &format!("{name}?1"), |config| {
        config["State"] == "Active" && config["SnapStart"]["OptimizationStatus"] == "On"
    })?;
    Ok(format!("{}?Qualifier=1", path_of(name)))
}

/// Deploys a web function that anyone may call, waits until it can be, and says the host that it is called by.
pub fn deploy_web(server: &Server, package: &[u8], command: &str) -> Result<String, String> {
    let mut connection = Connection::open(&server.address)?;
    let body = json!({
        "FunctionName": "web", "Runtime": "provided.al2023", "Handler": "web", "Timeout": 30,
        "Role": "arn:aws:iam::000000000000:role/bench", "Code": { "ZipFile": STANDARD.encode(package) },
        "Environment": { "Variables": { "LACEWING_WEB_COMMAND": command } },
    });
    post(&mut connection, server, "/2015-03-31/functions", &body)?;
    active(&mut connection, server, "web", |config| config["State"] == "Active")?;
    let config = post(&mut connection, server, "/2021-10-31/functions/web/url", &json!({ "AuthType": "NONE" }))?;
    for grant in [
        json!({
            "StatementId": "public", "Action": "lambda:InvokeFunctionUrl", "Principal": "*", "FunctionUrlAuthType": "NONE",
        }),
        json!({
            "StatementId": "invoke", "Action": "lambda:InvokeFunction", "Principal": "*", "InvokedViaFunctionUrl": true,
        }),
    ] {
        post(&mut connection, server, "/2015-03-31/functions/web/policy", &grant)?;
    }
    let url = config["FunctionUrl"].as_str().and_then(|url| url.strip_prefix("http://"));
    url.map(|host| host.trim_end_matches('/').to_owned()).ok_or_else(|| format!("no URL: {config}"))
}

fn post(connection: &mut Connection, server: &Server, path: &str, body: &Value) -> Result<Value, String> {
    let answer = connection.ask(&signing::request("POST", &server.address, path, body.to_string().as_bytes()))?;
    if answer.status == 201 {
        return Ok(serde_json::from_slice(&answer.body).unwrap_or_default());
    }
    Err(format!("{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body)))
}

/// Waits until the configuration of `NAME` or `NAME?VERSION` is as it should be.
fn active(
    connection: &mut Connection,
    server: &Server,
    name: &str,
    is_ready: impl Fn(&Value) -> bool,
) -> Result<(), String> {
    let begin = Instant::now();
    let path = match name.split_once('?') {
        None => format!("/2015-03-31/functions/{name}/configuration"),
        Some((name, version)) => format!("/2015-03-31/functions/{name}/configuration?Qualifier={version}"),
    };
    let mut last = String::new();
    while begin.elapsed() < ACTIVE_WITHIN {
        let answer = connection.ask(&signing::request("GET", &server.address, &path, b""))?;
        last = String::from_utf8_lossy(&answer.body).into_owned();
        let config: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if is_ready(&config) {
            return Ok(());
        }
        if answer.status != 200 || config["State"] == "Failed" {
            return Err(format!("{name}: {last}"));
        }
        thread::sleep(LOOK_AGAIN);
    }
    Err(format!("{name} never became ready: {last}"))
}

/// Where a function is invoked.
pub fn path_of(name: &str) -> String {
    format!("/2015-03-31/functions/{name}/invocations")
}

/// An invocation, signed now.
pub fn request(server: &Server, name: &str) -> Vec<u8> {
    signing::request("POST", &server.address, &path_of(name), EVENT)
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

/// A first call on a new connection, on a machine that was idle for `pause` before.
pub fn cold(server: &Server, path: &str, pause: Duration) -> Result<Duration, String> {
    let signed = signing::request("POST", &server.address, path, EVENT);
    thread::sleep(pause);
    let begin = Instant::now();
    check(&mut Connection::open(&server.address)?, &signed)?;
    Ok(begin.elapsed())
}

/// Calls of one function on one connection, one after another.
pub fn warm(server: &Server, name: &str, count: usize) -> Result<Times, String> {
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
    Ok(Times::of(samples))
}

fn check(connection: &mut Connection, request: &[u8]) -> Result<(), String> {
    let answer = connection.ask(request)?;
    let fine = answer.status == 200 && !answer.head.contains("x-amz-function-error");
    if fine && answer.body.windows(9).any(|part| part == b"hello ada") {
        return Ok(());
    }
    Err(format!("a wrong answer: {}\n{}", answer.head, String::from_utf8_lossy(&answer.body)))
}
