//! A function, written with AWS's own Rust runtime client.
//!
//! cargo build --release && lacewing deploy target/release/hello

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(hello)).await
}

async fn hello(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let name = event.payload["name"].as_str().unwrap_or("world");
    println!("greeting {name}");
    Ok(json!({"greeting": format!("Hello, {name}!"), "request": event.context.request_id}))
}
