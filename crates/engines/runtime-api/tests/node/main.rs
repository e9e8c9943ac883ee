//! Our Node bootstrap against a real door.
#![allow(clippy::unwrap_used, missing_docs)]

mod console;
mod streams;
#[path = "../support/mod.rs"]
mod support;

use lacewing_model::Language;
use serde_json::json;
use support::{Guest, Start, interpreter, start};

async fn node(handler: &str, files: &[(&str, &str)]) -> Option<Guest> {
    let node = interpreter(&["node"])?;
    Some(start(&node, Language::Node(20), Start { handler, files, ..Start::default() }).await)
}

#[tokio::test]
async fn a_handler_answers_again_and_again() {
    let source = "let n = 0; exports.handler = async (event) => ({ got: event, n: ++n });";
    let Some(mut guest) = node("index.handler", &[("index.js", source)]).await else { return };
    guest.ready().await;
    for n in 1..=3 {
        assert_eq!(guest.answer(r#"{"a":[1,"x"]}"#).await, format!(r#"{{"got":{{"a":[1,"x"]}},"n":{n}}}"#));
    }
    assert!(guest.door.first_sign().is_some());
}

#[tokio::test]
async fn an_error_is_the_answer_and_the_next_call_goes_on() {
    let source = "exports.handler = async (event) => { if (event) throw new TypeError('no'); return 1; };";
    let Some(mut guest) = node("index.handler", &[("index.js", source)]).await else { return };
    guest.ready().await;
    let (_, error) = guest.error("1").await;
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!("TypeError"), &json!("no")));
    assert_eq!(guest.answer("null").await, "1");
}

/// Starts, calls once with `event`, and gives the answer's text.
async fn once(handler: &str, files: &[(&str, &str)], event: &str) -> Option<String> {
    let mut guest = node(handler, files).await?;
    guest.ready().await;
    Some(guest.answer(event).await)
}

