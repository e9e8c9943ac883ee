//! The door over TCP and over the Unix stream, with a client that is ours, raw where it has to be.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use lacewing_runtime_api::{Door, GuestAnswer, GuestReady};
use lacewing_sandbox::Work;
use support::wire::{Client, LIMIT, NEXT, busy, connect, door, own, post, response};
use support::work;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Head and body of the event that `work` becomes. The invocation is abandoned as soon as the runtime has it.
async fn event_of<S>(door: &mut Door, work: &Work, client: &mut Client<S>) -> (String, String)
where
    S: AsyncReadExt + AsyncWriteExt + Unpin,
{
    tokio::select! {
        answer = door.invoke(work) => panic!("answered: {answer:?}"),
        event = client.read() => event.unwrap(),
    }
}

#[tokio::test]
async fn an_event_has_the_documented_headers() {
    let (mut door, address, _) = door().await;
    let mut client = connect(address).await;
    client.send(NEXT).await;
    door.ready().await;
    let mut work = work("{\"a\":1}");
    work.client_context = Some("{}".into());
    let (head, body) = event_of(&mut door, &work, &mut client).await;
    assert_eq!(body, "{\"a\":1}");
    for line in [
        format!("Lambda-Runtime-Aws-Request-Id: {}", work.request_id),
        format!("Lambda-Runtime-Deadline-Ms: {}", work.deadline.0),
        "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:probe".into(),
        format!("Lambda-Runtime-Trace-Id: {}", work.trace_id),
        "Lambda-Runtime-Client-Context: {}".into(),
        "Content-Type: application/json".into(),
    ] {
        assert!(head.lines().any(|given| given == line), "{line} is not in {head}");
    }
}

#[tokio::test]
async fn refusals_are_the_apis_own_and_leave_the_invocation_open() {
    let (door, address, _) = door().await;
    let work = work("1");
    let (mut client, answer) = busy(address, door, &work).await;
    let id = work.request_id;
    let other = lacewing_model::RequestId::random();
    for (why, request, status, kind) in [
        ("a forged id", post(&format!("invocation/{other}/response"), "", "1"), 400, "InvalidRequestID"),
        ("no id", post("invocation/x/error", "", "1"), 400, "InvalidRequestID"),
        ("next while busy", NEXT.to_owned(), 403, "InvalidStateTransition"),
        ("a late init error", post("init/error", "", "{}"), 403, "InvalidStateTransition"),
        (
            "a late restore",
            "GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nHost: x\r\n\r\n".into(),
            403,
            "InvalidStateTransition",
        ),
        (
            "a mode that is none",
            post(&format!("invocation/{id}/response"), "Lambda-Runtime-Function-Response-Mode: fast\r\n", "1"),
            400,
            "InvalidFunctionResponseMode",
        ),
        ("no such call", "GET /2018-06-01/runtime/x HTTP/1.1\r\nHost: x\r\n\r\n".into(), 404, "InvalidRequestPath"),
        (
            "an extension without a name",
            "POST /2020-01-01/extension/register HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}".into(),
            403,
            "Extension.InvalidExtensionName",
        ),
        (
            "telemetry for nobody",
            "PUT /2022-07-01/telemetry HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}".into(),
            403,
            "Extension.MissingExtensionIdentifier",
        ),
    ] {
        let (given, body) = client.call(request).await;
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((given, body["errorType"].as_str().unwrap()), (status, kind), "{why}");
        assert!(!body["errorMessage"].as_str().unwrap().is_empty());
    }
    assert_eq!(client.call("GET /2018-06-01/ping HTTP/1.1\r\nHost: x\r\n\r\n").await, (200, "pong".into()));
    assert_eq!(client.call(response(&work, "ok")).await.0, 202);
    let (status, body) = client.call(response(&work, "again")).await;
    assert_eq!(status, 403, "{body}");
    assert_eq!(answer.await.unwrap().1, GuestAnswer::Response("ok".into()));
}

/// Hands over `work` without a turn for any other task, as where the machine is busy: whether no runtime has seen it.
async fn hand_over(door: &mut Door, work: &Work) -> bool {
    tokio::select! {
        biased;
        answer = door.invoke(work) => panic!("answered: {answer:?}"),
        () = std::future::ready(()) => door.take_back(),
    }
}

