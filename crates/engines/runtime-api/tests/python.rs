//! Our Python bootstrap against a real door.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use lacewing_model::Language;
use serde_json::json;
use support::{Guest, Start, interpreter, start};

async fn python(handler: &str, source: &str) -> Option<Guest> {
    let python = interpreter(&["python3"])?;
    let files = [("app.py", source)];
    Some(start(&python, Language::Python(11), Start { handler, files: &files, ..Start::default() }).await)
}

#[tokio::test]
async fn a_handler_answers_again_and_again() {
    let source = "n = 0\ndef handler(event, context):\n    global n\n    n += 1\n    return {'got': event, 'n': n}\n";
    let Some(mut guest) = python("app.handler", source).await else { return };
    guest.ready().await;
    for n in 1..=3 {
        assert_eq!(
            guest.answer(r#"{"a":[1,2.5,null,"x"]}"#).await,
            format!(r#"{{"got": {{"a": [1, 2.5, null, "x"]}}, "n": {n}}}"#)
        );
    }
    assert!(guest.door.first_sign().is_some());
}

#[tokio::test]
async fn hooks_run_around_a_snapshot_each_in_its_order() {
    let source = "\
from snapshot_restore_py import register_after_restore, register_before_snapshot
ran = []
register_before_snapshot(ran.append, 'registered first, run last')
@register_before_snapshot
def before(): ran.append('run first')
register_after_restore(ran.append, 'after')
@register_after_restore
def last(): ran.append('last')
def handler(event, context): return ran
";
    for (kind, want) in
        [("snap-start", json!(["run first", "registered first, run last", "after", "last"])), ("on-demand", json!([]))]
    {
        let Some(python) = interpreter(&["python3"]) else { return };
        let env = [("AWS_LAMBDA_INITIALIZATION_TYPE", kind.to_owned())].into();
        let files = [("app.py", source)];
        let begun = Start { handler: "app.handler", files: &files, env, ..Start::default() };
        let mut guest = start(&python, Language::Python(11), begun).await;
        guest.ready().await;
        let ran: serde_json::Value = serde_json::from_str(&guest.answer("null").await).unwrap();
        assert_eq!(ran, want, "{kind}");
    }
}

#[tokio::test]
async fn an_exception_is_the_answer_and_the_next_call_goes_on() {
    let source = "def handler(event, context):\n    if event: raise ValueError('no: ' + event)\n    return 1\n";
    let Some(mut guest) = python("app.handler", source).await else { return };
    guest.ready().await;
    let (_, error) = guest.error("\"x\"").await;
    assert_eq!(error["errorType"], json!("ValueError"));
    assert_eq!(error["errorMessage"], json!("no: x"));
    assert_eq!(guest.answer("null").await, "1");
}

#[tokio::test]
async fn a_bad_event_is_an_unmarshal_error() {
    let Some(mut guest) = python("app.handler", "def handler(e, c): return e\n").await else { return };
    guest.ready().await;
    for event in ["{", "", "{} x", "[1,]", "\"\u{1}\"", "[[[[[[[["] {
        let (kind, error) = guest.error(event).await;
        assert_eq!(
            (&*kind, &error["errorType"]),
            ("Runtime.UnmarshalError", &json!("Runtime.UnmarshalError")),
            "{event}"
        );
    }
    assert_eq!(
        guest.answer(&"[".repeat(500).chars().chain("]".repeat(500).chars()).collect::<String>()).await.len(),
        1000
    );
}

#[tokio::test]
async fn a_failed_init_is_reported_and_ends_the_process_with_1() {
    for (source, handler, kind, message) in [
        (
            "import absent_module",
            "app.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'absent_module'",
        ),
        ("", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        (
            "",
            "app",
            "Runtime.MalformedHandlerName",
            "Bad handler 'app': not enough values to unpack (expected 2, got 1)",
        ),
        ("", "sys.handler", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"),
        ("raise KeyError('x')", "app.handler", "Runtime.Unknown", "'x'"),
    ] {
        let Some(mut guest) = python(handler, source).await else { return };
        let (given, error) = guest.init_error().await;
        assert_eq!(
            (&*given, &error["errorMessage"], &error["requestId"]),
            (kind, &json!(message), &json!("")),
            "{source}"
        );
        assert_eq!(guest.exit_code().await, Some(1));
    }
}

#[tokio::test]
async fn an_exit_ends_the_process_with_its_code() {
    for (source, code) in [
        ("import sys\ndef handler(e, c): sys.exit(3)", 3),
        ("def handler(e, c): exit(4)", 4),
        ("def handler(e, c): quit()", 0),
        ("import os\ndef handler(e, c): os._exit(5)", 5),
        ("def handler(e, c): raise KeyboardInterrupt", 130),
    ] {
        let Some(mut guest) = python("app.handler", source).await else { return };
        guest.ready().await;
        let mut child = std::mem::replace(&mut guest.child, std::process::Command::new("true").spawn().unwrap());
        let exited = tokio::task::spawn_blocking(move || child.wait().unwrap());
        let work = support::work("1");
        let status = tokio::select! {
            answer = guest.invoke(&work) => panic!("{answer:?}"),
            status = exited => status.unwrap(),
        };
        let code_of = |status: std::process::ExitStatus| {
            use std::os::unix::process::ExitStatusExt;
            status.code().or(status.signal().map(|signal| 128 + signal))
        };
        assert_eq!(code_of(status), Some(code), "{source}");
    }
}

#[tokio::test]
async fn an_answer_up_to_the_limit_passes_and_one_over_it_does_not() {
    let source = "def handler(n, c): return 'x' * n\n";
    let Some(mut guest) = python("app.handler", source).await else { return };
    guest.ready().await;
    assert_eq!(guest.answer("6291554").await.len(), 6_291_556);
    assert_eq!(
        guest.invoke(&support::work("6291555")).await,
        lacewing_runtime_api::GuestAnswer::TooLarge { bytes_max: 6_291_556 }
    );
    assert_eq!(guest.answer("3").await, "\"xxx\"");
    assert!(guest.stderr().contains("Http response code: 413"), "{}", guest.stderr());
}

#[tokio::test]
async fn an_event_of_six_mebibytes_arrives_whole() {
    let Some(mut guest) = python("app.handler", "def handler(e, c): return len(e)\n").await else { return };
    guest.ready().await;
    let event = format!("\"{}\"", "y".repeat(6 * 1024 * 1024 - 2));
    assert_eq!(guest.answer(&event).await, "6291454");
}

#[tokio::test]
async fn it_works_over_tcp_and_without_the_log_pipe() {
    let Some(python) = interpreter(&["python3"]) else { return };
    let source = "import logging\ndef handler(e, c):\n    logging.error('two\\nlines')\n    if e: raise ValueError(e)\n    return 'ok'\n";
    let files = [("app.py", source)];
    let how = Start { handler: "app.handler", files: &files, tcp: true, lines: true, ..Start::default() };
    let mut guest = start(&python, Language::Python(11), how).await;
    guest.ready().await;
    assert_eq!(guest.answer("0").await, "\"ok\"");
    guest.error("7").await;
    assert_eq!(guest.answer("0").await, "\"ok\"");
    let stdout = guest.stdout();
    assert!(stdout.contains("\ttwo\nlines\n"), "{stdout}");
    assert!(stdout.contains("[ERROR] ValueError: 7\rTraceback (most recent call last):\r"), "{stdout}");
}

#[tokio::test]
async fn the_search_path_is_lambdas() {
    let Some(python) = interpreter(&["python3"]) else { return };
    let files = [
        (
            "app.py",
            "import sys, extra\ndef handler(e, c): return [extra.X, sys.path, 'site' in sys.modules, 'logging' in sys.modules, 're' in sys.modules]\n",
        ),
        ("more/extra.py", "X = 7\n"),
    ];
    let env = [("PYTHONPATH", "more:/nowhere".to_owned())].into();
    let how = Start { handler: "app.handler", files: &files, env, ..Start::default() };
    let mut guest = start(&python, Language::Python(11), how).await;
    guest.ready().await;
    let seen: serde_json::Value = serde_json::from_str(&guest.answer("0").await).unwrap();
    assert_eq!((&seen[0], &seen[2], &seen[3], &seen[4]), (&json!(7), &json!(false), &json!(false), &json!(false)));
    assert_eq!(seen[1][0].as_str().unwrap(), guest.code.path().to_str().unwrap());
    assert!(seen[1][1].as_str().unwrap().starts_with("/opt/python/lib/python3."));
    assert_eq!((&seen[1][2], &seen[1][3], &seen[1][4]), (&json!("/opt/python"), &json!("more"), &json!("/nowhere")));
}

#[tokio::test]
async fn children_of_the_function_do_not_inherit_its_door() {
    let source = "import os\ndef handler(e, c): return [os.get_inheritable(3), os.get_inheritable(4), sorted(k for k in os.environ if k.startswith(('LACEWING', '_LAMBDA')))]\n";
    let Some(mut guest) = python("app.handler", source).await else { return };
    guest.ready().await;
    assert_eq!(guest.answer("0").await, "[false, false, []]");
}

#[tokio::test]
async fn half_a_line_is_out_when_the_answer_is() {
    let source = "import sys\ndef handler(e, c):\n    sys.stdout.write('half')\n    sys.stderr.write('err')\n";
    let Some(mut guest) = python("app.handler", source).await else { return };
    guest.ready().await;
    guest.answer("0").await;
    assert_eq!((guest.stdout(), guest.stderr()), ("half".into(), "err".into()));
}

#[tokio::test]
async fn a_wrapper_that_closes_descriptors_does_no_harm() {
    let Some(python) = interpreter(&["python3"]) else { return };
    let files = [(
        "app.py",
        "import logging\ndef handler(e, c):\n    logging.error('logged')\n    return open('/dev/null').fileno()\n",
    )];
    let how = Start { handler: "app.handler", files: &files, closing: true, ..Start::default() };
    let mut guest = start(&python, Language::Python(11), how).await;
    guest.ready().await;
    guest.answer("0").await;
    assert!(guest.stdout().contains("\tlogged\n"), "{}", guest.stdout());
}
