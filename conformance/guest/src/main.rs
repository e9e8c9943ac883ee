//! A function on AWS's own Rust runtime client, unmodified: greets, or ends as the event asks.
//!
//! `{"name": "ada"}` -> `{"message": "hello ada"}`; `{"do": "fail"}` errors, `{"do": "panic"}` panics,
//! `{"do": "exit"}` leaves the process, `{"do": "context"}` answers what the client knows of the call,
//! `{"sleep_ms": 100}` waits first. `{"do": "stream", "pieces": 3, "bytes": 5}` streams, with `pause_ms` between the
//! pieces and with `fail` an error at the end.

use lambda_runtime::streaming::{Body, channel};
use lambda_runtime::{Context, Error, FunctionResponse, LambdaEvent, StreamResponse, service_fn};
use serde_json::{Value, json};
use std::time::Duration;

mod extension;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // As a file of a layer it is an extension.
    if std::env::args().next().is_some_and(|name| name.starts_with("/opt/extensions/")) {
        return extension::run().await;
    }
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<FunctionResponse<Value, Body>, Error> {
    let (event, context) = event.into_parts();
    if let Some(pause) = event["sleep_ms"].as_u64() {
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    if event["do"] == "stream" {
        return Ok(FunctionResponse::StreamingResponse(stream(&event)));
    }
    plain(&event, &context).map(FunctionResponse::BufferedResponse)
}

fn stream(event: &Value) -> StreamResponse<Body> {
    let (mut sender, body) = channel();
    let number = |key: &str| event[key].as_u64().unwrap_or_default();
    let (pieces, pause) = (number("pieces"), Duration::from_millis(number("pause_ms")));
    let piece = vec![b'x'; usize::try_from(number("bytes")).unwrap_or_default()];
    let fails = event["fail"] == true;
    tokio::spawn(async move {
        // One memory for all pieces: what is measured is the platform.
        let piece = bytes::Bytes::from(piece);
        for _ in 0..pieces {
            if sender.send_data(piece.clone()).await.is_err() {
                return;
            }
            // The shortest sleep takes a millisecond.
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        if fails {
            sender.abort();
        }
    });
    body.into()
}

fn plain(event: &Value, context: &Context) -> Result<Value, Error> {
    match event["do"].as_str() {
        Some("fail") => Err("the event asked for it".into()),
        Some("panic") => panic!("the event asked for it"),
        Some("exit") => std::process::exit(7),
        Some("context") => Ok(json!({
            "request_id": context.request_id,
            "deadline": context.deadline,
            "arn": context.invoked_function_arn,
            "trace": context.xray_trace_id,
            "name": context.env_config.function_name,
            "memory": context.env_config.memory,
        })),
        _ => Ok(json!({ "message": format!("hello {}", event["name"].as_str().unwrap_or("world")) })),
    }
}
