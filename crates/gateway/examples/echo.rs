//! Serves the whole API on 127.0.0.1:9000 with sandboxes that answer each event with itself: for trying
//! clients where nothing can be isolated. The key is `test`, its secret `test-secret`.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/support/mod.rs"]
mod support;

#[tokio::main]
async fn main() {
    let house = support::House::new().await;
    let listener = tokio::net::TcpListener::bind(support::HOST).await.unwrap();
    eprintln!("http://{}", support::HOST);
    house.gateway.serve(listener, std::future::pending()).await;
}
