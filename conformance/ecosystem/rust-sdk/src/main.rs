//! The AWS SDK for Rust against the endpoint of its environment: `rust-sdk PACKAGE.zip`. Prints what a test compares.

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, Runtime};
use std::time::{Duration, Instant};

/// How long a new function may take to become active.
const ACTIVE_MAX: Duration = Duration::from_secs(30);
/// Until it is asked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let zip = std::fs::read(std::env::args().nth(1).ok_or("a package is missing")?)?;
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_config::from_env().http_client(http).load().await;
    let lambda = aws_sdk_lambda::Client::new(&config);
    let name = "from-rust";
    lambda
        .create_function()
        .function_name(name)
        .runtime(Runtime::Providedal2023)
        .handler("bootstrap")
        .role("arn:aws:iam::000000000000:role/any")
        .code(FunctionCode::builder().zip_file(Blob::new(zip)).build())
        .send()
        .await?;
    let until = Instant::now() + ACTIVE_MAX;
    loop {
        let state = lambda.get_function().function_name(name).send().await?;
        if state.configuration().and_then(|found| found.state()).is_some_and(|state| state.as_str() == "Active") {
            break;
        }
        if Instant::now() > until {
            return Err("never became active".into());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let answer = lambda.invoke().function_name(name).payload(Blob::new(r#"{"name":"Rust"}"#)).send().await?;
    println!("invoked {} {}", answer.status_code(), answer.payload().map(|all| String::from_utf8_lossy(all.as_ref()).into_owned()).unwrap_or_default());
    let pages = lambda.list_functions().max_items(1).into_paginator().items().send().collect::<Result<Vec<_>, _>>().await?;
    println!("listed {}", pages.len());
    lambda.delete_function().function_name(name).send().await?;
    let gone = lambda.get_function().function_name(name).send().await;
    let missing = gone.err().and_then(|error| error.into_service_error().is_resource_not_found_exception().then_some("gone"));
    println!("{}", missing.unwrap_or("still there"));
    Ok(())
}
