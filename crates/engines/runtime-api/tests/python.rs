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
async fn an_exception_is_the_answer_and_the_next_call_goes_on() {
    let source = "def handler(event, context):\n    if event: raise ValueError('no: ' + event)\n    return 1\n";
    let Some(mut guest) = python("app.handler", source).await else { return };
    guest.ready().await;
    let (_, error) = guest.error("\"x\"").await;
    assert_eq!(error["errorType"], json!("ValueError"));
    assert_eq!(error["errorMessage"], json!("no: x"));
    assert_eq!(guest.answer("null").await, "1");
}
