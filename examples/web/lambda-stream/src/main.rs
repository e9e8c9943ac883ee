//! A handler with `lambda_http` that streams its answer: behind a function URL with `InvokeMode` RESPONSE_STREAM.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures_util::stream::unfold;
use lambda_http::{Error, run_with_streaming_response};
use std::convert::Infallible;
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run_with_streaming_response(Router::new().route("/", get(words))).await
}

async fn words() -> Body {
    Body::from_stream(unfold(0, |count| async move {
        let word = *["one ", "two ", "three"].get(count)?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        Some((Ok::<_, Infallible>(word), count + 1))
    }))
}
