//! What a function prints.

use super::support::{self, Start, interpreter, start};
use lacewing_model::Language;

const LOGGING: &str = "console.log('at load');
exports.handler = async () => {
  console.trace('t'); console.debug('d %s', 1, { a: 1 }); console.info('i\\nj'); console.warn('w'); console.error(new Error('e').message); console.fatal('f');
  console.log({ a: [1] }); console.log('with', new TypeError('x'));
};";

/// The frames with times and ids taken out: level bits and text.
async fn logged(env: &[(&'static str, &str)], lines: bool) -> Option<Vec<String>> {
    let node = interpreter(&["node"])?;
    let files = [("index.js", LOGGING)];
    let env = env.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    let mut guest = start(
        &node,
        Language::Node(20),
        Start { handler: "index.handler", files: &files, env, lines, ..Start::default() },
    )
    .await;
    guest.ready().await;
    let work = support::work("1");
    guest.invoke(&work).await;
    let level = |text: &str| text.replace(&work.request_id.to_string(), "ID");
    if lines {
        return Some(guest.stdout().lines().map(|line| level(&line[24..])).collect());
    }
    Some(
        guest
            .frames()
            .into_iter()
            .map(|(kind, text)| {
                let text = level(&text);
                let text =
                    if text.starts_with('{') { text.replace(&text[14..38], "TIME") } else { text[24..].to_owned() };
                format!("{:x} {text}", kind & 0xff)
            })
            .collect(),
    )
}

#[tokio::test]
async fn console_writes_text_frames() {
    let Some(seen) = logged(&[], false).await else { return };
    assert_eq!(
        seen[..8],
        [
            "f \tundefined\tINFO\tat load\n",
            "7 \tID\tTRACE\tt\n",
            "b \tID\tDEBUG\td 1 { a: 1 }\n",
            "f \tID\tINFO\ti\nj\n",
            "13 \tID\tWARN\tw\n",
            "17 \tID\tERROR\te\n",
            "1b \tID\tFATAL\tf\n",
            "f \tID\tINFO\t{ a: [ 1 ] }\n",
        ]
    );
    assert!(seen[8].starts_with("f \tID\tINFO\twith TypeError: x\n    at "), "{}", seen[8]);
}

#[tokio::test]
async fn console_writes_json_frames_from_its_level_on() {
    let Some(seen) = logged(&[("AWS_LAMBDA_LOG_FORMAT", "JSON"), ("AWS_LAMBDA_LOG_LEVEL", "WARN")], false).await else {
        return;
    };
    assert_eq!(
        seen,
        [
            r#"12 {"timestamp":"TIME","level":"WARN","requestId":"ID","message":"w"}"#,
            r#"16 {"timestamp":"TIME","level":"ERROR","requestId":"ID","message":"e"}"#,
            r#"1a {"timestamp":"TIME","level":"FATAL","requestId":"ID","message":"f"}"#,
        ]
    );
    let Some(seen) = logged(&[("AWS_LAMBDA_LOG_FORMAT", "JSON")], false).await else { return };
    assert_eq!(seen[0], r#"e {"timestamp":"TIME","level":"INFO","message":"at load"}"#);
    assert_eq!(seen[7], r#"e {"timestamp":"TIME","level":"INFO","requestId":"ID","message":{"a":[1]}}"#);
    assert!(
        seen[8].contains(r#""errorType":"TypeError","errorMessage":"x","stackTrace":["TypeError: x","#),
        "{}",
        seen[8]
    );
}

#[tokio::test]
async fn console_writes_lines_without_the_pipe() {
    let Some(seen) = logged(&[], true).await else { return };
    assert_eq!(
        seen[..4],
        ["\tundefined\tINFO\tat load", "\tID\tTRACE\tt", "\tID\tDEBUG\td 1 { a: 1 }", "\tID\tINFO\ti\rj"]
    );
}
