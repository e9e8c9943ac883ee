//! A function on AWS's own Rust runtime client, unmodified: greets, or ends as the event asks.
//!
//! `{"name": "ada"}` -> `{"message": "hello ada"}`; `{"do": "fail"}` errors, `{"do": "panic"}` panics,
//! `{"do": "exit"}` leaves the process, `{"do": "context"}` answers what the client knows of the call,
//! `{"sleep_ms": 100}` waits first.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let (event, context) = event.into_parts();
    if let Some(pause) = event["sleep_ms"].as_u64() {
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
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
