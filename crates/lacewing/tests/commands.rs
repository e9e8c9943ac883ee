//! Every command by the real binary against a real server.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use std::process::Stdio;
use support::{NATIVE, PATIENCE, Server, command, file, has, lines_of, text};

#[test]
fn a_function_is_deployed_called_watched_billed_and_removed() {
    let server = Server::start();
    let deploy = ["deploy", NATIVE, "--name", "hello", "--description", "says hello"];
    let first = server.json(&deploy);
    assert_eq!((&first["change"], &first["runtime"]), (&json!("created"), &json!("provided.al2023")));
    assert_eq!(server.json(&deploy)["change"], "unchanged");
    let changed = server.json(&[&deploy[..], &["--memory", "256", "--env", "KEY=b=c"]].concat());
    assert_eq!((&changed["change"], &changed["memory_mib"]), (&json!("updated"), &json!(256)));
    assert_eq!(changed["code_sha256"], first["code_sha256"], "the same files are the same package");

    let answer = server.run(&["invoke", "hello", "--payload", r#"{"name":"you"}"#, "--tail"]);
    assert!(answer.status.success(), "{}", text(&answer.stderr));
    let payload: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(payload["event"]["name"], "you");
    let tail = text(&answer.stderr);
    assert!(tail.contains("native: call 1") && tail.contains("REPORT RequestId: "), "{tail}");

    let logs = text(&server.run(&["logs", "hello"]).stdout);
    assert_eq!(logs.matches("native: call 1").count(), 1, "{logs}");
    let listed = server.json(&["ls"]);
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["FunctionName"]), (1, &json!("hello")));
    let bill = server.json(&["cost"]);
    assert_eq!(bill["requests"], 1, "{bill}");
    assert!(bill["lines"].as_array().unwrap().iter().any(|line| line["meter"] == "requests"), "{bill}");
    assert!(text(&server.run(&["cost", "hello"]).stdout).contains("total"));

    assert_eq!(server.json(&["rm", "hello"]), json!({"deleted": ["hello"]}));
    let gone = server.run(&["invoke", "hello"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(text(&gone.stderr).contains("lacewing ls"), "{}", text(&gone.stderr));
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_failing_function_is_an_exit_code_and_its_error_is_on_stderr() {
    if !has("python") {
        return;
    }
    let server = Server::start();
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "broken.py", "def handler(event, context):\n    raise ValueError('no such luck')\n");
    server.json(&["deploy", path.to_str().unwrap()]);
    let answer = server.run(&["invoke", "broken"]);
    assert_eq!((answer.status.code(), text(&answer.stdout).as_str()), (Some(1), ""));
    assert!(text(&answer.stderr).contains("no such luck"), "{}", text(&answer.stderr));
    let answer = server.run(&["invoke", "broken", "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(document["payload"]["errorType"], "ValueError");
}

#[test]
fn followed_logs_show_what_comes_once() {
    let server = Server::start();
    server.json(&["deploy", NATIVE, "--name", "hello"]);
    let mut follow = server.command().args(["logs", "hello", "-f"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = lines_of(follow.stdout.take().unwrap());
    let mut seen = Vec::new();
    for call in 1..=3 {
        assert!(server.run(&["invoke", "hello"]).status.success());
        while seen.iter().filter(|line: &&String| line.contains("REPORT ")).count() < call {
            seen.push(lines.recv_timeout(PATIENCE).unwrap());
        }
    }
    follow.kill().unwrap();
    follow.wait().unwrap();
    let calls: Vec<_> = seen.iter().filter(|line| line.contains("native: call")).collect();
    assert_eq!(calls.len(), 3, "{seen:#?}");
}

#[test]
fn the_environment_makes_other_clients_find_the_server() {
    let server = Server::start();
    let binary = env!("CARGO_BIN_EXE_lacewing");
    let script = format!("eval \"$('{binary}' env)\" && unset LACEWING_DATA_DIR && '{binary}' ls --json");
    let mut shell = std::process::Command::new("/bin/sh");
    for (name, value) in server.command().get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let output = shell.args(["-c", &script]).output().unwrap();
    assert_eq!(text(&output.stdout).trim(), "[]", "{}", text(&output.stderr));
}

#[test]
fn a_foreign_key_is_refused_with_a_hint() {
    let server = Server::start();
    let endpoint = server.json(&["env"])["AWS_ENDPOINT_URL"].as_str().unwrap().to_owned();
    let keys = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "wrong")];
    let output = server.command().args(["ls", "--endpoint", &endpoint]).envs(keys).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("lacewing env"), "{}", text(&output.stderr));
}

#[test]
fn what_needs_no_server_works_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| command(dir.path()).args(arguments).output().unwrap();
    let nobody = run(&["ls"]);
    assert_eq!(nobody.status.code(), Some(3));
    assert!(text(&nobody.stderr).contains("lacewing serve"), "{}", text(&nobody.stderr));
    let doctor = run(&["doctor"]);
    assert!(text(&doctor.stdout).contains("not running"), "{}", text(&doctor.stdout));

    let python = "def handler(event, context): pass\n";
    file(&dir, "app.py", python);
    file(&dir, "main.py", python);
    let unclear = run(&["deploy", dir.path().to_str().unwrap(), "--json"]);
    assert_eq!(unclear.status.code(), Some(2));
    let error: serde_json::Value = serde_json::from_slice(&unclear.stderr).unwrap();
    assert!(error["error"]["hint"].as_str().unwrap().contains("--handler"), "{error}");
}
