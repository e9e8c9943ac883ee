//! What a warm call costs at the door: `invoke` to answer, with each bootstrap as a plain process.
//!
//! `cargo run --release -p lacewing-runtime-api --example round_trip [calls]`. Prints microseconds; the floor is
//! a private ping-pong over a Unix stream between two processes (8 to 11 on the machines measured so far).
#![allow(clippy::unwrap_used)]

#[path = "../tests/support/mod.rs"]
mod support;

use lacewing_model::Language;
use std::path::Path;
use std::time::{Duration, Instant};
use support::{Guest, Start, interpreter, start, work};

const PYTHON: &str = "def handler(event, context):\n    return {'statusCode': 200, 'body': event}\n";
const NODE: &str = "exports.handler = async (event) => ({ statusCode: 200, body: event });\n";

fn main() {
    let calls = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(5_000);
    let single = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let several = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("{:<34} {:>8} {:>8} {:>8}", "path", "p50", "p90", "p99");
    for (name, runtime) in [("1 thread", &single), ("2 threads", &several)] {
        for tcp in [false, true] {
            let path = if tcp { "TCP" } else { "Unix" };
            let python = ("python3", Language::Python(11), "app.handler", [("app.py", PYTHON)]);
            let node = ("node", Language::Node(20), "index.handler", [("index.js", NODE)]);
            for (program, language, handler, files) in [python, node] {
                let Some(program) = interpreter(&[program]) else { continue };
                let how = Start { handler, files: &files, tcp, ..Start::default() };
                let times = runtime.block_on(async {
                    // In a task, as in the server: the outermost future of `block_on` is woken in another way.
                    measure(&program, language, how, calls).await
                });
                let at = |part: usize| times[times.len() * part / 100].as_nanos() as f64 / 1_000.0;
                let title = format!("{} over {path}, {name}", program.display());
                println!("{title:<34} {:>8.1} {:>8.1} {:>8.1}", at(50), at(90), at(99));
            }
        }
    }
}

async fn measure(program: &Path, language: Language, how: Start<'_>, calls: usize) -> Vec<Duration> {
    let guest: Guest = start(program, language, how).await;
    let task = tokio::spawn(async move {
        let mut guest = guest;
        guest.ready().await;
        let work = work(r#"{"key1":"value1","key2":[1,2,3]}"#);
        let mut times = Vec::with_capacity(calls);
        for call in 0..calls + 500 {
            let began = Instant::now();
            let answer = guest.door.invoke(&work).await;
            if call >= 500 {
                times.push(began.elapsed());
            }
            drop(answer);
        }
        times.sort();
        times
    });
    task.await.unwrap()
}