#[tokio::test]
async fn a_runtime_that_was_killed_while_it_waited_has_not_seen_the_next_event() {
    let (mut door, address, _) = door().await;
    let mut client = connect(address).await;
    client.send(NEXT).await;
    door.ready().await;
    drop(client);
    assert!(hand_over(&mut door, &work("1")).await, "over TCP");

    let (mut door, mut client) = own().await;
    client.send(NEXT).await;
    door.ready().await;
    drop(client);
    assert!(hand_over(&mut door, &work("1")).await, "over our own stream");
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused_and_told() {
    for chunked in [false, true] {
        let (door, address, _) = door().await;
        let work = work("1");
        let (mut client, answer) = busy(address, door, &work).await;
        let body = "x".repeat(LIMIT as usize + 1);
        let request = if chunked {
            let path =
                format!("POST /2018-06-01/runtime/invocation/{}/response HTTP/1.1\r\nHost: x\r\n", work.request_id);
            format!(
                "{path}Transfer-Encoding: chunked\r\n\r\n1f4\r\n{}\r\n1f5\r\n{}\r\n0\r\n\r\n",
                &body[..500],
                &body[500..]
            )
        } else {
            response(&work, &body)
        };
        let (status, text) = client.call(request).await;
        assert_eq!(status, 413);
        assert!(text.contains("Exceeded maximum allowed payload size (1000 bytes)."), "{text}");
        assert_eq!(answer.await.unwrap().1, GuestAnswer::TooLarge { bytes_max: LIMIT });
    }
}

#[tokio::test]
async fn an_error_keeps_its_body_and_gets_a_kind() {
    for (header, kind) in [
        ("Lambda-Runtime-Function-Error-Type: Function.MyError\r\n", "Function.MyError"),
        ("Lambda-Runtime-Function-Error-Type: unhandled\r\n", "Runtime.Unknown"),
        ("", "Runtime.Unknown"),
    ] {
        let (door, address, _) = door().await;
        let work = work("1");
        let (mut client, answer) = busy(address, door, &work).await;
        assert_eq!(
            client.call(post(&format!("invocation/{}/error", work.request_id), header, "{\"e\":1}")).await.0,
            202
        );
        let GuestAnswer::Error(error) = answer.await.unwrap().1 else { panic!() };
        assert_eq!((&*error.kind, &*error.body), (kind, &b"{\"e\":1}"[..]));
    }
}

#[tokio::test]
async fn an_answer_cut_short_can_be_sent_again() {
    let (door, address, _) = door().await;
    let work = work("1");
    let (client, answer) = busy(address, door, &work).await;
    let mut cut = connect(address).await;
    cut.send(&response(&work, "abcdef")[..response(&work, "abcdef").len() - 3]).await;
    drop(cut);
    let mut client = client;
    // The cut connection is noticed in its own time; until then the answer is being given.
    loop {
        let (status, body) = client.call(response(&work, "whole")).await;
        if status == 202 {
            break;
        }
        assert_eq!(status, 403, "{body}");
        tokio::task::yield_now().await;
    }
    assert_eq!(answer.await.unwrap().1, GuestAnswer::Response("whole".into()));
}

#[tokio::test]
async fn init_errors_are_told_once() {
    let (mut door, address, _) = door().await;
    let mut client = connect(address).await;
    let request =
        post("init/error", "Lambda-Runtime-Function-Error-Type: Runtime.NoSuchThing\r\n", "{\"errorType\":\"x\"}");
    let (ready, (status, _)) = tokio::join!(door.ready(), client.call(&request));
    assert_eq!(status, 202);
    let GuestReady::InitError(error) = ready else { panic!() };
    assert_eq!((&*error.kind, &*error.body), ("Runtime.NoSuchThing", &b"{\"errorType\":\"x\"}"[..]));
    assert_eq!(client.call(&request).await.0, 403);
    assert_eq!(client.call(NEXT).await.0, 403);
    // Within an invocation it is that one's answer.
    door.expect_runtime();
    let mut client = connect(address).await;
    let work = work("1");
    let (answer, _) = tokio::join!(door.invoke(&work), client.call(&request));
    assert_eq!(answer, GuestAnswer::Error(error));
}

#[tokio::test]
async fn connections_of_a_former_process_are_closed_and_its_requests_forgotten() {
    let (mut door, address, _) = door().await;
    let mut old = connect(address).await;
    old.send(NEXT).await;
    door.ready().await;
    door.expect_runtime();
    assert!(old.read().await.is_none());
    let work = work("\"fresh\"");
    let mut new = connect(address).await;
    new.send(NEXT).await;
    assert_eq!(event_of(&mut door, &work, &mut new).await.1, "\"fresh\"");
}

#[tokio::test]
async fn other_paths_are_the_platforms_api() {
    let (door, address, api) = door().await;
    let mut client = connect(address).await;
    let request = "POST /2015-03-31/functions/f/invocations?Qualifier=1 HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nAuthorization: AWS4 x\r\nContent-Length: 3\r\n\r\nabc";
    client.send(request).await;
    let (head, body) = client.read().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 209") && head.contains("X-Echo: yes"), "{head}");
    assert_eq!(body, "POST /2015-03-31/functions/f/invocations?Qualifier=1 3");
    let seen = api.0.lock().unwrap().pop().unwrap();
    assert!(seen.headers.contains(&("authorization".into(), b"AWS4 x".to_vec())));
    assert_eq!(
        client.call(format!("PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2001\r\n\r\n{}", "y".repeat(2001))).await.0,
        413
    );
    drop(door);
    assert!(client.read().await.is_none(), "a dropped door closes its connections");
}

#[tokio::test]
async fn no_more_connections_than_allowed_are_served_at_once() {
    let (door, address, _) = door().await;
    let ping = "GET /2018-06-01/ping HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut client = connect(address).await;
        client.call(ping).await;
        held.push(client);
    }
    let mut fifth = connect(address).await;
    fifth.send(ping).await;
    held[0].call(ping).await;
    let nothing = fifth.0.try_read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    held.pop();
    assert_eq!(fifth.read().await.unwrap().1, "pong");
    drop(door);
}

