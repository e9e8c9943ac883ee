//! Our Node bootstrap against a real door.
#![allow(clippy::unwrap_used, missing_docs)]

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
