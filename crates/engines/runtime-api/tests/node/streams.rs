//! Answers that are written as they come.

use super::node;
use super::support::{self, Guest, Start};
use lacewing_model::Language;
use lacewing_runtime_api::GuestAnswer;
use lacewing_sandbox::Work;
use serde_json::json;

#[tokio::test]
async fn streams_are_answered_whole() {
    let stream = |body: &str| format!("exports.handler = awslambda.streamifyResponse({body});");
    for (why, body, want) in [
        ("written", "async (e, s) => { s.write('a'); s.write(Buffer.from('b')); s.end() }", "ab"),
        ("ended with a chunk", "async (e, s) => { s.write('a'); s.end('z') }", "az"),
        ("an object", "async (e, s) => { s.write({ a: 1 }); s.end() }", "{\"a\":1}"),
        (
            "a pipeline",
            "async (e, s) => { await require('stream').promises.pipeline(require('stream').Readable.from(['p', 'q']), s) }",
            "pq",
        ),
        ("ended later", "async (e, s) => { setTimeout(() => s.end('late'), 5) }", "late"),
        (
            "a prelude",
            "async (e, s) => { s = awslambda.HttpResponseStream.from(s, { statusCode: 201 }); s.write('x'); s.end() }",
            "{\"statusCode\":201}\0\0\0\0\0\0\0\0x",
        ),
        ("nothing", "async (e, s) => { s.end() }", ""),
    ] {
        let source = stream(body);
        let Some(mut guest) = node("index.handler", &[("index.js", &source)]).await else { return };
        guest.ready().await;
        for _ in 0..2 {
            assert_eq!(guest.answer("1").await, want, "{why}");
        }
    }
    for (why, body, message) in [
        ("throws", "async (e, s) => { s.write('a'); throw new Error('mid') }", "mid"),
        ("not async", "(e, s) => { s.end() }", "Streaming does not support non-async handlers."),
        ("never ended", "async (e, s) => { s.write('a') }", "Response stream is not finished."),
    ] {
        let source = stream(body);
        let Some(mut guest) = node("index.handler", &[("index.js", &source)]).await else { return };
        guest.ready().await;
        for _ in 0..2 {
            assert_eq!(guest.error("1").await.1["errorMessage"], json!(message), "{why}");
        }
    }
}

/// An invocation whose answer is taken as it comes: what came, and how it ended.
async fn flow(guest: &mut Guest, payload: &str) -> (String, GuestAnswer) {
    let (sink, mut pieces) = lacewing_sandbox::answer_stream();
    let work = Work { stream: Some(sink), ..support::work(payload) };
    let read = async {
        let mut all = Vec::new();
        while let Some(piece) = std::future::poll_fn(|cx| pieces.poll_next(cx)).await {
            all.extend_from_slice(&piece);
        }
        String::from_utf8(all).unwrap()
    };
    let invoke = async {
        let answer = guest.invoke(&work).await;
        drop(work);
        answer
    };
    tokio::join!(read, invoke)
}

#[tokio::test]
async fn streams_flow_while_the_handler_runs() {
    let source = r#"
        const { setTimeout: sleep } = require('timers/promises');
        exports.handler = awslambda.streamifyResponse(async (event, s) => {
            s.setContentType('text/x');
            s.write('first,');
            if (event === 'fails') { s.write('second,'); throw new Error('mid'); }
            if (event === 'later') { await sleep(5); s.write('later,'); }
            if (event === 'crashes') { setTimeout(() => { throw new Error('out of nowhere'); }, 5); await sleep(10000); }
            if (event === 'large') {
                const piece = Buffer.alloc(100000, 'x');
                let waits = 0;
                for (let i = 0; i < 50; i++) {
                    if (!s.write(piece)) { waits += 1; await new Promise((done) => s.once('drain', done)); }
                }
                s.write(`waits ${waits}`);
            }
            s.end('last');
        });"#;
    let files = [("index.js", source)];
    for tcp in [false, true] {
        let Some(interpreter) = support::interpreter(&["node"]) else { return };
        let how = Start { handler: "index.handler", files: &files, tcp, ..Start::default() };
        let mut guest = support::start(&interpreter, Language::Node(22), how).await;
        guest.ready().await;
        let done = GuestAnswer::Response(bytes::Bytes::new());
        assert_eq!(flow(&mut guest, "1").await, ("first,last".to_owned(), done.clone()));
        assert_eq!(flow(&mut guest, "\"later\"").await, ("first,later,last".to_owned(), done.clone()));
        let (text, answer) = flow(&mut guest, "\"large\"").await;
        assert!(text.len() == 6 + 5_000_000 + 8 + 4 && text.ends_with("waits 50last") && answer == done, "{tcp}");
        let (text, answer) = flow(&mut guest, "\"fails\"").await;
        let GuestAnswer::Error(error) = answer else { panic!("{answer:?}") };
        assert_eq!((&*text, &*error.kind), ("first,second,", "Runtime.Unknown"));
        assert!(std::str::from_utf8(&error.body).unwrap().contains("\"errorMessage\":\"mid\""));
        assert_eq!(guest.answer("1").await, "first,last", "and who wants it whole gets it whole");
        let (text, answer) = flow(&mut guest, "\"crashes\"").await;
        assert_eq!(text, "first,");
        assert!(matches!(answer, GuestAnswer::Truncated(_)), "{answer:?}");
    }
}