#[tokio::test]
async fn a_head_over_the_limit_ends_its_connection_and_no_other() {
    let (door, address, _) = door().await;
    let mut hostile = connect(address).await;
    hostile.send(format!("GET /2018-06-01/ping HTTP/1.1\r\nX: {}", "a".repeat(64 * 1024))).await;
    let answer = hostile.read().await;
    assert!(answer.is_none_or(|(head, _)| head.starts_with("HTTP/1.1 4")));
    assert_eq!(connect(address).await.call("GET /2018-06-01/ping HTTP/1.1\r\nHost: x\r\n\r\n").await.1, "pong");
    drop(door);
}

#[tokio::test]
async fn our_stream_takes_answer_and_next_in_one_write() {
    let (mut door, mut guest) = own().await;
    guest.send(format!("\r\n{NEXT}")).await;
    assert_eq!(door.ready().await, GuestReady::Asked);
    assert!(door.first_sign().is_some());
    for n in 0..3 {
        let work = work(&n.to_string());
        let runtime = async {
            if n > 0 {
                assert!(guest.read().await.unwrap().0.contains("202"));
            }
            assert_eq!(guest.read().await.unwrap().1, n.to_string());
            guest.send(format!("{}{NEXT}", response(&work, "done"))).await;
        };
        assert_eq!(tokio::join!(door.invoke(&work), runtime).0, GuestAnswer::Response("done".into()));
    }
}

#[tokio::test]
async fn our_stream_takes_a_client_that_waits_for_each_reply() {
    let (mut door, mut guest) = own().await;
    guest.send(NEXT).await;
    door.ready().await;
    for _ in 0..2 {
        let work = work("1");
        let runtime = async {
            guest.read().await.unwrap();
            guest.send(response(&work, "done")).await;
        };
        assert_eq!(tokio::join!(door.invoke(&work), runtime).0, GuestAnswer::Response("done".into()));
        assert!(guest.read().await.unwrap().0.contains("202"));
        guest.send(NEXT).await;
    }
}

#[tokio::test]
async fn our_stream_throws_away_an_answer_over_the_limit_and_goes_on() {
    let (mut door, mut guest) = own().await;
    guest.send(NEXT).await;
    door.ready().await;
    let (one, two) = (work("1"), work("2"));
    let runtime = async {
        guest.read().await.unwrap();
        guest.send(format!("{}{NEXT}", response(&one, &"x".repeat(100_000)))).await;
    };
    assert_eq!(tokio::join!(door.invoke(&one), runtime).0, GuestAnswer::TooLarge { bytes_max: LIMIT });
    let runtime = async {
        assert!(guest.read().await.unwrap().0.contains(" 413 "));
        assert_eq!(guest.read().await.unwrap().1, "2");
        guest.send(response(&two, "ok")).await;
    };
    assert_eq!(tokio::join!(door.invoke(&two), runtime).0, GuestAnswer::Response("ok".into()));
}

#[tokio::test]
async fn whoever_speaks_nonsense_on_our_stream_is_cut_off_and_tcp_still_serves() {
    for nonsense in [
        "hello\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
        format!("GET /{} HTTP/1.1\r\n", "x".repeat(100_000)),
        "GET /2018-06-01/ping HTTP/1.1\r\n\r\n".repeat(2000),
        "POST /x HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n".into(),
    ] {
        let (mut door, address, _) = door().await;
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        door.serve_unix(ours);
        let hostile = tokio::spawn(async move {
            // It may be cut off while it still writes.
            let _ = theirs.write_all(nonsense.as_bytes()).await;
            let mut rest = Vec::new();
            let _ = theirs.read_to_end(&mut rest).await;
        });
        let mut client = connect(address).await;
        let asks = async {
            hostile.await.unwrap();
            client.send(NEXT).await;
        };
        assert_eq!(tokio::join!(door.ready(), asks).0, GuestReady::Asked);
    }
}

#[tokio::test]
async fn an_abandoned_invocation_leaves_nothing_behind() {
    let (mut door, mut guest) = own().await;
    guest.send(NEXT).await;
    door.ready().await;
    let abandoned = work("\"abandoned\"");
    event_of(&mut door, &abandoned, &mut guest).await;
    guest.send(format!("{}{NEXT}", response(&abandoned, "too late"))).await;
    // Its process is killed; the next one gets a stream of its own.
    door.expect_runtime();
    let (ours, theirs) = UnixStream::pair().unwrap();
    door.serve_unix(ours);
    let mut guest = Client(theirs, Vec::new());
    guest.send(NEXT).await;
    assert_eq!(door.ready().await, GuestReady::Asked);
    let fresh = work("\"fresh\"");
    let runtime = async {
        assert_eq!(guest.read().await.unwrap().1, "\"fresh\"");
        guest.send(format!("{}{}", response(&abandoned, "old"), response(&fresh, "new"))).await;
    };
    assert_eq!(tokio::join!(door.invoke(&fresh), runtime).0, GuestAnswer::Response("new".into()));
}
