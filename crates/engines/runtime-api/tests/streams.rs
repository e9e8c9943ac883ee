//! Streamed answers through the door, over TCP and over the Unix stream.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use lacewing_runtime_api::GuestAnswer;
use lacewing_sandbox::{AnswerPieces, Work, answer_stream};
use support::wire::{Client, LIMIT, NEXT, busy, connect, door, own, response};
use support::work;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_stream_is_collected_and_its_error_found() {
    let stream = |work: &Work, body: &str| {
        format!(
            "POST /2018-06-01/runtime/invocation/{}/response HTTP/1.1\r\nHost: x\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n\
             Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\nTransfer-Encoding: chunked\r\n\r\n{body}",
            work.request_id
        )
    };
    let error =
        "Lambda-Runtime-Function-Error-Type: Runtime.Mid\r\nLambda-Runtime-Function-Error-Body: eyJlIjoxfQ==\r\n";
    for (why, body, failed) in [
        ("whole", "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n".to_owned(), false),
        ("an error in the trailers", format!("2\r\nab\r\n0\r\n{error}\r\n"), true),
        (
            "an error in the body, as Rust's client sends it",
            format!("2\r\nab\r\n{:x}\r\n{error}\r\n0\r\n\r\n", error.len()),
            true,
        ),
    ] {
        let (door, address, _) = door().await;
        let work = work("1");
        let (mut client, answer) = busy(address, door, &work).await;
        assert_eq!(client.call(stream(&work, &body)).await.0, 202, "{why}");
        match answer.await.unwrap().1 {
            GuestAnswer::Response(bytes) => assert_eq!((failed, &bytes[..]), (false, &b"abc"[..]), "{why}"),
            GuestAnswer::Error(error) => {
                assert_eq!((failed, &*error.kind, &*error.body), (true, "Runtime.Mid", &b"{\"e\":1}"[..]), "{why}")
            }
            other => panic!("{why}: {other:?}"),
        }
    }
}

fn streaming_head(work: &Work) -> String {
    format!(
        "POST /2018-06-01/runtime/invocation/{}/response HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\n\
         Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\r\n",
        work.request_id
    )
}

async fn piece(pieces: &mut AnswerPieces) -> Option<bytes::Bytes> {
    std::future::poll_fn(|cx| pieces.poll_next(cx)).await
}

/// Writes a piece only when the one before has reached the caller.
async fn stream_by_turns<S>(client: &mut Client<S>, work: &Work, pieces: &mut AnswerPieces, last: &str)
where
    S: AsyncReadExt + AsyncWriteExt + Unpin,
{
    client.send(streaming_head(work)).await;
    for part in ["abc", "d", "ef"] {
        client.send(format!("{}\r\n{part}\r\n", part.len())).await;
        assert_eq!(piece(pieces).await.unwrap(), part);
        assert_eq!(pieces.content_type(), Some("a/b"));
    }
    client.send(last).await;
}

fn streamed(payload: &str) -> (Work, AnswerPieces) {
    let (sink, pieces) = answer_stream();
    (Work { stream: Some(sink), ..work(payload) }, pieces)
}

#[tokio::test]
async fn a_stream_reaches_the_caller_before_its_end() {
    let error = "0\r\nLambda-Runtime-Function-Error-Type: Runtime.Mid\r\nLambda-Runtime-Function-Error-Body: eyJlIjoxfQ==\r\n\r\n";
    for (last, failed) in [("0\r\n\r\n", false), (error, true)] {
        let (work, mut pieces) = streamed("1");
        let (door_there, address, _) = door().await;
        let (mut client, answer) = busy(address, door_there, &work).await;
        stream_by_turns(&mut client, &work, &mut pieces, last).await;
        let over_tcp = answer.await.unwrap().1;
        assert!(client.read().await.unwrap().0.contains("202"), "only once the body has ended");

        let (work, mut pieces) = streamed("1");
        let (mut door, mut guest) = own().await;
        guest.send(NEXT).await;
        door.ready().await;
        let runtime = async {
            guest.read().await.unwrap();
            stream_by_turns(&mut guest, &work, &mut pieces, last).await;
        };
        let over_unix = tokio::join!(door.invoke(&work), runtime).0;
        assert!(guest.read().await.unwrap().0.contains("202"));
        assert_eq!(over_unix, over_tcp);
        match over_tcp {
            GuestAnswer::Response(rest) => assert!(!failed && rest.is_empty()),
            GuestAnswer::Error(error) => {
                assert_eq!((failed, &*error.kind, &*error.body), (true, "Runtime.Mid", &b"{\"e\":1}"[..]))
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_told_as_such_and_cannot_be_sent_again() {
    let (work, mut pieces) = streamed("1");
    let (door_there, address, _) = door().await;
    let (mut client, answer) = busy(address, door_there, &work).await;
    stream_by_turns(&mut client, &work, &mut pieces, "").await;
    drop(client);
    let (_door, answer) = answer.await.unwrap();
    assert!(
        matches!(&answer, GuestAnswer::Truncated(error) if error.kind == "Runtime.TruncatedResponse"),
        "{answer:?}"
    );
    assert_eq!(connect(address).await.call(response(&work, "again")).await.0, 403);

    let (work, mut pieces) = streamed("1");
    let (mut door, mut guest) = own().await;
    guest.send(NEXT).await;
    door.ready().await;
    let runtime = async {
        guest.read().await.unwrap();
        stream_by_turns(&mut guest, &work, &mut pieces, "5\r\nab").await;
        drop(guest);
    };
    assert!(matches!(tokio::join!(door.invoke(&work), runtime).0, GuestAnswer::Truncated(_)));
}

#[tokio::test]
async fn a_stream_over_its_limit_is_cut_there_and_refused() {
    let many = format!("{:x}\r\n{}\r\n", LIMIT, "x".repeat(LIMIT as usize)).repeat(101);
    let drink = async |mut pieces: AnswerPieces| while piece(&mut pieces).await.is_some() {};
    let (work, pieces) = streamed("1");
    let head = streaming_head(&work);
    let (mut door, mut guest) = own().await;
    guest.send(NEXT).await;
    door.ready().await;
    let runtime = async {
        guest.read().await.unwrap();
        guest.send(format!("{head}{many}0\r\n\r\n{NEXT}")).await;
    };
    let invoke = async move {
        let answer = door.invoke(&work).await;
        // Asks once more, so that the rest is read.
        drop(work);
        let refused = door.ready().await;
        (answer, refused)
    };
    let ((answer, _), (), ()) = tokio::join!(invoke, runtime, drink(pieces));
    assert_eq!(answer, GuestAnswer::TooLarge { bytes_max: 100 * LIMIT });
}

#[tokio::test]
async fn a_caller_that_went_away_stops_no_stream() {
    let (work, pieces) = streamed("1");
    drop(pieces);
    let (door_there, address, _) = door().await;
    let (mut client, answer) = busy(address, door_there, &work).await;
    let (status, _) = client.call(format!("{}{}0\r\n\r\n", streaming_head(&work), "1\r\nx\r\n".repeat(50))).await;
    assert_eq!(status, 202);
    assert_eq!(answer.await.unwrap().1, GuestAnswer::Response(bytes::Bytes::new()));
    assert_eq!(work.stream.unwrap().bytes(), 50);
}
