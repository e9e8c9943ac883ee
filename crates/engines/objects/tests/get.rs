//! Against a small stand-in of the other side.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lacewing_objects::{Keys, ObjectError, ObjectOptions, ObjectRef, Objects};
use std::convert::Infallible;
use tokio::net::TcpListener;

/// Serves one object to those who sign with `id`, and says what it was asked in the object's own bytes.
async fn stand_in() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let serve = hyper::server::conn::http1::Builder::new();
            tokio::spawn(serve.serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    });
    endpoint
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let signature = header("authorization").unwrap_or_default();
    let known = signature.starts_with("AWS4-HMAC-SHA256 Credential=id/") && signature.contains("/eu-west-1/s3/");
    let (status, body) = match request.uri().path() {
        _ if !known || header("x-amz-content-sha256").is_none() => {
            (403, "<Error><Code>AccessDenied</Code></Error>".into())
        }
        "/code/a%20b.zip" => (200, format!("{:?}", request.uri().query())),
        _ => (404, "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>".into()),
    };
    Ok(Response::builder()
        .status(status)
        .header("x-amz-version-id", if status == 200 { "3" } else { "null" })
        .body(Full::from(body))
        .unwrap())
}

fn object(key: &str) -> ObjectRef {
    ObjectRef { region: "eu-west-1".into(), bucket: "code".into(), key: key.into(), version: Some("3".into()) }
}

#[tokio::test]
async fn an_object_is_read_within_its_limit_and_refusals_keep_their_words() {
    let endpoint = Some(stand_in().await);
    let keys = Some(Keys { id: "id".into(), secret: "secret".into(), session_token: None });
    let objects = Objects::new(ObjectOptions { endpoint: endpoint.clone(), keys });
    let read = objects.get(&object("a b.zip"), 100).await.unwrap();
    assert_eq!((&read.bytes[..], read.version.as_deref()), (&b"Some(\"versionId=3\")"[..], Some("3")));
    assert_eq!(objects.get(&object("a b.zip"), 3).await, Err(ObjectError::TooLarge));
    let missing = objects.get(&object("none"), 100).await.unwrap_err();
    assert_eq!(missing.to_string(), "NoSuchKey: The specified key does not exist.");
    let nobody = Objects::new(ObjectOptions { endpoint, keys: None });
    assert!(
        matches!(nobody.get(&object("a b.zip"), 9).await, Err(ObjectError::Refused { code, .. }) if code == "AccessDenied")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_a_thread_waits_for_ends_with_the_process() {
    // It listens, and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
    let objects = Objects::new(ObjectOptions { endpoint, keys: None });
    let waiting = objects.clone();
    let read = tokio::task::spawn_blocking(move || waiting.get_waiting(&object("x"), 9));
    let _asked = listener.accept().await.unwrap();
    objects.stop();
    assert_eq!(read.await.unwrap(), Err(ObjectError::Stopped));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_to_be_unreachable() {
    let objects = Objects::new(ObjectOptions { endpoint: Some("http://127.0.0.1:1".into()), keys: None });
    let error = objects.get(&object("x"), 9).await.unwrap_err();
    assert!(
        matches!(&error, ObjectError::Unreachable(_)) && error.to_string().contains("AWS_ENDPOINT_URL_S3"),
        "{error}"
    );
}