#[tokio::test]
async fn every_form_of_module_and_handler_is_found() {
    for (why, handler, files, want) in [
        ("CommonJS", "index.handler", &[("index.js", "exports.handler = async () => 1")][..], "1"),
        ("in a folder", "src/app.run", &[("src/app.js", "exports.run = async () => 2")], "2"),
        ("nested", "index.a.b.c", &[("index.js", "exports.a = { b: { c: async () => 3 } }")], "3"),
        (".mjs", "index.handler", &[("index.mjs", "export const handler = async () => 4")], "4"),
        (".cjs", "index.handler", &[("index.cjs", "exports.handler = async () => 5")], "5"),
        (
            "type module",
            "index.handler",
            &[("package.json", r#"{"type":"module"}"#), ("index.js", "await 0; export const handler = async () => 6")],
            "6",
        ),
        (
            "type module above",
            "d/index.handler",
            &[("package.json", r#"{"type":"module"}"#), ("d/index.js", "export const handler = async () => 7")],
            "7",
        ),
        (
            "type commonjs below",
            "d/index.handler",
            &[
                ("package.json", r#"{"type":"module"}"#),
                ("d/package.json", "{}"),
                ("d/index.js", "exports.handler = async () => 8"),
            ],
            "8",
        ),
        (
            "an ES module that imports CommonJS",
            "index.handler",
            &[
                ("index.mjs", "import x from './x.cjs'; export const handler = async () => x.n"),
                ("x.cjs", "exports.n = 9"),
            ],
            "9",
        ),
        (
            ".js before .mjs",
            "index.handler",
            &[("index.js", "exports.handler = async () => 10"), ("index.mjs", "export const handler = async () => 0")],
            "10",
        ),
        (
            "the exact file",
            "index.handler",
            &[("index", "exports.handler = async () => 11"), ("index.js", "exports.handler = async () => 0")],
            "11",
        ),
        (
            "a package",
            "lib.handler",
            &[
                ("node_modules/lib/package.json", r#"{"main":"m.js"}"#),
                ("node_modules/lib/m.js", "exports.handler = async () => 12"),
            ],
            "12",
        ),
        ("default export", "index.default", &[("index.mjs", "export default async () => 13")], "13"),
    ] {
        let Some(got) = once(handler, files, "{}").await else { return };
        assert_eq!(got, want, "{why}");
    }
}

#[tokio::test]
async fn every_way_to_answer_works() {
    for (why, body, want) in [
        ("callback", "(e, c, cb) => cb(null, { a: 1 })", r#"{"a":1}"#),
        ("callback later", "(e, c, cb) => { setTimeout(() => cb(null, 2), 5) }", "2"),
        (
            "callback, then the loop runs empty",
            "(e, c, cb) => { let n = 0; cb(null, { get n() { return n } }); setTimeout(() => { n = 3 }, 5) }",
            r#"{"n":3}"#,
        ),
        (
            "callback without waiting",
            "(e, c, cb) => { c.callbackWaitsForEmptyEventLoop = false; setInterval(() => {}, 1000); cb(null, 4) }",
            "4",
        ),
        ("async does not wait", "async (e, c) => { setInterval(() => {}, 1000); return 5 }", "5"),
        ("a promise", "() => new Promise((r) => setTimeout(() => r(6), 5))", "6"),
        ("a thenable", "() => ({ then: (r) => r(7) })", "7"),
        ("context.succeed", "(e, c) => { c.succeed(8) }", "8"),
        ("context.done", "(e, c) => { c.done(null, 9) }", "9"),
        ("undefined is null", "async () => undefined", "null"),
        ("never called back", "() => 10", "null"),
        ("a promise that never settles", "() => new Promise(() => {})", "null"),
        ("only the first callback counts", "(e, c, cb) => { cb(null, 11); cb(new Error('late')) }", "11"),
        (
            "dates and nested undefined",
            "async () => ({ d: new Date(0), u: undefined, l: [undefined] })",
            r#"{"d":"1970-01-01T00:00:00.000Z","l":[null]}"#,
        ),
        ("text beyond ASCII", "async (e) => e + 'é\\u2028😀'", "\"x\u{e9}\u{2028}\u{1f600}\""),
    ] {
        let source = format!("exports.handler = {body};");
        let Some(got) = once("index.handler", &[("index.js", &source)], "\"x\"").await else { return };
        assert_eq!(got, want, "{why}");
    }
}

#[tokio::test]
async fn every_failure_of_a_handler_is_its_answer() {
    for (why, body, kind, message) in [
        ("throws", "() => { throw new RangeError('a') }", "RangeError", "a"),
        ("rejects", "async () => { throw new RangeError('b') }", "RangeError", "b"),
        ("callback", "(e, c, cb) => cb(new Error('c'))", "Error", "c"),
        ("callback with text", "(e, c, cb) => cb('d')", "string", "d"),
        ("context.fail", "(e, c) => c.fail(new TypeError('e'))", "TypeError", "e"),
        ("context.fail without reason", "(e, c) => c.fail()", "string", "handled"),
        ("a named error", "async () => { const e = new Error('f'); e.name = 'Mine'; throw e }", "Mine", "f"),
        ("a circle", "async () => { const a = {}; a.a = a; return a }", "Error", "Unable to stringify response body"),
        ("a rejected number", "async () => { throw 7 }", "number", "7"),
    ] {
        let source = format!("exports.handler = {body};");
        let Some(mut guest) = node("index.handler", &[("index.js", &source)]).await else { return };
        guest.ready().await;
        for _ in 0..2 {
            let (_, error) = guest.error("1").await;
            assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!(kind), &json!(message)), "{why}");
            assert!(error["trace"].is_array(), "{why}");
        }
        let (level, text) = &guest.frames()[0];
        assert_eq!(*level, 0xA55A_0017, "{why}");
        assert!(text.contains("\tERROR\tInvoke Error \t{\"errorType\":"), "{why}: {text}");
    }
}

#[tokio::test]
async fn what_nobody_caught_is_the_answer_and_ends_the_process() {
    for (body, kind, code) in [
        ("() => { setTimeout(() => { throw new TypeError('t') }, 1) }", "TypeError", 129),
        (
            "(e, c, cb) => { Promise.reject(new Error('r')); setTimeout(() => {}, 1000) }",
            "Runtime.UnhandledPromiseRejection",
            128,
        ),
    ] {
        let source = format!("exports.handler = {body};");
        let Some(mut guest) = node("index.handler", &[("index.js", &source)]).await else { return };
        guest.ready().await;
        let (_, error) = guest.error("1").await;
        assert_eq!(error["errorType"], json!(kind));
        assert_eq!(guest.exit_code().await, Some(code));
    }
}

#[tokio::test]
async fn a_failed_init_is_reported_and_ends_the_process() {
    for (why, handler, source, kind, message) in [
        (
            "import",
            "index.handler",
            "require('absent')",
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'absent'",
        ),
        ("no file", "absent.handler", "", "Runtime.ImportModuleError", "Error: Cannot find module 'absent'"),
        ("syntax", "index.handler", "exports.handler = (", "Runtime.UserCodeSyntaxError", "SyntaxError: "),
        ("no handler", "index.handler", "", "Runtime.HandlerNotFound", "index.handler is undefined or not exported"),
        (
            "no function",
            "index.handler",
            "exports.handler = 1",
            "Runtime.HandlerNotFound",
            "index.handler is not a function",
        ),
        ("no dot", "index", "", "Runtime.MalformedHandlerName", "Bad handler"),
        (
            "dots",
            "../index.handler",
            "",
            "Runtime.MalformedHandlerName",
            "'../index.handler' is not a valid handler name",
        ),
        ("throws", "index.handler", "throw new RangeError('at load')", "RangeError", "at load"),
    ] {
        let Some(mut guest) = node(handler, &[("index.js", source)]).await else { return };
        let (_, error) = guest.init_error().await;
        assert_eq!(error["errorType"], json!(kind), "{why}");
        assert!(error["errorMessage"].as_str().unwrap().starts_with(message), "{why}: {error}");
        assert_eq!(guest.exit_code().await, Some(129), "{why}");
        assert!(guest.frames()[0].1.contains("\tundefined\tERROR\tUncaught Exception \t{"), "{why}");
    }
}

#[tokio::test]
async fn the_context_is_whole() {
    let source = "exports.handler = async (e, c) => ({ ...c, left: c.getRemainingTimeInMillis() > 0, trace: process.env._X_AMZN_TRACE_ID, keys: Object.keys(c).sort() });";
    let Some(mut guest) = node("index.handler", &[("index.js", source)]).await else { return };
    guest.ready().await;
    let mut work = support::work("1");
    work.client_context = Some(r#"{"custom":{"k":"v"}}"#.into());
    work.tenant = Some("Blue Tenant".parse().unwrap());
    let lacewing_runtime_api::GuestAnswer::Response(bytes) = guest.invoke(&work).await else {
        panic!("{}", guest.stderr())
    };
    let seen: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        seen,
        json!({
            "callbackWaitsForEmptyEventLoop": true, "functionVersion": "$LATEST", "functionName": "probe", "memoryLimitInMB": "128",
            "logGroupName": "/aws/lambda/probe", "logStreamName": "2026/11/24/[$LATEST]0123", "clientContext": { "custom": { "k": "v" } },
            "invokedFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:probe", "awsRequestId": work.request_id.to_string(),
            "left": true, "trace": work.trace_id, "tenantId": "Blue Tenant",
            "keys": ["awsRequestId", "callbackWaitsForEmptyEventLoop", "clientContext", "done", "fail", "functionName", "functionVersion", "getRemainingTimeInMillis",
                "identity", "invokedFunctionArn", "logGroupName", "logStreamName", "memoryLimitInMB", "succeed", "tenantId"],
        })
    );
}

#[tokio::test]
async fn big_events_and_answers_pass() {
    let source = "exports.handler = async (e) => typeof e === 'number' ? 'x'.repeat(e) : e.length;";
    let Some(mut guest) = node("index.handler", &[("index.js", source)]).await else { return };
    guest.ready().await;
    assert_eq!(guest.answer(&format!("\"{}\"", "y".repeat(6 * 1024 * 1024 - 2))).await, "6291454");
    assert_eq!(guest.answer("6291554").await.len(), 6_291_556);
    assert_eq!(
        guest.invoke(&support::work("6291555")).await,
        lacewing_runtime_api::GuestAnswer::TooLarge { bytes_max: 6_291_556 }
    );
    assert_eq!(guest.answer("3").await, "\"xxx\"");
}

#[tokio::test]
async fn it_works_over_tcp() {
    let Some(node) = interpreter(&["node"]) else { return };
    let source = "exports.handler = async (e) => { if (e) throw new Error('no'); return 'ok' };";
    let files = [("index.js", source)];
    let how = Start { handler: "index.handler", files: &files, tcp: true, ..Start::default() };
    let mut guest = start(&node, Language::Node(20), how).await;
    guest.ready().await;
    for _ in 0..2 {
        assert_eq!(guest.answer("0").await, "\"ok\"");
        assert_eq!(guest.error("1").await.1["errorMessage"], json!("no"));
    }
    let how = Start { handler: "index.absent", files: &files, tcp: true, ..Start::default() };
    let mut guest = start(&node, Language::Node(20), how).await;
    assert_eq!(guest.init_error().await.1["errorType"], json!("Runtime.HandlerNotFound"));
    assert_eq!(guest.exit_code().await, Some(129));
}

/// As `node`, for the runtime of AWS's that is asked for.
async fn node24(files: &[(&str, &str)]) -> Option<Guest> {
    let node = interpreter(&["node"])?;
    let env = [("AWS_EXECUTION_ENV", "AWS_Lambda_nodejs24.x".to_owned())].into();
    Some(start(&node, Language::Node(24), Start { handler: "index.handler", files, env, ..Start::default() }).await)
}

#[tokio::test]
async fn from_24_on_what_a_handler_returns_is_its_answer() {
    for (why, file, source, want) in [
        ("async", "index.js", "exports.handler = async (e) => e + 1", "2"),
        ("not async", "index.js", "exports.handler = (e) => e + 2", "3"),
        ("does not wait", "index.js", "exports.handler = async () => { setInterval(() => {}, 1000); return 4 }", "4"),
        ("in the default export", "index.mjs", "export default { handler: async () => 5 }", "5"),
        (
            "no way to answer in the context",
            "index.js",
            "exports.handler = async (e, c) => [c.done, c.succeed, 'callbackWaitsForEmptyEventLoop' in c, !!c.xRayTraceId]",
            "[null,null,false,true]",
        ),
    ] {
        let Some(mut guest) = node24(&[(file, source)]).await else { return };
        guest.ready().await;
        for _ in 0..2 {
            assert_eq!(guest.answer("1").await, want, "{why}");
        }
    }
    let Some(mut guest) = node24(&[("index.js", "exports.handler = async () => { throw new RangeError('r') }")]).await
    else {
        return;
    };
    guest.ready().await;
    assert_eq!(guest.error("1").await.1["errorType"], json!("RangeError"));
    let Some(mut guest) = node24(&[("index.js", "exports.handler = (e, c, cb) => cb(null, 1)")]).await else { return };
    assert_eq!(guest.init_error().await.0, "Runtime.CallbackHandlerDeprecated");
    let Some(mut guest) = node24(&[("index.js", "exports.handler = () => new Promise(() => {})")]).await else {
        return;
    };
    guest.ready().await;
    let work = support::work("1");
    let Guest { door, child, .. } = &mut guest;
    tokio::select! {
        answer = door.invoke(&work) => panic!("{answer:?}"),
        code = async { loop { if let Some(status) = child.try_wait().unwrap() { break status.code() } tokio::task::yield_now().await } } => assert_eq!(code, Some(13)),
    }
}

#[tokio::test]
async fn a_wrapper_that_closes_descriptors_does_no_harm() {
    let Some(node) = interpreter(&["node"]) else { return };
    let files = [("index.js", "exports.handler = async () => { console.log('logged'); return 1 }")];
    let how = Start { handler: "index.handler", files: &files, closing: true, ..Start::default() };
    let mut guest = start(&node, Language::Node(20), how).await;
    guest.ready().await;
    assert_eq!(guest.answer("0").await, "1");
    assert!(guest.stdout().contains("\tINFO\tlogged\n"), "{}", guest.stdout());
}
